"""Tries a builder once, before a sweep spends time on it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .exported import keras_files, load_network
from .family import FamilySpec, load_family

_ROWS = 32


def probe_builder(family: FamilySpec, hyperparameters: Mapping[str, Any], n_features: int) -> None:
    """Builds, trains for an epoch of random rows, exports and loads; called on a worker.

    Args:
        family: Names the builder.
        hyperparameters: Such as the baseline's.
        n_features: Columns of the feature matrix.

    Raises:
        InputError: The builder can't be imported or fails, or what it builds can't be trained, or
            can't be exported as a file that loads without executing code.
    """
    network = load_family(family).network(hyperparameters, n_features, seed=0)
    from .program import ResidentRows
    from .training import Training, TrainingData

    rng = np.random.default_rng(0)
    X = rng.normal(size=(_ROWS, n_features)).astype(np.float32)
    rows = ResidentRows.place(X, np.arange(_ROWS, dtype=np.int32) % 2)
    training = Training(network, TrainingData(rows, rows, 0.0), patience=1, max_epochs=1)
    training.train(1)
    [content] = keras_files(hyperparameters, [(n_features, training.best_weights)], family)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.keras"
        path.write_bytes(content)
        load_network(path)
