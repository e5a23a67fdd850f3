"""All that a run knows of one trial, and how a terminal shows it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from ..datasets.errors import InputError, nearest
from .contents import read_ensemble, read_folds, read_history
from .leaderboard import cv_losses
from .objective import finite_or_none
from .records import HISTORY_COLUMNS, TrialRecord, best_trials
from .report_tables import STATUS_TITLES
from .run_directory import RunDirectory
from .tables import bare_table, four_decimals, titled

_SHOWN_EPOCHS = 20
"""Lines of a trial's history, beside that of its best epoch."""

_FOLD_FIGURES = ("rows", "val_loss", "val_accuracy", "best_epoch", "seconds")
_BLOCKS = "▁▂▃▄▅▆▇█"


def compute_trial(run: RunDirectory, trials: Sequence[TrialRecord], name: str) -> dict[str, Any]:
    """A trial as plain values, as far as the run is.

    Args:
        run: Whose files are read.
        trials: All trials of the run.
        name: Of the trial.

    Returns:
        The fields of :class:`~evensweep.results.records.TrialRecord` but ``arrivals`` and
        ``measured``; ``history`` with a mapping an epoch; ``place`` among ``of`` usable trials of
        its view by what the search compares; ``folds`` with a mapping a fold, ``cv_val_loss``; the
        ``weight`` in the ensemble, 0 if it is no member. What there is none of is None.

    Raises:
        InputError: There is no such trial.
    """
    by_id = {trial.id: trial for trial in trials}
    if name not in by_id:
        hint = nearest(name, by_id) or f"; see evensweep leaderboard {run.location}"
        raise InputError(f"the run {run.name} has no trial '{name}'{hint}")
    trial = by_id[name]
    content = asdict(trial)
    del content["arrivals"], content["measured"]
    history = trial.history
    if run.history.exists():
        frame = read_history(run)
        rows = frame.loc[frame["trial"] == name, list(HISTORY_COLUMNS)]
        history = rows.astype(object).where(rows.notna(), None).to_numpy().tolist()
    content["history"] = [dict(zip(HISTORY_COLUMNS, row, strict=True)) for row in history]
    ranked = [t.id for t in best_trials(trials, trial.view, len(trials))]
    content["place"] = ranked.index(name) + 1 if name in ranked else None
    content["of"] = len(ranked)
    content["folds"] = content["cv_val_loss"] = content["weight"] = None
    if run.cross_validation.exists():
        folds = read_folds(run)
        folds = folds[folds["trial"] == name].sort_values("fold")
        if len(folds):
            figures = folds[["fold", *_FOLD_FIGURES]].astype(object)
            content["folds"] = figures.where(figures.notna(), None).to_dict("records")
            content["cv_val_loss"] = finite_or_none(cv_losses(folds)[name])
    if run.ensemble.exists():
        weights = {m["trial"]: m["weight"] for m in read_ensemble(run)["members"]}
        content["weight"] = weights.get(name, 0.0)
    return content


def trial_page(content: dict[str, Any]) -> RenderableType:
    """What :func:`compute_trial` gives, for a terminal."""
    parts: list[RenderableType] = [_headline(content)]
    if content["error"]:
        parts.append(Text(content["error"], style="red"))
    table = bare_table()
    table.show_header = False
    table.add_column("")
    table.add_column("")
    for key, value in content["config"].items():
        words = f"{value:.6g}" if isinstance(value, float) else str(value)
        table.add_row(Text(f"  {key}  "), Text(words))
    parts.append(titled("Hyperparameters", table))
    if content["history"]:
        parts.append(_history(content))
    if content["folds"]:
        parts.append(_folds(content))
    return Group(*parts)


def _headline(content: dict[str, Any]) -> Text:
    what = "baseline" if content["stage"] == "baseline" else "trial"
    text = Text.assemble(
        (content["id"], "bold"),
        f": {what} of the view {content['view']}, seed {content['seed']}\n",
        f"{STATUS_TITLES[content['status']]}; {content['epochs']} epochs in "
        f"{content['seconds']:.1f} s of training\n",
    )
    if content["best_val_loss"] is not None:
        metric = "" if content["best_metric"] is None else f", metric {content['best_metric']:.4f}"
        text.append(
            f"best at epoch {content['best_epoch']}: log loss {content['best_val_loss']:.4f}, "
            f"accuracy {_percent(content['best_val_accuracy'])}{metric} on the validation rows"
        )
        if content["place"] is not None:
            text.append(f", place {content['place']} of {content['of']}")
        text.append("\n")
    if content["cv_val_loss"] is not None:
        text.append(f"k-fold log loss {content['cv_val_loss']:.4f}\n")
    if content["weight"]:
        text.append(f"weight in the ensemble {content['weight']:.1%}\n")
    return text


def _history(content: dict[str, Any]) -> RenderableType:
    rows = content["history"]
    shown = np.unique(np.linspace(0, len(rows) - 1, min(_SHOWN_EPOCHS, len(rows))).round())
    best = [number for number, row in enumerate(rows) if row["epoch"] == content["best_epoch"]]
    numbers = sorted({*shown.astype(int).tolist(), *best})
    table = bare_table()
    for title in ("epoch", "loss", "accuracy", "validation loss", "accuracy"):
        table.add_column(f"  {title}", justify="right")
    for number in numbers:
        row = rows[number]
        table.add_row(
            f"{row['epoch']:.0f}",
            *(four_decimals(row[key]) for key in HISTORY_COLUMNS[1:]),
            style="bold" if number in best else "",
        )
    heading = Text.assemble(
        "Epochs, the best one bold; validation loss ",
        (_sparkline([row["val_loss"] for row in rows]), "cyan"),
    )
    return Group(heading, table)


def _folds(content: dict[str, Any]) -> RenderableType:
    table = bare_table()
    for title in ("fold", "rows", "log loss", "accuracy", "best epoch"):
        table.add_column(f"  {title}", justify="right")
    for fold in content["folds"]:
        table.add_row(
            str(fold["fold"]),
            f"{fold['rows']:,}",
            four_decimals(fold["val_loss"]),
            _percent(fold["val_accuracy"]),
            str(fold["best_epoch"]),
        )
    return titled("Folds, each judged on rows that its network never saw", table)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _sparkline(values: Sequence[float | None], width: int = 40) -> str:
    """Values as a row of blocks; of more than ``width``, as many at even distances."""
    finite = np.array([np.nan if value is None else value for value in values])
    finite = finite[np.unique(np.linspace(0, len(finite) - 1, min(width, len(finite))).astype(int))]
    if np.isnan(finite).all():
        return ""
    low, high = np.nanmin(finite), np.nanmax(finite)
    heights = (finite - low) / (high - low or 1) * (len(_BLOCKS) - 1)
    return "".join(" " if np.isnan(h) else _BLOCKS[round(h)] for h in heights)
