"""How figures look: colours, empty axes and PNG bytes, without pyplot or global style."""

from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

BLACK, GREY, LIGHT = "#222222", "#767676", "#dddddd"
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
"""The colours of Okabe & Ito, "Color Universal Design" (2008), which colour-blind readers tell
apart."""

WIDTH = 4.8
"""Inches; with 9 pt letters a figure is readable on a telephone and stands twice on a desk."""

_DOTS_PER_INCH = 180


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


def png_bytes(ax: Axes) -> bytes:
    """The whole figure that holds these axes, as a PNG file."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes of a figure that was cleared"
    content = BytesIO()
    figure.savefig(content, format="png", dpi=_DOTS_PER_INCH)
    return content.getvalue()
