"""Fixtures shared by all tests; the slow parts (Ray, one finished sweep) start once a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """A Ray session with two CPUs that every test needing Ray uses."""
    from evensweep.cluster.session import ray_session as start

    with start(cpus=2):
        yield


@pytest.fixture(scope="session")
def audiobooks() -> Path:
    """The real audiobooks table, which is not part of the product."""
    path = SHARED_DATA / "audiobooks.csv"
    if not path.exists():
        pytest.skip(f"the audiobooks table is not at {path}")
    return path
