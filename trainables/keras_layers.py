"""The layers of the families' Keras models that are not Keras' own.

Importing this module registers them, so that an exported model loads without executing code.
"""

import math
from typing import Any

from .mlp import UNITS, WAVES
from .runtime import tf  # noqa: F401 - sets TensorFlow up before Keras imports it

import keras  # isort: skip


@keras.saving.register_keras_serializable("evensweep")
class PeriodicEmbedding(keras.layers.Layer):
    """Embeds every column by waves of learned frequencies; see the module ``periodic``.

    Takes (n_rows, n_features) and gives (n_rows, n_features · UNITS).

    Args:
        scale: Standard deviation of the initial frequencies, in waves a unit of the column.
        settings: Of every Keras layer.
    """

    def __init__(self, scale: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale = scale

    def build(self, input_shape: tuple[int | None, int]) -> None:
        """Makes the weights."""
        n_features, inner = input_shape[-1], 2 * WAVES
        limit = 1 / math.sqrt(inner)
        normal = keras.initializers.RandomNormal(stddev=self.scale)
        uniform = keras.initializers.RandomUniform(-limit, limit)
        self.frequencies = self.add_weight(
            shape=(n_features, WAVES), initializer=normal, name="frequencies"
        )
        self.kernel = self.add_weight(
            shape=(n_features, inner, UNITS), initializer=uniform, name="kernel"
        )
        self.bias = self.add_weight(shape=(n_features, UNITS), initializer=uniform, name="bias")

    def call(self, X: Any) -> Any:
        """The embedded columns, one after another."""
        angles = keras.ops.transpose(X)[:, :, None] * (2 * math.pi * self.frequencies[:, None, :])
        waves = keras.ops.concatenate([keras.ops.cos(angles), keras.ops.sin(angles)], axis=2)
        units = keras.ops.relu(keras.ops.matmul(waves, self.kernel) + self.bias[:, None, :])
        width = self.bias.shape[0] * UNITS
        return keras.ops.reshape(keras.ops.transpose(units, (1, 0, 2)), (-1, width))

    def get_config(self) -> dict[str, Any]:
        """For saving."""
        return {**super().get_config(), "scale": self.scale}


@keras.saving.register_keras_serializable("evensweep")
class MembersDense(keras.layers.Layer):
    """A dense layer whose kernel all members share; see the module ``members``.

    Takes (n_rows, n_in), or (n_rows, members, n_in) from a layer before, and gives
    (n_rows, members, units).

    Args:
        units: Outputs of each member.
        activation: Name of the activation.
        members: Perceptrons.
        l2_strength: Factor of the squared kernel in the training loss.
        settings: Of every Keras layer.
    """

    def __init__(
        self, units: int, activation: str, members: int, l2_strength: float, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.units, self.activation = units, activation
        self.members, self.l2_strength = members, l2_strength

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights; what tells members apart is set with the trained ones."""
        n_in, members = input_shape[-1], self.members
        self.inner = self.add_weight(shape=(members, n_in), initializer="ones", name="inner")
        self.outer = self.add_weight(shape=(members, self.units), initializer="ones", name="outer")
        self.kernel = self.add_weight(
            shape=(n_in, self.units),
            regularizer=keras.regularizers.L2(self.l2_strength),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(members, self.units), initializer="zeros", name="bias")

    def call(self, X: Any) -> Any:
        """Every member's units."""
        X = X[:, None, :] if len(X.shape) == 2 else X
        linear = keras.ops.matmul(X * self.inner, self.kernel) * self.outer + self.bias
        return keras.activations.get(self.activation)(linear)

    def get_config(self) -> dict[str, Any]:
        """For saving."""
        return {
            **super().get_config(),
            "units": self.units,
            "activation": self.activation,
            "members": self.members,
            "l2_strength": self.l2_strength,
        }


@keras.saving.register_keras_serializable("evensweep")
class MeanOfMembers(keras.layers.Layer):
    """Members' output layers and the mean of their probabilities.

    Takes (n_rows, members, n_in) and gives (n_rows, 2).
    """

    def build(self, input_shape: tuple[int | None, int, int]) -> None:
        """Makes the weights."""
        _, members, n_in = input_shape
        self.kernel = self.add_weight(shape=(members, n_in, 2), name="kernel")
        self.bias = self.add_weight(shape=(members, 2), initializer="zeros", name="bias")

    def call(self, X: Any) -> Any:
        """The mean of the members' softmax."""
        return keras.ops.mean(keras.ops.softmax(self.logits(X)), axis=1)

    def logits(self, X: Any) -> Any:
        """Of every member: (n_rows, members, 2)."""
        return keras.ops.einsum("nmi,mio->nmo", X, self.kernel) + self.bias
