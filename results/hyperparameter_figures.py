"""Figures of the hyperparameters: parallel coordinates, slices, importance."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .drawing import BLACK, BLUE, GREY, LIGHT, new_axes, new_figure, readable_log, style_axes
from .hyperparameters import Configurations, Importance

_COLOURS = colormaps["cividis_r"]
"""From yellow to blue in even steps of lightness, also for colour-blind readers and in grey."""

_COLUMNS = 2


def plot_parallel(data: Configurations, ax: Axes | None = None) -> Axes:
    """Draws a line a trial from its hyperparameters, a row each, down to its loss.

    Args:
        data: At least one trial and one hyperparameter.
        ax: Where to draw; None for new axes.
    """
    rows = data.hyperparameters
    ax = ax or new_axes(1.4 + 0.5 * len(rows))
    ax.set_title(f"Every trial: {data.view}\n", loc="left", fontsize=10, fontweight="bold")
    order = np.argsort(-data.losses, kind="stable")
    # The losses at even distances, or all the good ones would lie on one another.
    ranks = np.argsort(order[::-1]) / max(len(order) - 1, 1)
    places = np.array([*(row.places for row in rows), ranks])
    colours = _COLOURS(np.linspace(0, 1, len(order)))
    for colour, trial in zip(colours, order, strict=True):
        best = trial == order[-1]
        ax.plot(
            places[:, trial],
            range(len(places)),
            color=BLACK if best else colour,
            linewidth=2.0 if best else 0.8,
            alpha=1.0 if best else 0.7,
            label=f"best: {data.trials[trial]}" if best else None,
        )
    for position, row in enumerate(rows):
        known = row.values[~np.isnan(row.values)]
        ends = range(len(row.words)) if row.words else (known.min(), known.max())
        _ends(ax, position, [row.label(value) for value in ends])
    _ends(ax, len(rows), [f"{loss:.4g}" for loss in (data.losses.min(), data.losses.max())])
    ax.set_yticks(range(len(places)), [*(row.name for row in rows), "loss, by rank"], fontsize=9)
    ax.tick_params(axis="y", length=0, labelcolor=BLACK)
    ax.set_xticks([])
    ax.set_xlim(-0.08, 1.08)
    ax.set_ylim(len(rows) + 0.6, -0.3)
    ax.spines[:].set_visible(False)
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), fontsize=8, frameon=False, borderpad=0)
    return ax


def _ends(ax: Axes, position: int, labels: Sequence[str]) -> None:
    """Draws a row's line and, below it, values at even distances."""
    ax.axhline(position, color=GREY, linewidth=0.8, zorder=0)
    for number, label in enumerate(labels):
        ax.annotate(
            label,
            (number / max(len(labels) - 1, 1), position),
            (0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=8,
            color=BLACK,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5},
        )


def plot_slices(data: Configurations) -> Figure:
    """Draws every trial's loss against each hyperparameter, and how far it was trained."""
    count = len(data.hyperparameters)
    rows = -(-count // _COLUMNS)
    figure = new_figure(0.7 + 1.65 * rows)
    panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
    epochs = np.maximum(data.epochs, 1)
    norm = LogNorm(epochs.min(), max(epochs.max(), epochs.min() + 1))
    best = np.argmin(data.losses)
    points = None
    for ax in panels.flat[count:]:
        ax.remove()
    used = list(panels.flat[:count])
    for number, (ax, each) in enumerate(zip(used, data.hyperparameters, strict=True)):
        left = number % _COLUMNS == 0
        style_axes(ax, "", each.name, "log loss" if left else "")
        points = ax.scatter(
            each.values,
            data.losses,
            c=epochs,
            cmap=_COLOURS,
            norm=norm,
            s=14,
            edgecolors=GREY,
            linewidths=0.3,
        )
        ax.plot(each.values[best], data.losses[best], "o", mfc="none", mec=BLACK, ms=9, mew=1.5,
                clip_on=False)  # fmt: skip
        if each.words:
            ax.set_xticks(range(len(each.words)), each.words)
            ax.set_xlim(-0.5, len(each.words) - 0.5)
        elif each.log:
            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(numticks=5))
            ax.xaxis.set_minor_locator(NullLocator())
            ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        else:
            whole = bool((each.values % 1 == 0).all())
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=whole))
        ax.tick_params(labelsize=8)
    panels[0, 0].set_yscale("log")
    readable_log(panels[0, 0].yaxis)
    figure.suptitle(f"Loss by hyperparameter: {data.view}", x=0.02, ha="left", fontsize=10,
                    fontweight="bold")  # fmt: skip
    if points is not None:
        bar = figure.colorbar(points, ax=used, location="bottom", aspect=40, pad=0.02)
        bar.set_label("epochs trained (circle: best trial)", fontsize=9)
        bar.ax.tick_params(labelsize=8)
        bar.ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=10))
        bar.ax.xaxis.set_minor_locator(NullLocator())
        bar.ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return figure


def plot_importance(data: Importance, ax: Axes | None = None) -> Axes:
    """Draws by how much R² falls without each hyperparameter, the most important on top."""
    ax = style_axes(
        ax or new_axes(1.1 + 0.26 * len(data.names)),
        "What the order of the trials hangs on",
        "fall of R² when it is shuffled (line: ± standard deviation)",
    )
    order = np.argsort(-data.shares, kind="stable")
    ax.axvline(0, color=GREY, linewidth=1)
    ax.barh(range(len(order)), data.shares[order], color=LIGHT, height=0.55, zorder=1)
    ax.errorbar(
        data.shares[order], range(len(order)), xerr=data.errors[order], fmt="o", color=BLUE, ms=5
    )
    ax.set_yticks(range(len(order)), [data.names[number] for number in order])
    ax.set_ylim(len(order) - 0.5, -0.5)
    return ax
