"""Warm workers: one Ray Tune experiment that trains whatever it is given until it is closed.

Every stage shares it, and so do the sweeps of a session, so that a worker imports TensorFlow once
and compiles a program once. Tune runs on a thread and asks a :class:`Source` for trials;
:meth:`TrainingPool.train` waits until there are no more.
"""

import logging
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ray
from ray import tune
from ray.tune import ProgressReporter
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ..cluster.session import environment
from ..trainables.tune_adapter import REPORT, Lent, SweepRows
from .feed import Call, Calls, Feed, Job, Source
from .tune_internals import (
    expect_no_files_of_trials,
    import_no_trackers,
    keep_workers,
    name_tasks,
    survive_full_memory,
    take_waiting_processes,
)

log = logging.getLogger(__name__)

_CALL_RETRIES = 10
"""Times that a call lost with its worker or node is made again; an exception in it is final."""

_ABORT_SECONDS = 3.0
"""How long an interrupted run waits for Tune's goodbye."""

_NAMED_TRIALS = 1000
"""Trials whose tasks carry their names. Ray's metrics have series of their own for every name that
a task ever had, and all of them are kept and sent every few seconds until the session ends."""


class TrainingPool:
    """Trains trials on every free slot of the cluster.

    Args:
        trainable: Takes :class:`TrialSpec` as configuration and gives a ``Report`` a step.
        cpus: CPUs a trial occupies.
        gpus: GPUs a trial occupies, in fractions.
    """

    def __init__(self, trainable: Any, *, cpus: float, gpus: float) -> None:
        self._feed = Feed(_slots(cpus, gpus))
        # Nothing that Tune writes is read again: a run has its own record.
        self._files = tempfile.TemporaryDirectory(
            prefix="evensweep-tune-", ignore_cleanup_errors=True
        )
        storage = Path(self._files.name, "trials")
        take_waiting_processes()
        survive_full_memory()
        expect_no_files_of_trials()
        import_no_trackers()
        worker = tune.with_resources(trainable, {"cpu": cpus, "gpu": gpus})
        worker.__name__ = worker.__qualname__ = "TrialWorker"  # the actors' class in the dashboard
        self._tuner = tune.Tuner(
            worker,
            tune_config=tune.TuneConfig(
                search_alg=_Searcher(self._feed),
                scheduler=_Scheduler(self._feed),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_id,
                trial_dirname_creator=_trial_id,
            ),
            run_config=tune.RunConfig(
                name=storage.name,
                storage_path=str(storage.parent),
                verbose=0,
                progress_reporter=_Silence(),
                callbacks=[_Callback(self._feed)],
                stop=_Stopper(self._feed),
                # Retries are the feed's: Tune gives up at once if a worker died between two trials.
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        self._thread = threading.Thread(target=self._run, name="tune", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self._feed.abort()
        self._feed.close()
        self._thread.join(_ABORT_SECONDS if self._feed.aborted else None)
        self._files.cleanup()

    @property
    def usable(self) -> bool:
        """Whether it can train, which it can't after an error or an interruption."""
        return self._feed.usable

    def train(
        self, source: Source, sweep: Lent[SweepRows] | None = None, *, max_failures: int
    ) -> None:
        """Trains what the source gives, and returns when it gives nothing and nothing is left.

        Args:
            source: Of the trials.
            sweep: What they read; a trainable that is not ours may need nothing.
            max_failures: Times that a trial is tried again after a failure.

        Raises:
            Exception: What the source or Ray Tune raised; the pool can't be used any more.
        """
        try:
            self._feed.put(Job(source, sweep, max_failures))
            self._feed.join()
        except BaseException:
            self._feed.abort()
            raise

    def call(self, calls: Sequence[Call]) -> list[Any]:
        """Calls functions on the workers, and returns what they return, in order.

        Raises:
            Exception: What one of them raised; the pool can't be used any more.
        """
        source = Calls(calls)
        try:
            self.train(source, max_failures=_CALL_RETRIES)
        finally:
            source.release()
        return [source.values[call.name] for call in calls]

    def _run(self) -> None:
        settings = {
            # Nothing is ever restored from Tune's snapshots: a run has its own record.
            "TUNE_GLOBAL_CHECKPOINT_S": str(10**9),
            "TUNE_MAX_PENDING_TRIALS_PG": str(self._feed.slots),
        }
        try:
            with environment(settings):
                self._tuner.fit()
            self._feed.fail(RuntimeError("Ray Tune ended before the trials did"))
        except Exception as error:
            self._feed.fail(error)


class _Searcher(Searcher):
    """Suggests what the feed holds; it learns nothing, and nothing in it outlives the process."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        return self._feed.take()

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        pass

    def save(self, checkpoint_path: str) -> None:
        pass

    def restore(self, checkpoint_path: str) -> None:
        pass


class _Scheduler(FIFOScheduler):
    """Passes reports on, and decisions back."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed
        self._kept: set[Any] = set()
        self._named: set[str] = set()

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        resources = trial.placement_group_factory
        if not self._kept:
            name_tasks(tune_controller, self._task_name)
        if resources not in self._kept:
            self._kept.add(resources)
            keep_workers(tune_controller, resources, self._feed.slots)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        # The default looks through all trials there ever were.
        waiting = [t for t in tune_controller.get_live_trials() if t.status == Trial.PENDING]
        return min(waiting, key=lambda trial: trial.trial_id, default=None)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        goes_on = self._feed.report(_trial_id(trial), result[REPORT])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def _task_name(self, trial: Trial, method: str) -> str | None:
        """``smote-007 train``, ``smote train`` after many of them, and a call's own name."""
        if method != "train":
            return None
        name = _trial_id(trial)
        if "call" in trial.config:
            return name
        if len(self._named) < _NAMED_TRIALS:
            self._named.add(name)
        return f"{name if name in self._named else trial.config['view']} {method}"


class _Silence(ProgressReporter):
    """Reports nothing: in a notebook, Tune's own reporter clears the output of the cell."""

    def setup(self, *_: Any, **__: Any) -> None:
        """Has nothing to set up."""

    def should_report(self, *_: Any, **__: Any) -> bool:
        """Never."""
        return False

    def report(self, *_: Any, **__: Any) -> None:
        """Is not asked."""


class _Callback(tune.Callback):
    """Passes errors on, and lets go of reports, which Tune would hold as long as it runs."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        del result[REPORT]

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        # Tune's own accessors look in the storage, where the file is not yet.
        written = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
        text = written.strip() or "unknown error"
        log.warning("trial %s failed:\n%s", _trial_id(trial), text)
        self._feed.failed(_trial_id(trial), text.splitlines()[-1].strip())


class _Stopper(tune.Stopper):
    """Ends the experiment when the run is interrupted."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._feed.aborted


def _slots(cpus: float, gpus: float) -> int:
    there = ray.cluster_resources()
    slots = there.get("CPU", 0.0) / cpus
    if gpus:
        slots = min(slots, there.get("GPU", 0.0) / gpus)
    return max(1, int(slots + 1e-9))


def _trial_id(trial: Trial) -> str:
    return str(trial.config["trial"])
