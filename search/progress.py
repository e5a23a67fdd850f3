"""What the stages of a sweep tell of their progress, and how far a search is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..results.records import SearchRecord, TrialRecord, best_trials

if TYPE_CHECKING:
    from .cross_validation import FoldFigures

_RATE_SECONDS = 20.0
"""Over which epochs a second are counted."""


class Display:
    """What the stages tell; this one shows nothing, and the others show what they override."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass

    def stage(self, title: str) -> None:
        """A stage starts."""

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """The search starts; ``record`` changes while it runs."""

    def refresh(self) -> None:
        """The record has changed."""

    def folds(self, total: int) -> None:
        """The cross-validation starts, with so many fold trainings."""

    def fold_done(self, figures: FoldFigures) -> None:
        """A fold training is done."""


class Together(Display):
    """Tells several displays."""

    def __init__(self, *displays: Display) -> None:
        self._displays = displays

    def stage(self, title: str) -> None:
        """See :class:`Display`."""
        for display in self._displays:
            display.stage(title)

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`Display`."""
        for display in self._displays:
            display.search(record, views)

    def refresh(self) -> None:
        """See :class:`Display`."""
        for display in self._displays:
            display.refresh()

    def folds(self, total: int) -> None:
        """See :class:`Display`."""
        for display in self._displays:
            display.folds(total)

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`Display`."""
        for display in self._displays:
            display.fold_done(figures)


class ViewStatus:
    """How far a view's search is, computed from the record.

    Attributes:
        waiting, running, paused, done, failed: Trials of each kind.
        total: Trials altogether.
        epochs: Trained so far.
        best: The best trial so far, by the loss or the metric.
    """

    def __init__(self, record: SearchRecord, view: str, started: float) -> None:
        trials = [t for t in record.trials.values() if t.view == view]
        self.view = view
        self.total = len(trials)
        self.waiting = sum(t.status == "waiting" for t in trials)
        self.running = sum(t.status == "running" for t in trials)
        self.paused = sum(t.status == "paused" for t in trials)
        self.failed = sum(t.status == "failed" for t in trials)
        self.done = sum(t.finished for t in trials) - self.failed
        self.epochs = sum(t.epochs for t in trials)
        best = best_trials(trials, view, 1)
        self.best: TrialRecord | None = best[0] if best else None
        # A paused trial may train on, but most never do. Trials that were finished before this
        # session cost it no time.
        before = {e.trial for e in record.replayed}
        reached = [t.id for t in trials if t.finished or t.status == "paused"]
        now = len(set(reached) - before)
        elapsed = time.monotonic() - started
        self.seconds_left = elapsed / now * (self.total - len(reached)) if now else None

    @property
    def best_text(self) -> str:
        """The best trial's loss so far, its metric if the search has one, and what it is."""
        if self.best is None:
            return "–"
        config = self.best.config
        what = self.best.id
        if {"num_layers", "hidden_layer_size", "activation"} <= set(config):
            what = f"{config['num_layers']}×{config['hidden_layer_size']} {config['activation']}"
        metric = self.best.best_metric
        beside = "" if metric is None else f", metric {metric:.4f}"
        return f"{self.best.best_val_loss:.4f}{beside} ({what})"

    @property
    def left_text(self) -> str:
        """Time left, such as ``1:05``."""
        if self.done + self.failed == self.total:
            return "done"
        if self.seconds_left is None:
            return "–"
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{minutes}:{seconds:02d}"


class EpochRate:
    """Epochs a second over the last seconds, from counts that are told now and then."""

    def __init__(self) -> None:
        self._counts: deque[tuple[float, int]] = deque()

    def count(self, epochs: int, now: float) -> float | None:
        """Takes the number of epochs trained so far, at a time in seconds.

        Returns:
            Epochs a second; None before there is anything to count from.
        """
        self._counts.append((now, epochs))
        while now - self._counts[0][0] > _RATE_SECONDS and len(self._counts) > 2:
            self._counts.popleft()
        then, before = self._counts[0]
        return (epochs - before) / (now - then) if now > then and epochs > before else None
