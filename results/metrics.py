"""Figures of a binary classifier's probabilities, with bootstrap intervals."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from .calibration import compute_calibration
from .decisions import compute_thresholds
from .objective import Metric, finite_or_none

INTERVAL_METRICS = (
    "accuracy", "log_loss", "roc_auc", "pr_auc", "balanced_accuracy", "f1", "brier",
)  # fmt: skip
"""Names of the figures that get intervals."""

_CHUNK_CELLS = 2_000_000
"""Resamples × rows that are held in memory at once."""


def log_losses(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Each row's negative log-likelihood in nats, float64 of shape (n_rows,) or (…, n_rows).

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        probabilities: Of class 1, ndarray whose last axis is the rows.
    """
    p = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def log_loss(y: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative log-likelihood in nats a row."""
    return float(log_losses(y, probabilities).mean())


def accuracy(y: np.ndarray, probabilities: np.ndarray, threshold: float = 0.5) -> float:
    """Share of rows on the right side of the threshold."""
    return float(((probabilities >= threshold) == y).mean())


def best_balanced_accuracy(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The balanced accuracy at the threshold where it is highest on these rows."""
    false_positives, true_positives, _ = roc_curve(y, probabilities)
    return float((true_positives + 1 - false_positives).max() / 2)


def best_f1(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The F1 of the positive class at the threshold where it is highest on these rows."""
    return float(compute_thresholds(y, probabilities).f1.max())


RANKING_METRICS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "roc_auc": roc_auc_score,
    "pr_auc": average_precision_score,
    "balanced_accuracy": best_balanced_accuracy,
    "f1": best_f1,
    "brier": brier_score_loss,
}
"""What trials can be ranked by. No threshold is chosen yet then: those that need one are at their
best, since a threshold of one half calls next to nobody positive where positives are rare."""


def classification_metrics(
    y: np.ndarray, probabilities: np.ndarray, threshold: float
) -> dict[str, Any]:
    """The figures of ``summary.json`` for one model on one set of rows.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        probabilities: Natural-prior probability of class 1, ndarray of shape (n_rows,).
        threshold: Rows at or above it are called positive.

    Returns:
        ``rows``, the figures of :data:`INTERVAL_METRICS`, the expected calibration error ``ece``,
        ``threshold`` and ``confusion_matrix`` as [[tn, fp], [fn, tp]].
    """
    predicted = (probabilities >= threshold).astype(int)
    return {
        "rows": len(y),
        "accuracy": float((predicted == y).mean()),
        "log_loss": log_loss(y, probabilities),
        "roc_auc": float(roc_auc_score(y, probabilities)),
        # A sum of shares, which may exceed one by a rounding.
        "pr_auc": min(float(average_precision_score(y, probabilities)), 1.0),
        "balanced_accuracy": float(balanced_accuracy_score(y, predicted)),
        "f1": float(f1_score(y, predicted, zero_division=0)),
        "brier": float(brier_score_loss(y, probabilities)),
        "ece": compute_calibration(y, probabilities).error,
        "threshold": float(threshold),
        "confusion_matrix": confusion_matrix(y, predicted, labels=[0, 1]).tolist(),
    }


def bootstrap_intervals(
    y: np.ndarray, probabilities: np.ndarray, threshold: float, seed: int, resamples: int = 1000
) -> dict[str, list[float]]:
    """95% percentile intervals over resampled rows (Efron & Tibshirani 1993, chapter 13).

    Classes are resampled separately, so that every resample holds both.

    Returns:
        ``{metric: [low, high]}`` for :data:`INTERVAL_METRICS`.
    """
    return _intervals(
        _weighted_metrics(y, probabilities, threshold, weights)
        for weights in _resamples(y, seed, resamples)
    )


def metric_interval(
    metric: Metric, y: np.ndarray, probabilities: np.ndarray, seed: int, resamples: int = 1000
) -> list[float] | None:
    """The same of any metric, on the same resampled rows; None where it isn't finite on all."""
    rows = np.arange(len(y))
    drawn = np.array(
        [
            metric(y[drawn_rows], probabilities[drawn_rows])
            for weights in _resamples(y, seed, resamples)
            for drawn_rows in (np.repeat(rows, times) for times in weights.astype(np.int64))
        ]
    )
    return np.percentile(drawn, [2.5, 97.5]).tolist() if np.isfinite(drawn).all() else None


def metric_figures(
    metric: Metric, y: np.ndarray, probabilities: Mapping[str, np.ndarray], seed: int
) -> dict[str, dict[str, Any]]:
    """A metric of several models on the same rows, with its intervals.

    Args:
        metric: The metric.
        y: int ndarray of shape (n_rows,).
        probabilities: Each model's, an ndarray of shape (n_rows,).
        seed: Of the resampling.

    Returns:
        ``{model: {"value": …, "ci95": [low, high]}}``; None stands for what is not finite.
    """
    return {
        model: {
            "value": finite_or_none(metric(y, p)),
            "ci95": metric_interval(metric, y, p, seed),
        }
        for model, p in probabilities.items()
    }


def difference_intervals(
    y: np.ndarray,
    probabilities: Sequence[np.ndarray],
    thresholds: Sequence[float],
    seed: int,
    resamples: int = 1000,
) -> dict[str, list[float]]:
    """95% intervals of the second model's figures minus the first's, on the same resampled rows.

    Rows that are hard for one model are hard for the other, so that differences vary less than
    figures.

    Args:
        y: int ndarray of shape (n_rows,).
        probabilities: Both models', each an ndarray of shape (n_rows,).
        thresholds: Each model's own.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        ``{metric: [low, high]}`` for :data:`INTERVAL_METRICS`.
    """

    def differences(weights: np.ndarray) -> dict[str, np.ndarray]:
        first, second = (
            _weighted_metrics(y, p, threshold, weights)
            for p, threshold in zip(probabilities, thresholds, strict=True)
        )
        return {metric: second[metric] - first[metric] for metric in INTERVAL_METRICS}

    return _intervals(differences(weights) for weights in _resamples(y, seed, resamples))


def _resamples(y: np.ndarray, seed: int, resamples: int) -> Iterator[np.ndarray]:
    """How often each row was drawn, which stands for the drawn rows: (n_resamples, n_rows)."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(y == label) for label in (0, 1)]
    chunk = max(1, _CHUNK_CELLS // len(y))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        weights = np.zeros((size, len(y)))
        for rows in members:
            weights[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size)
        yield weights


def _intervals(draws: Iterable[dict[str, np.ndarray]]) -> dict[str, list[float]]:
    drawn = list(draws)
    together = {m: np.concatenate([draw[m] for draw in drawn]) for m in INTERVAL_METRICS}
    return {m: np.percentile(values, [2.5, 97.5]).tolist() for m, values in together.items()}


def _weighted_metrics(
    y: np.ndarray, probabilities: np.ndarray, threshold: float, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The figures of :data:`INTERVAL_METRICS` for many weightings of the same rows at once.

    Args:
        y: int ndarray of shape (n_rows,).
        probabilities: ndarray of shape (n_rows,).
        threshold: Rows at or above it are called positive.
        weights: ndarray of shape (n_weightings, n_rows).
    """
    order = np.argsort(-probabilities, kind="stable")
    y, probabilities, weights = y[order], probabilities[order], weights[:, order]
    total = weights.sum(axis=1)
    positive, negative = weights * (y == 1), weights * (y == 0)
    # Rows of equal probability count as one step of the curves.
    steps = np.flatnonzero(np.diff(probabilities, prepend=np.inf))
    hits, alarms = (np.add.reduceat(w, steps, axis=1) for w in (positive, negative))
    hits_so_far, alarms_so_far = hits.cumsum(axis=1), alarms.cumsum(axis=1)
    all_hits, all_alarms = hits_so_far[:, -1:], alarms_so_far[:, -1:]
    called = np.maximum(hits_so_far + alarms_so_far, 1e-12)
    ranked_below = all_alarms - alarms_so_far + alarms / 2

    above = probabilities >= threshold
    true_positives, false_positives = positive[:, above].sum(axis=1), negative[:, above].sum(axis=1)
    n_positive, n_negative = all_hits[:, 0], all_alarms[:, 0]
    true_negatives = n_negative - false_positives
    return {
        "accuracy": (true_positives + true_negatives) / total,
        "log_loss": weights @ log_losses(y, probabilities) / total,
        "roc_auc": (hits * ranked_below).sum(axis=1) / (n_positive * n_negative),
        "pr_auc": (hits / all_hits * hits_so_far / called).sum(axis=1),
        "balanced_accuracy": (true_positives / n_positive + true_negatives / n_negative) / 2,
        "f1": 2 * true_positives / (true_positives + false_positives + n_positive),
        "brier": weights @ (probabilities - y) ** 2 / total,
    }
