"""What a user sees while a sweep runs: a live line a view in a terminal, a plain line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..results.records import SearchRecord, TrialRecord, best_trials

if TYPE_CHECKING:
    from .cross_validation import FoldFigures

_PLAIN_INTERVAL = 15.0
"""Seconds between the plain lines of a log."""


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


class ViewStatus:
    """How far a view's search is, computed from the record."""

    def __init__(self, record: SearchRecord, view: str, started: float) -> None:
        trials = [t for t in record.trials.values() if t.view == view]
        self.view = view
        self.total = len(trials)
        self.running = sum(t.status == "running" for t in trials)
        self.paused = sum(t.status == "paused" for t in trials)
        # A paused trial may train on, but most never do.
        done = [t for t in trials if t.finished or t.status == "paused"]
        self.done = len(done)
        self.failed = sum(t.status == "failed" for t in trials)
        self.epochs = sum(t.epochs for t in trials)
        best = best_trials(trials, view, 1)
        self.best: TrialRecord | None = best[0] if best else None
        # Trials that were finished before this session cost it no time.
        before = {e.trial for e in record.replayed}
        now = sum(t.id not in before for t in done)
        elapsed = time.monotonic() - started
        self.seconds_left = elapsed / now * (self.total - self.done) if now else None

    @property
    def best_text(self) -> str:
        """The best loss so far and where it comes from."""
        if self.best is None:
            return "–"
        config = self.best.config
        what = self.best.id
        if {"num_layers", "hidden_layer_size", "activation"} <= set(config):
            what = f"{config['num_layers']}×{config['hidden_layer_size']} {config['activation']}"
        return f"{self.best.best_val_loss:.4f} ({what})"

    @property
    def left_text(self) -> str:
        """Time left, such as ``1:05``."""
        if self.done == self.total:
            return "done"
        if self.seconds_left is None:
            return "–"
        minutes, seconds = divmod(round(self.seconds_left), 60)
        return f"{minutes}:{seconds:02d}"


class LiveDisplay(Display):
    """One live line a view, then a bar for the folds; for terminals."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn at a rate of its own, since results may come by the hundred a second.
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, transient=True
        )
        self._title = ""
        self._record: SearchRecord | None = None
        self._views: Sequence[str] = ()
        self._started = 0.0
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._title = ""
        self._record, self._bar = None, None
        self._live.stop()

    def stage(self, title: str) -> None:
        """See :class:`Display`."""
        if self._title:
            self._console.print(Text.assemble(("✓ ", "green"), self._title))
        self._title = title
        self._record, self._bar = None, None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`Display`."""
        self._record, self._views, self._started = record, views, time.monotonic()

    def folds(self, total: int) -> None:
        """See :class:`Display`."""
        self._bar = Progress(
            TextColumn("  folds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._bar.add_task("folds", total=total)

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`Display`."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def _render(self) -> RenderableType:
        record, bar = self._record, self._bar
        if not self._title:
            return Text("")
        parts: list[RenderableType] = [Text.assemble(("● ", "cyan"), self._title, " …")]
        if record is not None:
            parts.append(self._search_table(record))
            if not any(trial.epochs for trial in record.trials.values()):
                parts.append(Text("  workers start; each imports TensorFlow once", style="dim"))
        if bar is not None:
            parts.append(bar)
        return Group(*parts)

    def _search_table(self, record: SearchRecord) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        table.add_column("view")
        headings = (
            "done",
            "running",
            "paused",
            "failed",
            "epochs",
            "best loss so far",
            "time left",
        )
        for heading in headings:
            table.add_column(heading, justify="right")
        for view in self._views:
            status = ViewStatus(record, view, self._started)
            table.add_row(
                status.view,
                f"{status.done}/{status.total}",
                str(status.running),
                str(status.paused),
                str(status.failed),
                str(status.epochs),
                status.best_text,
                status.left_text,
            )
        return table


class PlainDisplay(Display):
    """A line now and then; for logs, notebooks and batch jobs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._record: SearchRecord | None = None
        self._views: Sequence[str] = ()
        self._started = self._spoken = 0.0
        self._folds_done = self._folds_total = 0

    def stage(self, title: str) -> None:
        """See :class:`Display`."""
        self._console.print(f"{title} …")
        self._record = None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`Display`."""
        self._record, self._views = record, views
        self._started = self._spoken = time.monotonic()

    def refresh(self) -> None:
        """See :class:`Display`."""
        if self._record is None or not self._due():
            return
        for view in self._views:
            s = ViewStatus(self._record, view, self._started)
            self._console.print(
                f"  {s.view}: {s.done}/{s.total} trials done, {s.running} running, "
                f"best loss {s.best_text}, time left {s.left_text}",
                soft_wrap=True,
            )

    def folds(self, total: int) -> None:
        """See :class:`Display`."""
        self._folds_done, self._folds_total = 0, total
        self._spoken = time.monotonic()

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`Display`."""
        self._folds_done += 1
        if self._due():
            self._console.print(f"  {self._folds_done}/{self._folds_total} folds done")

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._spoken < _PLAIN_INTERVAL:
            return False
        self._spoken = now
        return True


def display_for(console: Console) -> Display:
    """A live display in a terminal, plain lines elsewhere."""
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
