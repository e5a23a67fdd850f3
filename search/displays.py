"""What a user sees while a sweep runs: a live table in a terminal or notebook, else plain lines."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..results.records import SearchRecord
from .progress import Display, EpochRate, ViewStatus

if TYPE_CHECKING:
    from .cross_validation import FoldFigures

_PLAIN_INTERVAL = 15.0
"""Seconds between the plain lines of a log."""

_NOTEBOOK_INTERVAL = 0.5
_NOTEBOOK_WIDTH = 100


class _Drawing(Display):
    """The stage under way as something to draw: a line a view for the search, else a bar."""

    def __init__(self) -> None:
        self._title = ""
        self._record: SearchRecord | None = None
        self._views: Sequence[str] = ()
        self._began = self._started = 0.0
        self._rate = EpochRate()
        self._bar: Progress | None = None

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._title, self._began = title, time.monotonic()
        self._record = None
        # Nobody knows how long most stages take: their bar says that they are at work.
        self._bar = Progress(TextColumn("  "), BarColumn(), TimeElapsedColumn())
        self._bar.add_task("", total=None)

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._record, self._views, self._started = record, views, time.monotonic()
        self._rate, self._bar = EpochRate(), None

    def folds(self, total: int) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._bar = Progress(
            TextColumn("  folds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._bar.add_task("folds", total=total)

    def complete(self) -> Text:
        """The line that stays of the stage under way when it is complete."""
        minutes, seconds = divmod(round(time.monotonic() - self._began), 60)
        return Text.assemble(("✓ ", "green"), self._title, (f"  {minutes}:{seconds:02d}", "dim"))

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0])

    def draw(self) -> RenderableType:
        """What there is to see at this moment."""
        record, bar = self._record, self._bar
        if not self._title:
            return Text("")
        parts: list[RenderableType] = [Text.assemble(("● ", "cyan"), self._title, " …")]
        if record is not None:
            parts += self._search(record)
        if bar is not None:
            parts.append(bar)
        return Group(*parts)

    def _search(self, record: SearchRecord) -> list[RenderableType]:
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
        table.add_column("view", no_wrap=True)
        headings = (
            "waiting",
            "running",
            "paused",
            "done",
            "failed",
            "best loss so far",
            "left",
        )
        for heading in headings:
            table.add_column(heading, justify="right", no_wrap=True)
        statuses = [ViewStatus(record, view, self._started) for view in self._views]
        for s in statuses:
            table.add_row(
                s.view,
                *map(str, (s.waiting, s.running, s.paused, s.done, s.failed)),
                s.best_text,
                s.left_text,
            )
        epochs = sum(s.epochs for s in statuses)
        if not epochs:
            return [table, Text("  workers start; each imports TensorFlow once", style="dim")]
        rate = self._rate.count(epochs, time.monotonic())
        speed = "" if rate is None else f", {rate:,.0f} a second"
        return [table, Text(f"  {epochs:,} epochs{speed}", style="dim")]


class LiveDisplay(_Drawing):
    """Drawn again and again in place; for terminals."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        # Drawn at a rate of its own, since results may come by the hundred a second.
        self._live = Live(
            console=console, get_renderable=self.draw, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.stage("")
        super().stage("")
        self._live.stop()

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._title:
            self._console.print(self.complete())
        super().stage(title)


class NotebookDisplay(_Drawing):
    """The same as one output of a notebook's cell, which is replaced as the sweep goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._output: Any = None
        self._complete: list[Text] = []
        self._drawn = 0.0

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.stage("")
        else:
            self._show()

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._title:
            self._complete.append(self.complete())
        super().stage(title)
        self._show()

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if time.monotonic() - self._drawn >= _NOTEBOOK_INTERVAL:
            self._show()

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        super().fold_done(figures)
        self.refresh()

    def _show(self) -> None:
        notebook: Any = import_module("IPython.display")  # which has no types
        console = Console(
            record=True, file=io.StringIO(), width=_NOTEBOOK_WIDTH, force_jupyter=False
        )
        for line in self._complete:
            console.print(line)
        console.print(self.draw())
        page = notebook.HTML(
            console.export_html(
                inline_styles=True, code_format="<pre style='line-height:1.3'>{code}</pre>"
            )
        )
        if self._output is None:
            self._output = notebook.display(page, display_id=True)
        else:
            self._output.update(page)
        self._drawn = time.monotonic()


class PlainDisplay(Display):
    """A line now and then; for logs and batch jobs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._record: SearchRecord | None = None
        self._views: Sequence[str] = ()
        self._rate = EpochRate()
        self._started = self._spoken = 0.0
        self._folds_done = self._folds_total = 0

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._console.print(f"{title} …")
        self._record = None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._record, self._views = record, views
        self._rate = EpochRate()
        self._started = self._spoken = time.monotonic()

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._record is None or not self._due():
            return
        statuses = [ViewStatus(self._record, view, self._started) for view in self._views]
        for s in statuses:
            self._console.print(
                f"  {s.view}: {s.waiting} trials waiting, {s.running} running, {s.paused} paused, "
                f"{s.done} done, {s.failed} failed; best loss {s.best_text}; "
                f"time left {s.left_text}",
                soft_wrap=True,
            )
        epochs = sum(s.epochs for s in statuses)
        rate = self._rate.count(epochs, time.monotonic())
        speed = "" if rate is None else f", {rate:,.0f} a second"
        self._console.print(f"  {epochs:,} epochs{speed}")

    def folds(self, total: int) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._folds_done, self._folds_total = 0, total
        self._spoken = time.monotonic()

    def fold_done(self, figures: FoldFigures) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._folds_done += 1
        if self._due():
            self._console.print(f"  {self._folds_done}/{self._folds_total} folds done")

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._spoken < _PLAIN_INTERVAL:
            return False
        self._spoken = now
        return True


def default_display() -> Display:
    """What a program's own call shows: the notebook's display in a notebook, nothing elsewhere."""
    console = Console()
    return display_for(console) if console.is_jupyter else Display()


def display_for(console: Console) -> Display:
    """What shows most: a notebook's or a terminal's display, plain lines elsewhere."""
    if console.is_jupyter:
        return NotebookDisplay()
    return LiveDisplay(console) if console.is_terminal else PlainDisplay(console)
