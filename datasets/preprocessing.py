"""Turns feature frames into the float32 matrices that networks train on."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from .encoders import SignedLog1p, ZeroIndicator
from .schema import MOST_CATEGORIES

_TRUSTED = [
    # SimpleImputer remembers the dtype it was fitted on.
    "numpy.dtype",
    *(f"{cls.__module__}.{cls.__qualname__}" for cls in (SignedLog1p, ZeroIndicator)),
]

_LIMIT = 1e4
"""Standard deviations beyond which a value says no more, but could overflow a network."""

_GAP = ""
"""The category that an empty field is."""


class Preprocessor:
    """Numbers with gaps filled by their mean and long tails drawn in, standardised; categories.

    Args:
        long_tails: Whether skewed columns are drawn in, on a logarithmic scale.
        indicators: Whether gaps and frequent zeros get columns of their own.
        standardised: Whether columns of numbers get a mean of 0 and a variance of 1.
        most_categories: Of a column; the rarest beyond share one. None keeps all of them.

    A row has two forms. The *compact* one, which samplers take, has the numeric columns in order,
    then an indicator for every one with gaps, one for every one that is often zero, and then the
    code of every column of categories. The *expanded* one, which networks take, has an indicator
    for every category instead of its code; a category that was not there when fitting has none.

    Saved with skops, whose files load without executing code.
    """

    def __init__(
        self,
        *,
        long_tails: bool = True,
        indicators: bool = True,
        standardised: bool = True,
        most_categories: int | None = MOST_CATEGORIES,
    ) -> None:
        filled = [SimpleImputer(strategy="mean", keep_empty_features=True)]
        marked = [MissingIndicator(features="missing-only", error_on_new=False), ZeroIndicator()]
        self._numbers = make_pipeline(
            make_union(
                make_pipeline(*filled, *([SignedLog1p()] if long_tails else [])),
                *(marked if indicators else []),
            ),
            *([StandardScaler()] if standardised else []),
        )
        self._categories = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, max_categories=most_categories
        )
        self._limit = _LIMIT if standardised else np.inf
        self._numerical: list[str] = []
        self._categorical: list[str] = []
        self._levels: list[int] = []

    def fit(self, features: pd.DataFrame) -> Self:
        """Fits every step.

        Args:
            features: Frame of shape (n_rows, n_features); columns of numbers are float64 with NaN
                for gaps, all others hold categories as text.
        """
        numbers, categories = _split_kinds(features)
        self._categorical = list(categories.columns)
        self._numerical = list(numbers.columns)
        if self._numerical:
            self._numbers.fit(numbers.to_numpy(np.float64))
        if self._categorical:
            codes = self._categories.fit_transform(_texts(categories))
            self._levels = [int(level) + 1 for level in codes.max(axis=0)]
        return self

    def compact(self, features: pd.DataFrame) -> np.ndarray:
        """float64 ndarray of shape (n_rows, n_compact), without gaps; an unknown category is -1."""
        parts = []
        if self._numerical:
            numbers = features[self._numerical].to_numpy(np.float64)
            parts.append(np.clip(self._numbers.transform(numbers), -self._limit, self._limit))
        if self._categorical:
            parts.append(self._categories.transform(_texts(features[self._categorical])))
        return np.concatenate(parts, axis=1)

    def raw(self, features: pd.DataFrame) -> np.ndarray:
        """float64 ndarray of shape (n_rows, n_features): numbers as they are, NaN for gaps; codes.

        An unknown category is a gap.
        """
        numbers = features[self._numerical].to_numpy(np.float64)
        if not self._categorical:
            return numbers
        codes = self._categories.transform(_texts(features[self._categorical]))
        return np.concatenate([numbers, np.where(codes < 0, np.nan, codes)], axis=1)

    def as_features(self, raw: np.ndarray) -> pd.DataFrame:
        """Rows of :meth:`raw`, without gaps, as a frame that :meth:`fit` takes."""
        n_numbers = len(self._numerical)
        numbers = pd.DataFrame(raw[:, :n_numbers], columns=self._numerical)
        if not self._categorical:
            return numbers
        texts = self._categories.inverse_transform(raw[:, n_numbers:])
        return numbers.join(pd.DataFrame(texts, columns=self._categorical).astype("str"))

    def is_category(self, n_compact: int) -> np.ndarray:
        """Which of the compact columns are codes: bool ndarray of shape (n_compact,)."""
        return np.arange(n_compact) >= n_compact - len(self._levels)

    def expand(self, compact: np.ndarray) -> np.ndarray:
        """float32 C-contiguous ndarray of shape (n_rows, n_outputs)."""
        codes = self.is_category(compact.shape[1])
        indicators = [
            column[:, None] == np.arange(level)
            for column, level in zip(compact[:, codes].T, self._levels, strict=True)
        ]
        return np.ascontiguousarray(
            np.concatenate([compact[:, ~codes], *indicators], axis=1), dtype=np.float32
        )

    def collapse(self, expanded: np.ndarray) -> np.ndarray:
        """The compact form of expanded rows, the inverse of :meth:`expand`.

        Where indicators of a column are shares, as in rows that lie between others, the category of
        the largest share counts.

        Args:
            expanded: float ndarray of shape (n_rows, n_outputs).

        Returns:
            float64 ndarray of shape (n_rows, n_compact).
        """
        ends = expanded.shape[1] - sum(self._levels) + np.cumsum([0, *self._levels])
        parts = np.split(expanded, ends, axis=1)[:-1]
        codes = [part.argmax(axis=1)[:, None] for part in parts[1:]]
        return np.concatenate([parts[0], *codes], axis=1, dtype=np.float64)

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """float32 C-contiguous ndarray of shape (n_rows, n_outputs), without gaps."""
        return self.expand(self.compact(features))

    @property
    def columns(self) -> tuple[list[str], list[str]]:
        """Names of the columns of numbers, and of those of categories, each in order."""
        return self._numerical, self._categorical

    def output_names(self) -> list[str]:
        """Names of the expanded columns; an indicator is called after its column and its value."""
        names = []
        if self._numerical:
            union = self._numbers[0]
            gaps, zeros = [], []
            if len(union.transformer_list) > 1:
                (_, missing), (_, zero) = union.transformer_list[1:]
                gaps = [f"{self._numerical[i]}=missing" for i in missing.features_]
                zeros = [f"{self._numerical[i]}=0" for i in np.flatnonzero(zero.often_zero_)]
            names = [*self._numerical, *gaps, *zeros]
        for column, level in zip(self._categorical, self._levels, strict=True):
            codes = np.full((level, len(self._categorical)), 0.0)
            codes[:, self._categorical.index(column)] = np.arange(level)
            texts = self._categories.inverse_transform(codes)[:, self._categorical.index(column)]
            names += [f"{column}={text}" for text in texts]
        return names

    def save(self, path: Path) -> None:
        """Writes the fitted state to a skops file."""
        from skops.io import dump

        dump(vars(self), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a file of :meth:`save`; only scikit-learn's types and this package's load.

        Raises:
            Exception: It is no such file, or of a version with other steps; of whatever type skops
                and scikit-learn raise then.
        """
        from skops.io import load

        preprocessor, state = cls(), load(path, trusted=_TRUSTED)
        if not isinstance(state, dict) or _types(state) != _types(vars(preprocessor)):
            raise TypeError("it holds no preprocessing")
        vars(preprocessor).update(state)
        gaps = pd.DataFrame(
            {name: [np.nan] for name in preprocessor._numerical}
            | {name: [_GAP] for name in preprocessor._categorical}
        )
        preprocessor.transform(gaps)  # which only fitted steps can
        return preprocessor


def _types(state: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in state.items()}


def _split_kinds(features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    numbers = features.select_dtypes("number")
    return numbers, features.drop(columns=numbers.columns)


def _texts(categories: pd.DataFrame) -> np.ndarray:
    return categories.astype(object).where(categories.notna(), _GAP).to_numpy(object)
