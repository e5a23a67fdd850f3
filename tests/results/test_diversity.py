import numpy as np
import pandas as pd
import pytest

from evensweep.results.diversity import compute_diversity, plot_diversity
from evensweep.results.drawing import figure_of, png_bytes

Y = np.array([0, 1, 0, 1])
FRAME = pd.DataFrame(
    {
        "target": Y,
        "a": Y + np.array([0.2, -0.2, 0.2, -0.2]),
        "b": Y + np.array([0.2, -0.2, 0.2, -0.2]),
        "c": Y + np.array([0.2, 0.2, -0.2, -0.2]),
    }
)


def members(**weights):
    return [{"trial": name, "view": "v", "weight": weight} for name, weight in weights.items()]


def test_members_that_err_alike_bring_nothing():
    data = compute_diversity(FRAME, members(a=0.5, b=0.5))
    assert data.correlations == pytest.approx(np.ones((2, 2)))
    assert data.member_brier == pytest.approx(0.04)
    assert data.ensemble_brier == pytest.approx(0.04)
    assert png_bytes(figure_of(plot_diversity(data)))


def test_members_that_err_apart_halve_the_squared_error():
    data = compute_diversity(FRAME, members(a=0.5, c=0.5))
    assert data.mean_correlation == pytest.approx(0)
    assert data.member_brier == pytest.approx(0.04)
    assert data.ensemble_brier == pytest.approx(0.02)


def test_the_difference_is_the_members_spread_around_their_average():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"target": rng.integers(0, 2, 50)} | {n: rng.random(50) for n in "abc"})
    weights = np.array([0.5, 0.3, 0.2])
    data = compute_diversity(frame, members(**dict(zip("abc", weights, strict=True))))
    P = frame[["a", "b", "c"]].to_numpy()
    spread = ((P - (P @ weights)[:, None]) ** 2 @ weights).mean()
    assert data.member_brier - data.ensemble_brier == pytest.approx(spread)


def test_heaviest_first_and_rows_of_other_populations_left_out():
    frame = pd.concat([FRAME, pd.DataFrame({"target": [1], "a": [np.nan]})], ignore_index=True)
    data = compute_diversity(frame, members(a=0.2, c=0.5, b=0.3))
    assert data.trials == ("c", "b", "a")
    assert np.isfinite(data.correlations).all()


def test_a_single_member_has_none():
    assert compute_diversity(FRAME, members(a=1.0)) is None
