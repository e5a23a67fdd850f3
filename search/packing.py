"""A run in one file: packed among Ray's logs where a job's driver ran, unpacked where it is wanted.

Beside the archive stands a small JSON file, written last, that says what is in it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..cluster.session import log_name
from ..datasets.errors import InputError
from ..results.files import replacing, write_json
from ..results.run_directory import RunDirectory

log = logging.getLogger(__name__)

PACKAGE_FILE = "results.json"
"""What the name of the JSON file beside the archive ends with; see ``cluster.session.log_name``."""


@dataclass(frozen=True)
class Package:
    """What is packed of a run.

    Attributes:
        run: Its name.
        root: The run directory on the node that packed it.
        archive: Name of the archive, beside the JSON file.
        sha256: The archive's digest.
        summary_sha256: That of the run's ``summary.json``; None if it has none yet.
    """

    run: str
    root: str
    archive: str
    sha256: str
    summary_sha256: str | None

    @classmethod
    def from_json(cls, text: str) -> Package:
        """Reads what stands beside an archive."""
        return cls(**json.loads(text))

    def stands_at_root(self) -> bool:
        """Whether the run is here under the same path, as in a storage that both sides share."""
        return (
            self.summary_sha256 is not None
            and _digest(RunDirectory(Path(self.root)).summary) == self.summary_sha256
        )


@contextmanager
def packed_at_the_end(run: RunDirectory, folder: Path | None, whole: bool) -> Iterator[None]:
    """Packs a run when the block ends, however it ends, with what there is then.

    Args:
        run: The run; one that is gone by then, or has not begun, is not packed.
        folder: Where the archive goes; None packs nothing.
        whole: Whether to pack what only serves to go on with the run, too.
    """
    try:
        yield
    finally:
        if folder is not None and run.environment.exists():
            try:
                pack(run, folder, whole)
            except OSError as error:  # the run itself is where it was
                log.warning("the run can't be packed for evensweep fetch: %s", error)


def pack(run: RunDirectory, folder: Path, whole: bool = False) -> Package:
    """Packs a run into a folder.

    Args:
        run: The run.
        folder: Where the archive and its JSON file go.
        whole: Whether to pack what only serves to go on with the run, too: the trials' states and
            the folds' models.
    """
    archive = folder / log_name(run.name, "results.tar.gz")
    with (
        replacing(archive) as unfinished,
        tarfile.open(unfinished, "w:gz", dereference=True) as tar,
    ):
        for file in _files(run, whole):
            with suppress(FileNotFoundError):  # a worker's temporary file
                tar.add(file, file.relative_to(run.root).as_posix())
    package = Package(
        run=run.name,
        root=str(run.root),
        archive=archive.name,
        sha256=str(_digest(archive)),
        summary_sha256=_digest(run.summary),
    )
    write_json(folder / log_name(run.name, PACKAGE_FILE), asdict(package))
    return package


def unpack(package: Package, content: Iterable[bytes], root: Path) -> None:
    """Writes the archive's content as a run directory, whole or not at all.

    Args:
        package: What the archive should be.
        content: Its bytes.
        root: The new run directory.

    Raises:
        InputError: Something stands at ``root``, it can't be written, or the content is not the
            archive's or would write elsewhere.
    """
    if root.exists():
        raise InputError(f"{root} exists already; choose another -o")
    if not hasattr(tarfile, "data_filter"):
        raise InputError("this Python can't unpack safely; take Python 3.11.4 or newer")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root.parent) as archive:
            for chunk in content:
                archive.write(chunk)
            archive.seek(0)
            if hashlib.file_digest(archive, "sha256").hexdigest() != package.sha256:
                raise InputError(
                    f"the results of {package.run} arrived damaged (other bytes than were packed); "
                    "fetch them again"
                )
            archive.seek(0)
            with replacing(root) as unfinished, tarfile.open(fileobj=archive) as tar:
                unfinished.mkdir()
                tar.extractall(unfinished, filter="data")
    except OSError as error:
        raise InputError(f"{root} can't be written ({error.strerror or error})") from error
    except tarfile.TarError as error:
        raise InputError(f"the results of {package.run} are unfit to unpack ({error})") from error


def _files(run: RunDirectory, whole: bool) -> list[Path]:
    files = sorted(path for path in run.root.rglob("*") if path.is_file() and path != run.lock)
    if whole:
        return files
    to_go_on = (run.folds, run.tune)
    return [
        file
        for file in files
        if file == run.search_records or not any(file.is_relative_to(part) for part in to_go_on)
    ]


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None
