"""Chooses, draws and captions the report's figures from a run's files."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from .calibration import compute_calibration
from .curves import (
    CURVE_MODELS,
    compute_precision_recall,
    compute_roc,
    plot_calibration,
    plot_gains,
    plot_precision_recall,
    plot_roc,
)
from .decisions import compute_gains
from .drawing import new_figure, png_bytes
from .figure_numbers import points, points_by_model, together
from .files import read_json, read_parquet
from .records import TrialRecord
from .run_directory import RunDirectory
from .search_figures import (
    STAGE_METRICS,
    compute_search,
    compute_stages,
    plot_search,
    plot_stages,
    stage_limits,
)
from .selection_figures import compute_folds, compute_selection, plot_folds, plot_selection


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        section: The report's section that shows it.
        name: Of its files in ``plots``, without ``.png`` and ``.csv``.
        caption: What to see in it, a sentence or two.
        png: The file's content.
        numbers: What is drawn, a row a point.
    """

    section: str
    name: str
    caption: str
    png: bytes
    numbers: pd.DataFrame

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds the picture itself."""
        return f"data:image/png;base64,{b64encode(self.png).decode()}"


def draw_pictures(
    run: RunDirectory, summary: dict[str, Any], trials: list[TrialRecord]
) -> list[Picture]:
    """Draws every figure whose stage is complete.

    Args:
        run: Where the files are.
        summary: The content of ``summary.json``.
        trials: Of the search; empty before it is complete.
    """
    pictures: list[Picture] = []
    if "test" in summary:
        pictures += _test_pictures(run, summary)
    if "stages" in summary:
        pictures += _stage_pictures(summary)
    if trials:
        pictures += _search_pictures(run, list(summary["views"]), trials)
    if run.cross_validation.exists():
        pictures.append(_fold_picture(run))
    if run.ensemble.exists():
        pictures.append(_selection_picture(run))
    return pictures


def _test_pictures(run: RunDirectory, summary: dict[str, Any]) -> Iterator[Picture]:
    frame = read_parquet(run.test_predictions)
    y = frame["target"].to_numpy(np.int64)
    positive_rate = float(y.mean())
    models = {name: frame[name].to_numpy(np.float64) for name in CURVE_MODELS}

    roc = {name: compute_roc(y, p) for name, p in models.items()}
    ax = plot_roc(roc)
    yield Picture(
        "test",
        "test-roc",
        "Higher and further left is better. The area is the chance that a positive row stands "
        "above a negative one.",
        png_bytes(ax),
        points_by_model(roc),
    )
    precision_recall = {name: compute_precision_recall(y, p) for name, p in models.items()}
    ax = plot_precision_recall(precision_recall, positive_rate)
    yield Picture(
        "test",
        "test-precision-recall",
        f"Higher is better. {positive_rate:.1%} of the rows are positive, so a random order has "
        f"that precision.",
        png_bytes(ax),
        points_by_model(precision_recall),
    )
    gains = {name: compute_gains(y, p) for name, p in models.items()}
    ax = plot_gains(gains, positive_rate)
    found = gains["ensemble"].found_within
    yield Picture(
        "test",
        "test-gains",
        f"The tenth of the rows that the ensemble ranks highest holds {found(0.1):.0%} of the "
        f"positives; the highest fifth holds {found(0.2):.0%}.",
        png_bytes(ax),
        points_by_model(gains),
    )
    bins = {name: compute_calibration(y, p) for name, p in models.items()}
    ax = plot_calibration(bins)
    yield Picture(
        "test",
        "test-calibration",
        "On the grey line a probability can be taken at its word; below it the model promises "
        "too much. Vertical bars: 95% intervals of the ensemble's bins. On average they lie "
        f"{bins['ensemble'].error:.3f} off the line (expected calibration error).",
        png_bytes(ax),
        points_by_model(bins),
    )


def _stage_pictures(summary: dict[str, Any]) -> Iterator[Picture]:
    stages = [compute_stages(summary["stages"], view) for view in summary["views"]]
    limits = {metric: stage_limits(stages, metric) for metric in STAGE_METRICS}
    for data in stages:
        figure = new_figure(4.2)
        panels = figure.subplots(2)
        for metric, ax in zip(STAGE_METRICS, panels, strict=True):
            plot_stages(data, metric, limits[metric], ax)
        figure.suptitle(f"Stages: {data.view}", x=0.02, ha="left", fontsize=10, fontweight="bold")
        caption = (
            f"{data.view}: circles are measured on the validation rows, which chose the trials"
        )
        if "cross_validation" in data.stages:
            caption += "; the diamond on rows that the fold models never saw"
        yield Picture(
            "views",
            f"stages-{data.view}",
            f"{caption}.",
            png_bytes(panels[0]),
            points(data, view=data.view).assign(stage=data.stages),
        )


def _search_pictures(
    run: RunDirectory, views: list[str], trials: list[TrialRecord]
) -> Iterator[Picture]:
    history = read_parquet(run.history)
    for view in views:
        data = compute_search(trials, history, view)
        yield Picture(
            "search",
            f"search-{view}",
            f"{view}: a line a trial, ending where its training ended. Lower is better.",
            png_bytes(plot_search(data)),
            together(points(t, trial=t.trial, stage=t.stage, status=t.status) for t in data.trials),
        )


def _fold_picture(run: RunDirectory) -> Picture:
    data = compute_folds(read_parquet(run.cross_validation))
    return Picture(
        "folds",
        "cross-validation",
        "A dot a fold, best configuration on top. Where the dots of two configurations overlap "
        "widely, the order of their means says little.",
        png_bytes(plot_folds(data)),
        together(points(spread, trial=spread.trial, view=spread.view) for spread in data),
    )


def _selection_picture(run: RunDirectory) -> Picture:
    data = compute_selection(read_json(run.ensemble)["path_losses"])
    return Picture(
        "ensemble",
        "ensemble-selection",
        f"The loss after each of {len(data.losses)} rounds; the {data.kept} up to the lowest are "
        "kept.",
        png_bytes(plot_selection(data)),
        points(data).assign(round=np.arange(len(data.losses)) + 1),
    )
