"""Dropout for a compiled epoch: its random numbers are drawn once an epoch."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from .runtime import tf

_PLACES = 1024
"""Where a window may begin."""


class PooledDropout(NamedTuple):
    """An epoch's random numbers for dropout, cheaper than a generator's for every batch.

    TensorFlow's generator is a large part of an epoch if it draws for every unit and row. Here it
    fills two pools once an epoch, and a batch's random bytes are a window of each, at random
    places, combined by exclusive or. Each byte is uniform, and any two bytes of an epoch that are
    not made of the same two are independent. A byte decides about a unit: the rate is rounded to a
    256th, up or down at random by batch, so that it is exact in the mean.
    """

    layers: int
    width: Any
    words: Any
    pools: Sequence[Any]
    places: Sequence[Any]
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
        words = -(-layers * rows * width // 4)
        sizes = [words + _PLACES] * 2 + [batches] * 3
        drawn = tf.raw_ops.StatelessRandomUniformFullInt(
            shape=tf.reshape(tf.add_n(sizes), [1]), seed=seed, dtype=tf.int32
        )
        *pools, first, second, rounding = tf.split(drawn, sizes)
        rounding = tf.cast(rounding, tf.float32) / 2**32 + 0.5
        return cls(
            layers=layers,
            width=tf.reshape(width, [1]),
            words=tf.reshape(words, [1]),
            pools=pools,
            places=[tf.math.floormod(places, _PLACES) for places in (first, second)],
            thresholds=tf.cast(tf.minimum(tf.floor(rate * 256 + rounding), 255), tf.uint8),
            factor=1 / (1 - rate),
        )

    def masks(self, batch: Any, rows: Any) -> list[Any]:
        """Factors of every hidden layer's units, for a batch's number and its [number of rows]."""
        begin, one = tf.reshape(batch, [1]), [1]
        windows = [
            tf.slice(pool, tf.slice(places, begin, one), self.words)
            for pool, places in zip(self.pools, self.places, strict=True)
        ]
        draws = tf.reshape(tf.bitcast(tf.bitwise.bitwise_xor(*windows), tf.uint8), [-1])
        draws = tf.slice(draws, [0], self.layers * rows * self.width)  # a last batch may need fewer
        kept = draws >= tf.slice(self.thresholds, begin, one)
        # tf.where on the condition was slower.
        factors = tf.cast(kept, tf.float32) * self.factor
        shape = tf.concat([[self.layers], rows, self.width], 0)
        return tf.unstack(tf.reshape(factors, shape), self.layers)
