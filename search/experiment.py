"""Runs the search: all views' trials in one Tune experiment, recorded event by event."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial

from ..datasets.preparation import Prepared
from ..results.records import End, Progress, SearchRecord, finite_or_none
from ..results.run_directory import RunDirectory
from ..trainables.tune_adapter import SharedRows, SweepTrainable, TrainingSettings
from .asha import StoppingAsha
from .config import SweepConfig
from .rungs import rung_levels
from .scheduler import ViewScheduler
from .searcher import PlannedSearcher

log = logging.getLogger(__name__)


def run_search(
    config: SweepConfig,
    run: RunDirectory,
    record: SearchRecord,
    prepared: Prepared,
    on_change: Callable[[], None],
) -> None:
    """Trains every trial that is not finished yet, to its end or until its rung stops it.

    Args:
        config: The sweep.
        run: Where Tune keeps its files and checkpoints.
        record: The trials; each result goes into it before the next decision is made.
        prepared: The views and the validation rows; each is put into the object store once.
        on_change: Called after every change of the record.
    """
    waiting = [trial for trial in record.trials.values() if not trial.finished]
    if not waiting:
        return
    scheduler = ViewScheduler(_rungs(config), record.trials)
    scheduler.replay(record.replayed)
    resources = {"cpu": config.resources.cpus, "gpu": config.resources.gpus}
    # Enough waiting trials to keep every slot busy; Tune holds only one for a custom searcher.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(2, int(ray.cluster_resources()["CPU"])))
    tune.Tuner(
        tune.with_resources(
            tune.with_parameters(
                SweepTrainable,
                shared=SharedRows.put(prepared),
                settings=TrainingSettings(_levels(config), config.training.patience, config.family),
            ),
            resources,
        ),
        tune_config=tune.TuneConfig(
            search_alg=PlannedSearcher(waiting),
            scheduler=scheduler,
            num_samples=len(waiting),
            # A worker imports TensorFlow once, and keeps its compiled programs.
            reuse_actors=True,
            trial_name_creator=_trial_id,
            trial_dirname_creator=_trial_id,
        ),
        run_config=tune.RunConfig(
            name=run.tune.name,
            storage_path=str(run.tune.parent),
            verbose=0,
            callbacks=[_Recorder(record, run, on_change)],
            failure_config=tune.FailureConfig(max_failures=config.search.max_failures),
            checkpoint_config=tune.CheckpointConfig(
                num_to_keep=1, checkpoint_frequency=1, checkpoint_at_end=False
            ),
        ),
    ).fit()


def _levels(config: SweepConfig) -> tuple[int, ...]:
    search = config.search
    if search.scheduler == "fifo":
        return (search.max_epochs,)
    return rung_levels(search.grace_epochs, search.max_epochs, search.reduction_factor)


def _rungs(config: SweepConfig) -> dict[str, StoppingAsha] | None:
    if config.search.scheduler == "fifo":
        return None
    levels = _levels(config)
    return {view: StoppingAsha(levels, config.search.reduction_factor) for view in config.views}


def _trial_id(trial: Trial) -> str:
    return str(trial.config["trial"])


class _Recorder(tune.Callback):
    """Writes what happens to a trial into the record."""

    def __init__(
        self, record: SearchRecord, run: RunDirectory, on_change: Callable[[], None]
    ) -> None:
        self._record = record
        self._run = run
        self._on_change = on_change

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks to restore them; a sweep resumes from its own record instead.
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        self._record.trials[_trial_id(trial)].status = "running"
        self._on_change()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        known = self._record.trials[_trial_id(trial)]
        self._record.add(
            Progress(
                trial=known.id,
                rung=result["rung"],
                epochs=result["epochs"],
                best_epoch=result["best_epoch"],
                best_val_loss=finite_or_none(result["best_val_loss"]),
                best_val_accuracy=finite_or_none(result["best_val_accuracy"]),
                seconds=known.seconds + result["step_seconds"],
                history=[
                    [epoch, *map(finite_or_none, figures)] for epoch, *figures in result["history"]
                ],
            )
        )
        self._on_change()

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        # Only this scheduler ends a trial that has not ended by itself.
        ending = (trial.last_result or {}).get("ending") or "stopped"
        checkpoint = trial.checkpoint
        self._end(
            trial,
            status=str(ending),
            checkpoint=str(Path(checkpoint.path).relative_to(self._run.root))
            if checkpoint
            else None,
        )

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        text = str(trial.get_error() or "unknown error").strip()
        log.warning("trial %s failed:\n%s", _trial_id(trial), text)
        self._end(trial, status="failed", error=text.splitlines()[-1].strip())

    def _end(self, trial: Trial, **values: Any) -> None:
        self._record.add(End(_trial_id(trial), **values))
        self._on_change()
