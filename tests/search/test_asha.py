"""Asynchronous halving, decision by decision."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evensweep.search.asha import StoppingAsha

BAD = [math.nan, math.inf, -math.inf]


def decide(losses: list[float], factor: int = 3) -> str:
    """The decisions for losses arriving in turn at the first rung: + goes on, - stops."""
    asha = StoppingAsha((1, 3, 9), factor)
    return "".join("+" if asha.report(f"t{i}", 1, x) else "-" for i, x in enumerate(losses))


@pytest.mark.parametrize(
    ("losses", "decisions"),
    [
        # Among one to five, one goes on: the best so far. From six on, two do.
        ([0.5], "+"),
        ([0.5, 0.6, 0.4, 0.3, 0.2, 0.1], "+-++++"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.15, 0.12], "+----++"),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "+-----"),
        # The sixth is second best of six, the ninth third best of nine.
        ([0.1, 0.9, 0.9, 0.9, 0.9, 0.2, 0.9, 0.9, 0.3], "+----+--+"),
        # An equal loss is as good.
        ([0.5, 0.5, 0.5], "+++"),
    ],
)
def test_decisions_at_a_rung(losses: list[float], decisions: str) -> None:
    assert decide(losses) == decisions


def test_factor_two_lets_half_of_them_on() -> None:
    assert decide([4, 3, 2, 1, 2.5, 2.4], factor=2) == "++++-+"
    assert decide([1, 2, 3, 2, 5, 2.5], factor=2) == "+--+--"


@pytest.mark.parametrize("loss", BAD)
def test_loss_that_is_not_finite_never_goes_on(loss: float) -> None:
    asha = StoppingAsha((1, 3), 3)
    assert not asha.report("first", 1, loss)
    assert not asha.report("second", 1, loss)
    assert asha.report("sound", 1, 100.0)
    assert asha.losses_at(1) == {"first": math.inf, "second": math.inf, "sound": 100.0}


def test_rungs_are_apart() -> None:
    asha = StoppingAsha((1, 3, 9), 3)
    assert asha.report("a", 1, 0.1)
    assert asha.report("b", 3, 0.9)
    assert not asha.report("c", 1, 0.2)
    assert asha.losses_at(3) == {"b": 0.9}
    assert asha.losses_at(9) == {}


def test_reporting_again_changes_nothing() -> None:
    asha = StoppingAsha((1, 3), 3)
    decisions = [asha.report(name, 1, loss) for name, loss in (("a", 0.3), ("b", 0.2))]
    before = asha.losses_at(1)
    assert [asha.report(name, 1, before[name]) for name in ("b", "b")] == [decisions[1]] * 2
    assert asha.losses_at(1) == before
    # Twenty more reports of one trial must not make room for another.
    for _ in range(20):
        asha.report("b", 1, 0.2)
    assert not asha.report("c", 1, 0.25)


def test_finished_trial_enters_the_rung_it_ended_at_and_all_later_ones() -> None:
    asha = StoppingAsha((1, 3, 9), 3)
    asha.finish("early", 2, 0.1)
    assert [asha.losses_at(level) for level in (1, 3, 9)] == [{}, {"early": 0.1}, {"early": 0.1}]
    assert asha.report("a", 1, 0.2)
    assert not asha.report("a", 3, 0.2)
    assert asha.report("b", 3, 0.05)
    asha.finish("exactly", 9, 0.5)
    assert asha.losses_at(9) == {"early": 0.1, "exactly": 0.5}


@pytest.mark.parametrize("loss", BAD)
def test_finished_trial_without_a_finite_loss_counts_as_worst(loss: float) -> None:
    asha = StoppingAsha((1, 3), 3)
    asha.finish("burst", 1, loss)
    assert asha.losses_at(3) == {"burst": math.inf}
    assert asha.report("a", 3, 9.0)


def test_survivors_of_many_trials_are_about_one_in_eta() -> None:
    # Losses in ascending order are the hardest case: each newcomer is the worst so far.
    assert decide([float(i) for i in range(81)]) == "+" + "-" * 80
    # In descending order each newcomer is the best so far.
    assert decide([float(-i) for i in range(81)]) == "+" * 81


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(2, 5))
def test_trial_goes_on_exactly_if_it_is_among_the_best_share(losses, factor: int) -> None:
    asha = StoppingAsha((1, 10), factor)
    for count, loss in enumerate(losses, start=1):
        better = sum(other < loss for other in losses[: count - 1])
        assert asha.report(f"t{count}", 1, loss) == (better < max(1, count // factor))


def test_decisions_use_no_random_state() -> None:
    losses = [((7 * i) % 31) / 31 for i in range(30)]
    first = decide(losses)
    random.seed(123)
    assert decide(losses) == first
    state = random.getstate()
    decide(losses)
    assert random.getstate() == state


def test_unknown_rung_is_an_error_of_ours() -> None:
    with pytest.raises(KeyError):
        StoppingAsha((1, 3), 3).report("a", 2, 0.5)


EVENT = st.tuples(
    st.sampled_from(["report", "finish"]),
    st.sampled_from("abcde"),
    st.sampled_from([1, 3, 9]),
    st.sampled_from([0.1, 0.2, 0.3, 0.4, *BAD]) | st.floats(-2, 2),
)


@given(st.lists(EVENT, max_size=40), st.integers(2, 5))
def test_any_sequence_decides_as_counting_anew_each_time_would(events, factor: int) -> None:
    asha = StoppingAsha((1, 3, 9), factor)
    known: dict[int, dict[str, float]] = {1: {}, 3: {}, 9: {}}
    for kind, trial, epoch, loss in events:
        counted = loss if math.isfinite(loss) else math.inf
        if kind == "finish":
            asha.finish(trial, epoch, loss)
            for level in known:
                if level >= epoch:
                    known[level][trial] = counted
        else:
            known[epoch][trial] = counted
            losses = known[epoch].values()
            better = sum(other < counted for other in losses)
            expected = math.isfinite(loss) and better < max(1, len(losses) // factor)
            assert asha.report(trial, epoch, loss) == expected
        assert {level: asha.losses_at(level) for level in known} == known
