"""The report's tables as plain values, computed from a run's files and its summary."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .metrics import bootstrap_intervals
from .objective import metric_title
from .records import TrialRecord, best_trials, views_of
from .references import REFERENCES
from .selection_figures import FoldLosses
from .tables import config_text

TEST_METRICS: dict[str, tuple[str, str, Callable[..., float]]] = {
    "roc_auc": ("ROC-AUC", "a positive row stands above a negative one", max),
    "pr_auc": ("PR-AUC", "precision, averaged over recall", max),
    "log_loss": ("log loss", "nats a row; lower is better", min),
    "brier": ("Brier score", "squared error of the probability; lower is better", min),
    "accuracy": ("accuracy", "right calls at the threshold", max),
    "balanced_accuracy": ("balanced accuracy", "mean of both classes' right calls", max),
    "f1": ("F1", "of the positive class, at the threshold", max),
}
"""The test's figures in the report's order: title, explanation, and which is best."""

METRIC = "metric"
"""Key of the figures by a user's own metric."""

STATUS_TITLES = {
    "stopped": "stopped by the scheduler",
    "converged": "ended by early stopping",
    "completed": "trained to the full budget",
    "diverged": "diverged (loss not finite)",
    "failed": "failed with an error",
    "running": "running",
    "paused": "paused at a rung",
    "waiting": "waiting",
}

MODELS = ("ensemble", *reversed(REFERENCES))
"""Models of the test, in the report's order."""


@dataclass(frozen=True)
class Cell:
    """A figure of one model on the test rows; None where a user's metric is not finite.

    Attributes:
        value: As in ``summary.json``.
        low: Lower end of its 95% bootstrap interval.
        high: Upper end.
        best: Whether no model's figure is better, as far as four decimals show.
    """

    value: float | None
    low: float | None
    high: float | None
    best: bool


@dataclass(frozen=True)
class LeaderboardRow:
    """A trial among the best of its view; losses in nats a row, None where there is none.

    Attributes:
        trial: Its record.
        train_loss: At its best epoch, on the view's rows, under dropout, with the L2 penalty.
        gap: The validation loss less it.
        cv_loss: Over all folds.
        config: In words.
    """

    trial: TrialRecord
    train_loss: float | None
    gap: float | None
    cv_loss: float | None
    config: str


@dataclass(frozen=True)
class RungRow:
    """A rung of a bracket.

    Attributes:
        bracket: Its number, from 0.
        epochs: The rung's level.
        views: Of each view, how many trials reached it and the lowest loss there, in nats a row;
            the loss is None where no trial had one.
    """

    bracket: int
    epochs: int
    views: dict[str, tuple[int, float | None]]


def rung_rows(
    trials: Sequence[TrialRecord], history: pd.DataFrame, views: Sequence[str]
) -> list[RungRow]:
    """The rungs of every bracket, with what its trials had reached by them.

    Args:
        trials: All trials; baselines compete at no rung.
        history: Their epochs, as in ``history.parquet``.
        views: In their order.
    """
    searched = pd.DataFrame(
        [(t.id, t.view, t.bracket, t.rung) for t in trials if t.stage == "search" and t.rung],
        columns=["trial", "view", "bracket", "rung"],
    )
    epochs = history[["trial", "epoch", "val_loss"]].merge(searched, on="trial")
    epochs["val_loss"] = epochs["val_loss"].astype(float)
    rows = []
    levels = searched[["bracket", "rung"]].drop_duplicates().itertuples(index=False)
    for bracket, level in sorted(map(tuple, levels)):
        there, by_then = (
            frame[(frame["bracket"] == bracket) & (frame["rung"] >= level)]
            for frame in (searched, epochs)
        )
        counts = there["view"].value_counts()
        lowest = by_then[by_then["epoch"] <= level].groupby("view")["val_loss"].min().dropna()
        cells = {view: (int(counts.get(view, 0)), lowest.to_dict().get(view)) for view in views}
        rows.append(RungRow(int(bracket), int(level), cells))
    return rows


def metrics_of_test(summary: dict[str, Any]) -> dict[str, tuple[str, str, Callable[..., float]]]:
    """:data:`TEST_METRICS`, and the user's own metric, by which the search compared trials.

    Args:
        summary: The content of ``summary.json``, with a test.
    """
    if METRIC not in summary["test"]:
        return TEST_METRICS
    name, mode = summary["search"]["metric"], summary["search"]["mode"]
    words = (
        f"what the search compared trials by; {'higher' if mode == 'max' else 'lower'} is better"
    )
    return {**TEST_METRICS, METRIC: (metric_title(name), words, max if mode == "max" else min)}


def score_intervals(summary: dict[str, Any], frame: pd.DataFrame, seed: int) -> dict[str, Any]:
    """95% intervals of every model's test figures; the ensemble's are the summary's own.

    Args:
        summary: The content of ``summary.json``.
        frame: The content of ``predictions/test.parquet``.
        seed: Of the resampling.

    Returns:
        ``{model: {metric: [low, high]}}``.
    """
    y = frame["target"].to_numpy(np.int64)
    intervals = {"ensemble": summary["test"]["ci95"]}
    for name in REFERENCES:
        figures, p = summary["references"][name], frame[name].to_numpy(np.float64)
        intervals[name] = bootstrap_intervals(y, p, figures["threshold"], seed)
        if METRIC in figures:
            intervals[name][METRIC] = figures["metric_ci95"]
    return intervals


def score_cells(summary: dict[str, Any], intervals: dict[str, Any]) -> dict[str, dict[str, Cell]]:
    """``{metric: {model: cell}}`` for :func:`metrics_of_test` and :data:`MODELS`."""
    figures = {"ensemble": summary["test"], **summary["references"]}
    cells: dict[str, dict[str, Cell]] = {}
    for metric, (_, _, best_of) in metrics_of_test(summary).items():
        values = {model: figures[model][metric] for model in MODELS}
        rounded = {m: round(value, 4) for m, value in values.items() if value is not None}
        best = best_of(rounded.values(), default=None)
        cells[metric] = {}
        for model in MODELS:
            low, high = intervals[model][metric] or (None, None)
            is_best = model in rounded and rounded[model] == best
            cells[metric][model] = Cell(values[model], low, high, is_best)
    return cells


def leaderboard(
    trials: Sequence[TrialRecord],
    history: pd.DataFrame,
    folds: Sequence[FoldLosses],
    view: str,
    count: int = 10,
) -> list[LeaderboardRow]:
    """The view's best trials by what the search compares, best first, and then its baseline.

    Args:
        trials: All trials.
        history: The content of ``history.parquet``.
        folds: Of the configurations that were cross-validated.
        view: The view.
        count: Trials to show, without the baseline.
    """
    baseline = [t for t in trials if t.view == view and t.stage == "baseline"]
    cv_losses = {spread.trial: spread.mean for spread in folds}
    train_losses = history.set_index(["trial", "epoch"])["loss"].to_dict()
    rows = []
    for trial in [*best_trials(trials, view, count), *baseline]:
        loss = train_losses.get((trial.id, trial.best_epoch))
        train_loss = None if loss is None or pd.isna(loss) else float(loss)
        val_loss, config = trial.best_val_loss, config_text(trial.config)
        gap = None if train_loss is None or val_loss is None else val_loss - train_loss
        rows.append(LeaderboardRow(trial, train_loss, gap, cv_losses.get(trial.id), config))
    return rows


def status_counts(trials: Sequence[TrialRecord]) -> dict[str, dict[str, int]]:
    """``{status: {view: trials}}`` of the search, without baselines and statuses nobody has."""
    counts = Counter((trial.status, trial.view) for trial in trials if trial.stage == "search")
    views = views_of(trials)
    return {
        status: {view: counts[status, view] for view in views}
        for status in STATUS_TITLES
        if any(counts[status, view] for view in views)
    }


def error_counts(trials: Sequence[TrialRecord]) -> list[tuple[str, int]]:
    """The errors that ended trials, and how many each ended, most frequent first."""
    return Counter(trial.error for trial in trials if trial.error).most_common()
