"""A run on disk, opened for reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..datasets.errors import InputError
from ..results.files import read_json, read_parquet
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
        directory: Where they are.
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
        """The content of ``summary.json``.

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

    def leaderboard(self) -> pd.DataFrame:
        """A row a trial that has a validation loss, best first, with its k-fold loss if it has one.

        Columns: trial, view, stage, status, epochs, val_loss, val_accuracy, cv_val_loss, error, and
        a column a hyperparameter. Failed trials come last, with their error.
        """
        rows = [
            {
                "trial": t.id,
                "view": t.view,
                "stage": t.stage,
                "status": t.status,
                "epochs": t.epochs,
                "val_loss": t.best_val_loss,
                "val_accuracy": t.best_val_accuracy,
                "error": t.error,
                **t.config,
            }
            for t in self.trials
            if t.best_val_loss is not None or t.error is not None
        ]
        columns = [
            "trial",
            "view",
            "stage",
            "status",
            "epochs",
            "val_loss",
            "val_accuracy",
            "error",
        ]
        frame = pd.DataFrame(rows, columns=None if rows else columns)
        cv_losses: dict[Any, Any] = {}
        if self.directory.cross_validation.exists():
            folds = read_parquet(self.directory.cross_validation)
            weighted = (folds["val_loss"] * folds["rows"]).groupby(folds["trial"]).sum()
            cv_losses = (weighted / folds.groupby("trial")["rows"].sum()).to_dict()
        position = int(frame.columns.get_loc("val_loss")) + 1  # type: ignore[arg-type]
        frame.insert(position, "cv_val_loss", frame["trial"].map(cv_losses).astype(float))
        return frame.sort_values(["val_loss", "trial"], na_position="last", ignore_index=True)

    @cached_property
    def model(self) -> RankingModel:
        """The exported model; loading it imports TensorFlow.

        Nothing of it is executed, unless it has layers that are not Keras' own: then the builder's
        module is imported, which the sweep file names.

        Raises:
            InputError: The run has no model yet.
        """
        from ..trainables.builder import is_builder
        from ..trainables.exported import RankingModel
        from ..trainables.family import load_family

        try:
            return RankingModel.load(self.directory.model)
        except InputError:
            if not (self.directory.model.is_dir() and is_builder(self.config.trainable)):
                raise
        load_family(self.config.family)  # the builder's module may register the layers it lacks
        return RankingModel.load(self.directory.model)


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
