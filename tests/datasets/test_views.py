"""A view balances training rows and knows how to undo that in the predictions."""

import importlib

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.preprocessing import Preprocessor
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.views import (
    SAMPLERS,
    SMOTE_NEIGHBOURS,
    VIEWS,
    View,
    log_odds_shift,
    make_view,
    neighbours_needed,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3)).astype(np.float32)
NUMBERS = Preprocessor().fit(pd.DataFrame(X, columns=list("abc")))
Y = np.repeat([1, 0], [16, 84])
ROWS = {tuple(row) for row in X.tolist()}


def balanced(
    name: str, X: np.ndarray, y: np.ndarray, seed: int, preprocessor: Preprocessor
) -> View:
    """A built-in view."""
    return make_view(name, SamplerSpec(name), X, y, seed, preprocessor)


@pytest.mark.parametrize(("name", "per_class"), [("undersampled", 16), ("smote", 84)])
class TestBalancing:
    def test_classes_are_equally_frequent(self, name: str, per_class: int) -> None:
        view = balanced(name, X, Y, 1, NUMBERS)
        assert np.bincount(view.y).tolist() == [per_class, per_class]

    def test_arrays_are_what_a_training_reads(self, name: str, per_class: int) -> None:
        view = balanced(name, np.asfortranarray(X.astype(float)), Y, 1, NUMBERS)
        assert (view.X.dtype, view.y.dtype) == (np.float32, np.int32)
        assert view.X.flags.c_contiguous
        assert view.y.flags.c_contiguous
        assert view.X.shape == (2 * per_class, 3)
        assert view.name == name

    def test_same_seed_gives_the_same_view_and_another_seed_another(self, name, per_class) -> None:
        first, again, other = (balanced(name, X, Y, seed, NUMBERS) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.X, again.X)
        assert not np.array_equal(first.X, other.X)

    def test_shift_moves_half_to_the_natural_share(self, name: str, per_class: int) -> None:
        # Odds of 0.16 : 0.84 against 1 : 1, by hand.
        assert balanced(name, X, Y, 1, NUMBERS).log_odds_shift == pytest.approx(np.log(0.16 / 0.84))

    def test_input_is_left_alone(self, name: str, per_class: int) -> None:
        before, y_before = X.copy(), Y.copy()
        balanced(name, X, Y, 1, NUMBERS)
        np.testing.assert_array_equal(X, before)
        np.testing.assert_array_equal(Y, y_before)


def test_undersampled_rows_are_original_rows_without_repetition() -> None:
    view = balanced("undersampled", X, Y, 1, NUMBERS)
    rows = [tuple(row) for row in view.X.tolist()]
    assert set(rows) <= ROWS
    assert len(set(rows)) == len(rows)
    labels = {tuple(row): label for row, label in zip(X.tolist(), Y, strict=True)}
    assert [labels[row] for row in rows] == view.y.tolist()


def test_smote_keeps_every_row_and_adds_positives_between_positives() -> None:
    view = balanced("smote", X, Y, 1, NUMBERS)
    np.testing.assert_array_equal(view.X[:100], X)
    assert (view.y[100:] == 1).all()
    positives = X[Y == 1].astype(np.float64)
    for point in view.X[100:].astype(np.float64):
        # On a segment between two positives the two distances add up to its length.
        distance = np.linalg.norm(positives - point, axis=1)
        length = np.linalg.norm(positives[:, None] - positives, axis=2)
        detour = distance[:, None] + distance - length
        np.fill_diagonal(detour, np.inf)
        assert detour.min() < 1e-5


MIXED = pd.DataFrame(
    {
        "amount": RNG.normal(size=100),
        "job": RNG.choice(["clerk", "nurse", "smith"], 100),
        "city": RNG.choice(["Bonn", "Graz"], 100),
    }
)


# Samplers that clean by neighbours or cluster find nothing to do in these random rows.
PARTICULAR = {
    "KMeansSMOTE", "SMOTEENN", "EditedNearestNeighbours", "RepeatedEditedNearestNeighbours",
    "AllKNN",
}  # fmt: skip


@pytest.mark.parametrize("columns", [["amount", "job", "city"], ["job", "city"]])
@pytest.mark.parametrize("name", [name for name in VIEWS if name not in PARTICULAR])
def test_a_view_of_categories_has_one_of_each_in_every_row(name: str, columns: list[str]) -> None:
    preprocessor = Preprocessor().fit(MIXED[columns])
    view = balanced(name, preprocessor.compact(MIXED[columns]), Y, 1, preprocessor)
    indicators = view.X[:, -5:]
    assert set(np.unique(indicators)) == {0.0, 1.0}
    np.testing.assert_array_equal(indicators[:, :3].sum(axis=1), 1)
    np.testing.assert_array_equal(indicators[:, 3:].sum(axis=1), 1)
    assert view.X.shape[1] == len(columns) - 2 + 5


OVERLAPPING = np.where(Y[:, None] == 1, X + 1.5, X)


@pytest.mark.parametrize("name", [name for name in VIEWS if name != "KMeansSMOTE"])
def test_every_view_undoes_its_own_class_share(name: str) -> None:
    view = balanced(name, OVERLAPPING, Y, 1, NUMBERS)
    weights = np.asarray(view.class_weights)[view.y]
    share = weights[view.y == 1].sum() / weights.sum()
    expected = np.log(0.16 / 0.84) - np.log(share / (1 - share))
    assert view.log_odds_shift == pytest.approx(expected)
    assert view.X.dtype == np.float32
    again = balanced(name, OVERLAPPING, Y, 1, NUMBERS)
    np.testing.assert_array_equal(view.X, again.X)


def test_natural_rows_are_as_they_were() -> None:
    view = balanced("natural", X, Y, 1, NUMBERS)
    np.testing.assert_array_equal(view.X, X)
    np.testing.assert_array_equal(view.y, Y)
    assert view.log_odds_shift == 0
    assert view.class_weights == (1, 1)


def test_weighted_rows_are_as_they_were_and_both_classes_weigh_the_same() -> None:
    view = balanced("weighted", X, Y, 1, NUMBERS)
    np.testing.assert_array_equal(view.X, X)
    assert view.class_weights == pytest.approx((100 / 168, 100 / 32))
    assert view.log_odds_shift == pytest.approx(np.log(0.16 / 0.84))


@pytest.mark.parametrize("name", ["smote_tomek", "SMOTEENN", "adasyn"])
def test_cleaning_after_oversampling_leaves_another_number_of_rows(name: str) -> None:
    view = balanced(name, OVERLAPPING, Y, 1, NUMBERS)
    assert len(view.y) not in {100, 168}


def test_every_sampler_of_imbalanced_learn_makes_a_view() -> None:
    # One is abstract, and two are what smote takes for columns of categories.
    others = {"BaseSampler", "SMOTEN", "SMOTENC"}
    for module, names in SAMPLERS.items():
        assert {*importlib.import_module(module).__all__} - others == {*names}


def test_clustered_rows_have_the_view_that_clusters() -> None:
    rng = np.random.default_rng(2)
    y = np.repeat([1, 0], [120, 480])
    rows = np.where(y[:, None] == 1, 10, 0) + rng.normal(size=(600, 3))
    preprocessor = Preprocessor().fit(pd.DataFrame(rows, columns=list("abc")))
    view = balanced("KMeansSMOTE", rows, y, 1, preprocessor)
    assert view.y.mean() == pytest.approx(0.5, abs=0.02)


def test_rows_that_a_sampler_cannot_balance_are_told_in_a_sentence() -> None:
    with pytest.raises(InputError, match=r"^the view 'adasyn' can't balance these rows \(.*; take"):
        balanced("adasyn", X[:40], Y[:40] ^ (np.arange(40) > 19), 1, NUMBERS)
    with pytest.raises(InputError, match=r"^the view 'smote' can't balance these rows \(Expected"):
        balanced("smote", X[13:], Y[13:], 1, NUMBERS)


@pytest.mark.parametrize(
    ("natural", "view", "shift"),
    [(0.5, 0.5, 0), (0.2, 0.5, np.log(1 / 4)), (0.5, 0.2, np.log(4)), (0.1, 0.25, np.log(1 / 3))],
)
def test_shift_is_the_log_ratio_of_the_prior_odds(natural, view, shift) -> None:
    assert log_odds_shift(natural, view) == pytest.approx(shift)


@pytest.mark.parametrize("name", VIEWS)
def test_views_that_interpolate_need_neighbours(name: str) -> None:
    needs = "smote" in name.lower() or name.lower() == "adasyn"
    assert neighbours_needed(["undersampled", name]) == (SMOTE_NEIGHBOURS if needs else 0)
