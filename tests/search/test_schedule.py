"""Decisions of views and brackets side by side, and from the record of a resumed search."""

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from evensweep.results.records import End, Progress, SearchRecord, Start, TrialRecord
from evensweep.search.config import SearchConfig
from evensweep.search.schedule import COMPETITIONS, Schedule

LEVELS = (1, 3, 9, 27)


def settings(scheduler: str = "asha_stopping", brackets: int | None = None) -> SearchConfig:
    return SearchConfig(
        scheduler=scheduler, max_epochs=27, grace_epochs=1, reduction_factor=3, brackets=brackets
    )


def trial(name: str, view: str = "smote", bracket: int = 0, stage: str = "search") -> TrialRecord:
    return TrialRecord(id=name, view=view, stage=stage, seed=0, config={}, bracket=bracket)


def schedule(*trials: TrialRecord, search: SearchConfig | None = None) -> Schedule:
    return Schedule(search or settings(), {t.id: t for t in trials})


def test_views_and_brackets_compete_apart() -> None:
    trials = [trial("a"), trial("b", bracket=1), trial("c", "undersampled")]
    deciding = schedule(*trials, search=settings(brackets=2))
    handed = [deciding.next() for _ in trials]
    assert sorted(handed) == [("a", 1), ("b", 3), ("c", 1)]
    for name, loss in (("a", 0.1), ("b", 0.9), ("c", 0.8)):
        deciding.report(name, loss, None)
        assert deciding.next() == (name, {"a": 3, "b": 9, "c": 3}[name])
    assert deciding.eliminated() == []


def test_a_trial_competes_with_those_of_its_view_and_bracket() -> None:
    deciding = schedule(trial("a"), trial("b"))
    assert [deciding.next(), deciding.next(), deciding.next()] == [("a", 1), ("b", 1), None]
    deciding.report("a", 0.1, None)
    deciding.report("b", 0.2, None)
    assert deciding.eliminated() == ["b"]
    assert deciding.eliminated() == []
    assert deciding.next() == ("a", 3)


@pytest.mark.parametrize("bracket", range(3))
def test_a_bracket_has_the_levels_that_it_does_not_leave_out(bracket: int) -> None:
    deciding = schedule(trial("a", bracket=bracket), search=settings(brackets=3))
    for level in LEVELS[bracket:]:
        assert deciding.next() == ("a", level)
        deciding.report("a", 0.5, "completed" if level == 27 else None)
    assert deciding.next() is None


@pytest.mark.parametrize("scheduler", COMPETITIONS)
def test_a_baseline_is_never_stopped_and_stops_no_other(scheduler: str) -> None:
    trials = [trial("base", stage="baseline"), trial("a")]
    deciding = schedule(*trials, search=settings(scheduler))
    assert [deciding.next(), deciding.next()] == [("base", 1), ("a", 1)]
    deciding.report("a", 0.9, None)
    for level in LEVELS:
        assert deciding.running["base"] == level
        deciding.report("base", 0.1, "completed" if level == 27 else None)
        deciding.next()
    assert deciding.eliminated() == []


@pytest.mark.parametrize("scheduler", COMPETITIONS)
def test_a_view_that_waits_leaves_the_workers_to_the_other(scheduler: str) -> None:
    trials = [trial(f"{v}-{i}", v) for i in range(3) for v in ("smote", "undersampled")]
    deciding = schedule(*trials, search=settings(scheduler))
    first = [deciding.next() for _ in range(4)]
    assert first == [(f"{v}-{i}", 1) for i in range(2) for v in ("smote", "undersampled")]
    # One view's workers are slow. All others go to the other view until it has nothing left.
    trained = []
    for _ in range(20):
        busy = [name for name in deciding.running if name.startswith("under")]
        if not busy:
            break
        deciding.report(busy[0], 0.5, "completed" if deciding.running[busy[0]] == 27 else None)
        trained.append(busy[0])
        deciding.next()
    assert {"undersampled-0", "undersampled-1", "undersampled-2"} == set(trained)
    assert {"smote-0", "smote-1"} <= set(deciding.running)


def test_a_failed_trial_is_out() -> None:
    deciding = schedule(*map(trial, "abc"), search=settings("hyperband"))
    for _ in "abc":
        deciding.next()
    deciding.report("a", 0.1, None)
    deciding.report("b", 0.2, None)
    assert deciding.next() is None
    deciding.fail("c")
    assert deciding.next() == ("a", 3)
    assert deciding.eliminated() == ["b"]


def test_hyperband_keeps_all_workers_busy_over_its_brackets() -> None:
    trials = [trial(f"t{i:02d}", bracket=int(i >= 27)) for i in range(39)]
    deciding = schedule(*trials, search=settings("hyperband"))
    assert [deciding.next() for _ in range(28)][26:] == [("t26", 1), ("t27", 3)]


class Search:
    """Trains trials by figures that depend on them alone, and writes and decides as a search does.

    The figures are random but for their trial and level, as those of a training are.
    """

    def __init__(self, path: Path, trials: Sequence[TrialRecord], search: SearchConfig) -> None:
        self.record = SearchRecord.open(path, copy.deepcopy(trials))
        self.schedule = Schedule(search, self.record.trials)
        self.schedule.replay(self.record.replayed)
        self._settle()
        self.ready = list(self.schedule.running.items())

    def run(self) -> list[str]:
        while self.ready or self._decide():
            self._train(*self.ready.pop(0))
        return self.record.path.read_text().splitlines()

    def _decide(self) -> bool:
        decided = self.schedule.next()
        if decided is not None:
            self.record.add(Start(decided[0]))
            self.ready.append(decided)
        return decided is not None

    def _train(self, name: str, level: int) -> None:
        rng = random.Random(f"{name} {level}")
        known = self.record.trials[name]
        if rng.random() < 0.1:
            self.record.add(End(name, "failed", error="lost"))
            self.schedule.fail(name)
        else:
            endings = [None, None, None, "converged", "diverged"]
            ending = rng.choice(endings) if level < 27 else "completed"
            loss = None if rng.random() < 0.05 else round(rng.random(), 1)
            if known.best_val_loss is not None:
                loss = min(loss or 9.0, known.best_val_loss)
            self.record.add(Progress(name, level, level, 1, loss, 0.5, 0.0, [], ending))
            self.schedule.report(name, known.objective, ending)
        self._settle()

    def _settle(self) -> None:
        for name in self.schedule.eliminated():
            if not self.record.trials[name].finished:
                self.record.add(End(name, "stopped"))


@pytest.mark.parametrize("scheduler", COMPETITIONS)
def test_a_resumed_search_goes_on_as_the_unbroken_one_wherever_it_was_cut(
    scheduler: str, tmp_path: Path
) -> None:
    search = settings(scheduler, brackets=2)
    trials = [
        trial(f"{view}-{i}", view, bracket=i % 2)
        for i in range(14)
        for view in ("smote", "undersampled")
    ] + [trial("smote-baseline", stage="baseline")]
    whole = Search(tmp_path / "whole", trials, search).run()
    assert len({line for line in whole if '"start"' in line}) == len(trials)
    assert any('"stopped"' in line for line in whole) == (scheduler != "asha")
    for cut in range(len(whole) + 1):
        path = tmp_path / f"cut-{cut}"
        path.write_text("\n".join([*whole[:cut], '{"event": "prog']))
        assert Search(path, trials, search).run() == whole, cut


@pytest.mark.parametrize("scheduler", COMPETITIONS)
def test_a_record_that_lacks_a_line_still_leads_to_an_end(scheduler: str, tmp_path: Path) -> None:
    trials = [trial(f"smote-{i:02d}") for i in range(12)]
    whole = Search(tmp_path / "whole", trials, settings(scheduler)).run()
    for missing in range(len(whole)):
        path = tmp_path / f"missing-{missing}"
        path.write_text("".join(f"{line}\n" for line in whole[:missing] + whole[missing + 1 :]))
        search = Search(path, trials, settings(scheduler))
        search.run()
        assert all(t.finished or t.status == "paused" for t in search.record.trials.values())


def test_every_trial_starts_in_the_planned_order_and_is_decided(tmp_path: Path) -> None:
    trials: list[Any] = [trial(f"smote-{i:02d}") for i in range(27)]
    search = Search(tmp_path / "record", trials, settings("hyperband"))
    lines = search.run()
    starts = [line for line in lines if '"start"' in line]
    assert [line.split('"')[7] for line in starts[:27]] == [t.id for t in trials]
    assert all(t.finished for t in search.record.trials.values())
