"""Probabilities move between class priors by Bayes' rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evensweep.datasets.views import log_odds_shift
from evensweep.results.calibration import compute_calibration, shift_log_odds

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


def test_calibration_bins_hold_their_rows() -> None:
    bins = compute_calibration(
        np.array([0, 0, 0, 1, 1, 1, 0, 1]),
        np.array([0.1, 0.1, 0.2, 0.2, 0.7, 0.7, 0.9, 0.9]),
        bins=2,
    )
    assert bins.rows.tolist() == [4, 4]
    np.testing.assert_allclose(bins.predicted, [0.15, 0.8])
    np.testing.assert_allclose(bins.observed, [0.25, 0.75])
    # Wilson's interval of 1 in 4: (0.25 + z²/8 ± z √(0.1875/4 + z²/64)) / (1 + z²/4), z = 1.96.
    assert (bins.low[0], bins.high[0]) == pytest.approx((0.0456, 0.6994), abs=1e-4)


def test_calibration_of_one_probability_is_one_bin() -> None:
    bins = compute_calibration(np.array([0, 1, 0]), np.full(3, 0.2))
    assert bins.rows.tolist() == [3]
    assert bins.observed == pytest.approx([1 / 3])


def test_calibration_intervals_hold_the_share_when_no_row_is_positive() -> None:
    bins = compute_calibration(np.zeros(20, int), np.linspace(0, 0.1, 20), bins=3)
    assert bins.low == pytest.approx([0, 0, 0])
    assert (bins.high > 0.3).all()
    assert bins.rows.sum() == 20


def test_calibration_error_by_hand() -> None:
    # Two bins of two rows: 0.1 on average against 0.5 observed, and 0.8 against 1.
    bins = compute_calibration(np.array([0, 1, 1, 1]), np.array([0.05, 0.15, 0.7, 0.9]), bins=2)
    assert bins.error == pytest.approx((0.4 * 2 + 0.2 * 2) / 4)


def test_calibration_error_of_true_probabilities_is_small() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(size=100_000)
    y = (rng.uniform(size=len(p)) < p).astype(int)
    assert compute_calibration(y, p).error < 0.01
    assert compute_calibration(y, np.sqrt(p)).error > 0.1
