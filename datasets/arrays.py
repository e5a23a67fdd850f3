"""Rows that were split and balanced elsewhere: ``.npz`` files of six arrays, one a view.

Notebooks of this field save ``X_train``, ``X_val``, ``X_test``, ``y_train``, ``y_val`` and
``y_test``. Rows are taken as they are; whether figures of them are honest depends on how they were
split and balanced.
"""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from .errors import InputError
from .locations import Location, local_copy
from .schema import Column, ColumnKind, Schema
from .splits import Split
from .table import Table

ARRAYS = ("X_train", "X_val", "X_test", "y_train", "y_val", "y_test")
COLUMNS = "columns"
"""An array of the columns' names, which may be there too."""

_NOT_ARRAYS = (
    ValueError, EOFError, AttributeError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy raises of files that are something else, or damaged."""

_LIMIT = 1e6
"""Beyond it a value can't be one of a column that was standardised."""


def read_arrays(files: Mapping[str, Path | Location]) -> Table:
    """One table of all rows of some files, with each view's split in :attr:`Table.given`.

    Views whose validation and test rows are equal share them.

    Args:
        files: ``.npz`` files by view.

    Raises:
        InputError: A file can't be read, an array is missing or unfit, or the views' columns
            differ.
    """
    loaded: dict[str, dict[str, np.ndarray]] = {}
    for view, place in files.items():
        with local_copy(place) as path:
            loaded[view] = _load(path)
    first_path, first = next(iter(files.values())), next(iter(loaded.values()))
    names = _names(first)
    blocks: list[tuple[np.ndarray, np.ndarray]] = []
    given: dict[str, Split] = {}
    for view, arrays in loaded.items():
        if _names(arrays) != names:
            raise InputError(
                f"{files[view]} has other columns than {first_path}; preprocess all views alike "
                "(without preprocessing.indicators, if they were balanced first)"
            )
        shared = next((v for v in given if _judged_alike(loaded[v], arrays)), None)
        train = _append(blocks, arrays, "train")
        if shared is None:
            given[view] = Split(
                train, _append(blocks, arrays, "val"), _append(blocks, arrays, "test")
            )
        else:
            given[view] = Split(train, given[shared].validation, given[shared].test)
    X, y = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Table(
        name=first_path.stem if len(files) == 1 else first_path.resolve().parent.name,
        source=", ".join(map(str, files.values())),
        features=pd.DataFrame(X, columns=names),
        target=y,
        schema=Schema(
            columns=tuple(Column(name, ColumnKind.NUMERIC) for name in names),
            target="y",
            positive="1",
            negative="0",
        ),
        given=given,
    )


def write_arrays(path: Path, columns: list[str], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a file that :func:`read_arrays` reads.

    Args:
        path: Is overwritten.
        columns: Names of the columns of the three ``X``.
        arrays: Of the names :data:`ARRAYS`.
    """
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays, **{COLUMNS: np.array(columns)})


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*ARRAYS, COLUMNS) if name in file.files}
    except OSError as error:
        reason = error.strerror or "it is cut off"
        raise InputError(f"{path} can't be read ({reason}); check the path") from error
    except _NOT_ARRAYS as error:
        raise InputError(
            f"{path} is no .npz file of plain arrays; write it with numpy.savez"
        ) from error
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)}; it needs the six arrays {', '.join(ARRAYS)}"
        )
    for part in ("train", "val", "test"):
        arrays[f"X_{part}"], arrays[f"y_{part}"] = _checked(arrays, part, path)
    widths = {arrays[name].shape[1] for name in ARRAYS[:3]}
    if len(widths) > 1:
        raise InputError(f"{path}: its three X have different numbers of columns; make them agree")
    names = arrays.get(COLUMNS)
    if names is not None and (names.ndim != 1 or len(np.unique(names)) != widths.pop()):
        raise InputError(f"{path}: {COLUMNS} must name each column of the X, no two alike")
    return arrays


def _checked(arrays: Mapping[str, np.ndarray], part: str, path: Path) -> tuple[np.ndarray, ...]:
    X, y = arrays[f"X_{part}"], arrays[f"y_{part}"]
    if X.ndim != 2 or X.dtype.kind not in "fiub" or not X.size:
        raise InputError(f"{path}: X_{part} must hold numbers in rows and columns, got {X.shape}")
    X = X.astype(np.float64)
    unfit = ~(np.abs(X) <= _LIMIT)
    if unfit.any():
        row, column = (int(i) for i in np.argwhere(unfit)[0])
        raise InputError(
            f"{path}: X_{part} holds {X[row, column]:g} in row {row + 1}, column {column + 1}; "
            "fill gaps and scale the columns, since arrays are taken as they are"
        )
    y = y.ravel()
    if len(y) != len(X):
        raise InputError(f"{path}: X_{part} has {len(X):,} rows and y_{part} {len(y):,} values")
    if y.dtype.kind not in "fiub" or not np.isin(y, (0, 1)).all() or len(np.unique(y)) < 2:
        raise InputError(f"{path}: y_{part} must hold both 0 and 1, and nothing else")
    return X, y.astype(np.int64)


def _names(arrays: Mapping[str, np.ndarray]) -> list[str]:
    if COLUMNS in arrays:
        return [str(name) for name in arrays[COLUMNS]]
    return [f"column_{i}" for i in range(arrays["X_train"].shape[1])]


def _judged_alike(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    names = ("X_val", "X_test", "y_val", "y_test")
    return all(np.array_equal(one[name], other[name]) for name in names)


def _append(
    blocks: list[tuple[np.ndarray, np.ndarray]], arrays: Mapping[str, np.ndarray], part: str
) -> np.ndarray:
    """Adds a part's rows to those that are there, and returns their positions."""
    start = sum(len(y) for _, y in blocks)
    blocks.append((arrays[f"X_{part}"], arrays[f"y_{part}"]))
    return np.arange(start, start + len(arrays[f"y_{part}"]))
