"""Atomic writes, and reading that says in one sentence what is wrong with a file.

A reader sees the whole old file or the whole new one, never half of one.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from ..datasets.errors import InputError
from ..datasets.locations import Location

CACHE = "EVENSWEEP_CACHE"
"""Environment variable that names another folder than the user's cache; empty keeps nothing."""

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

_GONE = {errno.EIO, errno.ESTALE}
"""What the operating system says of a storage that has gone, beside its folders' absence."""

_LONGEST_REASON = 160
_ARROW = "Could not open Parquet input source '<Buffer>': "
_PLAIN_MESSAGES = {"missing": "is missing", "model_type": "must hold keys"}
"""Wordings for messages of Pydantic's that name Python's or its own types."""


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


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Writes a Parquet file atomically."""
    with replacing(path) as temporary:
        frame.to_parquet(temporary, index=False)


@contextmanager
def reading(path: Path | Location, remedy: str | None = None) -> Iterator[None]:
    """Says what is wrong with a file of a run that the block reads, and what to do.

    Args:
        path: The file.
        remedy: The end of the sentence. None for a file that a resumed run makes again.

    Raises:
        InputError: It is missing, can't be opened, or is not what it should be.
        OSError: Its storage has gone.
    """
    try:
        yield
    except FileNotFoundError as error:
        if isinstance(path, Path) and not path.parent.exists():
            raise
        raise InputError(f"{path} is missing; {remedy or 'resume the run'}") from error
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check its rights") from error
    # A format's library raises whatever its parser trips over: PyArrow, NumPy, Keras and skops each
    # know a dozen types, and so do the modules below them.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _GONE:
            raise
        raise damaged(path, _reason(error), remedy) from error


def damaged(path: Path | Location, reason: str, remedy: str | None = None) -> InputError:
    """The error for a file of a run that is not what it should be; see :func:`reading`."""
    return InputError(f"{path} is damaged ({reason}); {remedy or 'delete it and resume the run'}")


def read_json(path: Path, shape: type[BaseModel] | None = None, remedy: str | None = None) -> Any:
    """Reads a JSON file of a run.

    Args:
        path: The file.
        shape: What it must hold; it may hold more.
        remedy: As for :func:`reading`.

    Raises:
        InputError: It is missing or damaged.
        OSError: Its storage has gone.
    """
    with reading(path, remedy):
        content = from_json(path.read_bytes(), allow_inf_nan=False)
        if shape is not None:
            shape.model_validate(content)
    return content


def read_parquet(
    path: Path, check: Callable[[pd.DataFrame], None] = lambda frame: None
) -> pd.DataFrame:
    """Reads a Parquet file of a run.

    Args:
        path: The file.
        check: Raises a ValueError that says what is wrong with the content.

    Raises:
        InputError: It is missing or damaged.
        OSError: Its storage has gone.
    """
    with reading(path), path.open("rb") as file:  # pandas would read a folder, too
        frame = pd.read_parquet(file)
        check(frame)
    return frame


def _reason(error: Exception) -> str:
    """An error in a few words of one line."""
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
    elif isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        told = _PLAIN_MESSAGES.get(first["type"], first["msg"])
        text = f"{place}: {told[0].lower()}{told[1:]}"
    else:
        text = (str(error).strip().splitlines() or [""])[0] or type(error).__name__
        text = text.removeprefix(_ARROW).partition(". ")[0]
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
