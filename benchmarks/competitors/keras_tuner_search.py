"""Keras Tuner's Hyperband, one process, trials one after another, TensorFlow's own threads.

    python -m competitors.keras_tuner_search --rows ROWS.npz --max-epochs 100 …

Floats are drawn with Keras Tuner's linear steps, which for the L2 strength and the learning rate
are as wide as the smallest value.
"""

import math
from typing import Any

import keras
import keras_tuner

from .job import BATCH_SIZE, REDUCTION_FACTOR, Job, Outcome, Rows
from .network import build_network, early_stopping


class CountingHyperband(keras_tuner.Hyperband):
    """Hyperband that counts the epochs of all trials and keeps the lowest validation loss."""

    epochs = 0
    best_val_loss = math.inf

    def on_epoch_end(
        self, trial: Any, model: Any, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Called by Keras Tuner's own callback."""
        super().on_epoch_end(trial, model, epoch, logs)
        self.epochs += 1
        self.best_val_loss = min(self.best_val_loss, (logs or {})["val_loss"])


def main() -> None:
    job = Job.from_command_line(__doc__.splitlines()[0])
    rows = Rows.load(job.rows)
    keras.utils.set_random_seed(job.seed)

    def build(hp: keras_tuner.HyperParameters) -> keras.Model:
        return build_network(_hyperparameters(hp), rows.X_train.shape[1], rows.log_odds_shift)

    tuner = CountingHyperband(
        build,
        objective=keras_tuner.Objective("val_loss", "min"),
        max_epochs=job.max_epochs,
        factor=REDUCTION_FACTOR,
        seed=job.seed,
        directory=str(job.directory),
        project_name="search",
    )
    tuner.search(
        rows.X_train,
        rows.y_train,
        batch_size=BATCH_SIZE,
        validation_data=(rows.X_val, rows.y_val),
        callbacks=[early_stopping()],
        verbose=0,
    )
    trials = list(tuner.oracle.trials.values())
    Outcome(
        trials=len(trials),
        configurations=sum(trial.hyperparameters.values["tuner/round"] == 0 for trial in trials),
        epochs=tuner.epochs,
        best_val_loss=tuner.best_val_loss,
        failed=sum(trial.status != "COMPLETED" for trial in trials),
    ).write(job.output)


def _hyperparameters(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    return {
        "num_layers": hp.Int("num_layers", 2, 5),
        "hidden_layer_size": hp.Int("hidden_layer_size", 16, 128, step=16),
        "activation": hp.Choice("activation", ["relu", "tanh", "selu"]),
        "dropout_rate": hp.Float("dropout_rate", 0.0, 0.5, step=0.05),
        "l2_strength": hp.Float("l2_strength", 1e-5, 1e-2, step=1e-5),
        "learning_rate": hp.Float("learning_rate", 1e-4, 1e-2, step=1e-4),
    }


if __name__ == "__main__":
    main()
