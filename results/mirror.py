"""A run in object storage: its working copy on the driver's machine, and what uploads it.

A run needs a file system for records that grow, locks and renaming. The mirror uploads what changes
in the order in which it was written, so that the bucket always has the run as it once was: what a
file rests on is there before the file.
"""

import hashlib
import logging
import os
import shlex
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ..datasets.errors import InputError
from ..datasets.locations import Location
from ..datasets.stores import LocationError, RefusedError, patiently
from .copies import fetch_files
from .files import CACHE, cache_folder
from .ownership import OWNER, Ownership, OwnershipLostError
from .run_directory import STATES, RunDirectory

log = logging.getLogger(__name__)

_INTERVAL = 1.0
"""Seconds between two looks at the working copy."""

_SHARE = 0.1
"""Of the time that uploads may take, since a record that grows is uploaded whole."""

_PATIENCE, _LAST_PATIENCE = 60.0, 10.0
"""Seconds for which a server may be gone: while the run goes on, and when it has ended."""

_GROWING = {".jsonl", ".log"}
"""Suffixes of files that grow at their ends; others are replaced whole."""


def create_run(location: Path | Location) -> RunDirectory:
    """A new, empty run, to work in.

    Raises:
        InputError: Something stands at ``location`` already, or it can't be written.
    """
    if isinstance(location, Path):
        return RunDirectory.create(location)
    if location.files():
        raise InputError(
            f"{location} exists already; choose another --name, or continue it with "
            f"evensweep resume {shlex.quote(str(location))}"
        )
    return working_copy(location)


def discard_unused(run: RunDirectory) -> None:
    """Deletes a new run in which nothing has been done yet."""
    if run.environment.exists() or (run.location / run.environment.name).exists():
        return
    run.delete(run.sweep)
    shutil.rmtree(run.root, ignore_errors=True)


def working_copy(location: Path | Location) -> RunDirectory:
    """The run directory that a driver works in: the run itself, or its copy on this machine.

    Raises:
        InputError: The copy's folder can't be written.
    """
    if isinstance(location, Path):
        return RunDirectory(location.resolve())
    identity = f"{location.store.scheme}://{location.store.endpoint}/{location.path}"
    name = f"{location.name}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    cache = cache_folder()
    root = cache / "runs" / name if cache else Path(tempfile.mkdtemp(prefix="evensweep-"))
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{root}, where the run's working copy goes, can't be written ({error.strerror}); "
            f"name another folder in {CACHE}"
        ) from error
    return RunDirectory(root, location)


class Mirror:
    """Uploads a run's working copy, as long as the block lasts and when it ends.

    At its beginning, the copy becomes what the bucket has. If nobody has worked on the run since a
    driver of this machine that could not upload all it had, its copy is the newer one, and stays.

    Args:
        run: The run, whose working copy nobody else works in.
        interval: Seconds between two looks at the working copy.
        patience: Seconds for which a server may be gone.

    Raises:
        InputError: Another driver works on the run.
        LocationError: Its storage can't be used, or could not for longer than a while. What is not
            in it is kept in the working copy.
    """

    def __init__(
        self,
        run: RunDirectory,
        *,
        interval: float = _INTERVAL,
        patience: float = _PATIENCE,
    ) -> None:
        assert isinstance(run.location, Location), "a run in a folder needs no mirror"
        self._run = run
        self._location = run.location
        self._interval = interval
        self._patience = patience
        self._ownership = Ownership(run.location)
        self._uploaded: dict[str, _Stamp] = {}
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._error: LocationError | None = None
        self._thread = threading.Thread(target=self._keep_up, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        root, sessions = self._run.root, self._run.root / OWNER
        last = self._ownership.last()
        newer = last is not None and sessions.exists() and last in sessions.read_text().split()
        if newer:
            with sessions.open("a") as file:
                file.write(f"{self._ownership.token}\n")
        self._ownership.claim()
        names = [name for name in self._location.files() if _is_mirrored(name)]
        if newer:
            missing = [name for name in names if not (root / name).exists()]
            fetch_files(self._location, root, missing, self._ownership.keep)
        else:
            _empty(self._run)
            fetch_files(self._location, root, names, self._ownership.keep)
            self._uploaded = _scan(root)
            # Last: a copy that names no session is not whole, and is never taken for newer.
            sessions.write_text(f"{self._ownership.token}\n")
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._upload(_LAST_PATIENCE)
        self._ownership.give_back()
        # What comes in meanwhile is another driver's of this machine, which goes on with the run.
        shutil.rmtree(self._run.root, ignore_errors=True)

    def flush(self) -> None:
        """Uploads all that has changed, now."""
        self._upload(self._patience)

    def check(self) -> None:
        """Raises what has ended the uploads, if something has."""
        if self._error is not None:
            raise self._error

    def _upload(self, patience: float) -> None:
        self.check()
        try:
            patiently(self._upload_changes, patience, _INTERVAL)
        except LocationError as error:
            raise self._final(error) from error

    def _keep_up(self) -> None:
        due = last_time = time.monotonic()
        failing = False
        while not self._ended.wait(self._interval):
            started = time.monotonic()
            try:
                if started >= due:
                    self._upload_changes()
                    due = time.monotonic() + (time.monotonic() - started) * (1 / _SHARE - 1)
                else:
                    self._ownership.keep()
                last_time, failing = time.monotonic(), False
            except LocationError as error:
                refused = isinstance(error, RefusedError)
                if refused or time.monotonic() - last_time > self._patience:
                    self._error = self._final(error)
                    return
                if not failing:
                    log.warning("%s; it is tried again", error)
                failing = True

    def _final(self, error: LocationError) -> LocationError:
        if isinstance(error, OwnershipLostError) or not self._run.sweep.exists():
            return error
        return LocationError(
            f"{error}; what it lacks is kept in {self._run.root}, and goes there when the run is "
            "resumed on this machine"
        )

    def _upload_changes(self) -> None:
        with self._turn:
            while not self._upload_seen(_settled(self._run.root)):
                pass

    def _upload_seen(self, seen: Mapping[str, "_Stamp"]) -> bool:
        """Uploads a state of the working copy; False as soon as it is another."""
        self._ownership.keep()
        if self._run.sweep.name not in seen:
            raise RefusedError(f"{self._run.root}, the run's working copy, has gone")
        for name in self._uploaded.keys() - seen.keys():
            (self._location / name).delete()
            del self._uploaded[name]
        for name, stamp in sorted(seen.items(), key=_order):
            if self._uploaded.get(name) == stamp:
                continue
            content = _content(self._run.root / name, stamp)
            if content is None:
                return False
            (self._location / name).write_bytes(content)
            self._uploaded[name] = stamp
            self._ownership.keep()
        return True


class _Stamp(NamedTuple):
    """What tells one content of a file from another."""

    modified: int
    size: int
    inode: int


def _stamp(status: os.stat_result) -> _Stamp:
    return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _order(item: tuple[str, _Stamp]) -> tuple[int, int, str]:
    """As they were written; at once, as far as the clock can tell, means the outermost last."""
    name, stamp = item
    return stamp.modified, -name.count("/"), name


def _is_mirrored(name: str) -> bool:
    """Temporary files and locks begin with a dot; workers write the states themselves."""
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and not name.startswith(f"{STATES}/")


def _scan(root: Path) -> dict[str, _Stamp]:
    """The files of a working copy, by their places in it."""
    found = {}
    for folder, _, files in os.walk(root):
        for file in files:
            path = Path(folder, file)
            name = path.relative_to(root).as_posix()
            if _is_mirrored(name):
                try:
                    found[name] = _stamp(path.stat())
                except FileNotFoundError:  # meanwhile
                    continue
    return found


def _settled(root: Path) -> dict[str, _Stamp]:
    """A state that the working copy really was in: two scans, one after the other, agree on it."""
    before, now = _scan(root), _scan(root)
    while before.keys() != now.keys() or any(
        now[name] != stamp and not _has_grown(name, stamp, now[name])
        for name, stamp in before.items()
    ):
        before, now = now, _scan(root)
    return now


def _has_grown(name: str, before: _Stamp, now: _Stamp) -> bool:
    return Path(name).suffix in _GROWING and before.inode == now.inode and before.size <= now.size


def _content(path: Path, stamp: _Stamp) -> bytes | None:
    """What a file held when it was seen; None if it has been replaced since."""
    try:
        with path.open("rb") as file:
            now = _stamp(os.fstat(file.fileno()))
            if now != stamp and not _has_grown(path.name, stamp, now):
                return None
            return file.read(stamp.size)
    except FileNotFoundError:
        return None


def _empty(run: RunDirectory) -> None:
    """Deletes what an earlier session left; the lock is held."""
    for path in run.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != run.lock:
            path.unlink()
