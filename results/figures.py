"""Chooses, draws and captions the report's figures from a run's files."""

import struct
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .calibration import compute_calibration
from .contents import read_ensemble, read_folds, read_out_of_fold, read_sweep, read_test
from .curves import (
    CURVE_MODELS,
    compute_precision_recall,
    compute_roc,
    plot_calibration,
    plot_gains,
    plot_lift,
    plot_precision_recall,
    plot_roc,
    plot_thresholds,
)
from .decisions import compute_gains, compute_thresholds
from .diversity import compute_diversity, plot_diversity
from .drawing import figure_of, new_figure, png_bytes
from .figure_numbers import points, points_by_model, together
from .hyperparameter_figures import plot_importance, plot_parallel, plot_slices
from .hyperparameters import Configurations, compute_configurations, compute_importance
from .records import TrialRecord, views_of
from .run_directory import RunDirectory
from .search_figures import (
    STAGE_METRICS,
    compute_best_so_far,
    compute_search,
    compute_stages,
    plot_best_so_far,
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

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the PNG file's head gives them."""
        width, height = struct.unpack(">II", self.png[16:24])
        return width, height


def draw_pictures(
    run: RunDirectory,
    summary: dict[str, Any],
    trials: list[TrialRecord],
    history: pd.DataFrame,
) -> list[Picture]:
    """Draws every figure that there are numbers for.

    Args:
        run: Where the files are.
        summary: The content of ``summary.json``.
        trials: Of the search, as far as it is.
        history: Their epochs, as in ``history.parquet``.
    """
    sweep = read_sweep(run)
    pictures: list[Picture] = []
    if "test" in summary:
        pictures += _test_pictures(run, summary)
    if "stages" in summary:
        pictures += _stage_pictures(summary)
    if len(history):
        pictures += _search_pictures(trials, history)
        pictures += _hyperparameter_pictures(sweep, trials)
    if run.cross_validation.exists():
        pictures.append(_fold_picture(run))
    if run.ensemble.exists():
        pictures += _ensemble_pictures(run)
    return pictures


def _picture(
    section: str, name: str, caption: str, drawn: Axes | Figure, numbers: pd.DataFrame
) -> Picture:
    figure = drawn if isinstance(drawn, Figure) else figure_of(drawn)
    return Picture(section, name, caption, png_bytes(figure), numbers)


def _test_pictures(run: RunDirectory, summary: dict[str, Any]) -> Iterator[Picture]:
    frame = read_test(run)
    y = frame["target"].to_numpy(np.int64)
    positive_rate = float(y.mean())
    models = {name: frame[name].to_numpy(np.float64) for name in CURVE_MODELS}

    roc = {name: compute_roc(y, p) for name, p in models.items()}
    yield _picture(
        "test",
        "test-roc",
        "Higher and further left is better. The area is the chance that a positive row stands "
        "above a negative one.",
        plot_roc(roc),
        points_by_model(roc),
    )
    precision_recall = {name: compute_precision_recall(y, p) for name, p in models.items()}
    yield _picture(
        "test",
        "test-precision-recall",
        f"Higher is better. {positive_rate:.1%} of the rows are positive, so a random order has "
        f"that precision.",
        plot_precision_recall(precision_recall, positive_rate),
        points_by_model(precision_recall),
    )
    gains = {name: compute_gains(y, p) for name, p in models.items()}
    found = gains["ensemble"].found_within
    yield _picture(
        "test",
        "test-gains",
        f"The tenth of the rows that the ensemble ranks highest holds {found(0.1):.0%} of the "
        f"positives; the highest fifth holds {found(0.2):.0%}.",
        plot_gains(gains, positive_rate),
        points_by_model(gains),
    )
    yield _picture(
        "test",
        "test-lift",
        "The same as a factor: with a lift of 3, three times as many of the rows taken are "
        "positive as of all.",
        plot_lift(gains),
        points_by_model(gains),
    )
    bins = {name: compute_calibration(y, p) for name, p in models.items()}
    yield _picture(
        "test",
        "test-calibration",
        "On the grey line a probability can be taken at its word; below it the model promises "
        "too much. Vertical bars: 95% intervals of the ensemble's bins. On average they lie "
        f"{bins['ensemble'].error:.3f} off the line (expected calibration error).",
        plot_calibration(bins),
        points_by_model(bins),
    )
    thresholds = compute_thresholds(y, models["ensemble"])
    yield _picture(
        "test",
        "test-thresholds",
        "The ensemble's calls on the test rows at every threshold. The chosen one comes from rows "
        "outside the test; one read off here would flatter itself.",
        plot_thresholds(thresholds, summary["test"]["threshold"], summary["decision"]["words"]),
        points(thresholds),
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
        yield _picture(
            "views",
            f"stages-{data.view}",
            f"{caption}.",
            figure,
            points(data, view=data.view).assign(stage=data.stages),
        )


def _search_pictures(trials: list[TrialRecord], history: pd.DataFrame) -> Iterator[Picture]:
    views = views_of(trials)
    best = compute_best_so_far(trials, history, views)
    if best:
        yield _picture(
            "search",
            "search-time",
            "How fast the search went down, a step a better trial. Where a line has been level for "
            "long, more of the same trials would bring little.",
            plot_best_so_far(best),
            together(points(view, view=view.view) for view in best),
        )
    for view in views:
        data = compute_search(trials, history, view)
        if data.trials:
            yield _picture(
                "search",
                f"search-{view}",
                f"{view}: a line a trial, ending where its training ended. Lower is better.",
                plot_search(data),
                together(
                    points(t, trial=t.trial, stage=t.stage, status=t.status) for t in data.trials
                ),
            )


def _hyperparameter_pictures(sweep: dict[str, Any], trials: list[TrialRecord]) -> Iterator[Picture]:
    views = [compute_configurations(trials, view, sweep["space"]) for view in views_of(trials)]
    importance = compute_importance(views, sweep["seed"])
    if importance is not None:
        yield _picture(
            "importance",
            "importance",
            f"A random forest that knows the hyperparameters explains {importance.explained:.0%} "
            f"of the order of {importance.trials} trials that it was not fitted on (each trial's "
            "rank in its view). The bars tell by how much less without each. Trials that were "
            "stopped early count with what they had reached.",
            plot_importance(importance),
            points(importance).assign(hyperparameter=importance.names),
        )
    for data in views:
        if not data.hyperparameters:
            continue
        numbers = _configuration_numbers(data)
        yield _picture(
            "hyperparameters",
            f"parallel-{data.view}",
            f"{data.view}: a line a trial through its hyperparameters down to its validation loss; "
            "the bluer, the better.",
            plot_parallel(data),
            numbers,
        )
        yield _picture(
            "hyperparameters",
            f"slices-{data.view}",
            f"{data.view}: a dot a trial. Yellow ones were stopped early, and say more of how fast "
            "a network learns than of how good it gets.",
            plot_slices(data),
            numbers,
        )


def _configuration_numbers(data: Configurations) -> pd.DataFrame:
    frame = pd.DataFrame(
        {"trial": data.trials, "view": data.view, "epochs": data.epochs, "val_loss": data.losses}
    )
    for each in data.hyperparameters:
        frame[f"config.{each.name}"] = [
            None if np.isnan(value) else each.words[int(value)] if each.words else value
            for value in each.values
        ]
    return frame


def _fold_picture(run: RunDirectory) -> Picture:
    data = compute_folds(read_folds(run))
    return _picture(
        "folds",
        "cross-validation",
        "A dot a fold, best configuration on top. Where the dots of two configurations overlap "
        "widely, the order of their means says little.",
        plot_folds(data),
        together(points(spread, trial=spread.trial, view=spread.view) for spread in data),
    )


def _ensemble_pictures(run: RunDirectory) -> Iterator[Picture]:
    ensemble = read_ensemble(run)
    data = compute_selection(ensemble)
    what = "loss" if data.name is None else "metric"
    yield _picture(
        "ensemble",
        "ensemble-selection",
        f"The {what} after each of {len(data.losses)} rounds; the {data.kept} up to the best are "
        "kept.",
        plot_selection(data),
        points(data).assign(round=np.arange(len(data.losses)) + 1),
    )
    members = ensemble["members"]
    oof = read_out_of_fold(run, [member["trial"] for member in members])
    diversity = compute_diversity(oof, members)
    if diversity is not None:
        yield _picture(
            "ensemble",
            "ensemble-diversity",
            "Out of fold, heaviest members first; 1 means that two make the same mistakes. On "
            f"average a pair's errors are correlated by {diversity.mean_correlation:.3f}. A member "
            f"alone has a Brier score of {diversity.member_brier:.4f} (mean by weight), their "
            f"average {diversity.ensemble_brier:.4f}: the difference is what diversity brings.",
            plot_diversity(diversity),
            pd.DataFrame(diversity.correlations, columns=list(diversity.trials)).assign(
                trial=diversity.trials
            ),
        )
