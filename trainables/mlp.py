"""The multilayer perceptron family: its hyperparameters, initial weights and Keras model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    import keras

ACTIVATIONS = ("relu", "tanh", "selu")


@dataclass(frozen=True)
class MLPConfig:
    """Hyperparameters of one multilayer perceptron.

    Attributes:
        num_layers: Hidden layers, at least 1.
        hidden_layer_size: Units of each hidden layer.
        activation: One of :data:`ACTIVATIONS`, of every hidden layer.
        dropout_rate: Share of units dropped after each hidden layer, 0 to below 1.
        l2_strength: Factor of the squared hidden kernels in the training loss.
        learning_rate: Of Adam.
        batch_size: Rows a gradient step.
    """

    num_layers: int = 2
    hidden_layer_size: int = 64
    activation: str = "relu"
    dropout_rate: float = 0.0
    l2_strength: float = 0.0
    learning_rate: float = 1e-3
    batch_size: int = 128

    def __post_init__(self) -> None:
        if min(self.num_layers, self.hidden_layer_size, self.batch_size) < 1:
            raise ValueError(
                "num_layers, hidden_layer_size and batch_size must be at least 1, got "
                f"{self.num_layers}, {self.hidden_layer_size} and {self.batch_size}"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, got {self.activation!r}")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"dropout_rate must be in [0, 1), got {self.dropout_rate}")
        if self.l2_strength < 0 or self.learning_rate <= 0:
            raise ValueError(
                "l2_strength must not be negative and learning_rate must be positive, got "
                f"{self.l2_strength} and {self.learning_rate}"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with the given hyperparameters, defaults for the rest."""
        return cls(**values)


HYPERPARAMETERS = tuple(field.name for field in fields(MLPConfig))
"""Names that a space or a configuration of this family may use."""


def initial_weights(config: MLPConfig, n_features: int, seed: int) -> list[np.ndarray]:
    """Glorot-uniform kernels and zero biases, as Keras' Dense layers start.

    Drawn with NumPy, so that a trial costs no Keras model.

    Returns:
        float32 arrays in Keras' order: kernel (n_in, n_out), bias (n_out,), layer by layer; the
        last pair is the output layer with two units.
    """
    rng = np.random.default_rng(seed)
    weights: list[np.ndarray] = []
    for n_in, n_out in _layer_shapes(config, n_features):
        limit = np.sqrt(6 / (n_in + n_out))
        weights.append(rng.uniform(-limit, limit, (n_in, n_out)).astype(np.float32))
        weights.append(np.zeros(n_out, np.float32))
    return weights


def split_weights(flat: np.ndarray, config: MLPConfig, n_features: int) -> list[np.ndarray]:
    """The arrays that were flattened and put one after another, in Keras' order.

    Args:
        flat: ndarray of shape (n_weights,).
        config: Hyperparameters.
        n_features: Columns of the feature matrix.
    """
    shapes = [
        shape
        for n_in, n_out in _layer_shapes(config, n_features)
        for shape in ((n_in, n_out), (n_out,))
    ]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def _layer_shapes(config: MLPConfig, n_features: int) -> list[tuple[int, int]]:
    return list(pairwise([n_features, *[config.hidden_layer_size] * config.num_layers, 2]))


def build_keras_model(
    config: MLPConfig, n_features: int, weights: Sequence[np.ndarray] | None = None
) -> "keras.Model":
    """The family's definition: an uncompiled Keras model with a two-unit softmax output.

    Args:
        config: Hyperparameters.
        n_features: Columns of the feature matrix.
        weights: Arrays in the order of :func:`initial_weights`; None leaves Keras' own start.
    """
    import keras

    layers: list[keras.Layer] = [keras.Input((n_features,), name="features")]
    for _ in range(config.num_layers):
        layers.append(
            keras.layers.Dense(
                config.hidden_layer_size,
                activation=config.activation,
                kernel_regularizer=keras.regularizers.L2(config.l2_strength),
            )
        )
        layers.append(keras.layers.Dropout(config.dropout_rate))
    layers.append(keras.layers.Dense(2, activation="softmax"))
    model = keras.Sequential(layers)
    if weights is not None:
        model.set_weights(list(weights))
    return model
