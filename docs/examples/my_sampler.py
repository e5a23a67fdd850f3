"""A sampler: positive rows are repeated with a little noise until both classes are as frequent."""

import numpy as np


class Jittered:
    """Oversampling of class 1 by copies with Gaussian noise (smoothed bootstrap)."""

    def __init__(self, random_state: int, scale: float = 0.1) -> None:
        self.random_state = random_state
        self.scale = scale

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that are there, and copies; numbers are standardised, so the scale fits all."""
        rng = np.random.default_rng(self.random_state)
        positive = np.flatnonzero(y == 1)
        missing = max(0, len(y) - 2 * len(positive))
        copies = X[rng.choice(positive, missing)]
        copies = copies + rng.normal(0, self.scale, copies.shape)
        return np.concatenate([X, copies]), np.concatenate([y, np.ones(missing, y.dtype)])
