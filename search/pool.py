"""Warm workers: one Ray Tune experiment that trains whatever it is given until it is closed.

The search and the cross-validation share it, so that a worker imports TensorFlow once and compiles
a program once in a run. Tune runs on a thread and asks a :class:`Source` for trials;
:meth:`TrainingPool.train` waits until there are no more.
"""

import logging
import threading
from collections import deque
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import ray
from ray import tune
from ray.tune import ProgressReporter
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from ..cluster.session import environment
from ..trainables.tune_adapter import REPORT, Report, TrialSpec
from .tune_internals import (
    expect_no_files_of_trials,
    keep_workers,
    name_tasks,
    survive_full_memory,
    take_waiting_processes,
)

log = logging.getLogger(__name__)

_ABORT_SECONDS = 3.0
"""How long an interrupted run waits for Tune's goodbye."""


class Source(Protocol):
    """Gives trials and is told what became of them, on Tune's thread; an exception ends the pool.

    A trial may be given again, to go on from where it was.
    """

    def next(self) -> TrialSpec | None:
        """A trial for a free worker, or None: nothing before the next report, or at all."""

    def on_report(self, trial: str, report: Report) -> bool:
        """A trial reached its level or its end; whether the same worker trains it on at once."""

    def on_error(self, trial: str, error: str) -> None:
        """A trial failed, with this error at first, and failed again as often as it may."""


class TrainingPool:
    """Trains trials on every free slot of the cluster.

    Args:
        trainable: Takes :class:`TrialSpec` as configuration and gives a :class:`Report` a step.
        storage: Folder for Tune's files.
        cpus: CPUs a trial occupies.
        gpus: GPUs a trial occupies, in fractions.
        max_failures: Times that a trial is tried again after a failure.
    """

    def __init__(
        self, trainable: Any, storage: Path, *, cpus: float, gpus: float, max_failures: int
    ) -> None:
        self._feed = _Feed(_slots(cpus, gpus), max_failures)
        take_waiting_processes()
        survive_full_memory()
        expect_no_files_of_trials()
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
        self._feed.close(abort=exc_type is not None)
        self._thread.join(_ABORT_SECONDS if exc_type is not None else None)

    def train(self, source: Source) -> None:
        """Trains what the source gives, and returns when it gives nothing and nothing is left.

        Raises:
            Exception: What the source or Ray Tune raised.
        """
        self._feed.put(source)
        self._feed.join()

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


class _Feed:
    """What the caller's thread and Tune's share: a source, and the trials of it in training."""

    def __init__(self, slots: int, max_failures: int) -> None:
        self.slots = slots
        self.max_failures = max_failures
        self.aborted = False
        self._running: dict[str, TrialSpec] = {}
        self._again: deque[TrialSpec] = deque()
        self._failures: dict[str, list[str]] = {}
        self._changed = threading.Condition()
        self._source: Source | None = None
        self._closed = False
        self._error: Exception | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles all it is given to restore it; a run resumes from its own record instead.
        return _Feed, (self.slots, self.max_failures)

    def put(self, source: Source) -> None:
        with self._changed:
            self._source = source
            self._changed.notify_all()

    def join(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._source)
            if self._error:
                raise self._error

    def close(self, *, abort: bool) -> None:
        with self._changed:
            self._closed, self.aborted = True, abort
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Ends the pool; the first error is the one that is raised."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def take(self) -> dict[str, Any] | str | None:
        """The next trial's Tune configuration, None while there is none, or the end."""
        # More than there are slots would make Tune ask Ray for workers that no slot is free for.
        if len(self._running) >= self.slots:
            return None
        spec = self._next()
        while spec is None and not self._running:
            with self._changed:
                # Nothing for Tune to do, so its thread may wait in here.
                self._source = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._source or self._closed)
                if self._closed:
                    return str(Searcher.FINISHED)
            spec = self._next()
        if spec is None:
            return None
        self._running[spec.trial] = spec
        return asdict(spec)

    def report(self, trial: str, report: Report) -> bool:
        goes_on = bool(self._ask("on_report", trial, report))
        if not goes_on:
            del self._running[trial]
        return goes_on

    def failed(self, trial: str, error: str) -> None:
        """A trial failed: it is tried again, or has failed too often."""
        spec = self._running.pop(trial)
        errors = self._failures.setdefault(trial, [])
        errors.append(error)
        if len(errors) <= self.max_failures:
            self._again.append(spec)
        else:
            self._ask("on_error", trial, errors[0])

    def _next(self) -> TrialSpec | None:
        return self._again.popleft() if self._again else self._ask("next")

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._source is None:
            return None
        try:
            return getattr(self._source, method)(*arguments)
        except Exception as error:
            self.fail(error)
            raise


class _Searcher(Searcher):
    """Suggests what the feed holds; it learns nothing, and nothing in it outlives the process."""

    def __init__(self, feed: _Feed) -> None:
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

    def __init__(self, feed: _Feed) -> None:
        super().__init__()
        self._feed = feed
        self._kept: set[Any] = set()

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        resources = trial.placement_group_factory
        if not self._kept:
            name_tasks(tune_controller, _trial_id)
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

    def __init__(self, feed: _Feed) -> None:
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

    def __init__(self, feed: _Feed) -> None:
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
