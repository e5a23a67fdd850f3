"""Moves probabilities between class priors, and measures whether they can be trusted."""

from dataclasses import dataclass

import numpy as np

_WILSON_Z = 1.959964
"""Of a two-sided 95% interval."""


@dataclass(frozen=True)
class CalibrationBins:
    """Predicted probability against observed frequency, in bins of about equally many rows.

    Attributes:
        predicted: Mean probability of each bin, float64 ndarray of shape (n_bins,), ascending.
        observed: Share of positives in each bin.
        low: Lower end of the share's 95% Wilson interval.
        high: Upper end.
        rows: int64 ndarray of shape (n_bins,).
    """

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    rows: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the bins' mean distance, by rows (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.predicted - self.observed), weights=self.rows))


def compute_calibration(
    y: np.ndarray, probabilities: np.ndarray, bins: int = 10
) -> CalibrationBins:
    """Bins between quantiles of the probabilities; equal probabilities share a bin.

    The intervals are Wilson's (1927), which stay inside 0 and 1 for rare positives.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        probabilities: Of class 1, ndarray of shape (n_rows,).
        bins: The most bins; ties and few rows give fewer.
    """
    p = np.asarray(probabilities, np.float64)
    inner = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    _, numbers, rows = np.unique(
        np.searchsorted(inner, p, side="left"), return_inverse=True, return_counts=True
    )
    observed = np.bincount(numbers, weights=y) / rows
    z2 = _WILSON_Z**2
    centre = (observed + z2 / (2 * rows)) / (1 + z2 / rows)
    half = np.sqrt(observed * (1 - observed) / rows + z2 / (4 * rows**2))
    half *= _WILSON_Z / (1 + z2 / rows)
    return CalibrationBins(
        predicted=np.bincount(numbers, weights=p) / rows,
        observed=observed,
        low=np.clip(centre - half, 0, 1),
        high=np.clip(centre + half, 0, 1),
        rows=rows,
    )


def shift_log_odds(probabilities: np.ndarray, shift: float) -> np.ndarray:
    """Adds a constant to the log-odds of probabilities.

    With the shift of a balanced view this gives natural-prior probabilities (Elkan 2001, theorem 2;
    Saerens et al. 2002, equation 4).

    Args:
        probabilities: Of class 1, ndarray of any shape.
        shift: In nats; 0 changes nothing.

    Returns:
        float64 ndarray of the same shape.
    """
    p = np.asarray(probabilities, np.float64)
    odds_factor = np.exp(shift)
    return p * odds_factor / (1 - p + p * odds_factor)
