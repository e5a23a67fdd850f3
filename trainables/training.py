"""One training: epochs up to a budget, early stopping, divergence, and its state as arrays."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..datasets.locations import Location
from ..results.files import write_bytes
from .family import Network
from .history import Ending, EpochRecord
from .program import ResidentRows

_BEST_WEIGHT = "best_weight_{}"
"""Names of the best epoch's weights in a checkpoint."""


@dataclass(frozen=True)
class TrainingData:
    """What a training reads: training rows and validation rows in device memory.

    ``log_odds_shift`` moves predictions from the training rows' class prior to the natural one.
    """

    train: ResidentRows
    validation: ResidentRows
    log_odds_shift: float

    @property
    def n_features(self) -> int:
        """Columns of the feature matrix."""
        return int(self.train.X.shape[1])


class Training:
    """Trains one network on one view; a function of (configuration, seed, data).

    Early stopping works as ``keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience,
    restore_best_weights=True)`` and goes on across calls of :meth:`train`.
    """

    def __init__(
        self, network: Network, data: TrainingData, *, patience: int, max_epochs: int
    ) -> None:
        self.network = network
        self.data = data
        self.patience = patience
        self.max_epochs = max_epochs
        self.epoch = 0
        self.ending: Ending | None = None
        self.best_epoch = 0
        self.best_val_loss = float("inf")
        self.best_val_accuracy = 0.0
        self.best_val_probabilities = np.zeros(int(data.validation.y.shape[0]), np.float32)
        self.last_epochs: list[EpochRecord] = []
        self._state = network.initial_state
        network.load(self._state)
        self.best_weights = network.weights()
        """Of the best epoch, in Keras' order; the initial ones before there is one."""

    def train(self, until_epoch: int) -> list[EpochRecord]:
        """Trains until that many epochs are done in all, or the training ends by itself.

        Returns:
            The epochs trained in this call. A diverged epoch is the last of them.
        """
        self.network.load(self._state)
        history: list[EpochRecord] = []
        while self.ending is None and self.epoch < until_epoch:
            outcome = self.network.run_epoch(
                self.data.train, self.data.validation, self.data.log_odds_shift
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
                self.best_weights = self.network.weights()
            elif self.epoch - self.best_epoch >= self.patience:
                self.ending = Ending.CONVERGED
            if self.ending is None and self.epoch >= self.max_epochs:
                self.ending = Ending.COMPLETED
        self._state = self.network.state()
        self.last_epochs = history
        return history

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Natural-prior probability of the positive class by the best weights.

        Args:
            X: float32 ndarray of shape (n_rows, n_features), preprocessed.

        Returns:
            float32 ndarray of shape (n_rows,).
        """
        return self.network.predict(self.best_weights, X, self.data.log_odds_shift)

    def save(self, path: Path | Location) -> None:
        """Writes the whole state, atomically, as an ``.npz`` of plain arrays, nothing pickled."""
        content = io.BytesIO()
        np.savez(
            content,
            allow_pickle=False,
            epoch=self.epoch,
            ending=str(self.ending or ""),
            last_epochs=np.array(self.last_epochs),
            best_epoch=self.best_epoch,
            best_val_loss=self.best_val_loss,
            best_val_accuracy=self.best_val_accuracy,
            best_val_probabilities=self.best_val_probabilities,
            **{_BEST_WEIGHT.format(i): w for i, w in enumerate(self.best_weights)},
            **self._state,
        )
        write_bytes(path, content.getbuffer())

    def restore(self, path: Path | Location) -> None:
        """Takes over the state that :meth:`save` wrote for the same configuration.

        Raises:
            FileNotFoundError: There is none.
            Exception: It is damaged, or of another configuration; of whatever type NumPy raises.
        """
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            for name, value in self._state.items():
                if arrays[name].shape != value.shape:
                    raise ValueError(f"{name} has the shape {arrays[name].shape}")
            self.epoch = int(arrays["epoch"])
            self.ending = Ending(str(arrays["ending"])) if str(arrays["ending"]) else None
            self.last_epochs = [EpochRecord(int(e), *row) for e, *row in arrays["last_epochs"]]
            self.best_epoch = int(arrays["best_epoch"])
            self.best_val_loss = float(arrays["best_val_loss"])
            self.best_val_accuracy = float(arrays["best_val_accuracy"])
            self.best_val_probabilities = arrays["best_val_probabilities"]
            self.best_weights = [
                arrays[_BEST_WEIGHT.format(i)] for i in range(len(self.best_weights))
            ]
            self._state = {name: arrays[name] for name in self._state}
