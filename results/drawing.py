"""How figures look: colours, empty axes and PNG bytes, without pyplot or global style."""

from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullLocator
from PIL import Image

BLACK, GREY, LIGHT = "#222222", "#767676", "#dddddd"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
"""The colours of Okabe & Ito, "Color Universal Design" (2008), which colour-blind readers tell
apart."""

VIEW_COLOURS = (ORANGE, BLUE, PURPLE, GREEN, SKY, VERMILLION)
"""Of the views in their order, where several stand in one figure."""

WIDTH = 4.8
"""Inches; with 9 pt letters a figure is readable on a telephone and stands twice on a desk."""

_DOTS_PER_INCH = 180
_COLOURS = 128


def new_figure(height: float = 3.6) -> Figure:
    """An empty figure of the report's width; ``height`` in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    return Figure(figsize=(WIDTH, height), layout=layout, facecolor="white")


def new_axes(height: float = 3.6) -> Axes:
    """The only axes of a new figure; ``height`` in inches."""
    return new_figure(height).subplots()


def style_axes(ax: Axes, title: str, x_label: str, y_label: str = "") -> Axes:
    """Gives axes the report's title, labels, letters and grid, and returns them."""
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold", color=BLACK)
    ax.set_xlabel(x_label, fontsize=9, color=BLACK)
    ax.set_ylabel(y_label, fontsize=9, color=BLACK)
    ax.tick_params(which="both", labelsize=9, color=GREY, labelcolor=BLACK)
    ax.grid(color=LIGHT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GREY)
    return ax


def readable_log(axis: Axis, whole: bool = False) -> None:
    """Gives a logarithmic axis round numbers as ticks, also where it spans less than a decade.

    Args:
        axis: Its view is final.
        whole: Whether the numbers are whole ones.
    """
    low, high = axis.get_view_interval()
    ticks: Locator = LogLocator(subs=(1.0, 2.0, 5.0), numticks=30)
    if high < 4 * low:  # too short a range for the round numbers of a logarithmic scale
        ticks = MaxNLocator(6, steps=[1, 2, 5, 10], integer=whole)
    axis.set_major_locator(ticks)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: f"{value:g}")


def figure_of(ax: Axes) -> Figure:
    """The whole figure that holds these axes."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure), "axes of a figure that was cleared"
    return figure


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file of few colours, which is a third as large as one of all."""
    # Not figure.savefig(), which draws everything twice and packs all colours first.
    figure.set_dpi(_DOTS_PER_INCH)
    canvas: Any = FigureCanvasAgg(figure)  # which has no types
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    content = BytesIO()
    few = drawn.quantize(_COLOURS, dither=Image.Dither.NONE)
    few.save(content, format="png", optimize=True)
    return content.getvalue()
