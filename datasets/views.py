"""Balanced views: forms of the training rows with another class balance than nature's.

Workers import this file to read the shared rows, so it imports no sampler before one is used.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .preprocessing import Preprocessor

SMOTE_NEIGHBOURS = 5


@dataclass(frozen=True)
class Rows:
    """Preprocessed rows: X float32 (n_rows, n_features), y int32 (n_rows,), both C-contiguous."""

    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class View:
    """Training rows after balancing.

    Attributes:
        name: ``undersampled``, ``smote``, ….
        X: float32 ndarray of shape (n_rows, n_features), C-contiguous.
        y: int32 ndarray of shape (n_rows,), 0 or 1.
        log_odds_shift: What must be added to a predicted log-odds to undo the balancing, since a
            model trained on a view predicts the view's class shares (see :func:`log_odds_shift`).
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    log_odds_shift: float


def log_odds_shift(natural_rate: float, view_rate: float) -> float:
    """The constant that moves log-odds from a view's class prior to the natural one.

    Bayes' rule scales the odds by the ratio of the prior odds (Elkan, "The Foundations of
    Cost-Sensitive Learning", 2001, theorem 2; Saerens et al., 2002, equation 4).

    Args:
        natural_rate: Share of positives in nature, strictly between 0 and 1.
        view_rate: Share of positives in the view, strictly between 0 and 1.
    """

    def log_odds(rate: float) -> float:
        return float(np.log(rate) - np.log1p(-rate))

    return log_odds(natural_rate) - log_odds(view_rate)


def make_view(
    name: str, X: np.ndarray, y: np.ndarray, seed: int, preprocessor: "Preprocessor"
) -> View:
    """Balances training rows.

    Args:
        name: One of :data:`VIEWS`.
        X: float64 ndarray of shape (n_rows, n_compact), preprocessed to the compact form.
        y: int ndarray of shape (n_rows,), 0 or 1.
        seed: The same seed and rows give the same view.
        preprocessor: Says which columns are codes of categories, and expands them.
    """
    sampler = VIEWS[name](seed, preprocessor.is_category(X.shape[1]))
    with warnings.catch_warnings():
        # imbalanced-learn warns of scikit-learn internals that no user can act on.
        warnings.simplefilter("ignore", FutureWarning)
        X_balanced, y_balanced = sampler.fit_resample(X, y)
    return View(
        name=name,
        X=preprocessor.expand(X_balanced),
        y=np.ascontiguousarray(y_balanced, dtype=np.int32),
        log_odds_shift=log_odds_shift(float(y.mean()), float(y_balanced.mean())),
    )


def _undersampled(seed: int, categories: np.ndarray) -> Any:
    from imblearn.under_sampling import RandomUnderSampler

    return RandomUnderSampler(random_state=seed)


def _smote(seed: int, categories: np.ndarray) -> Any:
    from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC

    settings = {"k_neighbors": SMOTE_NEIGHBOURS, "random_state": seed}
    if categories.all():
        return SMOTEN(**settings)
    if categories.any():
        return SMOTENC(categorical_features=np.flatnonzero(categories).tolist(), **settings)
    return SMOTE(**settings)


VIEWS: dict[str, Callable[[int, np.ndarray], Any]] = {
    "undersampled": _undersampled,
    "smote": _smote,
}
"""Samplers by the name of the view they make.

Each is built from a seed and from which columns hold codes of categories, bool of shape
(n_compact,).
"""


def neighbours_needed(names: list[str]) -> int:
    """Minority rows that the named views need beside the one they interpolate."""
    return SMOTE_NEIGHBOURS if "smote" in names else 0
