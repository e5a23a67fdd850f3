"""Periodic embeddings of columns of numbers, in a graph: what comes in, and what goes back.

A network on standardised columns learns smooth functions of them; trees cut a column wherever it
pays. An embedding that starts with waves of learned frequencies lets the network bend quickly too
(Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022). Each
column has frequencies and a dense layer of its own, which makes :data:`UNITS` numbers of it.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from .mlp import UNITS
from .runtime import Tensor, tf

PIECE = 2**18
"""Numbers of rows' columns, or of their members' units, that a network takes at once outside of
training; an embedding makes 2 · WAVES of each, so that a large table would not fit in memory
otherwise."""


class PeriodicWeights(NamedTuple):
    """Of an embedding of n columns: (n, WAVES), (n, 2 · WAVES, UNITS) and (n, UNITS)."""

    frequencies: Tensor
    kernel: Tensor
    bias: Tensor


class Embedded(NamedTuple):
    """An embedding's output, and what its gradient needs.

    Attributes:
        output: (n_rows, n_features · UNITS).
        columns: The rows by column: (n_features, n_rows, 1).
        waves: Cosines, then sines, of each wave: (n_features, n_rows, 2 · WAVES).
        units: Output by column: (n_features, n_rows, UNITS).
    """

    output: Tensor
    columns: Tensor
    waves: Tensor
    units: Tensor


def embed(X: Tensor, weights: PeriodicWeights) -> Embedded:
    """ReLU(kernel · [cos 2πfx, sin 2πfx] + bias) of every column x.

    Args:
        X: float32 tensor of shape (n_rows, n_features).
        weights: Of the embedding.
    """
    columns = tf.transpose(X)[:, :, None]
    angles = columns * (2 * math.pi * weights.frequencies[:, None, :])
    waves = tf.concat([tf.cos(angles), tf.sin(angles)], axis=2)
    units = tf.nn.relu(waves @ weights.kernel + weights.bias[:, None, :])
    by_row = tf.transpose(units, [1, 0, 2])
    return Embedded(tf.reshape(by_row, [tf.shape(X)[0], -1]), columns, waves, units)


def embed_gradients(embedded: Embedded, weights: PeriodicWeights, delta: Tensor) -> PeriodicWeights:
    """The loss's gradient by the weights.

    Args:
        embedded: What :func:`embed` gave.
        weights: Of the embedding.
        delta: The gradient by the output, in its shape.
    """
    by_row = tf.reshape(delta, [tf.shape(delta)[0], -1, UNITS])
    delta = tf.raw_ops.ReluGrad(gradients=tf.transpose(by_row, [1, 0, 2]), features=embedded.units)
    d_cosines, d_sines = tf.split(tf.matmul(delta, weights.kernel, transpose_b=True), 2, axis=2)
    cosines, sines = tf.split(embedded.waves, 2, axis=2)
    d_angles = d_sines * cosines - d_cosines * sines
    return PeriodicWeights(
        frequencies=2 * math.pi * tf.reduce_sum(d_angles * embedded.columns, axis=1),
        kernel=tf.matmul(embedded.waves, delta, transpose_a=True),
        bias=tf.reduce_sum(delta, axis=1),
    )


def in_pieces(forward: Callable[[Tensor], Tensor], X: Tensor, numbers: Tensor) -> Tensor:
    """``forward(X)``, which has one number a row, computed for a piece of the rows at a time.

    Args:
        forward: Takes rows.
        X: float32 tensor of shape (n_rows, n_features).
        numbers: That a row becomes at once.
    """
    n_rows = tf.shape(X)[0]
    size = tf.maximum(PIECE // numbers, 1)
    count = tf.maximum(-(-n_rows // size), 1)
    _, pieces = tf.while_loop(
        lambda number, _: number < count,
        lambda number, pieces: (
            number + 1,
            pieces.write(number, forward(X[number * size : (number + 1) * size])),
        ),
        (0, tf.TensorArray(tf.float32, count, element_shape=[None], infer_shape=False)),
        parallel_iterations=1,
    )
    return pieces.concat()
