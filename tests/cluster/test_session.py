"""What a session keeps open for the sweeps in it, and who reaches it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest
from ray._private import worker

from evensweep.cluster import dashboard
from evensweep.cluster.session import Session, ray_session


class Kept:
    """Remembers what was opened and closed."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.usable = True

    @contextmanager
    def open(self, name: str) -> Iterator[str]:
        self.events.append(f"open {name}")
        yield name
        self.events.append(f"close {name}")

    def of(self, session: Session, name: str) -> str:
        return session.keep(name, lambda: self.open(name), lambda _: self.usable)


@pytest.fixture
def session() -> Session:
    return Session(cpus=2, dashboard=None, token_required=False, joined=False)


def test_what_is_wanted_again_is_opened_once(session: Session) -> None:
    kept = Kept()
    assert [kept.of(session, "a") for _ in range(3)] == ["a"] * 3
    assert kept.events == ["open a"]


def test_something_else_takes_its_place(session: Session) -> None:
    kept = Kept()
    for name in "abba":
        kept.of(session, name)
    assert kept.events == ["open a", "close a", "open b", "close b", "open a"]


def test_what_works_no_more_is_opened_anew(session: Session) -> None:
    kept = Kept()
    kept.of(session, "a")
    kept.usable = False
    kept.of(session, "a")
    assert kept.events == ["open a", "close a", "open a"]


def test_release_closes_it_once(session: Session) -> None:
    kept = Kept()
    kept.of(session, "a")
    session.release()
    session.release()
    assert kept.events == ["open a", "close a"]
    kept.of(session, "a")
    assert kept.events[2:] == ["open a"]


def test_what_fails_to_open_is_not_kept(session: Session) -> None:
    def failing() -> Iterator[str]:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        session.keep("a", failing, bool)
    kept = Kept()
    assert kept.of(session, "a") == "a"


def test_a_dashboard_that_ends_as_it_starts_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["false"])
    ended.wait()
    node = SimpleNamespace(
        all_processes={"dashboard": [SimpleNamespace(process=ended)]}, get_gcs_client=lambda: None
    )
    monkeypatch.setattr(worker, "_global_node", node)
    assert dashboard.address() is None


def test_a_session_in_a_session_is_the_same_and_stays_open(ray_session_of_tests: Session) -> None:
    kept = Kept()
    with ray_session() as inner:
        assert inner is ray_session_of_tests
        kept.of(inner, "a")
    assert kept.events == ["open a"]
    ray_session_of_tests.release()
    assert kept.events == ["open a", "close a"]


@pytest.fixture
def ray_session_of_tests(request: pytest.FixtureRequest) -> Session:
    return request.getfixturevalue("ray_session")


def test_all_of_a_session_here_listens_on_the_loopback(ray_session: None) -> None:
    here = psutil.Process()
    listening = {
        connection.laddr.ip
        for process in (here, *here.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
