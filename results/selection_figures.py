"""Figures of what follows the search: the spread over folds, and the ensemble's selection."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .drawing import BLACK, BLUE, GREY, VIEW_COLOURS, new_axes, style_axes
from .objective import metric_title


@dataclass(frozen=True)
class FoldLosses:
    """Log loss of one configuration in every fold.

    Attributes:
        trial: Its id.
        view: Its view.
        losses: float64 ndarray of shape (n_folds,), in nats a row, on rows the models never saw.
        mean: Over all rows, so that larger folds count for more.
        accuracy: Over all rows, at a threshold of 0.5.
    """

    trial: str
    view: str
    losses: np.ndarray
    mean: float
    accuracy: float


@dataclass(frozen=True)
class SelectionPath:
    """How what the ensemble is selected by went as members were added.

    Attributes:
        losses: float64 ndarray of shape (n_rounds,), in nats a row, on the rows that the weights
            were selected on.
        metric: The metric that it was selected by, of the same shape; NaN where it was the loss.
        kept: Rounds kept, from 1: those up to the best.
        name: Of the metric; None where it was the loss.
    """

    losses: np.ndarray
    metric: np.ndarray
    kept: int
    name: str | None = None

    @property
    def selected_by(self) -> np.ndarray:
        """The metric, or else the loss."""
        return self.losses if self.name is None else self.metric


def compute_folds(frame: pd.DataFrame) -> tuple[FoldLosses, ...]:
    """The configurations of ``cross_validation.parquet``, lowest mean loss first, ties by id."""
    spreads = [
        FoldLosses(
            str(trial),
            str(rows["view"].iloc[0]),
            rows["val_loss"].to_numpy(np.float64),
            float(np.average(rows["val_loss"], weights=rows["rows"])),
            float(np.average(rows["val_accuracy"], weights=rows["rows"])),
        )
        for trial, rows in frame.groupby("trial")
    ]
    return tuple(sorted(spreads, key=lambda spread: (spread.mean, spread.trial)))


def compute_selection(ensemble: Mapping[str, Any]) -> SelectionPath:
    """The path of ``ensemble.json``."""
    losses = np.asarray(ensemble["path_losses"], np.float64)
    metric = np.asarray(ensemble.get("path_metric", np.full(len(losses), np.nan)), np.float64)
    name = metric_title(ensemble["metric"]) if "metric" in ensemble else None
    return SelectionPath(losses, metric, len(ensemble["path"]), name)


def plot_folds(data: Sequence[FoldLosses], ax: Axes | None = None) -> Axes:
    """Draws the fold losses of every configuration, a row each, with their mean as a bar."""
    ax = style_axes(
        ax or new_axes(1.1 + 0.24 * len(data)),
        "Log loss in every fold (bar: mean)",
        "log loss on rows the models never saw (nats a row)",
    )
    views = list(dict.fromkeys(spread.view for spread in sorted(data, key=lambda s: s.view)))
    colours = {view: VIEW_COLOURS[i % len(VIEW_COLOURS)] for i, view in enumerate(views)}
    for position, spread in enumerate(data):
        ax.plot(
            spread.losses,
            np.full(len(spread.losses), position),
            "o",
            color=colours[spread.view],
            markersize=4.5,
            alpha=0.75,
        )
        ax.plot(spread.mean, position, "|", color=BLACK, markersize=12, markeredgewidth=2)
    ax.set_yticks(range(len(data)), [spread.trial for spread in data])
    ax.set_ylim(len(data) - 0.4, -0.6)
    return ax


def plot_selection(data: SelectionPath, ax: Axes | None = None) -> Axes:
    """Draws the ensemble's figure after every round and marks the round that was kept."""
    ax = style_axes(
        ax or new_axes(),
        "Greedy selection, one member a round",
        "round (members with repetition)",
        "out-of-fold log loss (nats a row)" if data.name is None else f"out-of-fold {data.name}",
    )
    figures = data.selected_by
    rounds = np.arange(1, len(figures) + 1)
    ax.plot(rounds, figures, color=GREY, linewidth=1)
    ax.plot(rounds[: data.kept], figures[: data.kept], color=BLUE, linewidth=2)
    notes = {1: "best configuration alone", data.kept: f"kept: {data.kept}"}
    for number, text in notes.items():
        figure = figures[number - 1]
        ax.plot(number, figure, "o", color=BLUE, markersize=6)
        ax.annotate(
            f"{text}, {figure:.4f}",
            (number, figure),
            (0, 9),
            textcoords="offset points",
            fontsize=9,
            ha="right" if number > len(figures) / 2 else "left",
        )
    ax.margins(y=0.15)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.4f}")
    return ax
