"""Where files are: paths, and URIs of object storage (``s3://``, ``gs://``).

Credentials are found where a process runs: in its environment, in a profile or as its machine's
role. They are no part of a location, since locations are written down and shown.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from .errors import InputError
from .stores import PARAMETERS, LocationError, MissingObjectError, Store, explained, file_system

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

_UNQUOTED = "/!$&'()*+,;=:@~"
"""What stands in a URI's path as it is."""


@dataclass(frozen=True)
class Location:
    """A file or folder in object storage, with the part of :class:`pathlib.Path` that it can have.

    It can be sent to other processes, which reach it with credentials of their own. What goes to
    the storage raises :class:`~evensweep.datasets.stores.LocationError` if that fails.

    Attributes:
        store: How it is reached.
        path: The bucket, and the place in it.
    """

    store: Store
    path: PurePosixPath

    def __str__(self) -> str:
        user = "anonymous@" if self.store.anonymous else ""
        query = f"?{self.store.query}" if self.store.query else ""
        return f"{self.store.scheme}://{user}{quote(str(self.path), _UNQUOTED)}{query}"

    @property
    def uri(self) -> str:
        """What ``pyarrow.fs.FileSystem.from_uri`` reaches it by, in any process's environment."""
        store = self.store
        known = {
            "endpoint_override": store.endpoint,
            "scheme": store.transport,
            "region": store.region,
        }
        given = {name: known[name] for name in PARAMETERS[store.scheme] if known[name] is not None}
        user = "anonymous@" if store.anonymous else ""
        return f"{store.scheme}://{user}{quote(str(self.path), _UNQUOTED)}?{urlencode(given)}"

    def __truediv__(self, part: str | PurePath) -> Location:
        return replace(self, path=self.path / part)

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its suffix."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The last part's, such as ``.csv``."""
        return self.path.suffix

    @property
    def parent(self) -> Location:
        """The folder around it."""
        return replace(self, path=self.path.parent)

    def resolve(self) -> Location:
        """Itself, since it depends on no working directory."""
        return self

    def relative_to(self, folder: Location) -> PurePosixPath:
        """Its place in a folder that it is in."""
        return self.path.relative_to(folder.path)

    def exists(self) -> bool:
        """Whether it is a file."""
        from pyarrow.fs import FileType

        with self._reached("read") as storage:
            return bool(storage.get_file_info(str(self.path)).type == FileType.File)

    def read_bytes(self) -> bytes:
        """The file's content.

        Raises:
            MissingObjectError: There is no such file.
        """
        with self._reached("read") as storage, storage.open_input_file(str(self.path)) as stream:
            return bytes(stream.read())

    def read_text(self, encoding: str) -> str:
        """The file's text; see :meth:`read_bytes`."""
        return self.read_bytes().decode(encoding)

    def write_bytes(self, content: Any) -> None:
        """Makes or replaces the file, of which nobody sees a part.

        Args:
            content: Bytes, or a buffer of them.
        """
        # In one piece: a stream that an exception closes leaves what it was given so far.
        with (
            self._reached("written") as storage,
            storage.open_output_stream(str(self.path), compression=None) as stream,
        ):
            stream.write(content)

    def upload(self, path: Path) -> None:
        """Makes or replaces the file with one of this machine, of any size."""
        from pyarrow import memory_map

        # And not pyarrow's own copy_files, which says nothing if the last request fails.
        with memory_map(str(path)) as content:
            self.write_bytes(content.read_buffer())

    def download(self, path: Path) -> None:
        """Copies the file, of any size, or a folder with all that is in it to this machine.

        Raises:
            MissingObjectError: There is neither.
        """
        from pyarrow.fs import LocalFileSystem, copy_files

        names = [] if self.exists() else self.files()
        for name in names:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (self / name).download(path / name)
        if names:
            return
        with self._reached("read") as storage:
            copy_files(str(self.path), str(path), storage, LocalFileSystem())

    def delete(self) -> None:
        """Deletes the file, if it is there."""
        with self._reached("deleted") as storage:
            try:
                storage.delete_file(str(self.path))
            except FileNotFoundError:
                return

    def files(self) -> list[str]:
        """All files in the folder and its folders, by their places in it; none if it is missing."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(str(self.path), recursive=True, allow_not_found=True)
        with self._reached("read") as storage:
            found = storage.get_file_info(selector)
        places = [
            PurePosixPath(info.path).relative_to(self.path)
            for info in found
            if info.type == FileType.File
        ]
        # Whoever can write to a bucket chooses names, and none may lead out of a folder.
        return sorted(str(place) for place in places if ".." not in place.parts)

    @contextmanager
    def _reached(self, done: str) -> Iterator[Any]:
        """The file system; what goes wrong becomes one sentence.

        Args:
            done: ``read``, ``written`` or ``deleted``.
        """
        from pyarrow.lib import ArrowException

        bucket = self.path.parts[0]
        try:
            yield file_system(self.store, bucket)
        except FileNotFoundError as error:
            raise MissingObjectError(f"{self}: no such file; check the URI") from error
        except (OSError, ArrowException) as error:
            raise explained(error, f"{self} can't be {done}", self.store, bucket) from error


def parse_location(place: str | Path | Location) -> Path | Location:
    """Where a user says a file or folder is.

    Args:
        place: A path; ``file:///…``, which is one, too; or ``s3://BUCKET/…`` or ``gs://BUCKET/…``,
            perhaps with a query such as ``?endpoint_override=http://HOST:PORT``.

    Raises:
        InputError: A URI of another kind, malformed, or with credentials in it.
    """
    if isinstance(place, Location):
        return place
    if not isinstance(place, str | Path):
        raise InputError(f"it must be a path or a URI, and not of type {type(place).__name__}")
    if not _URI.match(str(place)):
        return Path(place)
    return _from_uri(str(place))


def _from_uri(uri: str) -> Path | Location:
    try:
        parts = urlsplit(uri)
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
    except ValueError as error:
        raise InputError(
            "a URI is malformed; write it as s3://BUCKET/FOLDER?region=eu-west-1"
        ) from error
    user, _, bucket = parts.netloc.rpartition("@")
    shown = f"{parts.scheme}://{bucket}{parts.path}"  # the rest may be a secret
    path = unquote(parts.path)
    if parts.scheme == "file" and not (parts.netloc or query or parts.fragment):
        return Path(path)
    known = PARAMETERS.get(parts.scheme)
    if known is None:
        raise InputError(f"{shown} can't be used; give a path, or such as s3://, gs:// or file:///")
    elsewhere = "credentials are given in the environment, in a profile or as the machine's role"
    if user not in {"", "anonymous"} or "@" in query.get("endpoint_override", ""):
        raise InputError(f"{shown} was given with credentials, which a run would keep; {elsewhere}")
    if parts.fragment or set(query) - set(known):
        raise InputError(f"{shown} takes {', '.join(known)} and no other parameters; {elsewhere}")
    if not bucket or ":" in bucket:  # the colon may stand before a secret with a slash in it
        raise InputError(f"a {parts.scheme} URI names no bucket; write it as s3://BUCKET/FOLDER")
    store = Store.from_query(parts.scheme, parts.query, query, bool(user))
    return Location(store, PurePosixPath(bucket, *PurePosixPath(path).parts[1:]))


@contextmanager
def local_copy(place: Path | Location) -> Iterator[Path]:
    """A path that has the content of a file or folder, wherever that is.

    Raises:
        LocationError: The file can't be fetched.
        InputError: What the block raises of the path, said of the place.
    """
    if isinstance(place, Path):
        yield place
        return
    with _temporary(place) as path:
        place.download(path)
        yield path


@contextmanager
def local_output(place: Path | Location) -> Iterator[Path]:
    """A path to write a file to, wherever the file goes when the block ends.

    Raises:
        LocationError: The file can't be put there.
        InputError: What the block raises of the path, said of the place.
    """
    if isinstance(place, Path):
        yield place
        return
    with _temporary(place) as path:
        yield path
        place.upload(path)


@contextmanager
def _temporary(place: Location) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="evensweep-") as folder:
        path = Path(folder, place.name)
        try:
            yield path
        except LocationError:
            raise
        except InputError as error:
            raise InputError(str(error).replace(str(path), str(place))) from error
