"""The masks of the compiled epoch's dropout."""

import numpy as np
import pytest

from evensweep.trainables.dropout import PooledDropout
from evensweep.trainables.runtime import tf


def drawn_masks(rate: float, seed: int, updates: int, batches: int = 40) -> np.ndarray:
    """Masks of an epoch's batches, three layers, 300 rows and 41 units (an odd number)."""
    key = [tf.constant(seed, tf.int64), tf.constant(updates, tf.int64)]
    dropout = PooledDropout.draw(
        (3, tf.constant(300), tf.constant(41)), tf.constant(batches), tf.constant(rate), key
    )
    return np.array([dropout.masks(batch, tf.constant([300])) for batch in range(batches)])


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.99])
def test_dropout_keeps_each_unit_by_itself(rate: float) -> None:
    """Shares and correlations within 5 standard errors (p = 6e-7 each).

    A batch rounds the rate to a 256th, up or down: that is an error of its own, a half 256th at
    most, in the mean over the batches.
    """
    masks = drawn_masks(rate, seed=5, updates=7)
    assert masks.shape == (40, 3, 300, 41)
    np.testing.assert_allclose(np.unique(masks), [0, 1 / (1 - rate)], rtol=1e-5)
    dropped = masks == 0
    rounding = 1 / 512 / np.sqrt(len(masks))
    error = np.hypot(np.sqrt(rate * (1 - rate) / dropped.size), rounding)
    assert abs(dropped.mean() - rate) < 5 * error
    # Against the batch's own rate, or its rounding would look like a correlation.
    centred = dropped - dropped.mean(axis=(1, 2, 3), keepdims=True)
    others = {
        name: other - other.mean(axis=(1, 2, 3), keepdims=True)
        for name, other in {
            "updates": drawn_masks(rate, seed=5, updates=8) == 0,
            "seeds": drawn_masks(rate, seed=6, updates=7) == 0,
        }.items()
    }
    pairs = {
        "layers": (centred[:, :-1], centred[:, 1:]),
        "rows": (centred[:, :, :-1], centred[:, :, 1:]),
        "units": (centred[..., :-1], centred[..., 1:]),
        "batches": (centred[:-1], centred[1:]),
        **{name: (centred, other) for name, other in others.items()},
    }
    for name, (one, other) in pairs.items():
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(one.size), name


def test_a_last_batch_of_fewer_rows_has_masks_of_its_own_shape() -> None:
    key = [tf.constant(1, tf.int64), tf.constant(2, tf.int64)]
    shape = (2, tf.constant(50), tf.constant(5))
    dropout = PooledDropout.draw(shape, tf.constant(3), tf.constant(0.5), key)
    assert [mask.shape for mask in dropout.masks(2, tf.constant([7]))] == [(7, 5), (7, 5)]
