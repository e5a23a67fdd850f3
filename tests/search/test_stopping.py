"""Competitions that decide at once, decision by decision."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import by_level, simulate

from evensweep.search.stopping import MedianStopping, Stopping, StoppingAsha

BAD = [math.nan, math.inf]


def decide(losses: list[float], kind: type[Stopping] = StoppingAsha, factor: int = 3) -> str:
    """The decisions for losses arriving in turn at the first rung: + goes on, - stops."""
    competition = kind((1, 3, 9), factor, len(losses))
    decisions = ""
    for number, loss in enumerate(losses):
        trial = f"t{number:02d}"
        competition.hand_out(trial)
        competition.report(trial, loss, ended=False)
        goes_on = competition.next(prefer=trial) == trial
        assert goes_on == (trial not in competition.eliminated)
        decisions += "+" if goes_on else "-"
    return decisions


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
def test_asha_decides_at_a_rung(losses: list[float], decisions: str) -> None:
    assert decide(losses) == decisions


def test_factor_two_lets_half_of_them_on() -> None:
    assert decide([4, 3, 2, 1, 2.5, 2.4], factor=2) == "++++-+"
    assert decide([1, 2, 3, 2, 5, 2.5], factor=2) == "+--+--"


def test_the_median_lets_the_better_half_on_after_the_first_five() -> None:
    assert decide([5, 4, 3, 2, 1, 2.5, 3.1, 2.9], MedianStopping) == "++++++-+"
    assert decide([1, 1, 1, 1, 1, 2, 1], MedianStopping) == "+++++-+"


def test_fifo_stops_no_trial() -> None:
    assert decide([1, 2, 3, 4, 5, 6, 7], Stopping) == "+++++++"


@pytest.mark.parametrize("loss", BAD)
@pytest.mark.parametrize("kind", [Stopping, StoppingAsha, MedianStopping])
def test_loss_that_is_not_finite_never_goes_on(kind: type[Stopping], loss: float) -> None:
    assert decide([loss, loss, 100.0], kind) == "--+"


def test_survivors_of_many_trials_are_about_one_in_eta() -> None:
    # Losses in ascending order are the hardest case: each newcomer is the worst so far.
    assert decide([float(i) for i in range(81)]) == "+" + "-" * 80
    # In descending order each newcomer is the best so far.
    assert decide([float(-i) for i in range(81)]) == "+" * 81


def test_a_trial_that_ended_competes_at_all_later_rungs() -> None:
    asha = StoppingAsha((1, 3, 9), 3, 3)
    for trial in ("a", "b"):
        asha.hand_out(trial)
    asha.report("a", 0.1, ended=True)
    asha.report("b", 0.05, ended=False)
    assert asha.next() == "b"
    asha.hand_out("b")
    asha.report("b", 0.2, ended=False)
    assert asha.next() is None
    assert asha.eliminated == ["b"]


@pytest.mark.parametrize("loss", [*BAD, 5.0])
def test_an_ended_trial_is_not_eliminated(loss: float) -> None:
    asha = StoppingAsha((1, 3), 3, 2)
    for trial in ("a", "b"):
        asha.hand_out(trial)
    asha.report("a", 0.1, ended=False)
    asha.report("b", loss, ended=True)
    assert asha.eliminated == []
    assert asha.next() == "a"


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(2, 5))
def test_trial_goes_on_exactly_if_it_is_among_the_best_share(losses, factor: int) -> None:
    expected = ""
    for count, loss in enumerate(losses, start=1):
        better = sum(other < loss for other in losses[: count - 1])
        expected += "+" if better < max(1, count // factor) else "-"
    assert decide(losses, factor=factor) == expected


@pytest.mark.parametrize("workers", [1, 3])
def test_every_trial_is_trained_to_its_end_or_eliminated(workers: int) -> None:
    losses = [((7 * i) % 31) / 31 for i in range(30)]
    competition = StoppingAsha((1, 3, 9), 3, 30)
    rng = random.Random(0)
    done = simulate(
        competition,
        lambda trial, level: losses[int(trial[1:])] / level,
        workers=workers,
        pick=lambda running: rng.randrange(len(running)),
    )
    assert len(done) == len(set(done))
    reached = by_level(done)
    assert len(reached[1]) == 30
    assert len(reached[9]) + len(competition.eliminated) == 30
    assert "t00" in reached[9]  # the best of all, whenever it came
