"""The figures agree with scikit-learn and with paper, and their intervals with the figures."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from evensweep.results import metrics
from evensweep.results.metrics import (
    INTERVAL_METRICS,
    accuracy,
    bootstrap_intervals,
    classification_metrics,
    difference_intervals,
    log_loss,
    log_losses,
)

# Eight rows that fit on paper: two ties, one of them across the classes.
Y = np.array([0, 0, 0, 0, 0, 1, 1, 1])
P = np.array([0.1, 0.2, 0.2, 0.6, 0.8, 0.2, 0.7, 0.9])


@st.composite
def scored_rows(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both classes, and probabilities with many ties."""
    n = draw(st.integers(2, 25))
    y = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda v: 0 < sum(v) < n))
    grid = st.integers(0, 8).map(lambda i: i / 8)
    p = draw(st.lists(grid, min_size=n, max_size=n))
    return np.array(y), np.array(p)


class TestByHand:
    figures = classification_metrics(Y, P, threshold=0.5)

    def test_confusion_matrix_and_what_follows_from_it(self) -> None:
        assert self.figures["confusion_matrix"] == [[3, 2], [1, 2]]
        assert self.figures["accuracy"] == 5 / 8
        assert self.figures["balanced_accuracy"] == pytest.approx((3 / 5 + 2 / 3) / 2)
        assert self.figures["f1"] == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
        assert (self.figures["rows"], self.figures["threshold"]) == (8, 0.5)

    def test_roc_auc_is_the_share_of_pairs_in_order(self) -> None:
        # 0.2 beats 0.1 and ties with two of five; 0.7 beats four of five; 0.9 beats all.
        assert self.figures["roc_auc"] == pytest.approx((1 + 2 / 2 + 4 + 5) / 15)

    def test_pr_auc_sums_precision_at_each_step_of_recall(self) -> None:
        # 0.9 first (1 of 1), 0.7 third (2 of 3), the tied 0.2 among the first seven (3 of 7).
        assert self.figures["pr_auc"] == pytest.approx((1 + 2 / 3 + 3 / 7) / 3)

    def test_log_loss_and_brier(self) -> None:
        own = np.array([0.9, 0.8, 0.8, 0.4, 0.2, 0.2, 0.7, 0.9])  # given to the true class
        assert self.figures["log_loss"] == pytest.approx(-np.log(own).mean())
        assert self.figures["brier"] == pytest.approx(((1 - own) ** 2).mean())

    def test_threshold_itself_counts_as_positive(self) -> None:
        assert classification_metrics(Y, P, 0.6)["confusion_matrix"] == [[3, 2], [1, 2]]
        assert classification_metrics(Y, P, 0.61)["confusion_matrix"] == [[4, 1], [1, 2]]
        assert accuracy(Y, P, 0.6) == 5 / 8
        assert accuracy(Y, P, 0.61) == 6 / 8
        assert accuracy(Y, P) == 5 / 8

    def test_calling_nobody_positive_gives_no_f1_and_no_error(self) -> None:
        figures = classification_metrics(Y, P, threshold=1.1)
        assert figures["f1"] == 0
        assert figures["confusion_matrix"] == [[5, 0], [3, 0]]


@settings(deadline=None, max_examples=60)
@given(scored_rows(), st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_figures_agree_with_scikit_learn(rows, threshold: float) -> None:
    y, p = rows
    called = p >= threshold
    figures = classification_metrics(y, p, threshold)
    expected = {
        "accuracy": reference.accuracy_score(y, called),
        "log_loss": reference.log_loss(y, np.clip(p, 1e-7, 1 - 1e-7), labels=[0, 1]),
        "roc_auc": reference.roc_auc_score(y, p),
        "pr_auc": reference.average_precision_score(y, p),
        "balanced_accuracy": reference.balanced_accuracy_score(y, called),
        "f1": reference.f1_score(y, called, zero_division=0),
        "brier": reference.brier_score_loss(y, p),
    }
    assert {name: figures[name] for name in INTERVAL_METRICS} == pytest.approx(expected)


def test_log_loss_of_certainty_is_finite_and_the_wrong_kind_is_large() -> None:
    right, wrong = log_losses(np.array([1, 1]), np.array([1.0, 0.0]))
    assert right == pytest.approx(0, abs=1e-6)
    assert wrong == pytest.approx(-np.log(1e-7))
    assert log_losses(np.array([0]), np.array([1.0]))[0] == pytest.approx(-np.log(1e-7), rel=1e-6)


def test_log_losses_of_many_models_at_once() -> None:
    losses = log_losses(np.array([1, 0]), np.array([[0.5, 0.5], [0.25, 0.75]]))
    np.testing.assert_allclose(losses, -np.log([[0.5, 0.5], [0.25, 0.25]]))
    assert log_loss(np.array([1, 0]), np.array([0.25, 0.75])) == pytest.approx(-np.log(0.25))


class TestBootstrap:
    @settings(deadline=None, max_examples=60)
    @given(scored_rows(), st.sampled_from([0.0, 0.3, 0.5, 2.0]))
    def test_weights_of_one_give_the_figures_themselves(self, rows, threshold: float) -> None:
        y, p = rows
        order = np.argsort(-p, kind="stable")
        weighted = metrics._weighted_metrics(y[order], p[order], threshold, np.ones((2, len(y))))
        figures = classification_metrics(y, p, threshold)
        for name in INTERVAL_METRICS:
            np.testing.assert_allclose(weighted[name], figures[name], rtol=1e-9, atol=1e-12)

    @settings(deadline=None, max_examples=40)
    @given(scored_rows(), st.data())
    def test_weights_stand_for_repeated_rows(self, rows, data) -> None:
        y, p = rows
        counts = st.lists(st.integers(0, 3), min_size=len(y), max_size=len(y))
        weights = np.array(
            data.draw(counts.filter(lambda w: len({v for v, k in zip(y, w, strict=True) if k}) > 1))
        )
        order = np.argsort(-p, kind="stable")
        weighted = metrics._weighted_metrics(y[order], p[order], 0.5, weights[None, order] * 1.0)
        figures = classification_metrics(np.repeat(y, weights), np.repeat(p, weights), 0.5)
        for name in INTERVAL_METRICS:
            np.testing.assert_allclose(weighted[name], figures[name], rtol=1e-9, atol=1e-12)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        y = np.repeat([1, 0], [60, 240])
        return y, np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0.01, 0.99).round(2)

    def test_intervals_hold_the_figures(self) -> None:
        y, p = self.rows()
        figures = classification_metrics(y, p, 0.5)
        intervals = bootstrap_intervals(y, p, 0.5, seed=0)
        assert tuple(intervals) == INTERVAL_METRICS
        for name, (low, high) in intervals.items():
            assert low < figures[name] < high
            assert high - low < 0.3

    def test_differences_of_models_vary_less_than_their_figures(self) -> None:
        y, p = self.rows()
        worse = p + 0.02 * np.random.default_rng(0).normal(size=len(p))
        worse = np.clip(worse, 0.01, 0.99)
        gaps = difference_intervals(y, [p, worse], [0.5, 0.5], seed=0)
        alone = bootstrap_intervals(y, worse, 0.5, seed=0)
        first, second = (classification_metrics(y, q, 0.5) for q in (p, worse))
        for name in ("log_loss", "brier", "roc_auc"):
            low, high = gaps[name]
            assert low < second[name] - first[name] < high
            assert high - low < (alone[name][1] - alone[name][0]) / 2
        back = difference_intervals(y, [worse, p], [0.5, 0.5], seed=0)
        np.testing.assert_allclose(back["log_loss"], [-b for b in gaps["log_loss"][::-1]])

    def test_width_is_that_of_the_binomial_for_accuracy(self) -> None:
        # 100 rows a class, nine tenths right: ±1.96 √(0.9 · 0.1 / 200) = ±0.0416.
        y = np.repeat([1, 0], 100)
        p = np.where(np.arange(200) % 10 == 0, 1 - y, y) * 0.8 + 0.1
        low, high = bootstrap_intervals(y, p, 0.5, seed=1, resamples=4000)["accuracy"]
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.9 * 0.1 / 200), rel=0.1)
        assert (low + high) / 2 == pytest.approx(0.9, abs=0.01)

    def test_same_seed_gives_the_same_intervals_and_another_seed_others(self) -> None:
        y, p = self.rows()
        first, again, other = (bootstrap_intervals(y, p, 0.5, seed, 200) for seed in (1, 1, 2))
        assert first == again
        assert first != other

    def test_input_is_left_alone(self) -> None:
        y, p = self.rows()
        before = (y.copy(), p.copy())
        bootstrap_intervals(y, p, 0.5, seed=1, resamples=10)
        np.testing.assert_array_equal(y, before[0])
        np.testing.assert_array_equal(p, before[1])

    def test_resamples_in_chunks_are_all_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        y, p = self.rows()
        sizes = []

        def counted(*arguments: np.ndarray) -> dict[str, np.ndarray]:
            sizes.append(len(arguments[-1]))
            return whole(*arguments)

        whole = metrics._weighted_metrics
        monkeypatch.setattr(metrics, "_CHUNK_CELLS", 30 * len(y))
        monkeypatch.setattr(metrics, "_weighted_metrics", counted)
        bootstrap_intervals(y, p, 0.5, seed=1, resamples=100)
        assert sizes == [30, 30, 30, 10]

    def test_single_positive_row_is_in_every_resample(self) -> None:
        y, p = np.array([1, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3])
        intervals = bootstrap_intervals(y, p, 0.5, seed=0, resamples=50)
        assert intervals["roc_auc"] == [1, 1]
        assert intervals["balanced_accuracy"] == [1, 1]


@pytest.mark.parametrize("positives", [9, 18, 20, 25])
def test_shares_stay_shares_where_the_ranking_is_perfect(positives: int) -> None:
    y = np.repeat([0, 1], [100, positives])
    figures = classification_metrics(y, np.linspace(0.01, 0.99, len(y)), 0.5)
    assert figures["pr_auc"] == figures["roc_auc"] == 1.0
