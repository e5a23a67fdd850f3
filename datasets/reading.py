"""Reads a CSV or Parquet file into a raw frame, and says in one sentence why it can't."""

import csv
import warnings
from pathlib import Path

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
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise InputError(
            f"the delimiter must be one character, and no quote or line break, got {delimiter!r}"
        )
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path}: no such file; check the path given as data.path") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the path") from error
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the table's file itself as data.path")
    if size == 0:
        raise InputError(f"{path} is empty; give a table with a header and rows")
    is_parquet = path.suffix.casefold() == ".parquet"
    frame = _read_parquet(path) if is_parquet else _read_csv(path, delimiter, header)
    if frame.empty:
        raise InputError(f"{path} has a header but no rows; give a table with rows")
    return frame


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} can't be read as Parquet ({reason}); write it again") from error
    return frame.set_axis([str(name) for name in frame.columns], axis="columns")


def _read_csv(path: Path, delimiter: str, header: bool | None) -> pd.DataFrame:
    first = _first_cells(path, delimiter)
    if header is None:
        header = not all(_is_number_or_empty(cell) for cell in first)
    names = first if header else [f"column_{position}" for position in range(len(first))]
    _check_names(path, names, delimiter)
    _check_text(path)
    try:
        with warnings.catch_warnings():
            # Only a warning when it is the first row that is longer than the header.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                sep=delimiter,
                header=None,
                names=names,
                skiprows=1 if header else 0,
                encoding="utf-8-sig",
                # A longer line must be an error, not an index column.
                index_col=False,
                on_bad_lines="error",
                low_memory=False,
            )
    except pd.errors.ParserWarning as error:
        raise InputError(
            f"{path} has more cells in its first row than the {len(names)} names of its header; "
            "mend the row or the header"
        ) from error
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{path} is not a well-formed CSV ({reason}); mend that line") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{path} has a header but no rows; give a table with rows") from error


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
                    f"'{other}': it looks {spoken}-separated; set data.delimiter to '{other}'"
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
