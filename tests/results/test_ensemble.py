"""Greedy selection on tables small enough to check by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from evensweep.results.ensemble import (
    bagged_weights,
    best_average,
    cross_fitted_probabilities,
    select_greedily,
)
from evensweep.results.metrics import log_loss, log_losses

Y = np.array([1, 1, 0, 0])


def test_pair_that_errs_on_different_rows_beats_the_best_single() -> None:
    candidates = np.array(
        [
            [0.95, 0.30, 0.05, 0.30],  # the best single one
            [0.60, 0.60, 0.40, 0.40],
            [0.30, 0.95, 0.30, 0.05],  # errs where the first is right
        ]
    )
    selection = select_greedily(candidates, Y, rounds=2)
    assert selection.path == (0, 2)
    np.testing.assert_array_equal(selection.weights, [0.5, 0, 0.5])
    singles = log_losses(Y, candidates).mean(axis=1)
    assert selection.objectives[0] == pytest.approx(singles.min())
    pair = (candidates[0] + candidates[2]) / 2
    assert selection.objectives[1] == pytest.approx(log_loss(Y, pair))
    assert selection.objectives[1] < singles.min()


def test_first_of_equal_candidates_wins() -> None:
    same = np.array([[0.8, 0.7, 0.3, 0.2]] * 3)
    assert select_greedily(same, Y, rounds=1).path == (0,)


def test_earliest_of_equal_rounds_is_kept() -> None:
    selection = select_greedily(np.array([[0.8, 0.7, 0.3, 0.2]]), Y, rounds=8)
    assert selection.path == (0,)
    assert len(selection.objectives) == 8
    np.testing.assert_array_equal(selection.weights, [1])


def test_candidate_can_be_added_again_and_weighs_more() -> None:
    # The truth is two thirds of a and one third of b: three rounds, a twice.
    a, b = np.array([0.9, 0.1]), np.array([0.3, 0.7])
    mixed = (2 * a + b) / 3
    # Labels whose shares are the mixture, so that it has the lowest log loss of all mixtures.
    ones = np.round(mixed * 30).astype(int)
    y = np.concatenate([np.repeat([1, 0], [k, 30 - k]) for k in ones])
    candidates = np.array([np.repeat(a, 30), np.repeat(b, 30)])
    selection = select_greedily(candidates, y, rounds=3)
    np.testing.assert_allclose(selection.weights, [2 / 3, 1 / 3])
    assert sorted(selection.path) == [0, 0, 1]


def test_rounds_after_the_best_one_are_cut() -> None:
    # One candidate is nearly certain and right; every addition makes the average worse.
    candidates = np.array([[0.99, 0.99, 0.01, 0.01], [0.5, 0.5, 0.5, 0.5]])
    selection = select_greedily(candidates, Y, rounds=5)
    assert selection.path == (0,)
    np.testing.assert_array_equal(selection.weights, [1, 0])


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n_candidates, n_rows = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    cell = st.floats(0.01, 0.99)
    rows = st.lists(cell, min_size=n_rows, max_size=n_rows)
    candidates = draw(st.lists(rows, min_size=n_candidates, max_size=n_candidates))
    y = draw(st.lists(st.integers(0, 1), min_size=n_rows, max_size=n_rows))
    return np.array(candidates), np.array(y)


@settings(deadline=None)
@given(problems(), st.integers(1, 6))
def test_every_round_adds_the_best_candidate_and_weights_count_them(problem, rounds: int) -> None:
    candidates, y = problem
    selection = select_greedily(candidates, y, rounds)
    chosen: list[int] = []
    for size in range(1, len(selection.path) + 1):
        losses = [
            log_loss(y, candidates[[*chosen, i]].mean(axis=0)) for i in range(len(candidates))
        ]
        assert losses[selection.path[size - 1]] == pytest.approx(min(losses), rel=1e-9)
        assert selection.objectives[size - 1] == pytest.approx(min(losses), rel=1e-9)
        chosen.append(selection.path[size - 1])
    assert selection.weights.sum() == pytest.approx(1)
    blended = selection.weights @ candidates
    assert log_loss(y, blended) == pytest.approx(min(selection.objectives), rel=1e-9)
    assert min(selection.objectives) <= log_losses(y, candidates).mean(axis=1).min() + 1e-12


def greedy(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    return select_greedily(probabilities, y, rounds=10).weights


class TestCrossFitting:
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([1, 0], [20, 40]))
    candidates = np.clip(rng.normal(0.3 + 0.3 * y, 0.25, (4, 60)), 0.02, 0.98)
    folds = tuple(np.array_split(rng.permutation(60), 5))

    def predicted(self, y: np.ndarray) -> np.ndarray:
        return cross_fitted_probabilities(self.candidates, y, self.folds, greedy)

    def test_labels_of_a_fold_do_not_reach_its_own_predictions(self) -> None:
        reference, others_moved = self.predicted(self.y), False
        for fold in self.folds:
            changed = self.y.copy()
            changed[fold] = 1 - changed[fold]
            predictions = self.predicted(changed)
            np.testing.assert_array_equal(predictions[fold], reference[fold])
            others_moved |= not np.array_equal(predictions, reference)
        assert others_moved

    def test_fold_is_predicted_with_the_weights_of_the_other_folds(self) -> None:
        predictions = self.predicted(self.y)
        for fold in self.folds:
            rest = np.concatenate([f for f in self.folds if f is not fold])
            selection = select_greedily(self.candidates[:, rest], self.y[rest], 10)
            np.testing.assert_allclose(
                predictions[fold], selection.weights @ self.candidates[:, fold]
            )

    def test_every_row_is_predicted_inside_the_range_of_its_candidates(self) -> None:
        predictions = self.predicted(self.y)
        assert (predictions >= self.candidates.min(axis=0) - 1e-12).all()
        assert (predictions <= self.candidates.max(axis=0) + 1e-12).all()

    def test_honest_loss_is_not_below_the_fitted_one(self) -> None:
        selection = select_greedily(self.candidates, self.y, 10)
        fitted = log_loss(self.y, selection.weights @ self.candidates)
        assert log_loss(self.y, self.predicted(self.y)) >= fitted


def test_selection_does_not_depend_on_what_was_selected_before() -> None:
    candidates = np.random.default_rng(1).uniform(0.1, 0.9, (5, 8))
    y = np.array([1, 0, 1, 0, 0, 0, 1, 0])
    runs = [select_greedily(candidates, y, 6) for _ in range(2)]
    assert runs[0].path == runs[1].path
    assert runs[0].objectives == runs[1].objectives


RNG = np.random.default_rng(3)
MANY_Y = RNG.permutation(np.repeat([1, 0], [30, 90]))
MANY = np.clip(RNG.normal(0.25 + 0.3 * MANY_Y, 0.25, (12, 120)), 0.02, 0.98)
SINGLES = np.argsort(log_losses(MANY_Y, MANY).mean(axis=1))


@pytest.mark.parametrize("start", [1, 3, 12])
def test_a_sorted_start_adds_the_best_singles_in_their_order(start: int) -> None:
    losses = select_greedily(MANY, MANY_Y, rounds=start, sorted_start=start).objectives
    for size in range(1, start + 1):
        average = MANY[SINGLES[:size]].mean(axis=0)
        assert losses[size - 1] == pytest.approx(log_loss(MANY_Y, average))
    longer = select_greedily(MANY, MANY_Y, rounds=start + 5, sorted_start=start)
    assert longer.objectives[:start] == losses
    assert longer.objectives[start] <= log_losses(MANY_Y, MANY).mean(axis=1).max()


def test_a_sorted_start_ends_with_the_candidates() -> None:
    assert len(select_greedily(MANY, MANY_Y, rounds=15, sorted_start=99).objectives) == 15


def test_bags_spread_the_weight_and_depend_on_their_seed() -> None:
    settings = {"rounds": 10, "sorted_start": 0, "bags": 20}
    weights = bagged_weights(MANY, MANY_Y, **settings, seed=1)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).sum() > (greedy(MANY, MANY_Y) > 0).sum()
    np.testing.assert_array_equal(weights, bagged_weights(MANY, MANY_Y, **settings, seed=1))
    assert not np.array_equal(weights, bagged_weights(MANY, MANY_Y, **settings, seed=2))


def test_one_bag_holds_half_of_the_candidates() -> None:
    weights = bagged_weights(MANY[:5], MANY_Y, rounds=50, sorted_start=3, bags=1, seed=1)
    assert 1 <= (weights > 0).sum() <= 3


def test_no_bags_are_one_selection_among_all() -> None:
    weights = bagged_weights(MANY, MANY_Y, rounds=10, sorted_start=0, bags=0, seed=1)
    np.testing.assert_array_equal(weights, greedy(MANY, MANY_Y))


@pytest.mark.parametrize("count", [1, 2, 12])
def test_simple_choices_average_the_best_singles(count: int) -> None:
    weights = best_average(count)(MANY, MANY_Y)
    assert weights.sum() == pytest.approx(1)
    assert set(np.flatnonzero(weights)) == set(SINGLES[:count])
    assert set(weights[weights > 0]) == {1 / count}


def by_order(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    return np.array([-roc_auc_score(y, p) for p in probabilities])


def test_any_objective_can_be_selected_by() -> None:
    selection = select_greedily(MANY, MANY_Y, rounds=8, objective=by_order)
    singles = by_order(MANY_Y, MANY)
    assert selection.added[0] == singles.argmin()
    assert selection.objectives[0] == singles.min()
    blended = selection.weights @ MANY
    assert by_order(MANY_Y, blended[None])[0] == pytest.approx(min(selection.objectives))
    assert selection.path == selection.added[: selection.kept]
    assert len(selection.added) == len(selection.objectives) == 8
    bagged = bagged_weights(
        MANY, MANY_Y, rounds=8, sorted_start=0, bags=0, seed=1, objective=by_order
    )
    np.testing.assert_array_equal(bagged, selection.weights)
    [best] = np.flatnonzero(best_average(1, by_order)(MANY, MANY_Y))
    assert best == singles.argmin()


def test_an_objective_that_is_infinite_is_the_worst() -> None:
    def of_the_last_alone(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        return np.where(np.all(probabilities == MANY[-1], axis=1), 0.0, np.inf)

    selection = select_greedily(MANY, MANY_Y, rounds=3, objective=of_the_last_alone)
    assert selection.path == (len(MANY) - 1,)


def test_a_mean_of_ones_is_one() -> None:
    drawn = np.random.default_rng(0).dirichlet(np.ones(3), 1000)
    weights = next(w for w in drawn if (w @ np.ones((3, 2))).max() > 1)  # by a rounding
    probabilities, y = np.ones((3, 4)), np.array([0, 1, 0, 1])
    folds = [np.array([0, 1]), np.array([2, 3])]
    honest = cross_fitted_probabilities(probabilities, y, folds, lambda p, y: weights)
    assert honest.max() == 1
