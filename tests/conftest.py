"""Fixtures shared by all tests; the slow parts (Ray, one finished sweep) start once a session."""

import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from evensweep.cluster.session import Session
    from evensweep.datasets.locations import Location

_SLOW = {"faults", "integration"}
"""Folders of tests that run whole sweeps."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: the short ones then fill the gap while the last slow one ends.

    Whole sweeps that take minutes are left out, unless they are asked for.
    """
    for item in items:
        if "EVENSWEEP_FAULTS" not in os.environ and item.get_closest_marker("minutes"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: make faults"))
    with_ray = {item.path for item in items if "ray_session" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path.parent.name not in _SLOW and item.path not in with_ray)


@pytest.fixture(scope="session", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Traced programs of these tests, and of the processes they start, apart from the user's."""
    base = tmp_path_factory.getbasetemp()
    # What the processes of pytest-xdist share, each of which has a folder of its own in there.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "graphs"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EVENSWEEP_CACHE", str(folder))
        yield folder


@pytest.fixture
def forgotten_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets go of the modules that a test has written and imported, so that others may be new."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture(scope="session")
def ray_session(graph_cache: Path) -> Iterator["Session"]:
    """A Ray session with two CPUs that every test needing Ray uses; sweeps share its workers."""
    from evensweep.search.sweep import session_for_sweeps

    with session_for_sweeps(cpus=2) as session:
        yield session


@pytest.fixture(scope="module")
def free_cluster(ray_session: "Session") -> None:
    """For tests with workers or tasks of their own: those of earlier sweeps end before."""
    ray_session.release()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of a server that speaks S3, with a bucket called ``bucket``."""
    from pyarrow.fs import S3FileSystem

    # A process of its own: what plays Amazon's API in this one starts with no buckets.
    server = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; main()", "-H127.0.0.1", "-p0"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stderr is not None
    host, port = next(
        address.groups()
        for line in server.stderr
        if (address := re.search(r"http://([\d.]+):(\d+)", line))
    )
    threading.Thread(target=server.stderr.read, daemon=True).start()  # or the pipe would fill
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("AWS_"):
                patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAMARKEDACCESSKEY")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "marked/secret/access/key")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        storage = S3FileSystem(
            endpoint_override=f"http://{host}:{port}",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        storage.create_dir("bucket")
        yield f"http://{host}:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def s3_folder(s3_endpoint: str) -> "Location":
    """An empty folder of its own in the server's bucket."""
    from evensweep.datasets.locations import Location, parse_location

    location = parse_location(f"s3://bucket/{uuid.uuid4()}?endpoint_override={s3_endpoint}")
    assert isinstance(location, Location)
    return location


@pytest.fixture
def s3_denies(s3_endpoint: str) -> Iterator[None]:
    """The server asks who one is, and knows nobody."""
    for requests_before in (0, 10**9):
        address, number = f"{s3_endpoint}/moto-api/reset-auth", str(requests_before).encode()
        urlopen(Request(address, number, {"Content-Type": "text/plain"})).close()
        if not requests_before:
            yield


@pytest.fixture(scope="session")
def audiobooks() -> Path:
    """The real audiobooks table, which is not part of the product."""
    path = SHARED_DATA / "audiobooks.csv"
    if not path.exists():
        pytest.skip(f"the audiobooks table is not at {path}")
    return path
