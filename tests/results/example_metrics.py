"""Metrics as users write them, sound ones and others."""

from typing import Any

import numpy as np


def spoiling(y_true: np.ndarray, probability: np.ndarray) -> float:
    """Works on its arguments, and wants them as documented."""
    assert (y_true.dtype, probability.dtype) == (np.int64, np.float64)
    assert y_true.shape == probability.shape
    probability[:] = 0
    y_true += 1
    return float(len(y_true))


def whole(y_true: np.ndarray, probability: np.ndarray) -> int:
    return 2


def of_numpy(y_true: np.ndarray, probability: np.ndarray) -> Any:
    return np.float32(2)


def of_an_array(y_true: np.ndarray, probability: np.ndarray) -> Any:
    return np.array(2)


def failing(y_true: np.ndarray, probability: np.ndarray) -> float:
    return 1 / 0


def nothing(y_true: np.ndarray, probability: np.ndarray) -> Any: ...


def several(y_true: np.ndarray, probability: np.ndarray) -> Any:
    return [1.0, 2.0]


def text(y_true: np.ndarray, probability: np.ndarray) -> Any:
    return "good"


def truth(y_true: np.ndarray, probability: np.ndarray) -> Any:
    return True


def undefined(y_true: np.ndarray, probability: np.ndarray) -> float:
    return float("nan")
