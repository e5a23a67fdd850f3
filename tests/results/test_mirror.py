"""What a driver's working copy has comes into the bucket, in an order that makes a whole run."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.locations import Location
from evensweep.datasets.stores import LocationError
from evensweep.results import mirror as mirror_module
from evensweep.results import ownership
from evensweep.results.files import replacing, write_text
from evensweep.results.mirror import Mirror, create_run, working_copy
from evensweep.results.ownership import OWNER, Ownership, OwnershipLostError
from evensweep.results.run_directory import RunDirectory


@pytest.fixture
def run(s3_folder: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """A new run in the bucket, whose driver's machine has a cache of its own."""
    monkeypatch.setenv("EVENSWEEP_CACHE", str(tmp_path / "cache"))
    run = create_run(s3_folder / "run")
    (run.location / "sweep.yaml").write_bytes(b"seed: 1\n")
    return run


def bucket(run: RunDirectory) -> dict[str, bytes]:
    """All objects of a run but the owner's, as a reader sees them."""
    location = run.location
    assert isinstance(location, Location)
    return {name: (location / name).read_bytes() for name in location.files() if name != OWNER}


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def keeps_up(run: RunDirectory, **settings: Any) -> Mirror:
    return Mirror(run, **{"interval": 0.02, **settings})


def only_when_told(run: RunDirectory) -> Mirror:
    """A mirror that uploads when it is flushed, and at no moment of its own."""
    return Mirror(run, interval=3600.0)


def test_a_run_exists_once_and_its_copy_has_a_folder_of_its_own(run: RunDirectory) -> None:
    with pytest.raises(InputError, match=r"run\?.* exists already; choose another --name, or cont"):
        create_run(run.location)
    other = create_run(run.location.parent / "other")
    assert other.root != run.root == working_copy(run.location).root
    assert (run.name, other.name) == ("run", "other")


def test_a_copy_that_cannot_be_made_is_told(
    s3_folder: Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EVENSWEEP_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match=r"can't be written \(Not a dir.*; name .* EVENSWEEP_CACHE"
    ):
        create_run(s3_folder)
    monkeypatch.setenv("EVENSWEEP_CACHE", "")
    root = create_run(s3_folder).root
    assert root.is_dir()
    root.rmdir()


def test_what_is_written_changed_and_deleted_is_followed(run: RunDirectory) -> None:
    with keeps_up(run):
        assert run.sweep.read_text() == "seed: 1\n"
        write_text(run.dataset, "{}")
        run.tune.mkdir()
        run.search_records.write_text("one\n")
        eventually(lambda: bucket(run).get("tune/records.jsonl") == b"one\n")
        # Written in the same tick of the clock, it may come after what stands deeper.
        eventually(lambda: bucket(run).get("dataset.json") == b"{}")
        with run.search_records.open("a") as file:
            file.write("two\n")
        write_text(run.dataset, '{"rows": 3}')
        eventually(lambda: bucket(run)["tune/records.jsonl"] == b"one\ntwo\n")
        eventually(lambda: bucket(run)["dataset.json"] == b'{"rows": 3}')
        run.dataset.unlink()
        eventually(lambda: "dataset.json" not in run.location.files())
    assert bucket(run) == {"sweep.yaml": b"seed: 1\n", "tune/records.jsonl": b"one\ntwo\n"}


def test_the_end_uploads_the_rest_and_leaves_neither_copy_nor_owner(run: RunDirectory) -> None:
    def interrupted() -> None:
        with only_when_told(run):
            write_text(run.dataset, "{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert bucket(run).keys() == {"sweep.yaml", "dataset.json"}
    assert not run.root.exists()
    assert not (run.location / OWNER).exists()


def test_a_flush_has_all_that_was_written_before(run: RunDirectory) -> None:
    with only_when_told(run) as mirror:
        for number in range(3):
            write_text(run.dataset, str(number))
            mirror.flush()
            assert bucket(run)["dataset.json"] == str(number).encode()


def test_temporary_files_locks_and_states_are_left_out(run: RunDirectory) -> None:
    assert isinstance(run.states, Location)
    (run.states / "smote-000.npz").write_bytes(b"by a worker")
    with only_when_told(run) as mirror:
        run.lock.touch()
        with replacing(run.model) as folder:
            folder.mkdir()
            (folder / "model.json").write_text("half")
            mirror.flush()
            assert bucket(run).keys() == {"sweep.yaml", "tune/states/smote-000.npz"}
        assert not (run.root / "tune").exists()
    assert bucket(run).keys() == {"sweep.yaml", "tune/states/smote-000.npz", "model/model.json"}


class LineCutError(Exception):
    """The line is cut; no error that a mirror knows, like the end of its process."""


def cut_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> list[str]:
    """Lets so many objects be written, and then nothing; gives their names in order."""
    written: list[str] = []
    write = Location.write_bytes

    def counted(self: Location, content: Any) -> None:
        if self.name == OWNER:
            return write(self, content)
        if len(written) == writes:
            raise LineCutError
        written.append(self.name)
        return write(self, content)

    monkeypatch.setattr(Location, "write_bytes", counted)
    return written


@pytest.mark.parametrize("writes", range(8))
def test_a_driver_that_is_killed_leaves_what_was_once_the_run(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Whatever is there rests on what is there: an output comes after its inputs, names no clue."""
    mirror = only_when_told(run)
    mirror.__enter__()
    order = [
        run.dataset, run.tune / "records.jsonl", run.history, run.trials, run.folds / "b" / "z.npz",
        run.folds / "a.npz", run.cross_validation,
    ]  # fmt: skip
    for number, path in enumerate(order):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
        os.utime(path, ns=(0, 10**9 * (number // 2)))  # a clock as coarse as a disk's may be
    with replacing(run.model) as folder:
        (folder / "members").mkdir(parents=True)
        (folder / "members" / "x.keras").write_text("network")
        (folder / "model.json").write_text("manifest")
        for path in folder.rglob("*"):
            os.utime(path, ns=(0, 10**10))
    written = cut_after(monkeypatch, writes)
    with pytest.raises(LineCutError):
        mirror.flush()
    everything = [path.name for path in order] + ["x.keras", "model.json"]
    pairs = {frozenset(everything[i : i + 2]) for i in range(0, 6, 2)}
    for number, name in enumerate(written):
        assert name == everything[number] or {name, everything[number]} in pairs
    # Of files of one moment, those further out rest on those further in.
    assert "model.json" not in written or written.index("x.keras") < written.index("model.json")


def test_a_file_that_is_replaced_meanwhile_holds_back_what_rests_on_it(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state that was seen is uploaded, or none: never a new file without its new input."""
    with only_when_told(run) as mirror:
        write_text(run.dataset, "old")
        write_text(run.trials, "rests on old")
        write = Location.write_bytes
        seen: list[tuple[str, bytes]] = []

        def write_and_change(self: Location, content: bytes) -> None:
            if self.name == "dataset.json" and content == b"old":
                write_text(run.dataset, "new")
                write_text(run.trials, "rests on new")
            if self.name != OWNER:
                seen.append((self.name, content))
            write(self, content)

        monkeypatch.setattr(Location, "write_bytes", write_and_change)
        mirror.flush()
    assert seen == [
        ("dataset.json", b"old"), ("dataset.json", b"new"), ("trials.parquet", b"rests on new"),
    ]  # fmt: skip


def test_a_record_that_grows_meanwhile_is_what_it_was_when_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text("one\n")
    stamp = mirror_module._scan(tmp_path)["records.jsonl"]
    with path.open("a") as file:
        file.write("two\n")
    assert mirror_module._content(path, stamp) == b"one\n"
    write_text(path, "another\n")
    assert mirror_module._content(path, stamp) is None
    path.unlink()
    assert mirror_module._content(path, stamp) is None


def test_uploads_take_a_tenth_of_the_time(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Location.write_bytes
    busy: list[float] = []

    def slow(self: Location, content: bytes) -> None:
        if self.name == "records.jsonl":
            busy.append(time.monotonic())
            time.sleep(0.1)
        write(self, content)

    monkeypatch.setattr(Location, "write_bytes", slow)
    with keeps_up(run):
        run.tune.mkdir()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            with run.search_records.open("a") as file:
                file.write("event\n")
            time.sleep(0.02)
    assert 2 <= len(busy) <= 6  # and one at the end


def test_a_copy_that_goes_away_takes_nothing_from_the_bucket(run: RunDirectory) -> None:
    mirror = Mirror(run, interval=3600.0, patience=0.0)
    mirror.__enter__()
    shutil.rmtree(run.root)
    with pytest.raises(LocationError, match="working copy, has gone"):
        mirror.flush()
    assert bucket(run).keys() == {"sweep.yaml"}


class Gone:
    """Takes the server away from the mirror, and brings it back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self._write = Location.write_bytes
        self.asked = threading.Event()

    def leave(self) -> None:
        def fail(location: Location, content: Any) -> None:
            self.asked.set()
            raise LocationError(f"{location} can't be written: no server answers at X; check it")

        self._patch.setattr(Location, "write_bytes", fail)

    def come_back(self) -> None:
        self._patch.setattr(Location, "write_bytes", self._write)


def test_a_server_that_is_gone_for_a_moment_is_waited_for(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Gone(monkeypatch)
    with keeps_up(run) as mirror:
        server.leave()
        write_text(run.dataset, "{}")
        assert server.asked.wait(20)
        mirror.check()
        server.come_back()
        eventually(lambda: "dataset.json" in bucket(run))
        server.leave()
        write_text(run.dataset, "[]")
        threading.Timer(0.3, server.come_back).start()
        mirror.flush()
        assert bucket(run)["dataset.json"] == b"[]"
    warnings = [record for record in caplog.records if "tried again" in record.message]
    assert 1 <= len(warnings) <= 2


def test_a_server_that_stays_away_ends_the_run_and_loses_nothing(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Gone(monkeypatch)
    mirror = keeps_up(run, patience=0.2)
    mirror.__enter__()
    server.leave()
    write_text(run.dataset, "{}")

    def ended() -> bool:
        try:
            mirror.check()
        except LocationError:
            return True
        return False

    eventually(ended)
    for told in (mirror.check, mirror.flush, lambda: mirror.__exit__(None, None, None)):
        with pytest.raises(LocationError) as raised:
            told()
        assert "no server answers at X" in str(raised.value)
        assert f"what it lacks is kept in {run.root}" in str(raised.value)
        assert len(str(raised.value).splitlines()) == 1
    server.come_back()
    assert "dataset.json" not in bucket(run)

    with only_when_told(working_copy(run.location)):
        assert run.dataset.read_text() == "{}"
    assert bucket(run)["dataset.json"] == b"{}"


def test_a_killed_drivers_copy_goes_on_unless_somebody_else_has_worked(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = only_when_told(run)
    here.__enter__()  # and is killed
    write_text(run.dataset, "not uploaded")
    run.tune.mkdir()
    run.search_records.write_text("one\n")
    copy = tmp_path / "copy"
    shutil.copytree(run.root, copy)

    # A cleaner has been in the cache: what is missing there is no deletion.
    run.sweep.unlink()
    with only_when_told(working_copy(run.location)):
        assert (run.sweep.read_text(), run.dataset.read_text()) == ("seed: 1\n", "not uploaded")
    assert bucket(run)["tune/records.jsonl"] == b"one\n"

    # That session gave the run back. The copy that is here again is an old one now.
    shutil.copytree(copy, run.root)
    with only_when_told(working_copy(run.location)):
        write_text(run.dataset, "by a later session")
    shutil.copytree(copy, run.root)
    with only_when_told(working_copy(run.location)):
        assert run.dataset.read_text() == "by a later session"


def test_a_copy_whose_fetching_was_cut_is_never_taken_for_the_newer_one(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.location / "dataset.json").write_bytes(b"{}")

    def fail(*_: Any) -> None:
        raise LineCutError

    with monkeypatch.context() as patch:
        patch.setattr(mirror_module, "fetch_files", fail)
        with pytest.raises(LineCutError):
            only_when_told(run).__enter__()
    with only_when_told(working_copy(run.location)):
        assert run.dataset.read_text() == "{}"
    assert bucket(run).keys() == {"sweep.yaml", "dataset.json"}


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


HERE = socket.gethostname()


@pytest.mark.parametrize(
    ("host", "process", "age", "refused"),
    [
        ("elsewhere", lambda: 1, 0.0, True),
        ("elsewhere", lambda: 1, 59.0, True),
        ("elsewhere", lambda: 1, 61.0, False),
        (HERE, os.getppid, 0.0, True),
        (HERE, os.getppid, 61.0, False),
        (HERE, os.getpid, 0.0, False),  # an earlier session of this very process
        (HERE, dead_process, 0.0, False),
    ],
)
def test_a_driver_that_lives_keeps_others_out(
    run: RunDirectory, host: str, process: Callable[[], int], age: float, refused: bool
) -> None:
    pid = process()
    owner = {"token": "theirs", "host": host, "pid": pid, "time": time.time() - age}
    (run.location / OWNER).write_bytes(json.dumps(owner).encode())
    if refused:
        with pytest.raises(InputError, match=f"is being run by process {pid} on {host}; wait for"):
            only_when_told(run).__enter__()
        assert json.loads((run.location / OWNER).read_bytes()) == owner
    else:
        with only_when_told(run):
            assert json.loads((run.location / OWNER).read_bytes())["pid"] == os.getpid()


def test_an_owner_that_cannot_be_read_is_none(run: RunDirectory) -> None:
    for content in (b"", b"{", b"[]", b'{"who": 1}'):
        (run.location / OWNER).write_bytes(content)
        with only_when_told(working_copy(run.location)):
            pass


def test_a_driver_says_again_and_again_that_it_lives(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "_REFRESH_SECONDS", 0.0)

    def said() -> float:
        return float(json.loads((run.location / OWNER).read_bytes())["time"])

    with keeps_up(run):
        first = said()
        eventually(lambda: said() > first)


def test_a_driver_that_lost_its_run_ends_and_uploads_nothing(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a laptop that was asleep, while the run went on elsewhere."""
    monkeypatch.setattr(ownership, "_REFRESH_SECONDS", 0.0)
    mirror = only_when_told(run)
    mirror.__enter__()
    assert isinstance(run.location, Location)
    other = Ownership(run.location)
    other.claim()
    write_text(run.dataset, "of the one that slept")
    with pytest.raises(OwnershipLostError, match=rf"taken over by process {os.getpid()} on {HERE}"):
        mirror.flush()
    with pytest.raises(OwnershipLostError):
        mirror.__exit__(None, None, None)
    assert bucket(run).keys() == {"sweep.yaml"}
    assert (run.location / OWNER).exists()
