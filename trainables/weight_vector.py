"""A network's weights as one vector, and the variables that hold it with Adam's moments."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

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
    """Where kernels and biases lie in the vector of weights."""

    sizes: list[Tensor]
    kernel_shapes: list[Tensor]

    @classmethod
    def of(cls, num_layers: int, n_features: Tensor, width: Tensor) -> "Layout":
        """Of a network with so many hidden layers, all of that width, and two outputs."""
        widths = [n_features, *[width] * num_layers, 2]
        sizes = [size for n_in, n_out in pairwise(widths) for size in (n_in * n_out, n_out)]
        return cls(sizes, [tf.stack(pair) for pair in pairwise(widths)])

    def split(self, weights: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Kernel and bias of every layer."""
        parts = tf.split(weights, tf.stack(self.sizes), num=len(self.sizes))
        kernels = map(tf.reshape, parts[::2], self.kernel_shapes)
        return list(zip(kernels, parts[1::2], strict=True))

    def spread(self, values: Sequence[Tensor]) -> Tensor:
        """A vector like that of the weights with one value for each kernel and bias."""
        return tf.concat([tf.fill([n], v) for n, v in zip(self.sizes, values, strict=True)], 0)
