"""The threshold that a sweep asks for."""

import numpy as np

from ..results.decisions import best_f1_threshold, least_cost_threshold, share_threshold
from .sections import DecisionConfig


def chosen_threshold(
    decision: DecisionConfig, y: np.ndarray, probabilities: np.ndarray, n_rows: int
) -> float:
    """Rows at or above it are called positive.

    Args:
        decision: What to choose it by.
        y: int ndarray of shape (n_chosen_on,), 0 or 1.
        probabilities: Of class 1, for rows that the model never saw.
        n_rows: Of the whole table, in which the contacts are to be made.
    """
    if decision.false_positive_cost is not None and decision.false_negative_cost is not None:
        return least_cost_threshold(
            y, probabilities, decision.false_positive_cost, decision.false_negative_cost
        )
    if decision.contacts is not None:
        return share_threshold(probabilities, decision.contacts / n_rows)
    return best_f1_threshold(y, probabilities)
