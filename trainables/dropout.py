"""Dropout for a compiled epoch: its random numbers are drawn once an epoch."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from .runtime import tf


class PooledDropout(NamedTuple):
    """An epoch's random numbers for dropout, cheaper than a generator's for every batch.

    TensorFlow's generator takes a fifth of an epoch if it draws for every unit and row. Here it
    fills a pool once an epoch, and a batch's random bytes are two windows of the pool, at random
    places, combined by exclusive or. Each byte is uniform, and any two bytes of an epoch that are
    not made of the same two are independent. A byte decides about a unit: the rate is rounded to a
    256th, up or down at random by batch, so that it is exact in the mean.
    """

    layers: int
    shape: Any
    pool: Any
    places: Any
    thresholds: Any
    factor: Any

    @classmethod
    def draw(cls, layers: int, shape: Any, batches: Any, rate: Any, seed: Sequence[Any]) -> Self:
        """Draws for an epoch.

        Args:
            layers: Hidden layers.
            shape: Rows of a whole batch, and units of a layer.
            batches: Batches of the epoch.
            rate: Share of units to drop; without dropout there is one factor a layer, for all.
            seed: Of the epoch.
        """
        shape = tf.where(rate > 0, shape, 1)
        words = -(-layers * tf.reduce_prod(shape) // 4)
        drawn = tf.raw_ops.StatelessRandomUniformFullInt(
            shape=[2 * words + 3 * batches], seed=seed, dtype=tf.int32
        )
        plan = tf.reshape(drawn[2 * words :], [3, batches])
        rounding = tf.cast(plan[2], tf.float32) / 2**32 + 0.5
        return cls(
            layers=layers,
            shape=shape,
            pool=drawn,
            places=tf.math.floormod(plan[:2], words + 1),
            thresholds=tf.cast(tf.minimum(tf.floor(rate * 256 + rounding), 255), tf.uint8),
            factor=1 / (1 - rate),
        )

    def masks(self, batch: Any, rows: Any) -> list[Any]:
        """Factors of every hidden layer's units, for a batch of so many rows."""
        shape = tf.concat([[self.layers], tf.minimum([rows, self.shape[1]], self.shape)], 0)
        units = tf.reduce_prod(shape)
        words = -(-units // 4)
        first, second = tf.unstack(tf.gather(self.places, batch, axis=1))
        pair = [self.pool[place : place + words] for place in (first, second)]
        mixed = tf.bitcast(tf.bitwise.bitwise_xor(*pair), tf.uint8)
        draws = tf.reshape(tf.reshape(mixed, [-1])[:units], shape)
        kept = draws >= self.thresholds[batch]
        return tf.unstack(tf.where(kept, self.factor, 0.0), self.layers)
