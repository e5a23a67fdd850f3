"""Decisions of views and brackets side by side, and from the record of a resumed search."""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from evensweep.results.records import End, Progress, SearchRecord, TrialRecord
from evensweep.search.brackets import Brackets
from evensweep.search.config import SearchConfig

SEARCH = SearchConfig(max_epochs=27, grace_epochs=1, reduction_factor=3, brackets=3)
LEVELS = (1, 3, 9, 27)


def trial(name: str, view: str = "smote", bracket: int = 0, stage: str = "search") -> TrialRecord:
    return TrialRecord(id=name, view=view, stage=stage, seed=0, config={}, bracket=bracket)


def brackets(*trials: TrialRecord, search: SearchConfig = SEARCH) -> Brackets:
    return Brackets(search, {t.id: t for t in trials})


def test_trials_of_a_bracket_compete() -> None:
    deciding = brackets(trial("a"), trial("b"), trial("c"))
    assert deciding.report("a", 1, 0.5, None)
    assert not deciding.report("b", 1, 0.6, None)
    assert deciding.report("c", 1, 0.4, None)


def test_trials_of_another_view_don_t_compete() -> None:
    deciding = brackets(trial("a", "smote"), trial("b", "undersampled"), trial("c", "smote"))
    assert deciding.report("a", 1, 0.1, None)
    assert deciding.report("b", 1, 0.9, None)
    assert not deciding.report("c", 1, 0.9, None)


def test_trials_of_another_bracket_of_the_view_don_t_compete() -> None:
    deciding = brackets(trial("a"), trial("b", bracket=1), trial("c", bracket=1))
    assert deciding.report("a", 3, 0.1, None)
    assert deciding.report("b", 3, 0.9, None)
    assert not deciding.report("c", 3, 1.0, None)


@pytest.mark.parametrize("ending", ["converged", "completed", "diverged"])
def test_an_ending_counts_in_its_own_view_and_bracket_only(ending: str) -> None:
    others = [trial("b", bracket=1), trial("c", "undersampled")]
    deciding = brackets(trial("a"), *others)
    assert not deciding.report("a", 3, 0.1, ending)
    assert all(deciding.report(other.id, 3, 0.9, None) for other in others)
    assert deciding.report("b", 9, 0.9, None)


@pytest.mark.parametrize("bracket", range(3))
def test_a_bracket_has_the_levels_that_it_does_not_leave_out(bracket: int) -> None:
    deciding = brackets(trial("a", bracket=bracket))
    for left_out in LEVELS[:bracket]:
        with pytest.raises(KeyError):
            deciding.report("a", left_out, 0.5, None)
    assert all(deciding.report("a", level, 0.5, None) for level in LEVELS[bracket:-1])
    assert not deciding.report("a", LEVELS[-1], 0.5, "completed")


def test_fifo_stops_no_trial_before_its_end() -> None:
    search = SearchConfig(scheduler="fifo", max_epochs=27)
    deciding = brackets(*map(trial, "abc"), search=search)
    assert [deciding.report(name, 27, loss, None) for name, loss in zip("abc", (1, 2, 3))]  # noqa: B905
    assert deciding.report("c", 27, None, None)
    assert not deciding.report("a", 27, 0.1, "completed")
    assert not deciding.report("b", 27, 0.1, "converged")


def test_a_baseline_is_never_stopped_and_stops_no_other() -> None:
    deciding = brackets(trial("base", stage="baseline"), trial("a"), trial("b"))
    assert deciding.report("a", 1, 0.5, None)
    assert deciding.report("base", 1, 0.9, None)
    assert deciding.report("base", 3, None, None)
    assert deciding.report("base", 9, 0.1, None)
    assert not deciding.report("base", 27, 0.1, "completed")
    assert deciding.report("a", 9, 0.5, None)
    assert deciding.report("b", 1, 0.4, None)


def test_a_diverged_trial_counts_as_worst_whatever_it_reached() -> None:
    deciding = brackets(*map(trial, "abcdefg"))
    assert not deciding.report("a", 3, 0.01, "diverged")
    assert deciding.report("b", 3, 5.0, None)
    assert deciding.report("c", 9, 5.0, None)
    # It counts among the six of which two go on.
    assert [deciding.report(name, 3, 9.0, None) for name in "def"] == [False] * 3
    assert deciding.report("g", 3, 6.0, None)


def test_a_trial_without_a_finite_loss_is_stopped() -> None:
    deciding = brackets(trial("a"), trial("b"))
    assert not deciding.report("a", 1, None, None)
    assert deciding.report("b", 1, 100.0, None)


@dataclass(frozen=True)
class Step:
    """What a worker would report of a trial, or its failure."""

    trial: str
    rung: int
    epochs: int
    loss: float | None
    ending: str | None


class Search:
    """Writes steps into a record and decides, as the search's listener does."""

    def __init__(self, path: Any, trials: Sequence[TrialRecord]) -> None:
        self.record = SearchRecord.open(path, copy.deepcopy(trials))
        self.brackets = Brackets(SEARCH, self.record.trials)
        self.brackets.replay(self.record.replayed)

    def take(self, step: Step) -> bool:
        if step.ending == "failed":
            self.record.add(End(step.trial, "failed", error="lost"))
            return False
        self.record.add(
            Progress(step.trial, step.rung, step.epochs, step.epochs, step.loss, 0.5, 0.0, [])
        )
        goes_on = self.brackets.report(step.trial, step.rung, step.loss, step.ending)
        if not goes_on:
            self.record.add(End(step.trial, step.ending or "stopped"))
        return goes_on


def whole_search(path: Any, trials: Sequence[TrialRecord], rng: random.Random, failures: float):
    """The steps of a search with random figures, each with its decision, and events before it."""
    search = Search(path, trials)
    best = {t.id: 9.0 for t in trials}
    ahead = {t.id: list(LEVELS[t.bracket :]) for t in trials}
    steps: list[tuple[Step, bool, int]] = []
    running = sorted(ahead)
    while running:
        name = rng.choice(running)
        known = search.record.trials[name]
        rung = ahead[name].pop(0)
        epochs, ending = rung, None if ahead[name] else "completed"
        loss: float | None = round(rng.uniform(0, 1), 2)
        if rng.random() < failures and known.epochs:
            ending = "failed"
        elif rng.random() < 0.2:
            epochs = rng.randint(known.epochs + 1, rung)
            ending = rng.choice(["converged", "diverged"])
        elif rng.random() < 0.05:
            loss = None
        if loss is not None:
            loss = best[name] = min(best[name], loss)
        step = Step(name, rung, epochs, loss, ending)
        events = len(path.read_text().splitlines()) if path.exists() else 0
        goes_on = search.take(step)
        steps.append((step, goes_on, events))
        if not goes_on:
            running.remove(name)
    return steps


TRIALS = [
    trial(f"{view}-{bracket}-{i}", view, bracket)
    for view in ("smote", "undersampled")
    for bracket in (0, 1)
    for i in range(7)
] + [trial("smote-baseline", stage="baseline")]


def decisions_after_cuts(folder: Any, seed: int, failures: float) -> None:
    steps = whole_search(folder / "whole", TRIALS, random.Random(seed), failures)
    lines = (folder / "whole").read_text().splitlines(keepends=True)
    assert len({decision for _, decision, _ in steps}) == 2
    for cut in range(len(lines) + 1):
        path = folder / f"cut-{cut}"
        path.write_text("".join(lines[:cut]) + '{"event": "prog')
        resumed = Search(path, TRIALS)
        # A step whose decision was not written yet is reported again.
        ahead = [s for s in steps if s[2] >= cut or (s[2] == cut - 1 and _is_torn(s, steps, lines))]
        for step, decision, _ in ahead:
            assert resumed.take(step) == decision, (cut, step)


def _is_torn(step: Any, steps: Sequence[Any], lines: Sequence[str]) -> bool:
    after = steps.index(step) + 1
    events = steps[after][2] if after < len(steps) else len(lines)
    return events - step[2] == 2


@pytest.mark.parametrize("seed", range(6))
def test_a_resumed_search_decides_as_the_unbroken_one_wherever_it_was_cut(
    tmp_path: Any, seed: int
) -> None:
    decisions_after_cuts(tmp_path, seed, failures=0.0)


def test_a_resumed_search_decides_as_the_unbroken_one_after_failures(tmp_path: Any) -> None:
    for seed in range(6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        decisions_after_cuts(folder, seed, failures=0.3)
