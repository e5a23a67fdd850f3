"""Dropout layers that read their rate and their seed from inputs of a compiled program."""

from collections.abc import Sequence

from .runtime import Tensor, tf
from .structure import liftable_dropouts

import keras  # isort: skip - after the runtime has set TensorFlow up

_CALL_STRIDE = 2**40
"""More updates than a training has; seeds of one update's dropout calls are this far apart."""


class LiftedDropouts:
    """Dropout layers whose rates and seeds are inputs of a program."""

    count = 0
    """Of the layers that were lifted, and of the rates that are wanted."""

    def lift(self, model: keras.Model) -> keras.Model:
        """The model with such layers in place of Keras'; all other layers are the same objects."""
        places = {id(layer): i for i, layer in enumerate(liftable_dropouts(model))}
        self.count = len(places)
        if not places:
            return model

        def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
            return _Dropout(self, places[id(layer)]) if id(layer) in places else layer

        model.compiled = False  # or the clone would be compiled, which nobody needs
        return keras.models.clone_model(model, clone_function=replaced, recursive=True)

    def begin(self, rates: Tensor, seed: Tensor, updates: Tensor) -> None:
        """Sets what the calls of one training step draw from."""
        self._rates, self._seed, self._updates = rates, seed, updates
        self._calls = 0

    def drop(self, place: int, inputs: Tensor) -> Tensor:
        """Inputs of shape (n, …, width) with units dropped at the rate of that layer."""
        seed = [self._seed, self._updates + self._calls * _CALL_STRIDE]
        self._calls += 1
        shape = tf.unstack(tf.shape(inputs), len(inputs.shape))
        return inputs * tf.cast(_dropout_factors(shape, self._rates[place], seed), inputs.dtype)


class _Dropout(keras.layers.Layer):
    def __init__(self, dropouts: LiftedDropouts, place: int) -> None:
        super().__init__()
        self.supports_masking = True
        self._dropouts = dropouts
        self._place = place

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return self._dropouts.drop(self._place, inputs) if training else inputs


def _dropout_factors(shape: Sequence[Tensor], rate: Tensor, seed: Sequence[Tensor]) -> Tensor:
    """What multiplies units: 0 with probability ``rate`` in [0, 1), else 1 / (1 - rate).

    Args:
        shape: Of the factors; ones instead, in a shape that broadcasts to it, if ``rate`` is 0.
        rate: Share of units dropped.
        seed: Two integers, of which the draws are a function.

    Returns:
        float32 tensor.
    """
    # Without dropout single ones that broadcast, since drawing takes a fifth of an epoch.
    shape = tf.where(rate > 0, shape, [*shape[:-2], 1, 1])
    units = tf.reduce_prod(shape)
    # Sixteen random bits a unit are fine enough for a rate, and half the work of a float's.
    words = tf.raw_ops.StatelessRandomUniformFullInt(
        shape=[(units + 1) // 2], seed=seed, dtype=tf.int32
    )
    draws = tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:units], shape)
    kept = draws >= tf.cast(rate * 2**16, tf.uint16)
    return tf.where(kept, 1 / (1 - rate), 0.0)
