"""The search: gives workers the trials that the schedule decides for, and records every event."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from ..cluster.session import Session
from ..results.objective import finite_or_none
from ..results.records import End, Progress, SearchRecord, Start
from ..results.run_directory import STATES, RunDirectory
from ..trainables.builder import is_builder
from ..trainables.probe import probe_builder
from ..trainables.trial_states import StorageError, state_file
from ..trainables.tune_adapter import (
    Lent,
    Report,
    SharedRows,
    SweepRows,
    SweepTrainable,
    TrainingSettings,
    TrialSpec,
)
from .config import SweepConfig
from .errors import SweepError
from .feed import Call
from .plan import whole
from .pool import TrainingPool
from .schedule import Schedule
from .searchers import searcher_for

_FAILURES_AT_LEAST = 2
"""So many trials may fail in a search however small."""


def open_pool(config: SweepConfig, session: Session) -> TrainingPool:
    """The session's workers, which an earlier sweep of it may have left warm.

    A sweep with code of a user's own has workers of its own: a process imports a module once, and
    the file may be another by now.
    """
    resources = config.resources
    own_code = object() if config.worker_modules else None
    pool: TrainingPool = session.keep(
        (resources, own_code),
        lambda: TrainingPool(SweepTrainable, cpus=resources.cpus, gpus=resources.gpus),
        lambda pool: pool.usable,
    )
    return pool


def try_family(
    config: SweepConfig, hyperparameters: Mapping[str, Any], n_features: int, pool: TrainingPool
) -> None:
    """Trains and exports a user's model once, before the search spends time on it.

    Raises:
        InputError: It can't be built, trained or exported.
    """
    if is_builder(config.trainable):
        arguments = (config.family, hyperparameters, n_features)
        pool.call([Call(f"try {config.trainable}", probe_builder, arguments)])


def lend_rows(
    config: SweepConfig, run: RunDirectory, rows: Mapping[int | None, SharedRows]
) -> Lent[SweepRows]:
    """What the workers of a sweep read.

    Args:
        config: The sweep.
        run: Where the trials' states are kept.
        rows: What the trainings read, by fold; the search's under None.
    """
    settings = TrainingSettings(
        config.search.levels, config.training.patience, run.states, config.family, config.metric
    )
    return Lent(SweepRows(rows, settings))


def run_search(
    config: SweepConfig,
    run: RunDirectory,
    record: SearchRecord,
    pool: TrainingPool,
    rows: Lent[SweepRows] | None,
    on_change: Callable[[], None],
    spent: float = 0.0,
) -> None:
    """Trains every trial that is not finished yet, to its end or until its rung stops it.

    Args:
        config: The sweep.
        run: Where the trials' states are.
        record: The trials; each event goes into it before the next decision is made.
        pool: The workers.
        rows: What they read.
        on_change: Called after every change of the record, on another thread.
        spent: Seconds that the search has gone on for in earlier sessions. When the time budget is
            used up, no trial goes on, and those in training end at their next rung.

    Raises:
        SweepError: More trials failed than may.
    """
    source = _SearchSource(config, run, record, on_change, time.monotonic() - spent)
    pool.train(source, rows, max_failures=config.search.max_failures)
    source.finish()


class _SearchSource:
    """Gives the trials that the schedule decides for, and writes what happens into the record."""

    def __init__(
        self,
        config: SweepConfig,
        run: RunDirectory,
        record: SearchRecord,
        on_change: Callable[[], None],
        began: float,
    ) -> None:
        self._config = config
        self._run = run
        self._record = record
        self._on_change = on_change
        self._searcher = searcher_for(config)
        self._schedule = Schedule(config.search, record.trials)
        self._schedule.replay(record.replayed)
        self._settle()
        # What was in training when the run was interrupted goes first.
        self._ready = deque(self._schedule.running.items())
        self._began = began
        self._deadline = began + (config.search.time_budget or math.inf)

    def next(self) -> TrialSpec | None:
        if time.monotonic() > self._deadline:
            return None
        if not self._ready and not self._decide():
            return None
        trial, level = self._ready.popleft()
        record = self._record.trials[trial]
        return TrialSpec(
            trial=trial,
            view=record.view,
            seed=record.seed,
            hyperparameters=record.config,
            level=level,
        )

    def on_report(self, trial: str, report: Report) -> bool:
        state = state_file(self._run.states, trial, self._record.trials[trial].config)
        self._record.add(
            Progress(
                trial=trial,
                rung=report.rung,
                epochs=report.epochs,
                best_epoch=report.best_epoch,
                best_val_loss=finite_or_none(report.best_val_loss),
                best_val_accuracy=finite_or_none(report.best_val_accuracy),
                seconds=self._record.trials[trial].seconds + report.seconds,
                history=[[epoch, *map(finite_or_none, row)] for epoch, *row in report.history],
                ending=report.ending,
                checkpoint=f"{STATES}/{state.name}",
                at=round(time.monotonic() - self._began, 3),
                best_metric=report.best_metric,
            )
        )
        self._schedule.report(trial, self._record.trials[trial].objective, report.ending)
        self._settle()
        if time.monotonic() > self._deadline or not self._decide():
            return False
        if self._ready[-1][0] != trial:
            return False
        self._ready.pop()
        return True

    def on_error(self, trial: str, error: str) -> None:
        kind, _, reason = error.partition(": ")
        if kind.endswith(StorageError.__name__):
            # All trials would fail one after another, and stay failed when there is room again.
            raise SweepError(reason)
        self._record.add(End(trial, "failed", error=error))
        self._schedule.fail(trial)
        self._settle()
        self._stop_if_too_many_failed()

    def finish(self) -> None:
        """What is still paused, or waits for a worker when the time is over, never trains on."""
        for trial in self._record.trials.values():
            if trial.status in {"paused", "running"}:
                self._record.add(End(trial.id, "stopped"))
        self._on_change()

    def _decide(self) -> bool:
        """Lets the schedule hand out one more trial, if there is one."""
        decided = self._schedule.next()
        if decided is None:
            return False
        trial = self._record.trials[decided[0]]
        config = None
        if not trial.config:
            config = whole(self._config, self._searcher.draw(trial, self._record.trials.values()))
        self._record.add(Start(trial.id, config))
        self._ready.append(decided)
        self._on_change()
        return True

    def _settle(self) -> None:
        """Records the ends of trials that the schedule has decided about."""
        for trial in self._schedule.eliminated():
            if not self._record.trials[trial].finished:
                self._record.add(End(trial, "stopped"))
        self._on_change()

    def _stop_if_too_many_failed(self) -> None:
        failed = [t for t in self._record.trials.values() if t.status == "failed"]
        allowed = self._config.search.max_failed_share * len(self._record.trials)
        if len(failed) > max(allowed, _FAILURES_AT_LEAST):
            error, times = Counter(t.error for t in failed).most_common(1)[0]
            raise SweepError(
                f"{len(failed)} of {len(self._record.trials)} trials failed, more than the share "
                f"search.max_failed_share of {self._config.search.max_failed_share:g}; the "
                f"commonest error ({times} times): {error}"
            )
