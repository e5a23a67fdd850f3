"""A run on disk, opened for reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..results.files import read_json, read_parquet
from ..results.leaderboard import cv_losses, cv_metrics, leaderboard_frame
from ..results.records import SearchRecord, TrialRecord, trials_from_frame
from ..results.run_directory import RunDirectory
from .config import SweepConfig
from .plan import plan_trials

if TYPE_CHECKING:
    from ..trainables.exported import RankingModel


@dataclass(frozen=True)
class Run:
    """A run's results.

    Attributes:
        directory: Where they are; every file's path is an attribute of it, such as ``report``.
    """

    directory: RunDirectory

    @classmethod
    def load(cls, root: Path | str) -> Run:
        """Opens a run directory.

        Raises:
            InputError: There is no run at ``root``.
        """
        return cls(RunDirectory.open(Path(root)))

    @cached_property
    def config(self) -> SweepConfig:
        """The sweep's configuration, with every default filled in."""
        return SweepConfig.from_yaml(self.directory.sweep)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``, whose keys are a contract.

        Raises:
            InputError: The run has no summary yet.
        """
        return read_json(self.directory.summary)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials; while the search runs, with what is known so far."""
        if self.directory.trials.exists():
            return trials_from_frame(read_parquet(self.directory.trials))
        plan = plan_trials(self.config)
        return list(SearchRecord.read(self.directory.search_records, plan).trials.values())

    def __reduce__(self) -> tuple[Any, ...]:
        return Run, (self.directory,)  # not what has been read, such as the networks

    def leaderboard(self) -> pd.DataFrame:
        """The trials, best first and failed ones last; also while the search runs.

        Returns:
            A row a trial, with the columns ``trial``, ``view``, ``stage``, ``status``, ``epochs``,
            ``val_loss`` and ``cv_val_loss`` (nats a row, natural prior), ``val_accuracy``,
            ``error``, and one a hyperparameter; with ``metric`` and ``cv_metric`` where the search
            compares by a metric.
        """
        if not self.directory.cross_validation.exists():
            return leaderboard_frame(self.trials, {})
        folds = read_parquet(self.directory.cross_validation)
        return leaderboard_frame(self.trials, cv_losses(folds), cv_metrics(folds))

    @cached_property
    def model(self) -> RankingModel:
        """The exported model; loading it imports TensorFlow.

        Nothing of it is executed, unless it has layers that are not Keras' own: then the builder's
        module is imported, which the sweep file names.

        Raises:
            InputError: The run has no model yet.
        """
        from ..trainables.exported import load_model

        return load_model(self.directory.model, lambda: self.config.family)


def load_run(root: Path | str) -> Run:
    """Opens a run directory, on any later day; the same as :meth:`Run.load`.

    Args:
        root: The run directory.

    Raises:
        InputError: There is no run at ``root``.
    """
    return Run.load(root)


def open_model(folder: Path) -> tuple[RankingModel, dict[str, Any]]:
    """A run's exported model, and its ``delimiter``, ``header`` and ``balanced_table``.

    Args:
        folder: The run directory, or the folder ``model/`` of one, wherever it is.

    Raises:
        InputError: There is neither.
    """
    from ..trainables.exported import MANIFEST, RankingModel

    if (folder / MANIFEST).is_file():
        model = RankingModel.load(folder)
    else:
        run = Run.load(folder)
        folder, model = run.directory.model, run.model
    manifest = read_json(folder / MANIFEST)
    # Older models don't say how their table was read, nor whether it was balanced first.
    known = {"balanced_table": manifest.get("balanced_table", False), **manifest.get("table", {})}
    return model, {"delimiter": ",", "header": None, **known}
