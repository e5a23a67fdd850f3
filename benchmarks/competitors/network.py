"""The network that all competitors train with ``Model.fit``: Evensweep's family in plain Keras."""

from collections.abc import Mapping
from typing import Any

import keras

from .job import BATCH_SIZE, PATIENCE, Rows


class PriorShift(keras.layers.Layer):
    """Adds a constant to the log-odds, except in training.

    It moves a balanced view's class prior to the natural one, so that the validation loss is that
    of natural rows.
    """

    def __init__(self, log_odds_shift: float) -> None:
        super().__init__()
        self.shift = [0.0, log_odds_shift]

    def call(self, logits: Any, training: bool = False) -> Any:
        """The logits of both classes, of shape (n_rows, 2)."""
        return logits if training else logits + keras.ops.convert_to_tensor(self.shift)


class Network(keras.Sequential):
    """A sequential model whose validation loss leaves the L2 penalty out, as Evensweep's does."""

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The loss that is minimised, or in validation the mean cross-entropy alone."""
        if training:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        return keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, y_pred))


def build_network(
    hyperparameters: Mapping[str, Any], n_features: int, log_odds_shift: float
) -> Network:
    """A compiled multilayer perceptron.

    Args:
        hyperparameters: ``num_layers``, ``hidden_layer_size``, ``activation``, ``dropout_rate``,
            ``l2_strength`` and ``learning_rate``.
        n_features: Columns of the feature matrix.
        log_odds_shift: Of the view, see :class:`PriorShift`.
    """
    layers: list[keras.Layer] = [keras.Input((n_features,))]
    for _ in range(hyperparameters["num_layers"]):
        layers += [
            keras.layers.Dense(
                hyperparameters["hidden_layer_size"],
                activation=hyperparameters["activation"],
                kernel_regularizer=keras.regularizers.L2(hyperparameters["l2_strength"]),
            ),
            keras.layers.Dropout(hyperparameters["dropout_rate"]),
        ]
    layers += [
        keras.layers.Dense(2),
        PriorShift(log_odds_shift),
        keras.layers.Activation("softmax"),
    ]
    network = Network(layers)
    network.compile(
        keras.optimizers.Adam(hyperparameters["learning_rate"]),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return network


def early_stopping() -> keras.callbacks.Callback:
    """Ends a training whose validation loss no longer falls."""
    return keras.callbacks.EarlyStopping(monitor="val_loss", patience=PATIENCE)


def fit(
    network: Network, rows: Rows, max_epochs: int, callbacks: list[keras.callbacks.Callback]
) -> keras.callbacks.History:
    """Trains with early stopping and the tool's own callbacks."""
    return network.fit(
        rows.X_train,
        rows.y_train,
        batch_size=BATCH_SIZE,
        epochs=max_epochs,
        validation_data=(rows.X_val, rows.y_val),
        callbacks=[early_stopping(), *callbacks],
        verbose=0,
    )
