"""Repeats published systems: their figures beside the same protocol here, and beside holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from ..datasets.errors import InputError, nearest
from ..results.contents import read_average, read_folds, read_holdout, read_summary, read_test
from ..results.files import write_json, write_text
from ..results.metrics import bootstrap_intervals, classification_metrics, log_losses
from ..results.run_directory import RunDirectory
from ..results.tables import STAGE_TITLES
from . import preset_paths
from .systems import PublishedFigure, preset_config, published_system

if TYPE_CHECKING:
    from ..datasets.table import Table
    from ..search.config import SweepConfig

METRICS = {"accuracy": "accuracy", "log_loss": "log loss", "f1": "F1"}
_TWO_MEANS = 1.96 * np.sqrt(2)
"""Standard errors by which two means of so many rows each differ by chance, in 95% of cases."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be complete before the figures are compared."""

    config: SweepConfig
    directory: RunDirectory
    table: Table


@dataclass(frozen=True)
class Line:
    """One published figure, and what it is here; calls are at a probability of one half.

    Attributes:
        preset: The preset.
        stage: In words.
        metric: One of :data:`METRICS`.
        published: The figure.
        here: Under the same protocol.
        noise: By which the two may differ by chance (95%); None if that can't be told.
        holdout: Of the same configurations, fitted anew without rows that are predicted then, in
            natural shares; of the test alone.
        interval: Its 95% bootstrap interval.
        sweep: The preset's full sweep on such rows; of the test alone.
    """

    preset: str
    stage: str
    metric: str
    published: float
    here: float
    noise: float | None
    holdout: float | None = None
    interval: tuple[float, float] | None = None
    sweep: float | None = None

    @property
    def verdict(self) -> str:
        """``better`` or ``behind``, or ``within noise``, where chance alone may have done it."""
        gain = self.here - self.published
        gain = -gain if self.metric == "log_loss" else gain
        if abs(gain) <= (self.noise or 0.0):
            return "within noise"
        return "better" if gain > 0 else "behind"


def plan_runs(presets: Sequence[str], data_dir: Path, out: Path) -> list[PlannedRun]:
    """Two runs a preset, as published and as the preset is; those that are there are gone on with.

    Raises:
        InputError: There is no such preset, a table is missing or unfit, or ``out`` can't be
            written. No run is made then.
    """
    from ..search.intake import read_table
    from ..search.sweep import create, reopen

    known = preset_paths()
    for preset in presets:
        if preset not in known:
            hint = nearest(preset, known) or f"; the presets are {', '.join(known)}"
            raise InputError(f"there is no preset '{preset}'{hint}")
    runs = []
    for preset in presets:
        path = data_dir / published_system(preset).table
        if not path.is_file():
            raise InputError(
                f"{data_dir} has no {path.name}, which the preset '{preset}' is about; put it "
                "there, or name the presets to repeat"
            )
        for published in (True, False):
            config = preset_config(preset, path, published=published)
            runs.append((config.model_copy(update={"storage": out.resolve()}), read_table(config)))
    # All that are there first, since one that can't be gone on with must leave nothing behind.
    there = {c.name: reopen(c.storage / c.name) for c, _ in runs if (c.storage / c.name).exists()}
    planned = []
    for config, table in runs:
        if config.name in there:
            directory, config, table = there[config.name]
        else:
            directory = create(config, config.name)
        planned.append(PlannedRun(config, directory, table))
    return planned


def compare(preset: str, out: Path) -> list[Line]:
    """The published figures of a preset beside those of its two runs, which are complete."""
    published = RunDirectory(out / f"{preset}-published")
    sweep = RunDirectory(out / preset)
    summary = read_summary(published)
    stages = {(row["view"], row["stage"]): row for row in summary["stages"]}
    lines = []
    for figure in published_system(preset).figures:
        for metric in METRICS:
            claimed = getattr(figure, metric)
            if claimed is None:
                continue
            if figure.stage == "test":
                lines.append(_test_line(preset, metric, claimed, published, sweep))
            else:
                row = stages[figure.view, figure.stage]
                here = row["val_loss" if metric == "log_loss" else "val_accuracy"]
                stage = f"{figure.view}: {STAGE_TITLES[figure.stage]}"
                noise = _stage_noise(published, figure, metric, here)
                lines.append(Line(preset, stage, metric, claimed, here, noise))
    return lines


def _test_line(
    preset: str, metric: str, claimed: float, published: RunDirectory, sweep: RunDirectory
) -> Line:
    tested = read_test(published)
    honest = read_holdout(published) if published.holdout_predictions.exists() else tested
    figures = [
        classification_metrics(*_predictions(frame), threshold=0.5)[metric]
        for frame in (tested, honest, read_test(sweep))
    ]
    low, high = bootstrap_intervals(*_predictions(honest), 0.5, seed=0)[metric]
    return Line(
        preset=preset,
        stage="test",
        metric=metric,
        published=claimed,
        here=figures[0],
        noise=_noise(*_predictions(tested), metric, figures[0], len(tested)),
        holdout=figures[1],
        interval=(low, high),
        sweep=figures[2],
    )


def _predictions(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return frame["target"].to_numpy(), frame["ensemble"].to_numpy()


def _stage_noise(
    run: RunDirectory, figure: PublishedFigure, metric: str, here: float
) -> float | None:
    """The spread of a row's loss is taken from the average of the view's best trials."""
    frame = read_average(run, str(figure.view))
    if frame is None:
        return None
    rows = len(frame)
    if figure.stage == "cross_validation":
        folds = read_folds(run)
        folds = folds[folds["view"] == figure.view]
        rows = int(folds.groupby("trial")["rows"].sum().iloc[0])
    return _noise(frame["target"].to_numpy(), frame["average"].to_numpy(), metric, here, rows)


def _noise(
    y: np.ndarray, probabilities: np.ndarray, metric: str, here: float, rows: int
) -> float | None:
    if metric == "accuracy":
        spread = np.sqrt(here * (1 - here))
    elif metric == "log_loss":
        spread = log_losses(y, probabilities).std()
    else:  # a ratio of counts, which the bootstrap knows
        low, high = bootstrap_intervals(y, probabilities, 0.5, seed=0)[metric]
        return float((high - low) / 2 * np.sqrt(2))
    return float(_TWO_MEANS * spread / np.sqrt(rows))


def comparison_tables(lines: Sequence[Line]) -> RenderableType:
    """A table a system, for the terminal; below a test's figure, what it is by holdout."""
    parts: list[RenderableType] = []
    for preset, own in groupby(lines, key=lambda line: line.preset):
        table = RichTable(box=box.SIMPLE_HEAD, header_style="dim", padding=0, pad_edge=False)
        for heading, width in (("", 12), ("", 22), ("", 8)):
            table.add_column(heading, no_wrap=True, min_width=width)
        for heading in ("published", "here"):
            table.add_column(heading, justify="right", no_wrap=True, min_width=6)
        table.add_column("", no_wrap=True, min_width=12)
        for line in own:
            metric, figures = METRICS[line.metric], _figures(line)
            view, _, stage = line.stage.rpartition(": ")
            names = (view, stage) if view else (stage, "same protocol")
            told = (figures["published"], figures["here"], line.verdict)
            table.add_row(*names, metric, *told)
            if line.holdout is not None:
                honest = (figures["holdout"], figures["interval"])
                table.add_row("", "holdout", metric, "", *honest)
                table.add_row("", "holdout, full sweep", metric, "", figures["sweep"], "")
        parts += [Text(preset, "bold"), table]
    return Group(*parts)


def write_comparison(lines: Sequence[Line], out: Path) -> Path:
    """Writes ``reproduction.json`` and ``reproduction.md``, and returns the latter."""
    content: list[dict[str, Any]] = [{**asdict(line), "verdict": line.verdict} for line in lines]
    write_json(out / "reproduction.json", {"figures": content})
    headings = "system", "figure", "published", "same protocol here", "", "holdout (95%)", "sweep"
    marks = ["---", "---", *["---:"] * (len(headings) - 2)]
    rows = [headings, marks, *_rows(lines)]
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    text += "".join(_notes(preset) for preset in dict.fromkeys(line.preset for line in lines))
    write_text(out / "reproduction.md", text)
    return out / "reproduction.md"


def _notes(preset: str) -> str:
    told = published_system(preset)
    return (
        f"\n**{preset}**: {told.system} Protocol: {told.protocol} Unclear: {told.unclear} "
        f"Otherwise here: {told.differs}\n"
    )


def _rows(lines: Sequence[Line]) -> list[list[str]]:
    """Cells of the written table; a system's name stands once."""
    rows = []
    latest = None
    for line in lines:
        figures = _figures(line)
        honest = figures["holdout"]
        if line.interval is not None:
            honest += f" ({figures['interval']})"
        rows.append(
            [
                line.preset if line.preset != latest else "",
                f"{line.stage}, {METRICS[line.metric]}",
                figures["published"],
                figures["here"],
                line.verdict,
                honest,
                figures["sweep"],
            ]
        )
        latest = line.preset
    return rows


def _figures(line: Line) -> dict[str, str]:
    """The line's figures in words, empty where there is none."""

    def text(value: float | None) -> str:
        if value is None:
            return ""
        return f"{value:.1%}" if line.metric == "accuracy" else f"{value:.3f}"

    names = ("published", "here", "holdout", "sweep")
    interval = "" if line.interval is None else "–".join(map(text, line.interval))
    return {name: text(getattr(line, name)) for name in names} | {"interval": interval}
