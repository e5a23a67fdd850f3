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
