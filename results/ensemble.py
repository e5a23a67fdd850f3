"""Greedy ensemble selection with replacement over out-of-fold predictions. Pure NumPy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import log_losses

Objective = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What a selection makes small: float64 of shape (n_predictions,) from labels (n_rows,) and
probabilities (n_predictions, n_rows). Caruana et al. (2004) allow any."""


def mean_log_losses(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Log losses in nats a row, an :data:`Objective`."""
    return log_losses(y, probabilities).mean(axis=1)


@dataclass(frozen=True)
class Selection:
    """An ensemble and how it was found.

    Attributes:
        weights: float64 ndarray of shape (n_candidates,), summing to 1; 0 for those left out.
        added: Index of the candidate added in each round, all rounds.
        kept: Rounds kept, from 1.
        objectives: Of the averaged prediction after each round.
    """

    weights: np.ndarray
    added: tuple[int, ...]
    kept: int
    objectives: tuple[float, ...]

    @property
    def path(self) -> tuple[int, ...]:
        """Index of the candidate added in each round, up to the last that was kept."""
        return self.added[: self.kept]


Choose = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Weights, summing to 1, from candidates' probabilities and labels as :func:`select_greedily`."""


def select_greedily(
    probabilities: np.ndarray,
    y: np.ndarray,
    rounds: int,
    sorted_start: int = 0,
    objective: Objective = mean_log_losses,
) -> Selection:
    """Adds, round by round, the candidate that lowers the averaged prediction's objective most.

    A candidate can be added again, which gives it weight (Caruana et al., "Ensemble Selection from
    Libraries of Models", ICML 2004). The round with the lowest objective is kept, the earliest of
    equals; among equal candidates the first wins.

    Args:
        probabilities: float ndarray of shape (n_candidates, n_rows), out-of-fold, of class 1.
        y: int ndarray of shape (n_rows,), 0 or 1.
        rounds: Rounds to try, at least 1.
        sorted_start: Rounds, of these, that add the best single candidates in their order, which
            the same paper does against overfitting.
        objective: What is made small.
    """
    singles = np.argsort(objective(y, probabilities), kind="stable")
    total = np.zeros(probabilities.shape[1])
    path: list[int] = []
    objectives: list[float] = []
    for size in range(1, rounds + 1):
        added: Sequence[int] = range(len(probabilities))
        if size <= min(sorted_start, len(singles)):
            added = [int(singles[size - 1])]
        found = objective(y, (total + probabilities[added]) / size)
        best = int(np.argmin(found))
        total += probabilities[added[best]]
        path.append(added[best])
        objectives.append(float(found[best]))
    kept = int(np.argmin(objectives)) + 1
    weights = np.bincount(path[:kept], minlength=len(probabilities)) / kept
    return Selection(weights, tuple(path), kept, tuple(objectives))


def bagged_weights(
    probabilities: np.ndarray,
    y: np.ndarray,
    *,
    rounds: int,
    sorted_start: int,
    bags: int,
    seed: int,
    objective: Objective = mean_log_losses,
) -> np.ndarray:
    """Mean weights of greedy selections, each among a random half of the candidates.

    Against overfitting where candidates are many (Caruana et al. 2004, bagged ensemble selection).

    Args:
        probabilities: As for :func:`select_greedily`.
        y: As for :func:`select_greedily`.
        rounds: Of each selection.
        sorted_start: Of each selection.
        bags: Selections; 0 makes one among all candidates.
        seed: Of the random halves.
        objective: What is made small.

    Returns:
        float64 ndarray of shape (n_candidates,), summing to 1.
    """
    if not bags:
        return select_greedily(probabilities, y, rounds, sorted_start, objective).weights
    rng, count = np.random.default_rng(seed), len(probabilities)
    weights = np.zeros(count)
    for _ in range(bags):
        bag = np.sort(rng.choice(count, -(-count // 2), replace=False))
        chosen = select_greedily(probabilities[bag], y, rounds, sorted_start, objective)
        weights[bag] += chosen.weights
    return weights / bags


def best_average(count: int, objective: Objective = mean_log_losses) -> Choose:
    """Chooses the plain average of so many single candidates with the lowest objectives."""

    def choose(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
        best = np.argsort(objective(y, probabilities), kind="stable")[:count]
        weights = np.zeros(len(probabilities))
        weights[best] = 1 / len(best)
        return weights

    return choose


def cross_fitted_probabilities(
    probabilities: np.ndarray, y: np.ndarray, folds: Sequence[np.ndarray], choose: Choose
) -> np.ndarray:
    """An ensemble's predictions with weights that never saw the row they predict.

    For every fold the weights are chosen on the other folds' rows, so that figures computed from
    the result are not flattered by the choice.

    Args:
        probabilities: float ndarray of shape (n_candidates, n_rows), out-of-fold.
        y: int ndarray of shape (n_rows,), 0 or 1.
        folds: Disjoint column positions that together are all columns.
        choose: Gives the weights.

    Returns:
        float64 ndarray of shape (n_rows,).
    """
    result = np.empty(probabilities.shape[1])
    for fold in folds:
        others = np.setdiff1d(np.arange(probabilities.shape[1]), fold)
        result[fold] = choose(probabilities[:, others], y[others]) @ probabilities[:, fold]
    return np.minimum(result, 1.0)  # a mean of ones may exceed one by a rounding
