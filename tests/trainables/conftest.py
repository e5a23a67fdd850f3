"""A small table and the trainings that these tests share."""

import numpy as np
import pytest

from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import TrainingData


@pytest.fixture(scope="session")
def table() -> dict[str, np.ndarray]:
    """200 training and 57 validation rows of 6 features; the label follows a noisy linear rule.

    No batch size that the tests use divides 200, so every epoch ends with a partial batch.
    """
    rng = np.random.default_rng(7)
    X = rng.normal(size=(257, 6)).astype(np.float32)
    score = X @ [1.5, -1.0, 0.5, 0.0, 0.0, 1.0] + rng.normal(scale=0.5, size=257)
    y = (score > 0).astype(np.int32)
    return {"X": X[:200], "y": y[:200], "X_val": X[200:], "y_val": y[200:]}


@pytest.fixture(scope="session")
def data(table: dict[str, np.ndarray]) -> TrainingData:
    """The table in TensorFlow's memory, with predictions moved to a rarer positive class."""
    return TrainingData(
        train=ResidentRows.place(table["X"], table["y"]),
        validation=ResidentRows.place(table["X_val"], table["y_val"]),
        log_odds_shift=-0.7,
    )
