"""Turns feature frames into the float32 matrices that networks train on."""

from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from .encoders import SignedLog1p, ZeroIndicator

_TRUSTED = [
    # SimpleImputer remembers the dtype it was fitted on.
    "numpy.dtype",
    *(f"{cls.__module__}.{cls.__qualname__}" for cls in (SignedLog1p, ZeroIndicator)),
]


_LIMIT = 1e4
"""Standard deviations beyond which a value says no more, but could overflow a network."""


class Preprocessor:
    """Columns with gaps filled by their mean and long tails drawn in, indicators, standardised.

    The outputs are the feature columns in order, then an indicator for every column with gaps, then
    one for every column that is often zero. Saved with skops, whose files load without executing
    code.
    """

    def __init__(self) -> None:
        self._pipeline = make_pipeline(
            make_union(
                make_pipeline(
                    SimpleImputer(strategy="mean", keep_empty_features=True), SignedLog1p()
                ),
                MissingIndicator(features="missing-only", error_on_new=False),
                ZeroIndicator(),
            ),
            StandardScaler(),
        )

    def fit(self, features: pd.DataFrame) -> Self:
        """Fits every step.

        Args:
            features: float64 frame of shape (n_rows, n_features), NaN for gaps.
        """
        self._pipeline.fit(features.to_numpy(np.float64))
        return self

    def transform(self, features: pd.DataFrame) -> np.ndarray:
        """Float32 C-contiguous ndarray of shape (n_rows, n_outputs), without gaps."""
        transformed = self._pipeline.transform(features.to_numpy(np.float64))
        limited = np.clip(transformed, -_LIMIT, _LIMIT)
        return np.ascontiguousarray(limited, dtype=np.float32)

    def save(self, path: Path) -> None:
        """Writes the fitted state to a skops file."""
        from skops.io import dump

        dump(self._pipeline, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a file of :meth:`save`; only scikit-learn's types and this package's load."""
        from skops.io import load

        preprocessor = cls()
        preprocessor._pipeline = load(path, trusted=_TRUSTED)
        return preprocessor
