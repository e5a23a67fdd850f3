"""Which rows to call positive, and what a ranking is worth to who can act on a part of the rows.

A threshold is chosen on rows that the model never saw, and rows at or above it are called positive.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_curve

NOBODY = float(np.nextafter(1, 2))
"""The threshold that calls no row positive, since no probability is that high."""


def best_f1_threshold(y: np.ndarray, probabilities: np.ndarray) -> float:
    """The threshold with the highest F1 of the positive class; the lowest of equals.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, with at least one positive.
        probabilities: Of class 1, for rows that the model never saw.
    """
    precision, recall, thresholds = precision_recall_curve(y, probabilities)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[np.argmax(f1[:-1])])


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
            f"with the least cost at {decision['false_positive_cost']:g} a false alarm and "
            f"{decision['false_negative_cost']:g} a missed positive"
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


def gains_table(y: np.ndarray, probabilities: np.ndarray, parts: int = 10) -> list[dict[str, Any]]:
    """The rows in parts by rank, the likeliest first, and how many positives each holds.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, with at least one positive.
        probabilities: Of class 1; rows of equal probability rank in their order.
        parts: Of about as many rows each.

    Returns:
        A mapping a part that has rows: ``part`` from 1, its ``rows`` and ``positives``, and of all
        rows down to its end the share of positives they hold, ``found``, and the ``lift``, how many
        times as many positives as in as many rows at random.
    """
    ranked = y[np.argsort(-probabilities, kind="stable")]
    part_of = np.arange(len(y)) * parts // len(y)
    table = []
    for part in np.unique(part_of):
        inside, down_to = ranked[part_of == part], ranked[part_of <= part]
        found = down_to.sum() / ranked.sum()
        table.append(
            {
                "part": int(part) + 1,
                "rows": len(inside),
                "positives": int(inside.sum()),
                "found": float(found),
                "lift": float(found / (len(down_to) / len(y))),
            }
        )
    return table
