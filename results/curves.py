"""Curves of a model on the test rows: ROC, precision-recall, threshold, calibration and gains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from .calibration import CalibrationBins
from .decisions import GainsCurve, ThresholdCurve
from .drawing import BLUE, GREEN, GREY, VERMILLION, new_axes, style_axes
from .tables import REFERENCE_TITLES

_STYLES = {
    "ensemble": (BLUE, "-", 2.0),
    "gradient_boosting": (VERMILLION, "--", 1.4),
    "logistic_regression": (GREEN, ":", 1.8),
}
"""Colour, dashes and width of each model's line: dashes tell them apart in a grey print too."""

CURVE_MODELS = tuple(_STYLES)
"""Models that get curves; the majority class gives every row the same probability."""


@dataclass(frozen=True)
class RocCurve:
    """Receiver operating characteristic.

    Attributes:
        false_positive_rate: float64 ndarray of shape (n_thresholds,), ascending from 0 to 1.
        true_positive_rate: The same shape.
        area: ROC-AUC.
    """

    false_positive_rate: np.ndarray
    true_positive_rate: np.ndarray
    area: float


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision at every recall.

    Attributes:
        recall: float64 ndarray of shape (n_thresholds,), descending to 0.
        precision: The same shape.
        area: Average precision, which ``summary.json`` calls PR-AUC.
    """

    recall: np.ndarray
    precision: np.ndarray
    area: float


def compute_roc(y: np.ndarray, probabilities: np.ndarray) -> RocCurve:
    """The ROC curve of one model.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        probabilities: Of class 1, ndarray of shape (n_rows,).
    """
    false_positive_rate, true_positive_rate, _ = roc_curve(y, probabilities)
    return RocCurve(false_positive_rate, true_positive_rate, float(roc_auc_score(y, probabilities)))


def compute_precision_recall(y: np.ndarray, probabilities: np.ndarray) -> PrecisionRecallCurve:
    """The precision-recall curve of one model; arguments as in :func:`compute_roc`."""
    precision, recall, _ = precision_recall_curve(y, probabilities)
    return PrecisionRecallCurve(recall, precision, float(average_precision_score(y, probabilities)))


def plot_roc(curves: Mapping[str, RocCurve], ax: Axes | None = None) -> Axes:
    """Draws the ROC curves of some of :data:`CURVE_MODELS`."""
    ax = style_axes(
        ax or new_axes(),
        "ROC: positives found against false alarms",
        "false positive rate (share of negatives called)",
        "true positive rate (share of positives found)",
    )
    for name, curve in curves.items():
        _line(ax, name, curve.false_positive_rate, curve.true_positive_rate, f"{curve.area:.3f}")
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="by chance 0.500")
    ax.legend(loc="lower right", fontsize=9, title="area (ROC-AUC)", title_fontsize=9)
    return _square(ax)


def plot_precision_recall(
    curves: Mapping[str, PrecisionRecallCurve], positive_rate: float, ax: Axes | None = None
) -> Axes:
    """Draws precision-recall curves; ``positive_rate`` is what calling at random would reach."""
    ax = style_axes(
        ax or new_axes(),
        "Precision at every recall",
        "recall (share of positives found)",
        "precision (share of calls that are right)",
    )
    for name, curve in curves.items():
        _line(ax, name, curve.recall, curve.precision, f"{curve.area:.3f}", steps=True)
    label = f"by chance {positive_rate:.3f}"
    ax.axhline(positive_rate, color=GREY, linewidth=1, label=label)
    ax.legend(loc="lower left", fontsize=9, title="area (PR-AUC)", title_fontsize=9)
    return _square(ax)


def plot_thresholds(
    data: ThresholdCurve, chosen: float, words: str, ax: Axes | None = None
) -> Axes:
    """Draws precision, recall and F1 by threshold.

    Args:
        data: Of one model.
        chosen: The threshold it has.
        words: What that was chosen for.
        ax: Where to draw; None for new axes.
    """
    ax = style_axes(
        ax or new_axes(), "What another threshold would do", "threshold (probability)", "share"
    )
    lines = {
        "precision (calls that are right)": (data.precision, BLUE, "--"),
        "recall (positives found)": (data.recall, VERMILLION, ":"),
        "F1": (data.f1, GREEN, "-"),
    }
    for title, (values, colour, dashes) in lines.items():
        ax.plot(data.threshold, values, color=colour, linestyle=dashes, linewidth=1.8, label=title)
    end = min(1.0, 1.05 * float(data.threshold.max()))
    if chosen <= 1:
        ax.axvline(chosen, color=GREY, linewidth=1.2, label=f"chosen {words}: {chosen:.3f}")
        end = max(end, min(1.0, 1.05 * chosen))
    ax.legend(loc="best", fontsize=8)
    ax.set_xlim(0, end)
    ax.set_ylim(-0.01, 1.02)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return ax


def plot_calibration(bins: Mapping[str, CalibrationBins], ax: Axes | None = None) -> Axes:
    """Draws observed against predicted probability, with intervals for the ensemble."""
    ax = style_axes(
        ax or new_axes(),
        "Calibration: is 30% said when 30% come?",
        "predicted probability (mean of a bin)",
        "observed share of positives",
    )
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="perfect")
    for name, data in bins.items():
        _line(ax, name, data.predicted, data.observed, marker="o")
        if name == "ensemble":
            colour, _, _ = _STYLES[name]
            ax.vlines(data.predicted, data.low, data.high, color=colour, linewidth=1.2)
    ax.legend(loc="upper left", fontsize=9)
    # With rare positives all bins may lie near 0.
    end = min(1.0, 1.1 * max(max(data.predicted.max(), data.high.max()) for data in bins.values()))
    return _square(ax, end)


def plot_gains(
    curves: Mapping[str, GainsCurve], positive_rate: float, ax: Axes | None = None
) -> Axes:
    """Draws cumulative gains between the best possible and a random order."""
    ax = style_axes(
        ax or new_axes(),
        "Cumulative gains: working down the ranked list",
        "share of rows taken, highest probability first",
        "share of all positives found",
    )
    perfect_at = max(positive_rate, 1e-12)
    ax.plot([0, perfect_at, 1], [0, 1, 1], color=GREY, linewidth=1, dashes=(1, 1), label="perfect")
    for name, curve in curves.items():
        _line(ax, name, curve.rows, curve.found)
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="by chance")
    ax.legend(loc="lower right", fontsize=9)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return _square(ax)


def plot_lift(curves: Mapping[str, GainsCurve], ax: Axes | None = None) -> Axes:
    """Draws by how many times the likeliest rows hold more positives than rows at random."""
    ax = style_axes(
        ax or new_axes(),
        "Lift: how many times as many as at random",
        "share of rows taken, highest probability first",
        "lift (times)",
    )
    for name, curve in curves.items():
        _line(ax, name, curve.rows[1:], curve.lift[1:])
    ax.axhline(1, color=GREY, linewidth=1, label="by chance")
    ax.legend(loc="upper right", fontsize=9)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_xlim(0, 1.01)
    ax.set_ylim(bottom=0)
    return ax


def _line(
    ax: Axes,
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    figure: str = "",
    *,
    steps: bool = False,
    marker: str = "",
) -> None:
    colour, dashes, width = _STYLES[name]
    ax.plot(
        x,
        y,
        color=colour,
        linestyle=dashes,
        linewidth=width,
        marker=marker,
        markersize=4,
        drawstyle="steps-post" if steps else "default",
        label=f"{REFERENCE_TITLES.get(name, name)} {figure}".strip(),
    )


def _square(ax: Axes, end: float = 1.0) -> Axes:
    ax.set_xlim(-0.01 * end, 1.01 * end)
    ax.set_ylim(-0.01 * end, 1.02 * end)
    return ax
