"""Searches without a worker: plans with configurations, and closed-form trainings."""

from collections.abc import Callable, Sequence
from typing import Any

from evensweep.results.records import TrialRecord
from evensweep.search.competition import Competition
from evensweep.search.config import SweepConfig
from evensweep.search.plan import plan_trials, whole
from evensweep.search.searchers import searcher_for

Curve = Callable[[str, int], float]
"""A trial's best loss after so many epochs."""


def simulate(
    competition: Competition,
    curve: Curve,
    *,
    workers: int = 1,
    ends: Callable[[str, int], bool] = lambda trial, level: False,
    pick: Callable[[Sequence[Any]], int] = lambda running: 0,
) -> list[tuple[str, int]]:
    """Every training, in the order of its end: the trial, and the level it trained to.

    Args:
        competition: Its trials are called ``t00``, ``t01``, ….
        curve: Of every trial.
        workers: Trials in training at once.
        ends: Whether a trial comes to its end by itself on its way to a level.
        pick: Which of the trials in training is the next to be done.
    """
    new = iter([f"t{i:02d}" for i in range(competition.size)])
    running: list[tuple[str, int]] = []
    done: list[tuple[str, int]] = []
    latest = None
    while True:
        while len(running) < workers:
            trial = competition.next(latest) or next(new, None)
            latest = None
            if trial is None:
                break
            running.append((trial, competition.hand_out(trial)))
        if not running:
            return done
        trial, level = running.pop(pick(running))
        last = level == competition.levels[-1]
        competition.report(trial, curve(trial, level), ended=last or ends(trial, level))
        done.append((trial, level))
        latest = trial


def by_level(done: Sequence[tuple[str, int]]) -> dict[int, list[str]]:
    """The trials that trained to each level, sorted."""
    levels = sorted({level for _, level in done})
    return {at: sorted(trial for trial, level in done if level == at) for at in levels}


def started(config: SweepConfig) -> list[TrialRecord]:
    """A sweep's trials with the configurations that they start with."""
    searcher, trials = searcher_for(config), plan_trials(config)
    for trial in trials:
        trial.config = trial.config or whole(config, searcher.draw(trial, trials))
    return trials
