"""Samplers as users write them, sound ones and others, for the tests of views."""

from typing import Any

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


class Repeated:
    """Every positive row several times."""

    def __init__(self, times: int = 2) -> None:
        self.times = times

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Rows:
        more = np.flatnonzero(y == 1).tolist() * (self.times - 1)
        rows = [*range(len(y)), *more]
        return X[rows], y[rows]


class Jittered:
    def __init__(self, random_state: int) -> None:
        self.random_state = random_state

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Rows:
        return X + np.random.default_rng(self.random_state).normal(size=X.shape), y


class Blended:
    """Adds rows between the first positive rows and the next row."""

    def __init__(self, share: float) -> None:
        self.share = share

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Rows:
        blend = self.share * X[:20] + (1 - self.share) * X[1:21]
        return np.concatenate([X, blend]), np.concatenate([y, y[:20]])


class Spoiling:
    """Works on its arguments, and wants them as documented."""

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Rows:
        assert (X.dtype, y.dtype) == (np.float64, np.int64)
        X *= 2
        return X, y


class _AsGiven:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Rows:
        return X, y


def factory(random_state: int, seen: int) -> _AsGiven:
    assert random_state == seen
    return _AsGiven()


class Nothing:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any: ...


class Alone:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X


class Whole:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X.astype(np.int64), y


class Wider:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return np.column_stack([X, X[:, 0]]), y


class Flat:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X.ravel(), y


class Longer:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X, [*y, 1]


class Labels:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X, np.where(y == 1, "yes", "no")


class Gaps:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        X[5, 2] = np.nan
        return X, y


class Huge:
    """Finite, but not as the float32 that networks take."""

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        X[0, 0] = 1e200
        return X, y


class OneClass:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X[y == 1], y[y == 1]


class Empty:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        return X[:0], y[:0]


class Failing:
    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> Any:
        raise KeyError("nothing")


class Unmakable:
    def __init__(self) -> None:
        raise RuntimeError("no")


class NoSampler:
    pass
