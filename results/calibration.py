"""Moves probabilities between class priors."""

import numpy as np


def shift_log_odds(probabilities: np.ndarray, shift: float) -> np.ndarray:
    """Adds a constant to the log-odds of probabilities.

    With the shift of a balanced view this gives natural-prior probabilities (Elkan 2001, theorem 2;
    Saerens et al. 2002, equation 4).

    Args:
        probabilities: Of class 1, ndarray of any shape.
        shift: In nats; 0 changes nothing.

    Returns:
        float64 ndarray of the same shape.
    """
    p = np.asarray(probabilities, np.float64)
    odds_factor = np.exp(shift)
    return p * odds_factor / (1 - p + p * odds_factor)
