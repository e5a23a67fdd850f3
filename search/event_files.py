"""A search's epochs and hyperparameters as TensorBoard reads them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..results.contents import read_history, read_trials
from ..results.records import HISTORY_COLUMNS, SearchRecord, TrialRecord
from ..results.run_directory import RunDirectory
from .progress import Display

_INTERVAL = 5.0
"""Seconds between writings; TensorBoard itself looks for news more rarely."""

BEST = "best_val_loss"
"""Tag of the metric that the HParams page can sort by."""


class EventFiles(Display):
    """Writes event files while a search runs: a folder a trial.

    Args:
        folder: Is replaced when the search starts or goes on, since the record has all that was in
            it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record: SearchRecord | None = None
        self._last = 0.0
        self._written: dict[str, float] = {}

    def stage(self, title: str) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._record is not None:
            self.write(self._record.trials.values())
        self._record = None

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        _remove(self._folder)
        self._record, self._written = record, {}

    def refresh(self) -> None:
        """See :class:`~evensweep.search.progress.Display`."""
        if self._record is not None and time.monotonic() - self._last > _INTERVAL:
            self.write(self._record.trials.values())
            self._last = time.monotonic()

    def write(self, trials: Iterable[TrialRecord]) -> None:
        """Adds the epochs that are not written yet; each trial's records have its history."""
        for trial in trials:
            known = self._written.get(trial.id, 0)
            rows = [row for row in trial.history if (row[0] or 0) > known]
            if rows:
                self._add(trial, rows, first=known == 0)
                self._written[trial.id] = rows[-1][0] or 0

    def _add(self, trial: TrialRecord, rows: Sequence[Sequence[float | None]], first: bool) -> None:
        from tensorboardX import SummaryWriter
        from tensorboardX.summary import hparams

        # A file for every step of a trial, since ten thousand can't stay open. Their names tell
        # TensorBoard the order.
        suffix = f".{rows[0][0]:06.0f}"
        with SummaryWriter(str(self._folder / trial.id), filename_suffix=suffix) as writer:
            if first:
                for summary in hparams({"view": trial.view, **trial.config}, {BEST: None}):
                    writer.file_writer.add_summary(summary)
            for epoch, *figures in rows:
                for tag, value in zip(HISTORY_COLUMNS[1:], figures, strict=True):
                    if value is not None:
                        writer.add_scalar(tag, value, int(epoch or 0))
            if trial.best_val_loss is not None:
                writer.add_scalar(BEST, trial.best_val_loss, int(rows[-1][0] or 0))
            if trial.best_metric is not None:
                writer.add_scalar("best_metric", trial.best_metric, int(rows[-1][0] or 0))


def write_finished(run: RunDirectory) -> None:
    """Writes the event files of a search that is complete, from the run's tables."""
    trials = {trial.id: trial for trial in read_trials(run)}
    frame = read_history(run)
    frame = frame[frame["trial"].isin(trials)]
    rows = frame[list(HISTORY_COLUMNS)].astype(object).where(frame.notna(), None)
    for name, row in zip(frame["trial"], rows.to_numpy().tolist(), strict=True):
        trials[name].history.append(row)
    _remove(run.tensorboard)
    EventFiles(run.tensorboard).write(trials.values())


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
