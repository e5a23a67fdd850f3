"""A network's weights as one vector, and the variables that hold it with Adam's moments."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .mlp import UNITS, periodic_shapes
from .periodic import PeriodicWeights
from .runtime import Tensor, tf

ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults (Kingma & Ba 2015)."""


class Variables(NamedTuple):
    """A program's variables by their handles, which are inputs of the graph."""

    weights: Tensor
    first: Tensor
    second: Tensor
    updates: Tensor

    def read_weights(self) -> Tensor:
        """float32 of shape (n_weights,)."""
        weights = tf.raw_ops.ReadVariableOp(resource=self.weights, dtype=tf.float32)
        return tf.ensure_shape(weights, [None])

    def read_updates(self) -> Tensor:
        """The count of updates, int64."""
        updates = tf.raw_ops.ReadVariableOp(resource=self.updates, dtype=tf.int64)
        return tf.ensure_shape(updates, [])

    def write_updates(self, updates: Tensor) -> None:
        """Sets the count of updates."""
        tf.raw_ops.AssignVariableOp(resource=self.updates, value=updates)

    def apply_adam(self, gradient: Tensor, learning_rate: Tensor, powers: Sequence[Tensor]) -> None:
        """One update; ``powers`` are both betas to the power of its number, counted from 1."""
        tf.raw_ops.ResourceApplyAdam(
            var=self.weights,
            m=self.first,
            v=self.second,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=learning_rate,
            beta1=ADAM_BETA_1,
            beta2=ADAM_BETA_2,
            epsilon=ADAM_EPSILON,
            grad=gradient,
        )


class Layout(NamedTuple):
    """Where the weights of each layer lie in the vector of weights."""

    sizes: list[Tensor]
    embedding_shapes: list[Tensor]
    kernel_shapes: list[Tensor]

    @classmethod
    def of(cls, num_layers: int, n_features: Tensor, width: Tensor, embeds: bool) -> "Layout":
        """Of a network with so many hidden layers, all of that width, and two outputs.

        Args:
            num_layers: Hidden layers.
            n_features: Columns of the feature matrix.
            width: Units of a hidden layer.
            embeds: Whether columns are embedded before them.
        """
        embedding = periodic_shapes(n_features) if embeds else []
        n_inputs = n_features * UNITS if embeds else n_features
        widths = [n_inputs, *[width] * num_layers, 2]
        sizes = [math.prod(shape) for shape in embedding]
        sizes += [size for n_in, n_out in pairwise(widths) for size in (n_in * n_out, n_out)]
        return cls(sizes, [tf.stack(s) for s in embedding], [tf.stack(p) for p in pairwise(widths)])

    def split(self, weights: Tensor) -> tuple[PeriodicWeights | None, list[tuple[Tensor, Tensor]]]:
        """The embedding's weights, if there is one, and kernel and bias of every dense layer."""
        parts = tf.split(weights, tf.stack(self.sizes), num=len(self.sizes))
        first = len(self.embedding_shapes)
        embedding = [*map(tf.reshape, parts[:first], self.embedding_shapes)]
        kernels = map(tf.reshape, parts[first::2], self.kernel_shapes)
        dense = list(zip(kernels, parts[first + 1 :: 2], strict=True))
        return PeriodicWeights(*embedding) if embedding else None, dense

    def decay(self, l2: Tensor) -> Tensor:
        """A vector like that of the weights with twice the L2 strength for each hidden kernel."""
        hidden = len(self.kernel_shapes) - 1
        values = [0.0] * len(self.embedding_shapes) + [2 * l2, 0.0] * hidden + [0.0, 0.0]
        return tf.concat([tf.fill([n], v) for n, v in zip(self.sizes, values, strict=True)], 0)
