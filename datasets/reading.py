"""Reads a CSV or Parquet file into raw frames, and says in one sentence why it can't."""

import csv
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import InputError

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


def read_frame(path: Path, *, delimiter: str = ",", header: bool | None = None) -> pd.DataFrame:
    """The file's columns, unchanged in order, with the types pandas infers.

    Args:
        path: A ``.parquet`` file, or else a CSV file in UTF-8.
        delimiter: Separates the cells of a CSV line.
        header: Whether the first CSV line holds names. None decides by the line itself: one whose
            cells are all numbers or empty is data; then columns are called ``column_<position>``.

    Raises:
        InputError: The file is missing, empty, not readable as a table, or has no rows.
    """
    _check_delimiter(delimiter)
    check_file(path)
    if _is_parquet(path):
        with _parquet_errors(path):
            frame = _with_text_names(pd.read_parquet(path))
    else:
        layout = _csv_layout(path, delimiter, header)
        with _csv_errors(path, layout):
            frame = pd.read_csv(path, **layout, low_memory=False)
    if frame.empty:
        raise _without_rows(path)
    return frame


def read_chunks(
    path: Path,
    *,
    delimiter: str = ",",
    header: bool | None = None,
    columns: Collection[str] | None = None,
    texts: Collection[str] = (),
    rows: int = 50_000,
) -> Iterator[pd.DataFrame]:
    """The file's columns piece by piece, so that it may be of any size.

    Args:
        path: As for :func:`read_frame`, like the next two.
        delimiter: Separates the cells of a CSV line.
        header: Whether the first CSV line holds names.
        columns: Names of the columns to read, where there are such, a Parquet file's with its own
            types; None reads all.
        texts: Names of a CSV's columns that are text, whatever they look like in a piece.
        rows: Of a piece at most. Its index counts on from the piece before.

    Raises:
        InputError: As for :func:`read_frame`; of a row, when its piece comes.
    """
    _check_delimiter(delimiter)
    check_file(path)
    if _is_parquet(path):
        pieces = _parquet_pieces(path, columns, rows)
    else:
        pieces = _csv_pieces(path, _csv_layout(path, delimiter, header), columns, texts, rows)
    done = 0
    for piece in pieces:
        piece.index = pd.RangeIndex(done, done + len(piece))
        done += len(piece)
        yield piece
    if not done:
        raise _without_rows(path)


def check_file(path: Path) -> None:
    """Checks that there is a file with content, without reading it.

    Raises:
        InputError: There is none.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the path") from error
    except ValueError as error:  # of a NUL, or of half a character
        raise InputError(f"{str(path)!r} is no path ({error}); check the path") from error
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the table's file itself")
    if size == 0:
        raise InputError(f"{path} is empty; give a table with a header and rows")


def _check_delimiter(delimiter: str) -> None:
    # Pandas takes a longer code for a pattern, and a NUL for the end of a line.
    if (
        len(delimiter) != 1
        or not (delimiter == "\t" or " " <= delimiter <= "~")
        or delimiter == '"'
    ):
        raise InputError(
            f"the delimiter must be one character of ASCII, and no quote, got {delimiter!r}"
        )


def _without_rows(path: Path) -> InputError:
    return InputError(f"{path} has a header but no rows; give a table with rows")


def _is_parquet(path: Path) -> bool:
    return path.suffix.casefold() == ".parquet"


def _parquet_pieces(
    path: Path, columns: Collection[str] | None, rows: int
) -> Iterator[pd.DataFrame]:
    from pyarrow.parquet import ParquetFile

    with _parquet_errors(path), ParquetFile(path) as file:
        there = file.schema_arrow.names
        wanted = [name for name in there if columns is None or name in columns]
        for batch in file.iter_batches(batch_size=rows, columns=wanted):
            # Types that pandas infers may differ from piece to piece.
            types = pd.ArrowDtype if columns is not None else None
            yield _with_text_names(batch.to_pandas(types_mapper=types))


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} can't be read as Parquet ({reason}); write it again") from error


def _with_text_names(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis([str(name) for name in frame.columns], axis="columns")


def _csv_layout(path: Path, delimiter: str, header: bool | None) -> dict[str, Any]:
    """How pandas is to read a CSV file, which is checked to be one."""
    first = _first_cells(path, delimiter)
    if header is None:
        header = not all(_is_number_or_empty(cell) for cell in first)
    names = first if header else [f"column_{position}" for position in range(len(first))]
    _check_names(path, names, delimiter)
    _check_text(path)
    return {
        "sep": delimiter,
        "header": None,
        "names": names,
        "skiprows": 1 if header else 0,
        "encoding": "utf-8-sig",
        # A longer line must be an error, not an index column.
        "index_col": False,
        "on_bad_lines": "error",
    }


def _csv_pieces(
    path: Path,
    layout: dict[str, Any],
    columns: Collection[str] | None,
    texts: Collection[str],
    rows: int,
) -> Iterator[pd.DataFrame]:
    names = layout["names"]
    # Given any, pandas finds no fault with a line that is too long.
    wanted = None if columns is None else [name for name in names if name in columns]
    types = {name: "str" for name in wanted or names if name in texts}
    with (
        _csv_errors(path, layout),
        pd.read_csv(path, **layout, usecols=wanted, dtype=types, chunksize=rows) as pieces,
    ):
        yield from pieces


@contextmanager
def _csv_errors(path: Path, layout: dict[str, Any]) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Only a warning when it is the first row that is longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"{path} has more cells in its first row than the {len(layout['names'])} names of its "
            "header; mend the row or the header"
        ) from error
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{path} is not a well-formed CSV ({reason}); mend that line") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except pd.errors.EmptyDataError as error:
        raise _without_rows(path) from error


def _first_cells(path: Path, delimiter: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = next(csv.reader(file, delimiter=delimiter, strict=True), [])
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except csv.Error as error:
        raise InputError(
            f"{path} can't be read as CSV (line 1: {error}); give a CSV or Parquet"
        ) from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check its rights") from error
    cells = [cell.strip() for cell in cells]
    if not any(cells):
        raise InputError(f"{path} starts with an empty line; give a table with a header and rows")
    return cells


def _check_text(path: Path) -> None:
    with path.open("rb") as file:
        # Pandas takes a NUL for the end of a cell or line.
        if any(b"\0" in block for block in iter(lambda: file.read(1 << 20), b"")):
            raise InputError(f"{path} holds NUL bytes, so it is no text; give a CSV or Parquet")


def _check_names(path: Path, names: list[str], delimiter: str) -> None:
    if len(names) == 1:
        for other, spoken in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise InputError(
                    f"{path} has one column when split at '{delimiter}', and its first line holds "
                    f"'{other}': it looks {spoken}-separated; set data.delimiter to '{other}', or "
                    f"give evensweep predict --delimiter '{other}'"
                )
    if "" in names:
        position = names.index("")
        raise InputError(f"{path} has no name for column {position} in its header; name it")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InputError(f"{path} has several columns called '{repeated[0]}'; rename all but one")


def _is_number_or_empty(cell: str) -> bool:
    try:
        float(cell or "0")
    except ValueError:
        return False
    return True


def _not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{path} is not UTF-8 (byte 0x{error.object[error.start]:02x} at offset {error.start}); "
        "give a CSV in UTF-8, or a Parquet file whose name ends in .parquet"
    )
