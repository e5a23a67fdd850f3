"""The client of Ray's Jobs API, against a head with a dashboard that wants a token."""

import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ray_processes import RayProcesses, free_port

from evensweep.cluster.jobs import UPLOAD_LIMIT, Job, Jobs
from evensweep.cluster.session import ClusterError

TOKEN = "a-token-of-these-tests"

LOGS = "logs = pathlib.Path.cwd().parents[2] / 'logs'"
"""The folder of the session's logs, seen from a job's folder."""


@pytest.fixture(scope="module")
def head() -> Iterator[RayProcesses]:
    with RayProcesses({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}) as cluster:
        cluster.start_head("--num-cpus=1")
        yield cluster


@pytest.fixture
def jobs(head: RayProcesses, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    # Ray's own client would take these before the address it is given.
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    return Jobs(head.dashboard)


def program(folder: Path, *lines: str) -> Path:
    """A folder with a program that a job runs."""
    folder.mkdir()
    (folder / "program.py").write_text("\n".join(("import os, pathlib, time", *lines)) + "\n")
    return folder


def followed(jobs: Jobs, name: str) -> tuple[Job, str]:
    """The job at its end, and what it printed; in a thread, since the tests of pages leave an event
    loop in the main one."""
    printed: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        job = executor.submit(jobs.follow, name, printed.append).result()
    return job, "".join(printed)


def test_a_job_has_its_folder_its_variables_and_its_metadata(jobs: Jobs, tmp_path: Path) -> None:
    folder = program(tmp_path / "job", "print(os.environ['WORD'], open('beside.txt').read())")
    (folder / "beside.txt").write_text("from the folder")
    jobs.submit("hello", "python program.py", folder, {"WORD": "hello"}, {"run": "hello"})

    job, printed = followed(jobs, "hello")

    assert job.status == "SUCCEEDED"
    assert job.has_ended
    assert dict(job.metadata) == {"run": "hello"}
    assert job.started is not None
    assert job.ended is not None
    assert job.started <= job.ended
    assert printed.count("hello from the folder\n") == 1
    assert printed == jobs.log("hello")
    assert jobs.all()[0] == jobs.get("hello")
    with pytest.raises(ClusterError, match="has a job hello already; choose another --name"):
        jobs.submit("hello", "python program.py", folder, {}, {})


def test_files_of_any_bytes_are_read_from_the_node(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (bytes(range(256)) + b"\x1b[31mred\x1b[0m\r\n") * 20_000
    folder = program(
        tmp_path / "job",
        LOGS,
        "content = (bytes(range(256)) + b'\\x1b[31mred\\x1b[0m\\r\\n') * 20_000",
        "(logs / 'bytes.bin').write_bytes(content)",
        "(logs / 'empty.bin').touch()",
    )
    jobs.submit("bytes", "python program.py", folder, {}, {})
    job, _ = followed(jobs, "bytes")

    read = jobs.read(job, "bytes.bin")
    assert read is not None
    assert b"".join(read) == content
    assert b"".join(jobs.read(job, "empty.bin") or [b"missing"]) == b""
    assert jobs.read(job, "no-such-file") is None

    ask = jobs._client._do_request

    def forgetful(*request: Any, **options: Any) -> Any:
        """Answers as Ray does when the error of its agent gets lost."""
        answer = ask(*request, **options)
        if "not found at" in answer.text:
            answer.status_code, answer._content = 200, b""
        return answer

    monkeypatch.setattr(jobs._client, "_do_request", forgetful)
    assert jobs.read(job, "no-such-file") is None
    assert b"".join(jobs.read(job, "empty.bin") or [b"missing"]) == b""


def test_a_job_that_fails_says_why(jobs: Jobs, tmp_path: Path) -> None:
    folder = program(tmp_path / "job", "print('evensweep: no such column')", "raise SystemExit(2)")
    jobs.submit("failing", "python program.py", folder, {}, {})
    job, _ = followed(jobs, "failing")
    assert job.status == "FAILED"
    assert "evensweep: no such column" in job.message


def test_a_job_that_is_stopped_has_time_for_its_goodbye(jobs: Jobs, tmp_path: Path) -> None:
    folder = program(
        tmp_path / "job",
        "import signal",
        "def goodbye(number, frame):",
        "    time.sleep(6)  # twice of what Ray gives by itself",
        "    print('goodbye')",
        "    raise SystemExit",
        "signal.signal(signal.SIGTERM, goodbye)",
        "print('ready')",
        "time.sleep(600)",
    )
    jobs.submit("long", "python program.py", folder, {}, {})
    deadline = time.monotonic() + 60
    while "ready" not in jobs.log("long"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert jobs.stop("long").status == "STOPPED"
    assert jobs.log("long").endswith("ready\ngoodbye\n")


def test_a_log_goes_on_where_its_connection_was_lost(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = tmp_path / "lost"
    folder = program(
        tmp_path / "job",
        "print('line 0\\nline 1', flush=True)",
        f"while not os.path.exists({str(lost)!r}): time.sleep(0.1)",
        "print('line 2', flush=True)",
    )
    jobs.submit("lines", "python program.py", folder, {}, {})
    tail = jobs._client.tail_job_logs

    async def losing(job: str) -> AsyncIterator[str]:
        async for text in tail(job):
            yield text
            if not lost.exists() and "line 1" in text:
                lost.touch()
                raise RuntimeError("WebSocket connection closed unexpectedly")

    monkeypatch.setattr(jobs._client, "tail_job_logs", losing)
    _, printed = followed(jobs, "lines")
    assert printed == jobs.log("lines")
    assert printed.endswith("line 2\n")

    assert lost.exists()


def test_a_missing_job_is_told(jobs: Jobs) -> None:
    for ask in (jobs.get, jobs.log, jobs.stop, lambda job: jobs.follow(job, print)):
        with pytest.raises(ClusterError, match="has no job none; evensweep jobs lists them"):
            ask("none")


def test_a_wrong_token_and_a_missing_one_are_told(
    head: RayProcesses, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    with pytest.raises(ClusterError) as wrong:
        Jobs(head.dashboard)
    assert str(wrong.value) == (
        f"the cluster at {head.dashboard} doesn't take this token; set RAY_AUTH_TOKEN to what "
        "ray get-auth-token prints on its head"
    )
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match="wants a token; set RAY_AUTH_TOKEN to what"):
        Jobs(head.dashboard)
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    assert Jobs(head.dashboard).all() is not None


def test_rays_own_token_file_is_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from evensweep.cluster.jobs import _token

    for variable in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("mine")

    assert _token("http://127.0.0.1:8265") == "mine"
    assert _token("http://localhost:8265") == "mine"
    assert _token("http://10.0.0.5:8265") is None
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert _token("http://10.0.0.5:8265") == "mine"


@pytest.mark.parametrize(
    "address", ["auto", "ray://head:10001", "http://", "ftp://head:21", "http://[x"]
)
def test_an_address_that_is_no_dashboards_is_told(address: str) -> None:
    with pytest.raises(ClusterError, match="is no address of a dashboard; write it as http://"):
        Jobs(address)


def test_an_address_where_nobody_answers_is_told(head: RayProcesses) -> None:
    silent = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ClusterError, match=f"no dashboard of Ray answers at {silent}"):
        Jobs(silent)
    with pytest.raises(ClusterError, match="no dashboard of Ray answers at"):
        Jobs(head.address)  # the cluster's, where something else answers


def test_the_limit_is_that_of_rays_dashboard() -> None:
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert UPLOAD_LIMIT == DASHBOARD_CLIENT_MAX_SIZE
