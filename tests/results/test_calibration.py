"""Probabilities move between class priors by Bayes' rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evensweep.datasets.views import log_odds_shift
from evensweep.results.calibration import shift_log_odds

# A row's evidence: how likely it is among positives, and among negatives.
LIKELIHOODS = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.7], [0.01, 0.99]])


def posterior(prior: float) -> np.ndarray:
    """Bayes' rule."""
    positive, negative = LIKELIHOODS[:, 0] * prior, LIKELIHOODS[:, 1] * (1 - prior)
    return positive / (positive + negative)


@pytest.mark.parametrize(("natural", "view"), [(0.16, 0.5), (0.06, 0.5), (0.5, 0.3), (0.2, 0.2)])
def test_shift_of_a_view_undoes_its_change_of_the_prior(natural: float, view: float) -> None:
    corrected = shift_log_odds(posterior(view), log_odds_shift(natural, view))
    np.testing.assert_allclose(corrected, posterior(natural), rtol=1e-12)


def test_without_evidence_the_natural_share_remains() -> None:
    # A model that always says one half on a balanced view knows nothing but the share.
    shifted = shift_log_odds(np.array([0.5]), log_odds_shift(0.16, 0.5))
    assert shifted[0] == pytest.approx(0.16)


def test_literal_odds() -> None:
    # Odds of 3 : 1 times e^-ln 6 are 1 : 2.
    assert shift_log_odds(np.array([0.75]), -np.log(6))[0] == pytest.approx(1 / 3)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(-8, 8))
def test_opposite_shift_undoes_a_shift(probability: float, shift: float) -> None:
    there = shift_log_odds(np.array([probability]), shift)
    assert 0 < there[0] < 1
    assert shift_log_odds(there, -shift)[0] == pytest.approx(probability, rel=1e-6)


def test_certainty_stays_certain_and_order_stays() -> None:
    p = np.array([0.0, 1e-12, 0.3, 0.7, 1.0])
    shifted = shift_log_odds(p, -2.0)
    assert (shifted[0], shifted[-1]) == (0, 1)
    assert (np.diff(shifted) > 0).all()
    np.testing.assert_allclose(shift_log_odds(p, 0.0), p)


def test_float32_of_any_shape_becomes_float64() -> None:
    shifted = shift_log_odds(np.full((2, 3), 0.5, np.float32), 1.0)
    assert shifted.dtype == np.float64
    assert shifted.shape == (2, 3)
