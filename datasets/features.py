"""Reads the columns of a frame as a schema wants them, for training and prediction alike."""

from typing import Any

import numpy as np
import pandas as pd

from .errors import InputError, nearest
from .schema import Column, ColumnKind, Schema

_TRUE_WORDS = {True: 1.0, "true": 1.0, "yes": 1.0, False: 0.0, "false": 0.0, "no": 0.0}


def read_features(frame: pd.DataFrame, schema: Schema, source: str) -> pd.DataFrame:
    """The feature columns of ``frame`` as the schema wants them, for training and prediction alike.

    Args:
        frame: Holds at least the schema's feature columns, in any order.
        schema: Which columns, and of which kind.
        source: Named in errors.

    Returns:
        Frame of shape (n_rows, n_features) in the schema's order, as :class:`Table` has it.

    Raises:
        InputError: A column is missing, or one of numbers holds text or infinite values.
    """
    check_unique(frame, source)
    converted: dict[str, Any] = {}
    for column in schema.columns:
        if column.name not in frame.columns:
            hint = nearest(column.name, [str(c) for c in frame.columns])
            raise InputError(f"{source} has no column '{column.name}'{hint or '; add it'}")
        values = frame[column.name]
        check_flat(values, source)
        if column.kind is ColumnKind.CATEGORICAL:
            converted[column.name] = values.map(label_of, na_action="ignore").astype("str")
        else:
            converted[column.name] = _to_float(values, column, source)
    return pd.DataFrame(converted, index=frame.index)


def check_unique(frame: pd.DataFrame, source: str) -> None:
    """Checks that every column has a name of its own.

    Raises:
        InputError: Two have the same.
    """
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{source} has several columns called '{repeated[0]}'; rename all but one")


def is_flat(values: pd.Series) -> bool:
    """Whether a column holds no lists or other nested values."""
    return values.dtype != object or bool(values.map(pd.api.types.is_hashable).all())


def check_flat(values: pd.Series, source: str) -> None:
    """Checks that a column holds no lists or other nested values.

    Raises:
        InputError: It does.
    """
    if not is_flat(values):
        raise InputError(
            f"{source}: column '{values.name}' holds lists or other nested values; flatten it, or "
            f"leave it out with --set data.drop=[{values.name}]"
        )


def label_of(value: object) -> str:
    """A label's text, the same for 1, 1.0 and '1', since a gap elsewhere makes integers floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def is_boolean_word(value: object) -> bool:
    """Whether a value is true, false, yes or no, in whatever case."""
    return (value.strip().casefold() if isinstance(value, str) else value) in _TRUE_WORDS


def as_numbers(values: pd.Series) -> pd.Series:
    """The numbers that a column's values are or spell, and NaN for others."""
    try:
        return pd.to_numeric(values, errors="coerce")
    except OverflowError:  # a whole number beyond all floats, which as text is infinite
        return pd.to_numeric(values.astype("str"), errors="coerce")


def _to_float(values: pd.Series, column: Column, source: str) -> np.ndarray:
    if values.dtype.kind in "mMc":
        raise InputError(
            f"{source}: the {column.kind} column '{column.name}' holds {values.dtype}; give numbers"
        )
    if column.kind is ColumnKind.BOOLEAN and not pd.api.types.is_numeric_dtype(values):
        folded = values.map(lambda v: v.strip().casefold() if isinstance(v, str) else v)
        converted = folded.map(_TRUE_WORDS)
    else:
        converted = as_numbers(values)
    result = converted.to_numpy(np.float64, na_value=np.nan)
    bad = np.isnan(result) & values.notna().to_numpy()
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{source}: the {column.kind} column '{column.name}' holds the text "
            f"{str(values.iloc[row])!r} in row {_row_number(values, row)}"
            f"{f' and in {bad.sum() - 1} more' if bad.sum() > 1 else ''}; mend it or leave it empty"
        )
    infinite = np.abs(result) > np.finfo(np.float32).max
    if infinite.any():
        raise InputError(
            f"{source}: column '{column.name}' is infinite (above 3.4e38) in {infinite.sum()} rows "
            f"(first: row {_row_number(values, int(infinite.argmax()))}); replace these values or "
            "leave them empty"
        )
    return result


def _row_number(values: pd.Series, position: int) -> int:
    """From 1, of the table that a range index counts: a piece's or a slice's is not its own."""
    counted = isinstance(values.index, pd.RangeIndex)
    return (int(values.index[position]) if counted else position) + 1
