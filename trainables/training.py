"""One training: epochs up to a budget, early stopping, divergence, and its state as arrays."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..results.files import replacing
from .mlp import MLPConfig, initial_weights, split_weights
from .program import OptimizerState, ResidentRows, mlp_program


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


@dataclass(frozen=True)
class TrainingData:
    """What a training reads: training rows and validation rows in device memory.

    ``log_odds_shift`` moves predictions from the training rows' class prior to the natural one.
    """

    train: ResidentRows
    validation: ResidentRows
    log_odds_shift: float


class Training:
    """Trains one configuration on one view; a function of (configuration, data, seed).

    Early stopping works as ``keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience,
    restore_best_weights=True)`` and goes on across calls of :meth:`train`.
    """

    def __init__(
        self, config: MLPConfig, data: TrainingData, *, seed: int, patience: int, max_epochs: int
    ) -> None:
        self.config = config
        self.data = data
        self.seed = seed
        self.patience = patience
        self.max_epochs = max_epochs
        self.program = mlp_program(config.num_layers, config.activation)
        self.epoch = 0
        self.ending: Ending | None = None
        self.best_epoch = 0
        self.best_val_loss = float("inf")
        self.best_val_accuracy = 0.0
        self.last_epochs: list[EpochRecord] = []
        weights = initial_weights(config, self.n_features, seed)
        self._optimizer = OptimizerState.start(np.concatenate([w.ravel() for w in weights]))
        self._best = self._optimizer.weights
        self.best_val_probabilities = np.zeros(int(data.validation.y.shape[0]), np.float32)

    @property
    def n_features(self) -> int:
        """Columns of the feature matrix."""
        return int(self.data.train.X.shape[1])

    @property
    def best_weights(self) -> list[np.ndarray]:
        """Weights of the best epoch, in Keras' order; the initial ones before there is one."""
        return split_weights(self._best, self.config, self.n_features)

    def train(self, until_epoch: int) -> list[EpochRecord]:
        """Trains until that many epochs are done in all, or the training ends by itself.

        Returns:
            The epochs trained in this call. A diverged epoch is the last of them.
        """
        self.program.load(self._optimizer)
        history: list[EpochRecord] = []
        while self.ending is None and self.epoch < until_epoch:
            outcome = self.program.run_epoch(
                self.data.train,
                self.data.validation,
                self.config,
                self.data.log_odds_shift,
                self.seed,
            )
            self.epoch += 1
            history.append(EpochRecord(self.epoch, *outcome[:4]))
            if not np.isfinite([outcome.loss, outcome.val_loss]).all():
                self.ending = Ending.DIVERGED
            elif outcome.val_loss < self.best_val_loss:
                self.best_epoch = self.epoch
                self.best_val_loss = outcome.val_loss
                self.best_val_accuracy = outcome.val_accuracy
                self.best_val_probabilities = outcome.val_probabilities
                self._best = self.program.weights()
            elif self.epoch - self.best_epoch >= self.patience:
                self.ending = Ending.CONVERGED
            if self.ending is None and self.epoch >= self.max_epochs:
                self.ending = Ending.COMPLETED
        self._optimizer = self.program.state()
        self.last_epochs = history
        return history

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Natural-prior probability of the positive class by the best weights.

        Args:
            X: float32 ndarray of shape (n_rows, n_features), preprocessed.

        Returns:
            float32 ndarray of shape (n_rows,).
        """
        return self.program.predict(self._best, X, self.config, self.data.log_odds_shift)

    def save(self, path: Path) -> None:
        """Writes the whole state, atomically, as an ``.npz`` of plain arrays, nothing pickled."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                epoch=self.epoch,
                ending=str(self.ending or ""),
                last_epochs=np.array(self.last_epochs),
                best_epoch=self.best_epoch,
                best_val_loss=self.best_val_loss,
                best_val_accuracy=self.best_val_accuracy,
                best_val_probabilities=self.best_val_probabilities,
                best_weights=self._best,
                **vars(self._optimizer),
            )

    def restore(self, path: Path) -> None:
        """Takes over the state that :meth:`save` wrote for the same configuration."""
        with np.load(path, allow_pickle=False) as arrays:
            self.epoch = int(arrays["epoch"])
            self.ending = Ending(str(arrays["ending"])) if str(arrays["ending"]) else None
            self.last_epochs = [EpochRecord(int(e), *row) for e, *row in arrays["last_epochs"]]
            self.best_epoch = int(arrays["best_epoch"])
            self.best_val_loss = float(arrays["best_val_loss"])
            self.best_val_accuracy = float(arrays["best_val_accuracy"])
            self.best_val_probabilities = arrays["best_val_probabilities"]
            self._best = arrays["best_weights"]
            self._optimizer = OptimizerState(
                weights=arrays["weights"],
                first_moments=arrays["first_moments"],
                second_moments=arrays["second_moments"],
                updates=int(arrays["updates"]),
            )
