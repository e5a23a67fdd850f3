"""Trains one configuration on one fold, as a Ray task on a warm worker.

The driver imports this file to send its functions; TensorFlow is imported on the worker only, once
a process, and the worker keeps its compiled programs from task to task.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.preparation import Rows
from ..datasets.views import View
from .family import MLP, FamilySpec, load_family

if TYPE_CHECKING:
    from .program import ResidentRows

_RESIDENT_ARRAYS = 4
"""Fold arrays a worker keeps in device memory; tasks arrive fold by fold, so few are enough."""

_resident: OrderedDict[str, ResidentRows] = OrderedDict()


@dataclass(frozen=True)
class FoldOutcome:
    """A fold model and its predictions.

    Attributes:
        weights: The best epoch's, in Keras' order.
        log_odds_shift: What its predictions were shifted by, to the natural prior.
        out_of_fold: Natural-prior probability of the positive class for the fold's out-of-fold
            rows, float32 of shape (n_out_of_fold,).
        n_features: Columns of the fold's feature matrix.
        best_epoch: From 1; 0 if the training diverged before a first finite epoch.
        seconds: Training time on the worker.
    """

    weights: list[np.ndarray]
    log_odds_shift: float
    out_of_fold: np.ndarray
    n_features: int
    best_epoch: int
    seconds: float


def train_fold(
    hyperparameters: Mapping[str, Any],
    view: View,
    watched: Rows,
    X_out_of_fold: np.ndarray,
    *,
    keys: tuple[str, str],
    seed: int,
    patience: int,
    max_epochs: int,
    family: FamilySpec = MLP,
) -> FoldOutcome:
    """Trains with early stopping on the watched rows, then predicts the out-of-fold rows.

    Args:
        hyperparameters: Of the family.
        view: The fold's balanced rows.
        watched: The fold's inner slice for early stopping.
        X_out_of_fold: float32 ndarray of shape (n_out_of_fold, n_features).
        keys: Names of the view's and the watched rows' arrays, unique among all sweeps; rows
            already in the worker's device memory under that name are used as they are.
        seed: Of the training.
        patience: Epochs without a better loss before the training ends.
        max_epochs: Full budget.
        family: What is trained.
    """
    from .training import Training, TrainingData

    started = time.perf_counter()
    data = TrainingData(
        _place(keys[0], view.X, view.y),
        _place(keys[1], watched.X, watched.y),
        view.log_odds_shift,
    )
    network = load_family(family).network(hyperparameters, data.n_features, seed)
    training = Training(network, data, patience=patience, max_epochs=max_epochs)
    training.train(max_epochs)
    return FoldOutcome(
        weights=training.best_weights,
        log_odds_shift=view.log_odds_shift,
        out_of_fold=training.predict(X_out_of_fold),
        n_features=data.n_features,
        best_epoch=training.best_epoch,
        seconds=time.perf_counter() - started,
    )


def _place(key: str, X: np.ndarray, y: np.ndarray) -> ResidentRows:
    from .program import ResidentRows

    if key not in _resident:
        _resident[key] = ResidentRows.place(X, y)
        while len(_resident) > _RESIDENT_ARRAYS:
            _resident.popitem(last=False)
    _resident.move_to_end(key)
    return _resident[key]
