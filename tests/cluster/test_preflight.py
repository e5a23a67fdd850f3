"""Nodes that can't take part in a sweep are found and named before its first trial."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray_processes import RayProcesses, bare_python

import evensweep
from evensweep.cluster import node_probe
from evensweep.cluster.preflight import (
    Needs,
    UnfitClusterError,
    _arrived,
    _check_room,
    _faults,
    _meeting,
)
from evensweep.datasets.locations import Location
from evensweep.search.cluster_check import PACKAGE, PARTS

SCRIPT = Path(__file__).with_name("preflight_run.py")


def node(name: str, labels: dict[str, str] | None = None, **resources: float) -> dict[str, Any]:
    return {
        "NodeID": name * 40,
        "NodeManagerHostname": f"host-{name}",
        "NodeManagerAddress": "10.0.0.1",
        "Resources": resources,
        "Labels": labels or {},
    }


def test_a_trial_that_fits_on_no_node_is_told_with_the_largest() -> None:
    nodes = [node("a", CPU=8.0), node("b", CPU=2.0, GPU=1.0), node("c", CPU=4.0, GPU=1.0)]
    with pytest.raises(UnfitClusterError) as error:
        _check_room({"CPU": 6.0, "GPU": 0.5}, nodes)
    assert str(error.value) == (
        "a trial asks for 6 CPU and 0.5 GPU, and no node has that much: the largest, host-c "
        "(10.0.0.1, node cccccccc), has 4 CPU and 1 GPU; lower resources.cpus or resources.gpus, "
        "or add a larger node"
    )
    _check_room({"CPU": 4.0, "GPU": 0.5}, nodes)


def test_a_cluster_that_grows_may_get_the_node_a_trial_fits_on() -> None:
    _check_room({"CPU": 64.0}, [node("a", {"ray.io/node-group": "workers"}, CPU=1.0)])


NEEDS = Needs(
    resources={"CPU": 1.0},
    exact=["ray"],
    minor=["keras", "pandas"],
    code={"evensweep": ["evensweep"]},
    module_folders=(),
    storage="/nowhere",
    worker_memory=800_000_000,
    shared_rows=2_000_000,
)
MINE = {
    "versions": {"python": "3.11.7", "ray": "2.60.0", "keras": "3.15.0", "pandas": "3.0.1"},
    "code": {"evensweep": ("digest", "/driver")},
}


@pytest.mark.parametrize(
    ("versions", "fault"),
    [
        ({"python": "3.11.9", "keras": "3.15.2"}, ""),
        ({"python": "3.12.1"}, "python 3.12.1 instead of 3.11.7 (install the driver's)"),
        ({"ray": "2.60.1"}, "ray 2.60.1 instead of 2.60.0 (install the driver's)"),
        (
            {"keras": "3.9.0", "pandas": None},
            "keras 3.9.0 instead of 3.15.0, no pandas 3.0.1 (install the driver's)",
        ),
    ],
)
def test_versions_that_matter_are_compared_as_far_as_they_do(
    versions: dict[str, str | None], fault: str
) -> None:
    told = {"versions": MINE["versions"] | versions, "code": MINE["code"]}
    idle = node("a")  # without a CPU, and so without storage and TensorFlow
    assert list(_faults(NEEDS, MINE, idle, told, ".meeting")) == ([fault] if fault else [])


def test_what_a_working_node_lacks_is_told_with_the_remedies() -> None:
    told = {
        **MINE,
        "storage": "no /nowhere",
        "memory": 500_000_000,
        "tensorflow": "a TensorFlow that can't be imported (ImportError: no AVX)",
        "gpus": None,
    }
    working = node("a", CPU=2.0, object_store_memory=1e6)
    assert list(_faults(NEEDS, MINE, working, told, ".meeting")) == [
        "no /nowhere (mount the driver's, or choose a storage that all nodes share)",
        "500 MB of free memory, and a worker takes 800 MB (make room, or remove the node)",
        "a TensorFlow that can't be imported (ImportError: no AVX) (mend it)",
        "an object store of 1 MB, and the views take 2 MB "
        "(start Ray there with a larger --object-store-memory)",
    ]
    broken = list(_faults(NEEDS, MINE, working, RuntimeError("its worker died\nsoon"), ".meeting"))
    assert broken == ["failed to run the check (RuntimeError: its worker died)"]


def test_missing_packages_and_others_are_told_apart() -> None:
    told = node_probe.versions(["ray", "no-such-package"])
    assert told["python"] == ".".join(map(str, sys.version_info[:3]))
    assert told["ray"] is not None
    assert told["no-such-package"] is None


def test_code_is_compared_by_what_stands_in_its_files(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "models_of_a_user.py").write_text("WIDTH = 64\n")
    code = {"module": ["models_of_a_user"]}

    def digest(folder: str) -> str:
        found = node_probe.digests(code, [str(tmp_path / folder)])["module"]
        assert found is not None
        assert found[1] == str(tmp_path / folder / "models_of_a_user.py")
        return found[0]

    assert node_probe.digests(code) == {"module": None}
    assert digest("one") == digest("two")
    (tmp_path / "two" / "models_of_a_user.py").write_text("WIDTH = 65\n")
    assert digest("one") != digest("two")


def test_every_folder_of_the_package_is_compared() -> None:
    whole = {"whole": [PACKAGE, *(f"{PACKAGE}.{part}" for part in PARTS)]}
    assert node_probe.digests(whole)["whole"] is not None
    for left_out in range(len(whole["whole"])):
        part = {"whole": [name for i, name in enumerate(whole["whole"]) if i != left_out]}
        assert node_probe.digests(part) != node_probe.digests(whole)


def test_a_bucket_is_met_in_by_its_whole_uri(s3_folder: Location) -> None:
    with _meeting(s3_folder.uri) as folder:
        assert node_probe.meet(s3_folder.uri, folder, "node") is None
        assert _arrived(s3_folder.uri, folder, "node")
        other = (s3_folder / "elsewhere").uri
        assert node_probe.meet(other, folder, "node") == f"no {other}"
    assert s3_folder.files() == []


def test_a_storage_is_shared_if_both_sides_read_what_the_other_wrote(tmp_path: Path) -> None:
    shared, other = tmp_path / "shared runs", tmp_path / "other"
    for storage in (shared, other):
        (storage / ".meeting").mkdir(parents=True)
    node_probe.write_text(str(shared), ".meeting", node_probe.DRIVER, ".meeting")

    assert node_probe.meet(str(shared), ".meeting", "node") is None
    assert node_probe.read_text(str(shared), ".meeting", "node") == ".meeting"
    assert node_probe.meet(shared.as_uri(), ".meeting", "by its URI") is None
    assert (shared / ".meeting" / "by its URI").read_text() == ".meeting"

    own = f"a {other} of its own, which is not the driver's"
    assert node_probe.meet(str(other), ".meeting", "node") == own
    assert node_probe.meet(str(tmp_path / "none"), ".meeting", "node") == f"no {tmp_path / 'none'}"
    (other / ".meeting" / node_probe.DRIVER).write_text("of an earlier run")
    assert "other bytes" in str(node_probe.meet(str(other), ".meeting", "node"))


def test_a_storage_that_can_not_be_used_is_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / ".meeting").mkdir()
    node_probe.write_text(str(tmp_path), ".meeting", node_probe.DRIVER, ".meeting")
    (tmp_path / ".meeting" / "node").mkdir()  # so that no file can be written there
    problem = node_probe.meet(str(tmp_path), ".meeting", "node")
    assert re.match(f"no use of {re.escape(str(tmp_path))} \\(\\w*Error: .+\\)$", str(problem))


def can_hide_a_folder() -> bool:
    """Whether this user may give a process mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def cluster(
    storage: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RayProcesses, int]]:
    """A good head, a node with another Evensweep, one with none, and one without the storage.

    And the process of the second one's raylet. The other Evensweep differs by a comment.
    """
    other = tmp_path_factory.mktemp("other")
    source = Path(evensweep.__file__).resolve().parents[1]
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "evensweep", other / "evensweep", ignore=ignored)
    for part in ("datasets", "results", "cluster", "trainables", "search"):
        shutil.copytree(source / part, other / "evensweep" / part, ignore=ignored)
    with (other / "evensweep" / "search" / "errors.py").open("a") as file:
        file.write("# of an older day\n")
    with RayProcesses() as cluster:
        cluster.start_head("--num-cpus=1 --include-dashboard=false")
        started = cluster.start_node(
            "--num-cpus=1 --num-gpus=1",
            '--resources={"other":1}',
            environment={"PYTHONPATH": str(other)},
        )
        cluster.start_node(
            "--num-cpus=1",
            '--resources={"bare":1}',
            python=bare_python(tmp_path_factory.mktemp("bare")),
            environment={"PYTHONPATH": ""},
        )
        if can_hide_a_folder():
            hidden = f'mount -t tmpfs none "{storage}" && exec "$@"'
            cluster.start_node(
                "--num-cpus=1",
                '--resources={"hidden":1}',
                before=["unshare", "--mount", "sh", "-c", hidden, "sh"],
            )
        family = psutil.Process(started.pid).children(recursive=True)
        [raylet] = [process for process in family if process.name() == "raylet"]
        yield cluster, raylet.pid
        raylet.kill()


@pytest.fixture(scope="module")
def refused(cluster: tuple[RayProcesses, int], storage: Path) -> dict[str, str]:
    """The faults that the command line tells of a sweep, by the beginning of the node's id."""
    command = [sys.executable, "-m", "evensweep", "run", "--address", cluster[0].address]
    ran = subprocess.run(
        [*command, "--out", str(storage)],
        capture_output=True, text=True, timeout=200, env=cluster[0].environment,
    )  # fmt: skip
    assert ran.returncode == 2, ran.stdout + ran.stderr
    [line] = ran.stderr.splitlines()
    faults = faults_of(line)
    told = rf"evensweep: {len(faults)} of the cluster's [34] nodes can't take part in the sweep: "
    assert re.match(told, line)
    assert list(storage.iterdir()) == []
    return faults


@pytest.fixture(scope="module")
def found(
    refused: dict[str, str], cluster: tuple[RayProcesses, int], storage: Path
) -> dict[str, Any]:
    """What is wrong with which nodes, for other sweeps; afterwards one of the nodes hangs."""
    nodes, raylet = cluster
    ran = subprocess.run(
        [sys.executable, str(SCRIPT), nodes.address, str(storage), str(raylet)],
        capture_output=True, text=True, timeout=280, env=nodes.environment,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def marked(found: dict[str, Any], mark: str) -> str:
    """The beginning of the id of the node that has a resource of its own."""
    [name] = [name for name, resources in found["nodes"].items() if mark in resources]
    return str(name)


def faults_of(told: str) -> dict[str, str]:
    """What the sentence says of every node, by the beginning of its id."""
    faults: dict[str, str] = {}
    for part in told.partition(": ")[2].split("; "):
        names, _, fault = re.split(r"\) (has|have) ", part, maxsplit=1)
        for name in re.findall(r"node (\w{8})", names):
            faults[name] = f"{faults[name]}; {fault}" if name in faults else fault
    return faults


def test_unfit_nodes_are_named_each_with_its_fault(
    refused: dict[str, str], found: dict[str, Any]
) -> None:
    other, bare = marked(found, "other"), marked(found, "bare")
    assert {other, bare} <= set(refused) < set(found["nodes"])
    assert refused[other].startswith("another evensweep than the driver, in ")
    assert refused[bare].startswith("no evensweep (install it there")
    assert found["left"] == []


def test_what_trials_ask_for_is_looked_for_on_every_node(found: dict[str, Any]) -> None:
    faults = faults_of(found["demanding"])
    assert set(faults) == set(found["nodes"])
    for fault in faults.values():
        assert re.search(r"an object store of [\d.]+ [GM]B, and the views take 1000.0 GB", fault)
    [without] = [name for name, fault in faults.items() if "no GPU that TensorFlow sees" in fault]
    assert without == marked(found, "other")  # the one that is said to have some


def test_a_storage_that_is_not_shared_is_found(
    refused: dict[str, str], found: dict[str, Any], storage: Path
) -> None:
    if not can_hide_a_folder():
        pytest.skip("this user may not give a process mounts of its own, to hide the storage")
    fault = refused[marked(found, "hidden")]
    run = rf"no {re.escape(str(storage))}/demonstration-[\d-]+ \(mount the driver's, or choose a"
    assert re.match(run, fault)


def test_a_node_that_hangs_is_named(found: dict[str, Any]) -> None:
    faults = faults_of(found["hanging"])
    assert [name for name, fault in faults.items() if "given no answer in time" in fault] == [
        marked(found, "other")
    ]
