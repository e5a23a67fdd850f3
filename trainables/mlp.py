"""The multilayer perceptron family: its hyperparameters, initial weights and Keras model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    import keras

ACTIVATIONS = ("relu", "tanh", "selu")

EMBEDDINGS = ("none", "periodic")

WAVES, UNITS = 8, 4
"""Of a periodic embedding: learned frequencies a column, and the numbers it makes of a column.

Small, since each column has its own.
"""


class Structure(NamedTuple):
    """What a compiled program is made for; everything else about a network enters it as data.

    Attributes:
        num_layers: Hidden layers.
        activation: Of the hidden layers.
        drops: Whether there is dropout; without it a batch has fewer operations.
        embeds: Whether columns are embedded.
        shares: Whether there are members that share kernels.
    """

    num_layers: int
    activation: str
    drops: bool
    embeds: bool
    shares: bool


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
        embedding: One of :data:`EMBEDDINGS`: columns as they are, or each by waves of learned
            frequencies (Gorishniy et al. 2022).
        embedding_scale: Standard deviation of a periodic embedding's initial frequencies, in waves
            a standard deviation of the column: the larger, the faster the network can bend.
        members: Perceptrons that share kernels and average their probabilities (TabM; Gorishniy et
            al. 2025); 1 is one perceptron. So many times the arithmetic.
    """

    num_layers: int = 2
    hidden_layer_size: int = 64
    activation: str = "relu"
    dropout_rate: float = 0.0
    l2_strength: float = 0.0
    learning_rate: float = 1e-3
    batch_size: int = 128
    embedding: str = "none"
    embedding_scale: float = 0.3
    members: int = 1

    def __post_init__(self) -> None:
        if min(self.num_layers, self.hidden_layer_size, self.batch_size, self.members) < 1:
            raise ValueError(
                "num_layers, hidden_layer_size, batch_size and members must be at least 1, got "
                f"{self.num_layers}, {self.hidden_layer_size}, {self.batch_size} and {self.members}"
            )
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {ACTIVATIONS}, got {self.activation!r}")
        if not 0 <= self.dropout_rate < 1:
            raise ValueError(f"dropout_rate must be in [0, 1), got {self.dropout_rate}")
        if not 0 <= self.l2_strength < math.inf or not 0 < self.learning_rate < math.inf:
            raise ValueError(
                "l2_strength must not be negative, learning_rate positive, and both finite, got "
                f"{self.l2_strength} and {self.learning_rate}"
            )
        if self.embedding not in EMBEDDINGS:
            raise ValueError(f"embedding must be one of {EMBEDDINGS}, got {self.embedding!r}")
        if not 0 < self.embedding_scale < math.inf:
            raise ValueError(
                f"embedding_scale must be positive and finite, got {self.embedding_scale}"
            )

    @property
    def structure(self) -> Structure:
        """What its program is compiled for."""
        return Structure(
            num_layers=self.num_layers,
            activation=self.activation,
            drops=self.dropout_rate > 0,
            embeds=self.embedding != "none",
            shares=self.members > 1,
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The configuration with the given hyperparameters, defaults for the rest."""
        return cls(**values)


HYPERPARAMETERS = tuple(field.name for field in fields(MLPConfig))
"""Names that a space or a configuration of this family may use."""


def initial_weights(config: MLPConfig, n_features: int, seed: int) -> list[np.ndarray]:
    """As Keras' Dense layers start: Glorot-uniform kernels and zero biases.

    An embedding starts with normal frequencies; its dense layers are uniform within one over the
    root of their inputs, as in the paper. Members' factors start as ones, but for those of the
    first layer's inputs, which are random signs and tell the members apart. Drawn with NumPy, so
    that a trial costs no Keras model.

    Returns:
        float32 arrays in Keras' order, layer by layer, in the shapes of :func:`layer_shapes`.
    """
    rng = np.random.default_rng(seed)
    embedding, *layers = _shapes(config, n_features)
    weights: list[np.ndarray] = []
    if embedding:
        frequencies, *layer = embedding
        limit = 1 / np.sqrt(2 * WAVES)
        weights.append(rng.normal(0, config.embedding_scale, frequencies))
        weights += [rng.uniform(-limit, limit, shape) for shape in layer]
    for number, layer in enumerate(layers):
        *factors, kernel, bias = layer
        if factors:
            inner, outer = factors
            weights.append(rng.choice([-1.0, 1.0], inner) if number == 0 else np.ones(inner))
            weights.append(np.ones(outer))
        limit = np.sqrt(6 / sum(kernel[-2:]))
        weights += [rng.uniform(-limit, limit, kernel), np.zeros(bias)]
    return [array.astype(np.float32) for array in weights]


def split_weights(flat: np.ndarray, config: MLPConfig, n_features: int) -> list[np.ndarray]:
    """The arrays that were flattened and put one after another, in Keras' order.

    Args:
        flat: ndarray of shape (n_weights,).
        config: Hyperparameters.
        n_features: Columns of the feature matrix.
    """
    shapes = [shape for layer in _shapes(config, n_features) for shape in layer]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def periodic_shapes(n_features: Any) -> list[tuple[Any, ...]]:
    """Of a periodic embedding's frequencies, kernel and bias; for a number, or a tensor of one."""
    return [(n_features, WAVES), (n_features, 2 * WAVES, UNITS), (n_features, UNITS)]


def layer_shapes(
    structure: Structure, n_features: Any, width: Any, members: Any
) -> list[list[tuple[Any, ...]]]:
    """Shapes of each layer's weights, in Keras' order; of numbers, or of tensors of one.

    Args:
        structure: Of the network.
        n_features: Columns of the feature matrix.
        width: Units of a hidden layer.
        members: Perceptrons that share kernels.

    Returns:
        The embedding's, which may be none. Then kernel (n_in, n_out) and bias (n_out,) of each
        layer, two units last. With members a hidden layer has factors of its inputs (members, n_in)
        and outputs (members, n_out) before its kernel, and a bias (members, n_out); the last is
        (members, n_in, 2) and (members, 2).
    """
    embedding = periodic_shapes(n_features) if structure.embeds else []
    n_inputs = n_features * UNITS if structure.embeds else n_features
    widths = [n_inputs, *[width] * structure.num_layers]
    if not structure.shares:
        return [embedding, *([(a, b), (b,)] for a, b in pairwise([*widths, 2]))]
    hidden = ([(members, a), (members, b), (a, b), (members, b)] for a, b in pairwise(widths))
    return [embedding, *hidden, [(members, width, 2), (members, 2)]]


def _shapes(config: MLPConfig, n_features: int) -> list[list[tuple[int, ...]]]:
    return layer_shapes(config.structure, n_features, config.hidden_layer_size, config.members)


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

    from .keras_layers import MeanOfMembers, MembersDense, PeriodicEmbedding

    layers: list[keras.Layer] = [keras.Input((n_features,), name="features")]
    structure = config.structure
    if structure.embeds:
        layers.append(PeriodicEmbedding(config.embedding_scale))
    for _ in range(config.num_layers):
        width, activation, l2 = config.hidden_layer_size, config.activation, config.l2_strength
        layers += [
            MembersDense(width, activation, config.members, l2)
            if structure.shares
            else keras.layers.Dense(
                width, activation=activation, kernel_regularizer=keras.regularizers.L2(l2)
            ),
            keras.layers.Dropout(config.dropout_rate),
        ]
    last = MeanOfMembers() if structure.shares else keras.layers.Dense(2, activation="softmax")
    model = keras.Sequential([*layers, last])
    if weights is not None:
        model.set_weights(list(weights))
    return model
