"""What the columns of a run's Parquet files hold, as far as their readers need it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .shapes import HIGHEST


@dataclass(frozen=True)
class Columns:
    """What the columns of a Parquet file of a run must hold; it has a row at least.

    Attributes:
        texts: Text without gaps.
        counts: Whole numbers from 0.
        sizes: Whole numbers from 1.
        numbers: Numbers, or gaps.
        labels: 0 and 1, both of them.
        shares: Numbers from 0 to 1.
        perhaps: As ``numbers``, of columns that files of older versions lack.
    """

    texts: Collection[str] = ()
    counts: Collection[str] = ()
    sizes: Collection[str] = ()
    numbers: Collection[str] = ()
    labels: Collection[str] = ()
    shares: Collection[str] = ()
    perhaps: Collection[str] = ()

    def __call__(self, frame: pd.DataFrame) -> None:
        """Checks a frame.

        Raises:
            ValueError: It lacks a column, or a column holds something else.
        """
        if frame.empty:
            raise ValueError("it has no rows")
        if not frame.columns.is_unique:
            raise ValueError("two columns have the same name")
        for names, fits, what in (
            (self.texts, _is_text, "text in every row"),
            (self.counts, _is_count, "whole numbers from 0"),
            (self.sizes, _is_size, "whole numbers from 1"),
            ([*self.numbers, *(set(self.perhaps) & set(frame))], _is_number, "numbers"),
            (self.labels, _is_label, "0 and 1"),
            (self.shares, _is_share, "numbers from 0 to 1"),
        ):
            for name in names:
                if name not in frame:
                    raise ValueError(f"it has no column '{name}'")
                if not fits(frame[name]):
                    raise ValueError(f"its column '{name}' does not hold {what}")


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.infer_dtype(values, skipna=False) == "string"


def _is_count(values: pd.Series) -> bool:
    return pd.api.types.is_integer_dtype(values) and bool((values >= 0).all())


def _is_size(values: pd.Series) -> bool:
    return _is_count(values) and bool((values > 0).all())


def _is_number(values: pd.Series) -> bool:
    if values.isna().all():  # without a number the column has no type of its own
        return True
    if not (pd.api.types.is_float_dtype(values) or pd.api.types.is_integer_dtype(values)):
        return False
    return not (np.abs(values.dropna().to_numpy(np.float64)) > HIGHEST).any()


def _is_label(values: pd.Series) -> bool:
    return pd.api.types.is_integer_dtype(values) and set(values.unique()) == {0, 1}


def _is_share(values: pd.Series) -> bool:
    return _is_number(values) and bool(values.between(0, 1).all())
