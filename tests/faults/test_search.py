"""The real search over synthetic trials that fail in every way, on real workers."""

import math
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune

from evensweep.results.records import Progress, SearchRecord, TrialRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.search.config import SweepConfig
from evensweep.search.errors import SweepError
from evensweep.search.experiment import run_search
from evensweep.search.plan import plan_trials
from evensweep.search.pool import TrainingPool
from evensweep.search.schedule import COMPETITIONS, Schedule
from evensweep.trainables.trial_states import StorageError
from evensweep.trainables.tune_adapter import REPORT, Report, TrialSpec

LEVELS = (1, 3, 9)
SEARCH = {"max_epochs": 9, "grace_epochs": 1, "trials": 13}


def configured(
    scheduler: str = "hyperband", searcher: str = "random", **others: Any
) -> SweepConfig:
    search = {**SEARCH, "scheduler": scheduler, "searcher": searcher, **others}
    return SweepConfig.from_mapping({"views": ["smote"], "search": search, "seed": 3}, "test")


def best_loss(seed: int, level: int) -> float:
    """A trial's loss after so many epochs; it falls with every one of them."""
    start, speed = np.random.default_rng(seed).uniform(0.3, 1.0, 2)
    return float(start / level**speed)


def trainable(trials: Sequence[TrialRecord], faults: dict[Any, str]) -> Any:
    """Trials whose losses depend on their seed alone; some fail at a level, by a fault's name."""

    curves = {
        trial.seed: [best_loss(trial.seed, epoch) for epoch in range(1, LEVELS[-1] + 1)]
        for trial in trials
    }

    # Defined in here so that Ray sends its code: a worker can't import this file.
    class Synthetic(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.spec, self.level = TrialSpec(**new_config), new_config["level"]
            return True

        def step(self) -> dict[str, Any]:
            level = self.level
            first = max((lv for lv in LEVELS if lv < level), default=0) + 1
            losses = curves[self.spec.seed][:level]
            ending = "completed" if level == LEVELS[-1] else None
            fault = faults.get((self.spec.trial, level))
            if fault == "raise":
                raise ValueError("this trial can't be trained")
            if fault == "exit":
                os._exit(1)
            if fault == "exhaust":
                raise MemoryError("Unable to allocate 3 TiB")
            if fault == "storage":
                raise StorageError("states/a.npz can't be written (No space left on device)")
            if fault == "diverge":
                losses[-1], ending = math.nan, "diverged"
            if fault == "infinite":  # no ending says so, and minus infinity would be the best
                losses[-1] = -math.inf
            if fault == "converge":
                ending = "converged"
            self.level = next((lv for lv in LEVELS if lv > level), level)
            history = [(e, losses[e - 1], 0.5, losses[e - 1], 0.5) for e in range(first, level + 1)]
            best = float(np.nanmin(losses))
            accuracy = math.nan if fault == "infinite" else 0.5
            return {REPORT: Report(level, level, level, best, accuracy, 0.0, history, ending)}

    return Synthetic


Search = Callable[..., SearchRecord]


@pytest.fixture
def search(free_cluster: None, tmp_path: Path) -> Search:
    """Runs a search, or goes on with it, in one run directory a name."""

    def run(
        config: SweepConfig,
        name: str = "run",
        *,
        faults: dict[str, Any] | None = None,
        cpus: float = 1,
        on_change: Callable[[SearchRecord], None] = lambda record: None,
    ) -> SearchRecord:
        path = tmp_path / name
        directory = RunDirectory(path) if path.exists() else RunDirectory.create(path)
        trials = plan_trials(config)
        record = SearchRecord.open(directory.search_records, trials)
        trained = trainable(trials, faults or {})
        with TrainingPool(trained, cpus=cpus, gpus=0) as pool:
            run_search(config, directory, record, pool, None, lambda: on_change(record))
        return record

    return run


def untimed(record: SearchRecord) -> list[str]:
    """The events, but not when they came."""
    return re.sub(r', "at": [\d.]+', "", record.path.read_text()).splitlines()


def outcomes(record: SearchRecord) -> dict[str, tuple[Any, ...]]:
    return {
        t.id: (t.status, t.epochs, t.best_val_loss, tuple(sorted(t.config.items())))
        for t in record.trials.values()
    }


FAULTS = {
    "raise": "failed", "exit": "failed", "exhaust": "failed", "diverge": "diverged",
    "converge": "converged", "infinite": "stopped",
}  # fmt: skip


def undisturbed(config: SweepConfig) -> dict[str, int]:
    """The epochs that each trial trains when nothing fails."""
    trials = {trial.id: trial for trial in plan_trials(config)}
    schedule = Schedule(config.search, trials)
    epochs = {}
    while job := schedule.next():
        name, level = job
        epochs[name] = level
        ending = "completed" if level == LEVELS[-1] else None
        schedule.report(name, best_loss(trials[name].seed, level), ending)
    return epochs


@pytest.mark.parametrize("scheduler", ["hyperband", "asha"])
def test_trials_that_fail_at_any_rung_block_nothing(
    search: Search, scheduler: str, moment: int
) -> None:
    config = configured(scheduler, max_failures=0, max_failed_share=1.0)
    rng = random.Random(moment)
    reached = undisturbed(config)
    assert set(reached.values()) == set(LEVELS)
    # Of those that train to a level and no further, and of those that go on, some fail there.
    failing = {}
    for level in LEVELS:
        there = sorted(name for name, epochs in reached.items() if epochs >= level)
        for name in rng.sample(there, max(1, len(there) // 3)):
            failing.setdefault(name, (level, rng.choice(list(FAULTS))))
    record = search(config, faults={(name, at): kind for name, (at, kind) in failing.items()})
    assert all(trial.finished for trial in record.trials.values())
    for name, (level, kind) in failing.items():
        trial = record.trials[name]
        if trial.status != "stopped":  # it may not have got there, since others fared otherwise
            assert trial.status == FAULTS[kind] or trial.status == "completed"
        if trial.status == "failed":
            assert trial.error
        if kind == "infinite" and trial.epochs == level:
            assert trial.best_val_loss is None
        if (level, kind, trial.bracket) == (1, "raise", 0):  # the other brackets start higher
            assert trial.error == "ValueError: this trial can't be trained"
    sound = [t for t in record.trials.values() if t.stage == "search" and t.id not in failing]
    assert {t.status for t in sound} <= {"stopped", "completed"}
    # One trains to its end, be it that of the budget or its own.
    searched = [t for t in record.trials.values() if t.stage == "search"]
    assert {t.status for t in searched} & {"completed", "converged"}


def test_too_many_failures_end_the_search_with_the_commonest_error(search: Search) -> None:
    config = configured(max_failures=0, max_failed_share=0.3)
    failing = {(f"smote-{i:03d}", 1): "raise" if i % 4 else "exhaust" for i in range(13)}
    with pytest.raises(SweepError, match=r"of 14 trials failed.*ValueError: this trial can't be"):
        search(config, faults=failing)


def test_a_full_disk_ends_the_search_and_fails_no_trial(search: Search) -> None:
    config = configured(max_failures=0)
    with pytest.raises(SweepError, match=r"^states/a.npz can't be written \(No space left"):
        search(config, faults={("smote-004", 1): "storage"})
    record = search(config)
    assert not [trial for trial in record.trials.values() if trial.status == "failed"]
    assert record.trials["smote-004"].epochs


def test_a_time_budget_ends_the_search_in_order(search: Search) -> None:
    config = configured("fifo", trials=400, time_budget=6)
    started = time.monotonic()
    record = search(config)
    assert time.monotonic() - started < 60
    assert 0 < len(record.started) < 401
    assert not [t for t in record.trials.values() if t.status in {"running", "paused"}]
    assert any(t.best_val_loss is not None for t in record.trials.values())


class CutError(Exception):
    """Stands for the driver's end."""


GRID = [(scheduler, searcher) for searcher in ("tpe", "random") for scheduler in COMPETITIONS]


def test_one_worker_gives_the_same_search_wherever_it_is_cut(search: Search, moment: int) -> None:
    scheduler, searcher = GRID[(2 + moment) % len(GRID)]
    config = configured(scheduler, searcher, trials=16)
    whole = search(config, "whole", cpus=2)
    lines = untimed(whole)
    rng = random.Random(moment)
    cuts = sorted(rng.sample(range(1, len(lines)), 3))

    def cut(record: SearchRecord) -> None:
        done = len(record.path.read_text().splitlines()) if record.path.exists() else 0
        if cuts and done >= cuts[0]:
            cuts.pop(0)
            raise CutError

    while True:
        try:
            record = search(config, "cut", cpus=2, on_change=cut)
        except CutError:
            continue
        break
    assert cuts == []
    assert outcomes(record) == outcomes(whole)
    assert untimed(record) == lines
    trained = [e for e in record.replayed if isinstance(e, Progress)]
    assert len({(e.trial, e.rung) for e in trained}) == len(trained)
