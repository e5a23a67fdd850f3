"""Thresholds are the best there are on their rows, and gains are what paper says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from evensweep.results.decisions import (
    NOBODY,
    best_f1_threshold,
    decision_cost,
    decision_words,
    gains_table,
    least_cost_threshold,
    share_threshold,
)
from evensweep.search.decision import chosen_threshold
from evensweep.search.sections import DecisionConfig

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


class TestBestF1:
    @settings(deadline=None, max_examples=80)
    @given(scored_rows())
    def test_no_threshold_is_better(self, rows) -> None:
        y, p = rows

        def f1(threshold: float) -> float:
            return f1_score(y, p >= threshold, zero_division=0)

        assert f1(best_f1_threshold(y, p)) == pytest.approx(max(map(f1, p)))
        assert best_f1_threshold(y, p) in p

    def test_lowest_of_equals(self) -> None:
        # One called and right of two, or all four called: both have an F1 of 2 / 3.
        y, p = np.array([1, 0, 0, 1]), np.array([0.9, 0.8, 0.7, 0.1])
        assert best_f1_threshold(y, p) == 0.1

    def test_literal(self) -> None:
        # At 0.7 three are called and two of them right: F1 2 / 3; at 0.2, 3 of 7: 0.6.
        assert best_f1_threshold(Y, P) == 0.7


class TestLeastCost:
    @settings(deadline=None, max_examples=80)
    @given(scored_rows(), st.sampled_from([0.5, 1, 3]), st.sampled_from([0.5, 1, 8]))
    def test_no_threshold_is_cheaper(self, rows, alarm: float, miss: float) -> None:
        y, p = rows

        def cost(threshold: float) -> float:
            called = p >= threshold
            return float(alarm * (called & (y == 0)).sum() + miss * (~called & (y == 1)).sum())

        found = least_cost_threshold(y, p, alarm, miss)
        assert cost(found) == pytest.approx(min(map(cost, [*p, NOBODY])))

    @pytest.mark.parametrize(
        # At 0.2 four alarms and no miss, at 0.7 one of each, at 0.9 two misses, then three.
        ("alarm", "miss", "threshold"),
        [(1, 10, 0.2), (1, 2, 0.7), (2, 1, 0.9), (1, 0.1, 0.9)],
    )
    def test_literal(self, alarm: float, miss: float, threshold: float) -> None:
        assert least_cost_threshold(Y, P, alarm, miss) == threshold

    def test_nobody_is_called_where_every_call_costs_more_than_it_finds(self) -> None:
        y, p = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 0.9, 0.1])
        assert least_cost_threshold(y, p, 1, 1) == NOBODY
        assert not (p >= NOBODY).any()


class TestShare:
    @settings(deadline=None, max_examples=80)
    @given(scored_rows(), st.floats(0, 1))
    def test_as_many_as_the_share_allows(self, rows, share: float) -> None:
        _, p = rows
        found = share_threshold(p, share)
        assert (p >= found).sum() <= share * len(p) + 1e-6
        lower = p[p < found]
        if len(lower):  # the next lower one would call too many
            assert (p >= lower.max()).sum() > share * len(p) - 1e-6

    def test_literal(self) -> None:
        assert share_threshold(P, 3 / 8) == 0.7
        assert share_threshold(P, 0.99 * 3 / 8) == 0.8
        assert share_threshold(P, 1) == 0.1
        assert share_threshold(P, 0) == NOBODY


def test_gains_by_hand() -> None:
    # Ranked: 0.9 (1), 0.8 (0), 0.7 (1), 0.6 (0), then three of 0.2 that share a positive, 0.1 (0).
    parts = [(part["rows"], part["positives"]) for part in gains_table(Y, P, parts=4)]
    assert parts == [(2, 1), (2, 1), (2, pytest.approx(2 / 3)), (2, pytest.approx(1 / 3))]
    found = [part["found"] for part in gains_table(Y, P, parts=4)]
    assert found == pytest.approx([1 / 3, 2 / 3, 8 / 9, 1])
    lifts = [part["lift"] for part in gains_table(Y, P, parts=4)]
    assert lifts == pytest.approx([4 / 3, 4 / 3, 32 / 27, 1])


def test_rows_that_cannot_be_told_apart_have_no_gains() -> None:
    y = np.repeat([1, 0], [10, 90])  # positives first, as in a table sorted by its target
    assert [part["lift"] for part in gains_table(y, np.full(100, 0.1))] == pytest.approx([1] * 10)


@pytest.mark.parametrize("n", [3, 10, 27, 1400])
def test_gains_hold_every_row_once(n: int) -> None:
    rng = np.random.default_rng(n)
    y, p = np.arange(n) % 3 == 0, rng.random(n)
    table = gains_table(y.astype(int), p)
    assert sum(part["rows"] for part in table) == n
    assert sum(part["positives"] for part in table) == pytest.approx(y.sum())
    assert table[-1]["found"] == table[-1]["lift"] == pytest.approx(1)
    assert max(part["rows"] for part in table) - min(part["rows"] for part in table) <= 1


COSTS = {"by": "cost", "false_positive_cost": 1, "false_negative_cost": 7.5}


@pytest.mark.parametrize(
    ("decision", "threshold", "words"),
    [
        ({}, 0.7, "with the best F1"),
        (COSTS, 0.2, "with the least cost at 1 a false alarm and 7.5 a missed positive"),
        ({"by": "contacts", "contacts": 1500}, 0.7, "for 1,500 contacts in 4,000 rows"),
    ],
)
def test_a_sweeps_decision(decision, threshold: float, words: str) -> None:
    config = DecisionConfig(**decision)
    assert chosen_threshold(config, Y, P, 4000) == threshold
    assert decision_words(config.model_dump(), 4000) == words


def test_mistakes_have_a_cost_where_it_was_given() -> None:
    confusion = [[3, 2], [1, 2]]
    assert decision_cost(COSTS, confusion) == 2 * 1 + 1 * 7.5
    assert decision_cost({"by": "f1"}, confusion) is None
