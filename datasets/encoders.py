"""Transformers for columns as tables have them: skewed, and piled up at zero.

Networks see standardised columns. An amount with a long tail, or one that is mostly zero, hides its
information from them: trees split such a column where they like, a network needs it spread out and
the zeros marked. Both transformers are fitted on training rows only.
"""

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

_SKEWED = 1.0
"""Absolute skewness above which a column counts as skewed (Bulmer 1979 calls 1 highly skewed)."""

_MANY_ZEROS = 0.2
"""Share of zeros above which they count as a state of their own."""


class SignedLog1p(TransformerMixin, BaseEstimator):
    """Replaces x by sign(x) · log(1 + |x|) in skewed columns of more than two values.

    Attributes:
        skewed_: bool ndarray of shape (n_features,).
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Finds the skewed columns; X is float64 of shape (n_rows, n_features), without gaps."""
        deviations = X - X.mean(axis=0)
        spread = X.std(axis=0)
        cubes = (deviations**3).mean(axis=0)
        skewness = np.divide(cubes, spread**3, out=np.zeros_like(spread), where=spread > 0)
        self.skewed_ = (np.abs(skewness) > _SKEWED) & _many_valued(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """float64 ndarray of the same shape."""
        return np.where(self.skewed_, np.sign(X) * np.log1p(np.abs(X)), X)


class ZeroIndicator(TransformerMixin, BaseEstimator):
    """Marks zeros, 1 or 0, of the columns of more than two values that are often zero.

    Attributes:
        often_zero_: bool ndarray of shape (n_features,).
    """

    def fit(self, X: np.ndarray, y: object = None) -> Self:
        """Finds the columns; X is float64 of shape (n_rows, n_features), NaN for gaps."""
        self.often_zero_ = ((X == 0).mean(axis=0) >= _MANY_ZEROS) & _many_valued(X)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """float64 ndarray of shape (n_rows, n_often_zero); a gap is no zero."""
        return (X[:, self.often_zero_] == 0).astype(np.float64)


def _many_valued(X: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(column[~np.isnan(column)])) > 2 for column in X.T], bool)
