"""What a training tells of its epochs; without TensorFlow, since the driver reads it, too."""

from enum import StrEnum
from typing import NamedTuple


class Ending(StrEnum):
    """Why a training came to its end by itself."""

    COMPLETED = "completed"  # trained max_epochs
    CONVERGED = "converged"  # no better validation loss for `patience` epochs
    DIVERGED = "diverged"  # a loss was NaN or infinite


class EpochRecord(NamedTuple):
    """A row of a training's history; losses in nats a row, ``epoch`` counted from 1."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
