"""A search's progress as metrics of the Ray cluster, for Prometheus to scrape."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import ray

from ..results.records import SearchRecord
from .progress import Display, EpochRate, ViewStatus

_INTERVAL = 1.0
"""Seconds between updates; Ray reports them more rarely."""

STATES = ("waiting", "running", "paused", "done", "failed")


class SearchGauges(Display):
    """Keeps Ray's metrics of one search up to date.

    Ray puts ``ray_`` before the names and serves them on every node:
    ``evensweep_best_val_loss{run, view}``, ``evensweep_trials{run, view, state}``,
    ``evensweep_epochs{run, view}``, which only grows, and ``evensweep_epochs_per_second{run}``.

    Args:
        run: The run's name.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._record: SearchRecord | None = None
        self._views: Sequence[str] = ()
        self._told: dict[str, int] = {}
        self._rate = EpochRate()
        self._started = self._last = 0.0

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._record is not None:
            self._tell()
        self._record = None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._record, self._views, self._started = record, views, time.monotonic()
        self._rate, self._told = EpochRate(), {}
        self._tell()

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._record is not None and time.monotonic() - self._last > _INTERVAL:
            self._tell()

    def _tell(self) -> None:
        assert self._record is not None
        metrics = _metrics(ray.get_runtime_context().get_job_id())
        epochs = 0
        for view in self._views:
            status = ViewStatus(self._record, view, self._started)
            tags = {"run": self._run, "view": view}
            for state in STATES:
                metrics["trials"].set(getattr(status, state), {**tags, "state": state})
            if status.best is not None and status.best.best_val_loss is not None:
                metrics["best"].set(status.best.best_val_loss, tags)
            fresh = status.epochs - self._told.get(view, 0)
            if fresh > 0:
                metrics["epochs"].inc(fresh, tags)
                self._told[view] = status.epochs
            epochs += status.epochs
        self._last = time.monotonic()
        metrics["rate"].set(self._rate.count(epochs, self._last) or 0.0, {"run": self._run})


@lru_cache(maxsize=1)
def _metrics(job: str) -> dict[str, Any]:
    """The metrics of a Ray session, which wants each declared once."""
    from ray.util.metrics import Counter, Gauge

    of_view = ("run", "view")
    return {
        "trials": Gauge("evensweep_trials", "Trials by state", (*of_view, "state")),
        "best": Gauge("evensweep_best_val_loss", "Best validation loss, nats a row", of_view),
        "epochs": Counter("evensweep_epochs", "Epochs trained", of_view),
        "rate": Gauge("evensweep_epochs_per_second", "Over the last 20 seconds", ("run",)),
    }
