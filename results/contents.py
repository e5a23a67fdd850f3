"""Reads the files of a run, each checked to be what it should be, and to fit those before it.

A file that is missing or damaged is an ``InputError``, whose sentence says what to do.
"""

from collections.abc import Collection
from typing import Any

import pandas as pd

from . import shapes
from .columns import Columns
from .files import damaged, read_json, read_parquet, reading
from .records import ARRIVAL, HISTORY_COLUMNS, TrialRecord, best_trials, trials_from_frame
from .references import REFERENCES
from .run_directory import RunDirectory
from .sweep_file import read_mapping

_RESTORE_SWEEP = "restore the sweep file that the run was started with"


def read_sweep(run: RunDirectory) -> dict[str, Any]:
    """The content of ``sweep.yaml``, as far as results need it.

    Raises:
        InputError: It is missing or damaged; so it is with the functions below.
    """
    raw = read_mapping(run.sweep)
    with reading(run.sweep, _RESTORE_SWEEP):
        shapes.Sweep.model_validate(raw)
    return raw


def _views(run: RunDirectory) -> list[str]:
    """The names of the sweep's views, some of which have samplers with parameters."""
    entries = read_sweep(run)["views"]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def read_environment(run: RunDirectory) -> dict[str, Any]:
    """The content of ``environment.json``."""
    return read_json(run.environment, shapes.Environment)


def read_dataset(run: RunDirectory) -> dict[str, Any]:
    """The content of ``dataset.json``, which has all views of the sweep."""
    dataset = read_json(run.dataset, shapes.Dataset)
    for view in _views(run):
        if view not in dataset["class_counts"]["views"]:
            reason = f"it names the view '{view}', of which {run.dataset.name} has nothing"
            raise damaged(run.sweep, reason, _RESTORE_SWEEP)
    return dataset


def read_trials(run: RunDirectory) -> list[TrialRecord]:
    """The trials of ``trials.parquet``: of all views of the sweep, and of no others."""
    frame = read_parquet(run.trials, Columns(texts=["id", "view"]))
    with reading(run.trials):
        trials = trials_from_frame(frame)
    views = _views(run)
    if set(views) != {trial.view for trial in trials}:
        raise damaged(
            run.sweep,
            f"it names the views {', '.join(views)}, and {run.trials.name} has others",
            _RESTORE_SWEEP,
        )
    for view in views:
        baselines = [t for t in trials if t.view == view and t.stage == "baseline"]
        if not (baselines and best_trials(trials, view, 1)):
            raise damaged(run.trials, f"the view '{view}' has no baseline or no best trial")
    return trials


def read_history(run: RunDirectory) -> pd.DataFrame:
    """The content of ``history.parquet``."""
    epoch, *figures = HISTORY_COLUMNS
    columns = Columns(texts=["trial", "view"], counts=[epoch], numbers=figures, perhaps=[ARRIVAL])
    return read_parquet(run.history, columns)


def read_folds(run: RunDirectory) -> pd.DataFrame:
    """The content of ``cross_validation.parquet``."""
    columns = Columns(
        texts=["trial", "view"],
        counts=["fold", "best_epoch"],
        sizes=["rows"],
        numbers=["val_loss", "val_accuracy", "seconds"],
        perhaps=["metric"],
    )
    return read_parquet(run.cross_validation, columns)


def read_ensemble(run: RunDirectory) -> dict[str, Any]:
    """The content of ``ensemble.json``, whose members are trials that were cross-validated."""
    ensemble = read_json(run.ensemble, shapes.Ensemble)
    validated = set(read_folds(run)["trial"])
    views = {trial.id: trial.view for trial in read_trials(run) if trial.id in validated}
    for member in ensemble["members"]:
        if views.get(member["trial"]) != member["view"]:
            reason = f"no trial '{member['trial']}' of '{member['view']}' was cross-validated"
            raise damaged(run.ensemble, reason)
    return ensemble


def read_summary(run: RunDirectory) -> dict[str, Any]:
    """The content of ``summary.json``."""
    return read_json(run.summary, shapes.Summary)


def read_average(run: RunDirectory, view: str) -> pd.DataFrame | None:
    """The plain average of a view's best trials, from ``predictions/validation.parquet``.

    Returns:
        The columns ``target`` and ``average``, a row for each of the view's validation rows; None
        if no trial of the view told its predictions.
    """
    column = f"average.{view}"
    frame = read_parquet(run.validation_predictions, Columns(counts=["row"], labels=["target"]))
    if column not in frame:
        return None
    own = frame[frame[column].notna()]  # others are other views' own rows
    with reading(run.validation_predictions):
        Columns(labels=["target"], shares=[column])(own)
    return own[["target", column]].set_axis(["target", "average"], axis="columns")


def read_out_of_fold(run: RunDirectory, trials: Collection[str]) -> pd.DataFrame:
    """The content of ``predictions/out_of_fold.parquet``, which has some trials' predictions."""
    columns = Columns(counts=["row"], labels=["target"], numbers=trials)
    return read_parquet(run.oof_predictions, columns)


def read_test(run: RunDirectory) -> pd.DataFrame:
    """The content of ``predictions/test.parquet``."""
    columns = Columns(counts=["row"], labels=["target"], shares=["ensemble", *REFERENCES])
    return read_parquet(run.test_predictions, columns)


def read_test_metric(run: RunDirectory) -> dict[str, Any]:
    """The content of ``predictions/test_metric.json``."""
    return read_json(run.test_metric, shapes.TestMetric)


def read_holdout(run: RunDirectory) -> pd.DataFrame:
    """The content of ``predictions/holdout.parquet``."""
    columns = Columns(counts=["row"], labels=["target"], shares=["ensemble"])
    return read_parquet(run.holdout_predictions, columns)
