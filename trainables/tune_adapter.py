"""The Ray Tune trainable: one Tune step trains a trial to its next rung.

The driver imports this file to hand the class to Tune; TensorFlow is imported on the worker only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray import tune

from ..datasets.preparation import Prepared, Rows
from ..datasets.views import View
from .family import MLP, FamilySpec, load_family

if TYPE_CHECKING:
    from .training import Training, TrainingData

STATE_FILE = "state.npz"
"""Name of the arrays inside a Tune checkpoint."""


@dataclass(frozen=True)
class TrainingSettings:
    """What all trials of a sweep share.

    Attributes:
        levels: Rung levels in epochs, ascending; the last one is the full budget.
        patience: Epochs without a better validation loss before a training ends.
        family: What they train.
    """

    levels: tuple[int, ...]
    patience: int
    family: FamilySpec = MLP


@dataclass(frozen=True)
class SharedRows:
    """References to arrays that are in the object store once, however many trials read them."""

    views: Mapping[str, ray.ObjectRef[View]]
    watched: ray.ObjectRef[Rows]

    @classmethod
    def put(cls, prepared: Prepared) -> SharedRows:
        """Puts every view and the rows to watch into the object store."""
        views = {name: ray.put(view) for name, view in prepared.views.items()}
        return cls(views, ray.put(prepared.watched))


class SweepTrainable(tune.Trainable):
    """Trains configurations on views, one trial after another in the same actor.

    A configuration has ``trial`` (id), ``view``, ``seed`` and ``hyperparameters``. A result has the
    epochs trained in the step and the best figures so far; ``done`` when the training ended by
    itself, and then ``ending`` says why.
    """

    def setup(
        self,
        config: dict[str, Any],
        shared: SharedRows,
        settings: TrainingSettings,
    ) -> None:
        """Takes references to the shared arrays, and starts the first trial."""
        self._shared = shared
        self._settings = settings
        self._resident: dict[str, TrainingData] = {}
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another trial in this actor; TensorFlow, programs and rows stay."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains to the next rung level."""
        started = time.perf_counter()
        training = self._training
        level = next(level for level in self._settings.levels if level > training.epoch)
        history = training.train(level)
        return {
            "rung": level,
            "epochs": training.epoch,
            "best_epoch": training.best_epoch,
            "best_val_loss": training.best_val_loss,
            "best_val_accuracy": training.best_val_accuracy,
            "step_seconds": time.perf_counter() - started,
            "history": [
                [row.epoch, row.loss, row.accuracy, row.val_loss, row.val_accuracy]
                for row in history
            ],
            "ending": str(training.ending) if training.ending else None,
            "done": training.ending is not None,
        }

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes the training's arrays."""
        self._training.save(Path(checkpoint_dir) / STATE_FILE)

    def load_checkpoint(self, checkpoint_dir: str) -> None:
        """Takes up a training where its checkpoint left it."""
        self._training.restore(Path(checkpoint_dir) / STATE_FILE)

    def _begin(self, config: dict[str, Any]) -> None:
        from .training import Training

        data = self._data(config["view"])
        network = load_family(self._settings.family).network(
            config["hyperparameters"], data.n_features, config["seed"]
        )
        self._training: Training = Training(
            network,
            data,
            patience=self._settings.patience,
            max_epochs=self._settings.levels[-1],
        )

    def _data(self, name: str) -> TrainingData:
        """A view's rows in this worker's device memory: placed once, shared by all its trials."""
        from .program import ResidentRows
        from .training import TrainingData

        if name not in self._resident:
            view, watched = ray.get([self._shared.views[name], self._shared.watched])
            placed = next((data.validation for data in self._resident.values()), None)
            self._resident[name] = TrainingData(
                train=ResidentRows.place(view.X, view.y),
                validation=placed or ResidentRows.place(watched.X, watched.y),
                log_odds_shift=view.log_odds_shift,
            )
        return self._resident[name]
