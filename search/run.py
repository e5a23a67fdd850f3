"""A run on disk, opened for reading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..datasets.errors import InputError
from ..datasets.locations import Location, local_copy, parse_location
from ..results.contents import read_folds, read_summary, read_trials
from ..results.copies import fetch, open_run
from ..results.leaderboard import cv_losses, cv_metrics, leaderboard_frame
from ..results.records import SearchRecord, TrialRecord
from ..results.run_directory import RunDirectory
from .config import SweepConfig
from .plan import plan_trials

if TYPE_CHECKING:
    from ..trainables.exported import RankingModel

_MODEL = re.compile(r"model/.*")
_PREDICTS = re.compile(rf"sweep\.yaml|{_MODEL.pattern}")


@dataclass(frozen=True)
class Run:
    """A run's results.

    Attributes:
        directory: Where they are; every file's path is an attribute of it, such as ``report``. Of a
            run in object storage, a copy of some of them.
    """

    directory: RunDirectory

    @classmethod
    def load(cls, root: Path | Location | str) -> Run:
        """Opens a run directory, by its path or its URI.

        Raises:
            InputError: There is no run at ``root``.
        """
        return cls(open_run(root))

    @cached_property
    def config(self) -> SweepConfig:
        """The sweep's configuration, with every default filled in."""
        return SweepConfig.from_yaml(self.directory.sweep)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``, whose keys are a contract.

        Raises:
            InputError: The run has no summary yet, or it is damaged.
        """
        return read_summary(self.directory)

    @property
    def trials(self) -> list[TrialRecord]:
        """All trials; while the search runs, with what is known so far.

        Raises:
            InputError: A file that tells of them is damaged.
        """
        if self.directory.trials.exists():
            return read_trials(self.directory)
        plan = plan_trials(self.config)
        return list(SearchRecord.read(self.directory.search_records, plan).trials.values())

    def __reduce__(self) -> tuple[Any, ...]:
        # Not what has been read, such as the networks, nor a copy that goes with this process.
        location = self.directory.location
        return (
            (Run.load, (location,)) if isinstance(location, Location) else (Run, (self.directory,))
        )

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
        folds = read_folds(self.directory)
        return leaderboard_frame(self.trials, cv_losses(folds), cv_metrics(folds))

    @cached_property
    def model(self) -> RankingModel:
        """The exported model; loading it imports TensorFlow.

        Nothing of it is executed, unless it has layers that are not Keras' own: then the builder's
        module is imported, which the sweep file names.

        Raises:
            InputError: The run has no model yet, or it is damaged.
        """
        from ..trainables.exported import load_exported

        return load_exported(self.model_folder(), lambda: self.config.family)

    def model_folder(self) -> Path:
        """The exported model's folder on this machine.

        Raises:
            InputError: The run has no model yet.
        """
        from ..trainables.manifest import MANIFEST

        if not self.directory.model.exists():
            fetch(self.directory, _MODEL)
        if not (self.directory.model / MANIFEST).exists():
            raise InputError(
                f"{self.directory.location} has no exported model yet; resume the run first"
            )
        return self.directory.model


def load_run(root: Path | Location | str) -> Run:
    """Opens a run directory, on any later day; the same as :meth:`Run.load`.

    Args:
        root: The run directory, by its path or its URI.

    Raises:
        InputError: There is no run at ``root``.
    """
    return Run.load(root)


def open_model(place: Path | Location | str) -> tuple[RankingModel, dict[str, Any]]:
    """A run's exported model, and its ``delimiter``, ``header`` and ``balanced_table``.

    Args:
        place: The run directory, or the folder ``model/`` of one, wherever it is.

    Raises:
        InputError: There is neither, or the model is damaged.
    """
    from ..trainables.exported import RankingModel
    from ..trainables.manifest import MANIFEST, read_manifest

    folder = parse_location(place)
    if (folder / MANIFEST).exists():
        with local_copy(folder) as copy:
            model, manifest = RankingModel.load(copy), read_manifest(copy)
    else:
        run = Run(open_run(folder, _PREDICTS))
        model, manifest = run.model, read_manifest(run.directory.model)
    # Older models don't say how their table was read, nor whether it was balanced first.
    known = {"balanced_table": manifest.get("balanced_table", False), **manifest.get("table", {})}
    return model, {"delimiter": ",", "header": None, **known}
