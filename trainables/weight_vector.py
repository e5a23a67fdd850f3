"""A network's weights as one vector, and the variables that hold it with Adam's moments."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

from .mlp import Structure, layer_shapes
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

    shapes: list[list[Tensor]]
    sizes: list[Tensor]

    @classmethod
    def of(cls, structure: Structure, n_features: Tensor, width: Tensor, members: Tensor) -> Self:
        """Of a network, by what :func:`~evensweep.trainables.mlp.layer_shapes` takes."""
        shapes = layer_shapes(structure, n_features, width, members)
        sizes = [math.prod(shape) for layer in shapes for shape in layer]
        return cls([[tf.stack(shape) for shape in layer] for layer in shapes], sizes)

    def split(self, weights: Tensor) -> tuple[PeriodicWeights | None, list[list[Tensor]]]:
        """The embedding's weights, if there is one, and those of every dense layer."""
        parts = iter(tf.split(weights, tf.stack(self.sizes), num=len(self.sizes)))
        embedding, *layers = [
            [tf.reshape(next(parts), shape) for shape in layer] for layer in self.shapes
        ]
        return PeriodicWeights(*embedding) if embedding else None, layers

    def decay(self, l2: Tensor) -> Tensor:
        """A vector like that of the weights with twice the L2 strength for each hidden kernel."""
        embedding, *hidden, last = self.shapes
        # A layer ends with kernel and bias; members' factors before them are not penalised.
        values = [0.0] * len(embedding)
        for layer in hidden:
            values += [*[0.0] * (len(layer) - 2), 2 * l2, 0.0]
        values += [0.0] * len(last)
        return tf.concat([tf.fill([n], v) for n, v in zip(self.sizes, values, strict=True)], 0)
