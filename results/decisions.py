"""Which rows to call positive, and what a ranking is worth to who can act on a part of the rows.

A threshold is chosen on rows that the model never saw, and rows at or above it are called positive.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

NOBODY = float(np.nextafter(1, 2))
"""The threshold that calls no row positive, since no probability is that high."""


@dataclass(frozen=True)
class ThresholdCurve:
    """What calling rows at or above a threshold positive leads to.

    Attributes:
        threshold: float64 ndarray of shape (n_thresholds,), ascending; each calls other rows.
        precision: Share of calls that are right, the same shape.
        recall: Share of positives that are called.
        f1: Harmonic mean of the two.
    """

    threshold: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def compute_thresholds(y: np.ndarray, probabilities: np.ndarray) -> ThresholdCurve:
    """Precision, recall and F1 at every threshold.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, with at least one positive.
        probabilities: Of class 1, ndarray of shape (n_rows,).
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, threshold = precision_recall_curve(y, probabilities)
    precision, recall = precision[:-1], recall[:-1]  # without the end that no threshold leads to
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return ThresholdCurve(threshold, precision, recall, f1)


def best_f1_threshold(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The threshold with the highest F1 of the positive class; the lowest of equals.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, with at least one positive.
        probabilities: Of class 1, for rows that the model never saw.
    """
    curve = compute_thresholds(y, probabilities)
    return float(curve.threshold[np.argmax(curve.f1)])


def least_cost_threshold(
    y: np.ndarray,
    probabilities: np.ndarray,
    false_positive_cost: float,
    false_negative_cost: float,
) -> float:
    """The threshold whose calls cost least on these rows; the lowest of equals.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        probabilities: Of class 1, for rows that the model never saw.
        false_positive_cost: Of a negative row that is called positive.
        false_negative_cost: Of a positive row that is not.
    """
    thresholds = np.unique(np.append(probabilities, NOBODY))
    positives, negatives = np.sort(probabilities[y == 1]), np.sort(probabilities[y == 0])
    missed = np.searchsorted(positives, thresholds)
    alarms = len(negatives) - np.searchsorted(negatives, thresholds)
    costs = false_positive_cost * alarms + false_negative_cost * missed
    return float(thresholds[np.argmin(costs)])


def share_threshold(probabilities: np.ndarray, share: float) -> float:
    """The lowest threshold that calls no more than a share of these rows positive.

    Args:
        probabilities: Of class 1, for rows that the model never saw.
        share: Of rows, from 0 to 1.
    """
    thresholds = np.unique(np.append(probabilities, NOBODY))
    called = len(probabilities) - np.searchsorted(np.sort(probabilities), thresholds)
    return float(thresholds[np.argmax(called <= share * len(probabilities) + 1e-9)])


def decision_words(decision: Mapping[str, Any], rows: int) -> str:
    """What a sweep's threshold was chosen for, such as ``with the best F1``.

    Args:
        decision: The sweep's section of that name.
        rows: Of the whole table.
    """
    if decision["by"] == "cost":
        return (
            f"with the least cost at {decision['false_positive_cost']:,.10g} a false alarm and "
            f"{decision['false_negative_cost']:,.10g} a missed positive"
        )
    if decision["by"] == "contacts":
        return f"for {decision['contacts']:,} contacts in {rows:,} rows"
    return "with the best F1"


def decision_cost(decision: Mapping[str, Any], confusion: Any) -> float | None:
    """What calls cost, if the sweep gave costs.

    Args:
        decision: The sweep's section of that name.
        confusion: [[tn, fp], [fn, tp]].
    """
    if decision["by"] != "cost":
        return None
    (_, false_positives), (false_negatives, _) = confusion
    return float(
        decision["false_positive_cost"] * false_positives
        + decision["false_negative_cost"] * false_negatives
    )


@dataclass(frozen=True)
class GainsCurve:
    """Share of the positives among the rows ranked highest.

    Attributes:
        rows: Share of all rows, float64 ndarray of shape (n_steps,), from 0 to 1.
        found: Share of all positives among them, the same shape.
        lift: How many times as many positives as among as many rows at random, the same shape; NaN
            for no rows.
    """

    rows: np.ndarray
    found: np.ndarray
    lift: np.ndarray

    def found_within(self, share: float) -> float:
        """Share of the positives among the ``share`` of rows ranked highest."""
        return float(np.interp(share, self.rows, self.found))


def compute_gains(y: np.ndarray, probabilities: np.ndarray) -> GainsCurve:
    """The cumulative gains of one model; rows of equal probability count as one step."""
    order = np.argsort(-probabilities, kind="stable")
    last_of_step = np.flatnonzero(np.diff(probabilities[order], append=-np.inf))
    found = np.cumsum(y[order])[last_of_step] / y.sum()
    rows = (last_of_step + 1) / len(y)
    return GainsCurve(
        rows=np.concatenate([[0.0], rows]),
        found=np.concatenate([[0.0], found]),
        lift=np.concatenate([[np.nan], found / rows]),
    )


def gains_table(y: np.ndarray, probabilities: np.ndarray, parts: int = 10) -> list[dict[str, Any]]:
    """The rows in parts by rank, the likeliest first, and how many positives each holds.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, with at least one positive.
        probabilities: Of class 1; rows of equal probability share their positives evenly.
        parts: Of about as many rows each.

    Returns:
        A mapping a part that has rows: ``part`` from 1, its ``rows`` and ``positives``, and of all
        rows down to its end the share of positives they hold, ``found``, and the ``lift``, how many
        times as many positives as in as many rows at random.
    """
    curve = compute_gains(y, probabilities)
    counts = np.bincount(np.arange(len(y)) * parts // len(y))
    table, above, done = [], 0.0, 0
    for number, rows in enumerate(counts, start=1):
        if not rows:
            continue
        done += int(rows)
        found = curve.found_within(done / len(y))
        table.append(
            {
                "part": number,
                "rows": int(rows),
                "positives": round((found - above) * float(y.sum()), 6),
                "found": found,
                "lift": found * len(y) / done,
            }
        )
        above = found
    return table
