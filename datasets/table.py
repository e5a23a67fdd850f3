"""A table ready for a sweep: features, a binary target, a schema and a fingerprint."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .demo import demonstration_table
from .errors import InputError, nearest
from .features import (
    as_numbers,
    check_flat,
    check_unique,
    is_boolean_word,
    is_flat,
    label_of,
    read_features,
)
from .locations import Location, local_copy
from .reading import read_frame
from .schema import MOST_CATEGORIES, Column, ColumnKind, Schema
from .splits import Split

DEMONSTRATION = "demonstration"

_TEXT_SHARE = 0.5
"""Share of different values above which texts are no categories."""


@dataclass(frozen=True)
class Table:
    """Features and target of an imbalanced binary problem.

    Attributes:
        name: Short name, for reports.
        source: Where it came from: a path, ``demonstration`` or ``DataFrame``.
        features: Frame of shape (n_rows, n_features); numeric and boolean columns are float64
            with NaN for gaps, columns of categories are text with gaps.
        target: int64 ndarray of shape (n_rows,); 1 is the positive label.
        schema: What the columns are.
        notes: What was inferred rather than given, a sentence each, to be said aloud.
        given: The rows of each view, by its name, where they were split and balanced elsewhere.
    """

    name: str
    source: str
    features: pd.DataFrame
    target: np.ndarray
    schema: Schema
    notes: tuple[str, ...] = field(default=())
    given: Mapping[str, Split] | None = None

    @property
    def positive_rate(self) -> float:
        """Share of positive rows, 0 to 1; where rows are balanced already, of the test rows."""
        if self.given is not None:
            return float(self.target[next(iter(self.given.values())).test].mean())
        return float(self.target.mean())

    @property
    def duplicate_rows(self) -> int:
        """Number of rows whose features equal those of an earlier row.

        Where rows are split already: of validation and test rows that equal a training row.
        """
        if self.given is None:
            return int(self.features.duplicated().sum())
        train = np.unique(np.concatenate([split.train for split in self.given.values()]))
        known = self.features.iloc[train].drop_duplicates()
        rows = self.features.iloc[self._judged]
        return len(rows.merge(known, how="inner", on=list(self.features.columns)))

    @property
    def natural_rows(self) -> int:
        """Number of rows in the table's own shares: all, or the validation and test rows."""
        return len(self.target) if self.given is None else len(self._judged)

    @property
    def _judged(self) -> np.ndarray:
        """Positions of the validation and test rows of all views."""
        splits = (self.given or {}).values()
        return np.unique(np.concatenate([rows for s in splits for rows in (s.validation, s.test)]))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over names, kinds, values and target; equal tables have equal fingerprints."""
        digest = hashlib.sha256()
        for column in self.schema.columns:
            digest.update(f"{column.name}\0{column.kind}\0".encode())
            values = self.features[column.name]
            if column.kind is ColumnKind.CATEGORICAL:
                digest.update("\0".join(values.fillna("\1")).encode())
                continue
            # One bit pattern for every NaN and for both zeros.
            digest.update((np.nan_to_num(values.to_numpy(float), nan=np.nan) + 0.0).tobytes())
        digest.update(f"{self.schema.target}\0{self.schema.positive}\0".encode())
        digest.update(self.target.astype(np.int8).tobytes())
        for view, split in (self.given or {}).items():
            digest.update(f"{view}\0{len(split.train)}\0{len(split.validation)}\0".encode())
        return digest.hexdigest()


def load_table(
    path: Path | Location | None = None,
    *,
    target: str | int | None = None,
    positive: str | int | float | bool | None = None,
    id_columns: Sequence[str | int] | None = None,
    drop: Sequence[str | int] = (),
    delimiter: str = ",",
    header: bool | None = None,
) -> Table:
    """Reads a CSV or Parquet file, or the embedded demonstration data when ``path`` is None.

    The other arguments are those of :func:`make_table` and :func:`read_frame`.

    Raises:
        InputError: The file or one of the arguments does not make a table.
    """
    if path is None:
        frame, name, source = demonstration_table(), DEMONSTRATION, DEMONSTRATION
        target = "purchased_again" if target is None else target
    else:
        with local_copy(path) as file:
            frame = read_frame(file, delimiter=delimiter, header=header)
        name, source = path.stem, str(path)
    return make_table(
        frame,
        target=target,
        positive=positive,
        id_columns=id_columns,
        drop=drop,
        name=name,
        source=source,
    )


def make_table(
    frame: pd.DataFrame,
    *,
    target: str | int | None = None,
    positive: str | int | float | bool | None = None,
    id_columns: Sequence[str | int] | None = None,
    drop: Sequence[str | int] = (),
    name: str = "table",
    source: str = "DataFrame",
) -> Table:
    """Checks a raw frame and gives its columns their kinds.

    Args:
        frame: Rows of the table.
        target: Name or position of the target column; None takes the last column if it has two
            values.
        positive: Label of the positive class; None takes 1, true or yes if present, else the rarer.
        id_columns: Names or positions of columns that identify a row; None takes those called
            ``id`` or ``…_id`` whose values are all different.
        drop: Names or positions of columns to leave out.
        name: Short name, for reports.
        source: Where the frame came from.

    Raises:
        InputError: A column is missing, or a column's values are unfit.
    """
    notes: list[str] = []
    names = [str(column) for column in frame.columns]
    frame = frame.set_axis(names, axis="columns")
    check_unique(frame, source)
    if target is None:
        target_name = _infer_target(frame, source, notes)
    else:
        target_name = _resolve(target, names, source, "data.target")
    y, positive_label, negative_label = _encode_target(frame[target_name], positive, source, notes)

    dropped = [_resolve(column, names, source, "data.drop") for column in drop]
    if id_columns is None:
        identifiers = _infer_ids(frame, {target_name, *dropped}, notes)
    else:
        identifiers = [_resolve(column, names, source, "data.id_columns") for column in id_columns]
    left_out = {target_name, *dropped, *identifiers}
    if target_name in dropped or target_name in identifiers:
        raise InputError(f"{source}: the target '{target_name}' is also dropped; keep it")
    feature_names = [column for column in names if column not in left_out]
    if not feature_names:
        raise InputError(f"{source} has no feature column left; drop fewer columns")

    columns = tuple(Column(c, _kind(frame[c], source)) for c in feature_names)
    schema = Schema(
        columns=columns,
        target=target_name,
        positive=positive_label,
        negative=negative_label,
        id_columns=tuple(identifiers),
        dropped=tuple(dropped),
    )
    return Table(
        name=name,
        source=source,
        features=read_features(frame, schema, source),
        target=y,
        schema=schema,
        notes=tuple(notes),
    )


def _resolve(column: str | int, names: list[str], source: str, setting: str) -> str:
    """The name of a column given by name or position; a name wins over a position."""
    if str(column) in names and not isinstance(column, bool):
        return str(column)
    try:
        position = int(column)
    except ValueError:
        hint = nearest(str(column), names) or f"; its columns are {', '.join(names)}"
        raise InputError(f"{source} has no column '{column}' ({setting}){hint}") from None
    if not -len(names) <= position < len(names):
        raise InputError(
            f"{source} has no column at position {position} ({setting}); "
            f"positions go from 0 to {len(names) - 1}"
        )
    return names[position]


def _infer_target(frame: pd.DataFrame, source: str, notes: list[str]) -> str:
    last = str(frame.columns[-1])
    n_values = frame[last].dropna().map(label_of).nunique()
    if n_values != 2:
        raise InputError(
            f"{source}: no target was given, and the last column '{last}' has {n_values} different "
            "values, not two; name the target with --target"
        )
    notes.append(f"target: '{last}', the last column, which has two values")
    return last


def _encode_target(
    values: pd.Series, positive: str | int | float | bool | None, source: str, notes: list[str]
) -> tuple[np.ndarray, str, str]:
    gaps = values.isna().to_numpy()
    if gaps.any():
        raise InputError(
            f"{source}: the target '{values.name}' is empty in {gaps.sum()} rows (first: row "
            f"{int(gaps.argmax()) + 1}); fill or remove them"
        )
    text = values.map(label_of)
    counts = text.value_counts()
    if len(counts) != 2:
        shown = ", ".join(f"'{label}'" for label in list(counts.index)[:5])
        shown += ", …" if len(counts) > 5 else ""
        raise InputError(
            f"{source}: the target '{values.name}' has {len(counts)} "
            f"{'class' if len(counts) == 1 else 'classes'} ({shown}) and needs exactly two; "
            "choose another target or merge classes"
        )
    if positive is None:
        label = next(
            (c for c in counts.index if c.casefold() in {"1", "true", "yes"}), counts.index[-1]
        )
        notes.append(f"positive label: '{label}'")
    else:
        label = label_of(positive)
        if label not in counts.index:
            raise InputError(
                f"{source}: the target '{values.name}' has no label '{label}' (data.positive); "
                f"its labels are '{counts.index[0]}' and '{counts.index[1]}'"
            )
    negative = next(other for other in counts.index if other != label)
    return (text == label).to_numpy(np.int64), label, negative


def _infer_ids(frame: pd.DataFrame, taken: set[str], notes: list[str]) -> list[str]:
    found = [
        name
        for name in map(str, frame.columns)
        if name not in taken
        and (name.casefold() == "id" or name.casefold().endswith(("_id", " id")))
        and is_flat(frame[name])
        and frame[name].is_unique
    ]
    for name in found:
        notes.append(f"id column, left out: '{name}', whose values are all different")
    return found


def _kind(values: pd.Series, source: str) -> ColumnKind:
    if values.isna().all():
        raise InputError(
            f"{source}: column '{values.name}' is empty in every row; leave it out with "
            f"--set data.drop=[{values.name}]"
        )
    if pd.api.types.is_bool_dtype(values):
        return ColumnKind.BOOLEAN
    if pd.api.types.is_numeric_dtype(values):
        return ColumnKind.NUMERIC
    check_flat(values, source)
    present = values.dropna()
    if present.map(is_boolean_word).all():
        return ColumnKind.BOOLEAN
    is_time = values.dtype.kind in "mM"
    # A column of mostly numbers is numeric with mistakes in it, which are then named one by one.
    if not is_time and as_numbers(present).notna().mean() >= 0.5:
        return ColumnKind.NUMERIC
    texts = present.astype("str").str.strip()
    leave_out = f"or leave it out with --set data.drop=[{values.name}]"
    example = f"('{texts.iloc[0]}', …)"
    if is_time or texts.str.match(r"\d{4}-\d{2}-\d{2}").mean() >= 0.5:
        raise InputError(
            f"{source}: column '{values.name}' holds dates or durations {example}; turn them into "
            f"numbers such as days, {leave_out}"
        )
    if texts.str.fullmatch(r"[+-]?\d+,\d+").mean() >= 0.5:
        raise InputError(
            f"{source}: column '{values.name}' holds numbers with decimal commas {example}; write "
            f"them with points, {leave_out}"
        )
    different = present.nunique()
    if different > _TEXT_SHARE * len(present) and different > MOST_CATEGORIES:
        raise InputError(
            f"{source}: column '{values.name}' holds {different:,} different texts in "
            f"{len(present):,} rows {example}, which are no categories; group them, {leave_out}"
        )
    return ColumnKind.CATEGORICAL
