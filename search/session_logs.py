"""A run's leaderboard and report among Ray's logs, where the dashboard shows them."""

from __future__ import annotations

import heapq
import io
import logging
import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from ..cluster.session import log_name
from ..results.files import write_text
from ..results.leaderboard import leaderboard_frame, leaderboard_table
from ..results.records import SearchRecord
from ..results.run_directory import RunDirectory
from ..results.tables import plain_console
from .progress import Display

log = logging.getLogger(__name__)

_INTERVAL = 5.0
"""Seconds between writings."""

_ROWS = 20
_WIDTH = 120


class SessionLogs(Display):
    """Keeps ``evensweep-RUN-leaderboard.txt`` up to date and adds ``evensweep-RUN-report.html``.

    Args:
        run: The run.
        folder: Where the session's logs are; None writes nothing.
    """

    def __init__(self, run: RunDirectory, folder: Path | None) -> None:
        self._run = run
        self._folder = folder
        self._record: SearchRecord | None = None
        self._last = 0.0

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._write()
        self._record = None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        self._record = record
        self._write()

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if time.monotonic() - self._last > _INTERVAL:
            self._write()

    def report(self) -> None:
        """The run has its report."""
        if self._folder is not None and self._run.report.exists():
            try:
                shutil.copyfile(self._run.report, self._path("report.html"))
            except OSError as error:
                log.warning("the report is not among Ray's logs: %s", error)

    def _path(self, name: str) -> Path:
        assert self._folder is not None, "nowhere to write"
        return self._folder / log_name(self._run.name, name)

    def _write(self) -> None:
        if self._folder is None or self._record is None:
            return
        trials = self._record.trials.values()
        # Chosen first, since a frame of ten thousand trials takes its time on Tune's thread.
        best = heapq.nsmallest(_ROWS, trials, key=lambda trial: trial.objective)
        text = io.StringIO()
        table = leaderboard_table(leaderboard_frame(best, {}), len(trials))
        plain_console(file=text, width=_WIDTH).print(table)
        # The dashboard shows many spaces as one, unless they are such that don't break.
        aligned = re.sub(r"(?m)^ | {2,}", lambda spaces: "\u00a0" * len(spaces[0]), text.getvalue())
        try:
            write_text(self._path("leaderboard.txt"), aligned)
        except OSError as error:  # a copy for lookers-on; the run goes on
            log.warning("the leaderboard is not among Ray's logs: %s", error)
        self._last = time.monotonic()
