"""The layout of a run directory: this class owns every path and file name in it."""

import os
import re
import weakref
from pathlib import Path
from typing import ClassVar

from ..datasets.errors import InputError
from ..datasets.locations import Location

STATES = "tune/states"
"""Folder of the trials' states in a run."""


class RunDirectory:
    """Paths of one run; see the README for what each file holds.

    Args:
        root: ``<storage>/<run>``, or a copy of it on this machine; need not exist yet.
        location: Where the run is kept, if ``root`` is a copy. The trials' states are there alone,
            since all nodes of a cluster read and write them.
    """

    _copies: ClassVar[weakref.WeakSet["RunDirectory"]] = weakref.WeakSet()

    def __init__(self, root: Path, location: Location | None = None) -> None:
        if location is not None:
            self._copies.add(self)
        self.root = root
        self.location: Path | Location = location or root
        self.sweep = root / "sweep.yaml"
        self.environment = root / "environment.json"
        self.dataset = root / "dataset.json"
        self.trials = root / "trials.parquet"
        self.history = root / "history.parquet"
        self.cross_validation = root / "cross_validation.parquet"
        self.predictions = root / "predictions"
        self.validation_predictions = self.predictions / "validation.parquet"
        self.oof_predictions = self.predictions / "out_of_fold.parquet"
        self.test_predictions = self.predictions / "test.parquet"
        self.holdout_predictions = self.predictions / "holdout.parquet"
        self.test_metric = self.predictions / "test_metric.json"
        self.folds = root / "folds"
        self.ensemble = root / "ensemble.json"
        self.model = root / "model"
        self.summary = root / "summary.json"
        self.report = root / "report.html"
        self.plots = root / "plots"
        self.tune = root / "tune"
        self.search_records = self.tune / "records.jsonl"
        self.states = self.location / STATES
        self.tensorboard = root / "tensorboard"
        self.log = root / "run.log"
        self.lock = root / ".lock"

    @property
    def name(self) -> str:
        """The run's name, which is the folder's."""
        return self.location.name

    def fold(self, trial: str, fold: int) -> Path:
        """The arrays of one fold model of a configuration."""
        return self.folds / trial / f"fold-{fold:02d}.npz"

    def preprocessor(self, fold: int) -> Path:
        """The preprocessing fitted in a fold."""
        return self.folds / f"preprocessing-{fold:02d}.skops"

    def delete(self, path: Path) -> None:
        """Deletes a file of the run, if it is there, from a copy and from where the run is kept."""
        path.unlink(missing_ok=True)
        if isinstance(self.location, Location):
            (self.location / path.relative_to(self.root)).delete()

    @classmethod
    def with_locations(cls, text: str) -> str:
        """A text about runs' files, which names those of copies where the runs are kept."""
        for run in cls._copies:
            text = re.sub(rf"{re.escape(str(run.root))}/?([\w./-]*)", run._located, text)
        return text

    def _located(self, place: re.Match[str]) -> str:
        return str(self.location / place[1])

    @classmethod
    def open(cls, root: Path) -> "RunDirectory":
        """An existing run.

        Raises:
            InputError: There is no run at ``root``.
        """
        run = cls(real(root))
        if not run.sweep.is_file():
            raise InputError(
                f"{root} is no run directory (it has no sweep.yaml); "
                "give the folder that evensweep run printed"
            )
        return run

    @classmethod
    def create(cls, root: Path) -> "RunDirectory":
        """A new, empty run.

        Raises:
            InputError: Something stands at ``root`` already, or it can't be written.
        """
        run = cls(real(root))
        try:
            run.root.mkdir(parents=True)
        except FileExistsError as error:
            raise InputError(
                f"{root} exists already; choose another --name, or continue it with "
                f"evensweep resume {root}"
            ) from error
        except OSError as error:
            raise InputError(
                f"{root} can't be written ({error.strerror}); choose another --out"
            ) from error
        return run


def real(path: Path) -> Path:
    """The absolute path behind all links; of links in a circle the path itself, and no error."""
    return Path(os.path.realpath(path))
