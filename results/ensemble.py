"""Greedy ensemble selection with replacement over out-of-fold predictions. Pure NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import log_losses


@dataclass(frozen=True)
class Selection:
    """An ensemble and how it was found.

    Attributes:
        weights: float64 ndarray of shape (n_candidates,), summing to 1; 0 for those left out.
        path: Index of the candidate added in each round, up to the chosen round.
        losses: Log loss after each round, in nats a row, all rounds.
    """

    weights: np.ndarray
    path: tuple[int, ...]
    losses: tuple[float, ...]


def select_greedily(probabilities: np.ndarray, y: np.ndarray, rounds: int) -> Selection:
    """Adds, round by round, the candidate that lowers the averaged prediction's log loss most.

    A candidate can be added again, which gives it weight (Caruana et al., "Ensemble Selection from
    Libraries of Models", ICML 2004). The round with the lowest loss is kept, the earliest of
    equals; among equal candidates the first wins.

    Args:
        probabilities: float ndarray of shape (n_candidates, n_rows), out-of-fold, of class 1.
        y: int ndarray of shape (n_rows,), 0 or 1.
        rounds: Rounds to try, at least 1.
    """
    total = np.zeros(probabilities.shape[1])
    path: list[int] = []
    losses: list[float] = []
    for size in range(1, rounds + 1):
        trial_losses = log_losses(y, (total + probabilities) / size).mean(axis=1)
        best = int(np.argmin(trial_losses))
        total += probabilities[best]
        path.append(best)
        losses.append(float(trial_losses[best]))
    kept = path[: int(np.argmin(losses)) + 1]
    weights = np.bincount(kept, minlength=len(probabilities)) / len(kept)
    return Selection(weights, tuple(kept), tuple(losses))


def cross_fitted_probabilities(
    probabilities: np.ndarray, y: np.ndarray, folds: Sequence[np.ndarray], rounds: int
) -> np.ndarray:
    """The ensemble's predictions with weights that never saw the row they predict.

    For every fold the weights are selected on the other folds' rows, so that figures computed from
    the result are not flattered by the selection.

    Args:
        probabilities: float ndarray of shape (n_candidates, n_rows), out-of-fold.
        y: int ndarray of shape (n_rows,), 0 or 1.
        folds: Disjoint column positions that together are all columns.
        rounds: Rounds of each selection.

    Returns:
        float64 ndarray of shape (n_rows,).
    """
    result = np.empty(probabilities.shape[1])
    for fold in folds:
        others = np.setdiff1d(np.arange(probabilities.shape[1]), fold)
        selection = select_greedily(probabilities[:, others], y[others], rounds)
        result[fold] = selection.weights @ probabilities[:, fold]
    return result
