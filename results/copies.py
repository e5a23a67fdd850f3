"""Copies of runs in object storage: of the files that somebody reads, for as long as they do."""

import re
import tempfile
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..datasets.errors import InputError
from ..datasets.locations import Location, parse_location
from ..datasets.stores import MissingObjectError
from .run_directory import RunDirectory

_CONNECTIONS = 16

READ = re.compile(r"[^/]*\.(yaml|json|parquet)|predictions/.*|tune/records\.jsonl")
"""What the commands read that look at runs."""


def open_run(place: str | Path | Location, wanted: re.Pattern[str] = READ) -> RunDirectory:
    """An existing run, wherever it is.

    Of a run in object storage, a copy of some files is there as long as the object.

    Args:
        place: The run directory.
        wanted: Which files to fetch, by their places in it.

    Raises:
        InputError: There is no run.
        LocationError: Its storage can't be reached.
    """
    location = parse_location(place)
    if isinstance(location, Path):
        return RunDirectory.open(location)
    folder = tempfile.TemporaryDirectory(prefix="evensweep-")
    run = RunDirectory(Path(folder.name), location)
    weakref.finalize(run, folder.cleanup)
    fetch(run, wanted)
    if not run.sweep.exists():
        raise InputError(
            f"{location} is no run directory (it has no sweep.yaml); "
            "give the URI that evensweep run printed"
        )
    return run


def fetch(run: RunDirectory, wanted: re.Pattern[str]) -> None:
    """Fetches files of a run in object storage; one in a folder has them.

    Args:
        run: The run.
        wanted: Which, by their places in the run directory.
    """
    if isinstance(run.location, Location):
        fetch_files(run.location, run.root, filter(wanted.fullmatch, run.location.files()))


def fetch_files(
    location: Location,
    folder: Path,
    names: Iterable[str],
    on_file: Callable[[], None] = lambda: None,
) -> None:
    """Copies files, several at a time; one that goes away meanwhile is left out.

    Args:
        location: A folder.
        folder: Where they go.
        names: Their places in the one and in the other.
        on_file: Called after each of them.
    """

    def copy(name: str) -> None:
        try:
            content = (location / name).read_bytes()
        except MissingObjectError:
            return
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)

    with ThreadPoolExecutor(_CONNECTIONS) as executor:
        for _ in executor.map(copy, names):
            on_file()


def publish(run: RunDirectory, *paths: Path) -> None:
    """Puts files and folders of a copy, which a reader has written, to where the run is kept."""
    if isinstance(run.location, Path):
        return
    for path in paths:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            (run.location / file.relative_to(run.root)).write_bytes(file.read_bytes())
