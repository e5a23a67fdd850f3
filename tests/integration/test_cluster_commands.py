"""What commands for a cluster refuse, print and exit with, where none computes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from command_line import call, sentence

from evensweep.cluster.jobs import Job
from evensweep.cluster.session import ClusterError
from evensweep.datasets.locations import Location


class Cluster:
    """In place of ``Jobs``: what it was sent, and the job that it tells of."""

    sent: ClassVar[list[Any]] = []
    status: ClassVar[str] = "SUCCEEDED"
    metadata: ClassVar[dict[str, str]] = {}

    def __init__(self, address: str) -> None:
        self.address = address

    def submit(self, *sent: object) -> None:
        self.sent.append(sent)

    def get(self, job: str) -> Job:
        return Job(job, self.status, "evensweep: no rows", self.metadata, 1.0, 2.0, "node")

    def follow(self, job: str, show: Callable[[str], None]) -> Job:
        return self.get(job)

    def all(self) -> list[Job]:
        return [self.get("mine")]

    def read(self, job: Job, name: str) -> Iterator[bytes] | None:
        raise ClusterError("the node has gone")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Cluster]:
    monkeypatch.setattr("evensweep.cluster.jobs.Jobs", Cluster)
    monkeypatch.setattr(Cluster, "sent", [])
    monkeypatch.chdir(tmp_path)
    for variable in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(variable, raising=False)
    return Cluster


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--mlflow", "http://user:swordfish@host"], "the address of MLflow holds a password"),
        (["--mlflow", "http://[swordfish"], "the address of MLflow is malformed"),
        (["--name", "mine", "-o", "there"], "mine exists already; choose another -o or --name"),
        (["--python", "conda run 'x"], "--python has an open quote, got conda run 'x; close it"),
    ],
)
def test_what_is_wrong_here_is_not_sent(
    cluster: type[Cluster], words: list[str], told: str
) -> None:
    Path("there", "mine").mkdir(parents=True)
    line = sentence(call("submit", *words))
    assert told in line
    assert "swordfish" not in line
    assert cluster.sent == []


@pytest.mark.parametrize("words", [["submit", "--name", "mine"], ["fetch", "mine"]])
def test_a_fetched_run_goes_to_a_folder(cluster: type[Cluster], words: list[str]) -> None:
    result = call(*words, "-o", "s3://bucket/runs")
    assert result.exit_code == 2
    assert "a folder of this machine is needed" in result.stderr
    assert cluster.sent == []


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 2), ("FAILED", 1)])
def test_a_run_that_can_not_be_fetched_hides_no_failure(
    cluster: type[Cluster], monkeypatch: pytest.MonkeyPatch, status: str, code: int
) -> None:
    monkeypatch.setattr(cluster, "status", status)
    result = call("submit", "--name", "mine")
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    assert lines[0] == (
        "evensweep: the node has gone; the run is fetched with: evensweep fetch mine"
    )
    assert lines[1:] == ([] if code == 2 else ["evensweep: job mine failed: no rows"])


@pytest.mark.parametrize("answer", [None, []])
def test_a_job_without_a_run_says_so(
    cluster: type[Cluster], monkeypatch: pytest.MonkeyPatch, answer: list[bytes] | None
) -> None:
    monkeypatch.setattr(cluster, "read", lambda *_: answer)
    assert "job mine has left no run; evensweep logs mine says" in sentence(call("fetch", "mine"))


def test_a_run_in_a_bucket_is_announced_if_it_has_begun(
    cluster: type[Cluster], s3_folder: Location
) -> None:
    for begun in (False, True):
        if begun:
            (s3_folder / "mine" / "sweep.yaml").write_bytes(b"{}")
        result = call("submit", "--name", "mine", "--out", s3_folder)
        assert result.exit_code == 0, result.output
        assert (f"the run: {s3_folder / 'mine'}; look" in result.stdout) == begun


def test_a_run_in_a_bucket_that_is_not_for_this_machine_is_announced(
    cluster: type[Cluster], s3_folder: Location, s3_denies: None
) -> None:
    result = call("submit", "--name", "mine", "--out", s3_folder)
    assert f"the run: {s3_folder / 'mine'}; look" in result.stdout


def test_metadata_are_no_markup(cluster: type[Cluster], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "metadata", {"evensweep": "0", "table": "[/b]", "views": "[red]"})
    listed = call("jobs").stdout
    assert "[/b]" in listed
    assert "[red]" in listed


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://127.0.0.1:8265"),
        ({"RAY_ADDRESS": "10.0.0.5:6379"}, "http://127.0.0.1:8265"),
        ({"RAY_ADDRESS": "https://head"}, "https://head"),
        ({"RAY_ADDRESS": "https://head", "RAY_API_SERVER_ADDRESS": "api:8265"}, "api:8265"),
    ],
)
def test_a_dashboard_is_found_in_the_environment(
    cluster: type[Cluster],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    address: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    result = call("submit", "--name", "mine", "--no-wait")
    assert result.stdout.startswith(f"job mine is submitted to {address}\n")


def test_arrays_of_the_cluster_stay_there(cluster: type[Cluster]) -> None:
    views = {"smote": "/mnt/smote.npz", "natural": "s3://bucket/natural.npz"}
    words = [word for view, file in views.items() for word in ("--data", f"{view}={file}")]
    result = call("submit", "--no-wait", "--remote-data", "--no-ship", *words)
    assert result.exit_code == 0, result.output
    [(_, _, _, _, metadata)] = cluster.sent
    assert metadata["table"] == "/mnt/smote.npz, s3://bucket/natural.npz"


def test_the_way_to_go_on_joins_the_same_cluster(
    cluster: type[Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(address: str, cpus: None) -> None:
        raise ClusterError(f"nobody answers at {address}")

    monkeypatch.setattr("evensweep.search.sweep.session_for_sweeps", nobody)
    result = call("run", "--name", "mine", "--address", "head:6379")
    assert result.exit_code == 1, result.output
    resume = f"evensweep resume {Path.cwd() / 'runs' / 'mine'} --address head:6379"
    assert result.stderr.endswith(f"go on with: {resume}\n")
