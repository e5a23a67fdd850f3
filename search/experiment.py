"""The search: decides about the trials that the workers train, and records every event."""

from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray import tune

from ..cluster.tasks import task
from ..datasets.errors import InputError
from ..results.records import End, Progress, SearchRecord, TrialRecord, finite_or_none
from ..results.run_directory import RunDirectory
from ..trainables.builder import is_builder
from ..trainables.probe import probe_builder
from ..trainables.tune_adapter import (
    Report,
    SharedRows,
    SweepTrainable,
    TrainingSettings,
    TrialSpec,
    state_file,
)
from .brackets import Brackets
from .config import SearchConfig, SweepConfig
from .pool import TrainingPool


def try_family(config: SweepConfig, hyperparameters: Mapping[str, Any], n_features: int) -> None:
    """Trains and exports a user's model once, before the search spends time on it.

    Raises:
        InputError: It can't be built, trained or exported.
    """
    if not is_builder(config.trainable):
        return
    try:
        ray.get(
            task(probe_builder, f"try {config.trainable}", cpus=1).remote(
                config.family, hyperparameters, n_features
            )
        )
    except InputError as error:  # Ray's, which has the worker's traceback in its text
        raise error.cause from None  # type: ignore[attr-defined]


def open_pool(
    config: SweepConfig, run: RunDirectory, rows: Mapping[int | None, SharedRows]
) -> TrainingPool:
    """The workers of a sweep.

    Args:
        config: The sweep.
        run: Where Tune's files and the trials' states are kept.
        rows: What the trainings read, by fold; the search's under None.
    """
    settings = TrainingSettings(
        config.search.levels, config.training.patience, run.states, config.family
    )
    return TrainingPool(
        tune.with_parameters(SweepTrainable, rows=rows, settings=settings),
        run.tune,
        cpus=config.resources.cpus,
        gpus=config.resources.gpus,
        max_failures=config.search.max_failures,
    )


def run_search(
    search: SearchConfig,
    run: RunDirectory,
    record: SearchRecord,
    pool: TrainingPool,
    on_change: Callable[[], None],
) -> None:
    """Trains every trial that is not finished yet, to its end or until its rung stops it.

    Args:
        search: The search's settings.
        run: Where the trials' states are.
        record: The trials; each result goes into it before the next decision is made.
        pool: The workers.
        on_change: Called after every change of the record, on another thread.
    """
    waiting = [_spec(trial) for trial in record.trials.values() if not trial.finished]
    pool.train(waiting, _SearchListener(search, run, record, on_change))


def _spec(trial: TrialRecord) -> TrialSpec:
    return TrialSpec(
        trial=trial.id,
        view=trial.view,
        seed=trial.seed,
        hyperparameters=trial.config,
        bracket=trial.bracket,
    )


class _SearchListener:
    """Writes what happens to a trial into the record, and decides."""

    def __init__(
        self,
        search: SearchConfig,
        run: RunDirectory,
        record: SearchRecord,
        on_change: Callable[[], None],
    ) -> None:
        self._run = run
        self._record = record
        self._on_change = on_change
        self._brackets = Brackets(search, record.trials)
        self._brackets.replay(record.replayed)

    def on_start(self, trial: str) -> None:
        self._record.trials[trial].status = "running"
        self._on_change()

    def on_report(self, trial: str, report: Report) -> bool:
        loss = finite_or_none(report.best_val_loss)
        self._record.add(
            Progress(
                trial=trial,
                rung=report.rung,
                epochs=report.epochs,
                best_epoch=report.best_epoch,
                best_val_loss=loss,
                best_val_accuracy=finite_or_none(report.best_val_accuracy),
                seconds=self._record.trials[trial].seconds + report.seconds,
                history=[[epoch, *map(finite_or_none, row)] for epoch, *row in report.history],
            )
        )
        goes_on = self._brackets.report(trial, report.rung, loss, report.ending)
        if not goes_on:
            state = state_file(self._run.states, trial).relative_to(self._run.root)
            self._record.add(End(trial, report.ending or "stopped", checkpoint=str(state)))
        self._on_change()
        return goes_on

    def on_error(self, trial: str, error: str) -> None:
        self._record.add(End(trial, "failed", error=error))
        self._on_change()
