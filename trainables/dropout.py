"""Dropout for a compiled epoch: its random numbers are drawn once an epoch."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from .runtime import tf


class PooledDropout(NamedTuple):
    """An epoch's random numbers for dropout, cheaper than a generator's for every batch.

    TensorFlow's generator is a large part of an epoch if it draws for every unit and row. Here it
    fills a pool once an epoch, and a batch's random bytes are two windows of the pool, at random
    places, combined by exclusive or. Each byte is uniform, and any two bytes of an epoch that are
    not made of the same two are independent. A byte decides about a unit: the rate is rounded to a
    256th, up or down at random by batch, so that it is exact in the mean.
    """

    layers: int
    shape: Any
    words: Any
    pool: Any
    places: tuple[Any, Any]
    thresholds: Any
    factor: Any

    @classmethod
    def draw(
        cls, shape: tuple[int, Any, Any], batches: Any, rate: Any, seed: Sequence[Any]
    ) -> Self:
        """Draws for an epoch.

        Args:
            shape: Layers, rows of a whole batch, and units of a layer.
            batches: Batches of the epoch.
            rate: Share of units to drop, in (0, 1).
            seed: Of the epoch.
        """
        layers, rows, width = shape
        words = layers * rows * -(-width // 4)
        drawn = tf.raw_ops.StatelessRandomUniformFullInt(
            shape=[2 * words + 3 * batches], seed=seed, dtype=tf.int32
        )
        first, second, rounding = tf.split(drawn[2 * words :], 3)
        rounding = tf.cast(rounding, tf.float32) / 2**32 + 0.5
        return cls(
            layers=layers,
            shape=tf.stack(shape),
            words=tf.reshape(words, [1]),
            pool=drawn,
            places=(tf.math.floormod(first, words + 1), tf.math.floormod(second, words + 1)),
            thresholds=tf.cast(tf.minimum(tf.floor(rate * 256 + rounding), 255), tf.uint8),
            factor=1 / (1 - rate),
        )

    def masks(self, batch: Any, rows: Any) -> list[Any]:
        """Factors of every hidden layer's units, for a batch of so many rows."""
        begin, one = tf.reshape(batch, [1]), [1]
        windows = [
            tf.slice(self.pool, tf.slice(places, begin, one), self.words) for places in self.places
        ]
        mixed = tf.bitcast(tf.bitwise.bitwise_xor(*windows), tf.uint8)
        # Whole words a row, so that units may be left over at its end, and rows in a last batch.
        draws = tf.reshape(mixed, tf.stack([self.layers, self.shape[1], -1]))
        kept = draws[:, :rows, : self.shape[2]] >= tf.slice(self.thresholds, begin, one)
        return tf.unstack(tf.where(kept, self.factor, 0.0), self.layers)
