"""Fixtures shared by all tests; the slow parts (Ray, one finished sweep) start once a session."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from evensweep.cluster.session import Session

_SLOW = {"faults", "integration"}
"""Folders of tests that run whole sweeps."""

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow files first: the short ones then fill the gap while the last slow one ends."""
    with_ray = {item.path for item in items if "ray_session" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path.parent.name not in _SLOW and item.path not in with_ray)


@pytest.fixture(scope="session", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Traced programs of these tests, and of the processes they start, apart from the user's."""
    folder = tmp_path_factory.mktemp("graphs")
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
def audiobooks() -> Path:
    """The real audiobooks table, which is not part of the product."""
    path = SHARED_DATA / "audiobooks.csv"
    if not path.exists():
        pytest.skip(f"the audiobooks table is not at {path}")
    return path
