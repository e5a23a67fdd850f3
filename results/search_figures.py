"""Figures of the search: a view's stages, the trials' losses by epoch, the best by wall time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .drawing import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    SKY,
    VERMILLION,
    VIEW_COLOURS,
    new_axes,
    readable_log,
    style_axes,
)
from .records import ARRIVAL, UNUSABLE, TrialRecord, best_trials
from .tables import STAGE_TITLES

_DASHES = ("-", "--", ":", "-.")
"""Of the views' lines, which tell them apart in a grey print too."""

STAGE_METRICS = {"val_loss": "log loss (nats a row)", "val_accuracy": "accuracy"}
"""What the stages are measured in, with the axis label."""


@dataclass(frozen=True)
class StageFigures:
    """What each stage reached on one view.

    Attributes:
        view: The view.
        stages: Keys of :data:`~evensweep.results.tables.STAGE_TITLES`, in order.
        val_loss: float64 ndarray of shape (n_stages,), in nats a row; NaN if there is none.
        val_accuracy: The same shape, from 0 to 1.
    """

    view: str
    stages: tuple[str, ...]
    val_loss: np.ndarray
    val_accuracy: np.ndarray


@dataclass(frozen=True)
class TrialCurve:
    """Validation loss of one trial, epoch by epoch.

    Attributes:
        trial: Its id.
        stage: ``baseline`` or ``search``.
        status: How it ended.
        epochs: int64 ndarray of shape (n_epochs,), from 1; epochs without a finite loss left out.
        val_loss: float64 ndarray of shape (n_epochs,), in nats a row.
    """

    trial: str
    stage: str
    status: str
    epochs: np.ndarray
    val_loss: np.ndarray


@dataclass(frozen=True)
class SearchCurves:
    """All trials of a view.

    Attributes:
        view: The view.
        best: Id of the search's best trial; None if none reached a finite loss.
        trials: Those with a finite epoch, baseline included.
    """

    view: str
    best: str | None
    trials: tuple[TrialCurve, ...]


@dataclass(frozen=True)
class BestSoFar:
    """The lowest validation loss of a view's trials, as time went by.

    Attributes:
        view: The view.
        search_seconds: When a lower one arrived, since the search began, in all its sessions;
            float64 ndarray of shape (n_improvements,), ascending.
        val_loss: float64 ndarray of the same shape, in nats a row, descending.
        last: When the view's last figures arrived.
    """

    view: str
    search_seconds: np.ndarray
    val_loss: np.ndarray
    last: float


def compute_stages(rows: Sequence[dict[str, Any]], view: str) -> StageFigures:
    """Picks a view's stages from ``stages`` of ``summary.json``."""
    figures = {row["stage"]: row for row in rows if row["view"] == view}
    stages = tuple(stage for stage in STAGE_TITLES if stage in figures)
    loss, accuracy = (
        np.array([figures[stage][metric] for stage in stages], np.float64)
        for metric in STAGE_METRICS
    )
    return StageFigures(view, stages, loss, accuracy)


def compute_search(trials: Sequence[TrialRecord], history: pd.DataFrame, view: str) -> SearchCurves:
    """Picks a view's curves from the search's tables.

    Args:
        trials: All trials.
        history: A row an epoch of a trial, as in ``history.parquet``.
        view: The view.
    """
    finite = history[np.isfinite(history["val_loss"].astype(float))]
    epochs = {str(trial): rows for trial, rows in finite.groupby("trial")}
    best = best_trials(trials, view, 1)
    return SearchCurves(
        view,
        best[0].id if best else None,
        tuple(
            TrialCurve(
                trial.id,
                trial.stage,
                trial.status,
                epochs[trial.id]["epoch"].to_numpy(np.int64),
                epochs[trial.id]["val_loss"].to_numpy(np.float64),
            )
            for trial in trials
            if trial.view == view and trial.id in epochs
        ),
    )


def compute_best_so_far(
    trials: Sequence[TrialRecord], history: pd.DataFrame, views: Sequence[str]
) -> list[BestSoFar]:
    """How fast each view's search went down, without the baseline and trials that failed later.

    Args:
        trials: All trials.
        history: A row an epoch of a trial, as in ``history.parquet``.
        views: The views; those without a figure whose time is known are left out.
    """
    if ARRIVAL not in history:  # of a run of an older version
        return []
    usable = {t.id for t in trials if t.stage == "search" and t.status not in UNUSABLE}
    known = history[history["trial"].isin(usable)].dropna(subset=[ARRIVAL, "val_loss"])
    found = []
    for view in views:
        arrived = known[known["view"] == view].groupby(ARRIVAL)["val_loss"].min()
        if arrived.empty:
            continue
        losses = arrived.to_numpy(np.float64)
        lower = losses < np.concatenate([[np.inf], np.minimum.accumulate(losses)[:-1]])
        seconds = arrived.index.to_numpy(np.float64)
        found.append(BestSoFar(view, seconds[lower], losses[lower], float(seconds[-1])))
    return found


def plot_best_so_far(data: Sequence[BestSoFar], ax: Axes | None = None) -> Axes:
    """Draws each view's lowest loss against the time of the search, a staircase a view."""
    longest = max(view.last for view in data)
    seconds, unit = next(
        (length, name)
        for length, name in ((3600, "hours"), (60, "minutes"), (1, "seconds"))
        if longest >= 3 * length or length == 1
    )
    ax = style_axes(
        ax or new_axes(),
        "Best loss against wall time",
        f"{unit} since the search began",
        "validation log loss (nats a row)",
    )
    for number, view in enumerate(data):
        colour = VIEW_COLOURS[number % len(VIEW_COLOURS)]
        times = np.append(view.search_seconds, view.last) / seconds
        losses = np.append(view.val_loss, view.val_loss[-1])
        ax.step(times, losses, where="post", color=colour, linewidth=2,
                linestyle=_DASHES[number % len(_DASHES)],
                label=f"{view.view}: {losses[-1]:.4f}")  # fmt: skip
        ax.plot(times[:-1], losses[:-1], "o", color=colour, markersize=4)
    ax.set_xlim(left=0)
    ax.set_yscale("log")
    readable_log(ax.yaxis)
    ax.legend(loc="upper right", fontsize=8)
    return ax


def plot_stages(
    data: StageFigures,
    metric: str,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws one metric of a view's stages as labelled points.

    Args:
        data: The stages.
        metric: A key of :data:`STAGE_METRICS`.
        limits: Ends of the x axis, so that views can be compared.
        ax: Where to draw; None for new axes.
    """
    better = "left" if metric == "val_loss" else "right"
    ax = style_axes(ax or new_axes(2.0), "", f"{STAGE_METRICS[metric]}, better to the {better}")
    values: np.ndarray = getattr(data, metric)
    for position, (stage, value) in enumerate(zip(data.stages, values, strict=True)):
        if not np.isfinite(value):
            continue
        unseen = stage == "cross_validation"
        ax.plot(value, position, "D" if unseen else "o", color=ORANGE if unseen else BLUE, ms=7)
        text = f"{value:.4f}" if metric == "val_loss" else f"{value:.1%}"
        ax.annotate(
            text, (value, position), (0, 6), textcoords="offset points", ha="center", fontsize=9
        )
    ax.set_yticks(range(len(data.stages)), [STAGE_TITLES[stage] for stage in data.stages])
    # Room above the first label, and the first stage on top.
    ax.set_ylim(len(data.stages) - 0.5, -0.8)
    ax.margins(x=0.15)
    if limits is not None:
        ax.set_xlim(limits)
    ax.locator_params(axis="x", nbins=5)
    if metric == "val_accuracy":
        ax.xaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    return ax


def stage_limits(views: Sequence[StageFigures], metric: str) -> tuple[float, float] | None:
    """Ends of an x axis that holds one metric of all views; None if there is no figure."""
    values = np.concatenate([getattr(view, metric) for view in views])
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = float(values.min()), float(values.max())
    room = 0.15 * (high - low) or 0.01
    return low - room, high + room


def plot_search(data: SearchCurves, ax: Axes | None = None) -> Axes:
    """Draws every trial's validation loss; the best trial and the baseline stand out."""
    ax = style_axes(
        ax or new_axes(),
        f"Validation loss of every trial: {data.view}",
        "epochs (logarithmic)",
        "validation log loss (nats a row)",
    )
    named = set()
    for curve in sorted(data.trials, key=lambda curve: _prominence(curve, data.best)):
        rank = _prominence(curve, data.best)
        label, colour, width = [
            ("stopped early by the scheduler", GREY, 0.8),
            ("trained to its end", SKY, 1.2),
            ("diverged or failed", VERMILLION, 1.0),
            ("baseline", BLACK, 1.6),
            (f"best: {curve.trial}", BLUE, 2.2),
        ][rank]
        ax.plot(
            curve.epochs,
            curve.val_loss,
            color=colour,
            linewidth=width,
            alpha=0.7 if rank < 2 else 1.0,
            linestyle="--" if rank == 3 else "-",
            label=None if label in named else label,
        )
        named.add(label)
        ended_badly = curve.status in {"diverged", "failed"}
        ax.plot(
            curve.epochs[-1:],
            curve.val_loss[-1:],
            "x" if ended_badly else "o",
            color=VERMILLION if ended_badly else colour,
            markersize=5 if ended_badly or rank > 2 else 2.5,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    readable_log(ax.xaxis, whole=True)
    readable_log(ax.yaxis)
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles[::-1], labels[::-1], loc="upper right", fontsize=8)
    return ax


def _prominence(curve: TrialCurve, best: str | None) -> int:
    """Which of the five kinds of line a trial gets; higher ones are drawn later, on top."""
    if curve.trial == best:
        return 4
    if curve.stage == "baseline":
        return 3
    if curve.status in {"diverged", "failed"}:
        return 2
    return 1 if curve.status in {"completed", "converged"} else 0
