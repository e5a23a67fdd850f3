"""Atomic writes: a reader sees the whole old file or the whole new one, never half of one."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ..datasets.errors import InputError
from ..datasets.locations import Location

CACHE = "EVENSWEEP_CACHE"
"""Environment variable that names another folder than the user's cache; empty keeps nothing."""

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]


def cache_folder() -> Path | None:
    """Where this user keeps what can be made again; None if that is nowhere."""
    folder = os.environ.get(CACHE)
    if folder == "":
        return None
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return None
    return Path(folder or cache / "evensweep")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, for a file or folder, that takes its place on success.

    Whatever was written is deleted if the block raises. The folder is made, but not the folders
    around it: if a run's storage goes away, a new run directory in its place would hide that.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    path.parent.mkdir(exist_ok=True)
    try:
        yield temporary
        if temporary.is_dir() and path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a file as a lock that ends with the process, however it ends.

    Raises:
        BlockingIOError: Another process holds it.
    """
    with path.open("a") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def write_bytes(path: Path | Location, content: Any) -> None:
    """Writes a file atomically, wherever it is.

    Args:
        path: The file.
        content: Bytes, or a buffer of them.
    """
    if isinstance(path, Location):
        path.write_bytes(content)
        return
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def read_tree(folder: Path) -> dict[str, bytes]:
    """The contents of all files in a folder and its folders, by their places in it."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file atomically; NaN and infinity are refused, since JSON has no such numbers.

    Raises:
        ValueError: ``value`` holds NaN or infinity.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run.

    Raises:
        InputError: It is missing or damaged.
        OSError: Its storage has gone.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if not path.parent.exists():
            raise
        raise _damaged(path) from error
    except ValueError as error:
        raise _damaged(path) from error


def read_parquet(path: Path) -> pd.DataFrame:
    """Reads a Parquet file of a run.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _damaged(path) from error


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Writes a Parquet file atomically."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is missing or damaged; delete it and resume the run")
