"""What workers are given, trials of a source or calls, kept for the thread that Tune runs on."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from ray.tune.search import Searcher

from ..trainables.tune_adapter import SWEEP, CallSpec, Lent, Outcome, SweepRows, TrialSpec
from .errors import SweepError


class Source(Protocol):
    """Gives trials and is told what became of them, on Tune's thread; an exception ends the pool.

    A trial may be given again, to go on from where it was.
    """

    def next(self) -> TrialSpec | CallSpec | None:
        """A trial for a free worker, or None: nothing before the next report, or at all."""

    def on_report(self, trial: str, report: Any) -> bool:
        """A trial reached its level or its end; whether the same worker trains it on at once."""

    def on_error(self, trial: str, error: str) -> None:
        """A trial failed, with this error at first, and failed again as often as it may."""


@dataclass(frozen=True)
class Call:
    """A function for a worker.

    Attributes:
        name: Shown in the dashboard; one of its own among the calls that are made together.
        function: Imported by name on the worker.
        arguments: Those that are references are resolved on the worker.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Calls:
    """A source that gives every call once.

    Attributes:
        values: What the calls returned, by name.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        lent = {call.name: Lent((call.function, *call.arguments)) for call in calls}
        self._waiting = [CallSpec(name, call) for name, call in reversed(lent.items())]
        self._lent = lent
        self.values: dict[str, Any] = {}

    def next(self) -> CallSpec | None:
        """See :class:`Source`."""
        return self._waiting.pop() if self._waiting else None

    def on_report(self, trial: str, report: Outcome) -> bool:
        """See :class:`Source`."""
        if report.error is not None:
            raise report.error
        self.values[trial] = report.value
        self._lent[trial].release()
        return False

    def on_error(self, trial: str, error: str) -> None:
        """See :class:`Source`."""
        raise SweepError(f"{trial} failed: {error}")

    def release(self) -> None:
        """Lets go of the arguments of those that were not made."""
        for lent in self._lent.values():
            lent.release()


@dataclass(frozen=True)
class Job:
    """What a pool is asked to train; see :meth:`TrainingPool.train`."""

    source: Source
    sweep: Lent[SweepRows] | None
    max_failures: int


class Feed:
    """What the caller's thread and Tune's share: a job, and the trials of it in training."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.aborted = False
        self._running: dict[str, TrialSpec | CallSpec] = {}
        self._again: deque[TrialSpec | CallSpec] = deque()
        self._failures: dict[str, list[str]] = {}
        self._changed = threading.Condition()
        self._job: Job | None = None
        self._closed = False
        self._error: Exception | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Tune pickles all it is given to restore it; a run resumes from its own record instead.
        return Feed, (self.slots,)

    @property
    def usable(self) -> bool:
        """Whether more jobs can be put in."""
        return not self._closed and self._error is None

    def put(self, job: Job) -> None:
        """Hands over a job; one at a time."""
        with self._changed:
            self._failures = {}
            self._job = job
            self._changed.notify_all()

    def join(self) -> None:
        """Waits until the job is done.

        Raises:
            Exception: What ended it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._job)
            if self._error:
                raise self._error

    def close(self) -> None:
        """Lets Tune end, when the job is done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abort(self) -> None:
        """Ends the pool at once, whatever is in training."""
        with self._changed:
            self._closed = self.aborted = True
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
        job = self._job
        spec = self._next()
        while spec is None and not self._running:
            with self._changed:
                # Nothing for Tune to do, so its thread may wait in here.
                if self._job is job:  # and no other that was put meanwhile
                    self._job = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._job or self._closed)
                if self._closed:
                    return str(Searcher.FINISHED)
                job = self._job
            spec = self._next()
        if spec is None:
            return None
        self._running[spec.trial] = spec
        sweep = self._job.sweep if self._job else None
        return asdict(spec) | ({} if sweep is None else {SWEEP: sweep})

    def report(self, trial: str, report: Any) -> bool:
        """A step is done; whether the trial goes on."""
        goes_on = bool(self._ask("on_report", trial, report))
        if not goes_on:
            del self._running[trial]
        return goes_on

    def failed(self, trial: str, error: str) -> None:
        """A trial failed: it is tried again, or has failed too often."""
        spec = self._running.pop(trial)
        errors = self._failures.setdefault(trial, [])
        errors.append(error)
        if self._job is not None and len(errors) <= self._job.max_failures:
            self._again.append(spec)
        else:
            self._ask("on_error", trial, errors[0])

    def _next(self) -> TrialSpec | CallSpec | None:
        return self._again.popleft() if self._again else self._ask("next")

    def _ask(self, method: str, *arguments: Any) -> Any:
        if self._job is None:
            return None
        try:
            return getattr(self._job.source, method)(*arguments)
        except Exception as error:
            self.fail(error)
            raise
