"""Writes ``report.html`` and its plots from a run's files."""

import shlex
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from .contents import (
    read_dataset,
    read_ensemble,
    read_environment,
    read_folds,
    read_history,
    read_sweep,
    read_test,
)
from .figures import Picture, draw_pictures
from .files import replacing, write_text
from .objective import VAL_LOSS, metric_title
from .records import TrialRecord, history_frame, views_of
from .report_tables import (
    MODELS,
    STATUS_TITLES,
    error_counts,
    leaderboard,
    metrics_of_test,
    rung_rows,
    score_cells,
    score_intervals,
    status_counts,
)
from .run_directory import RunDirectory
from .selection_figures import compute_folds
from .tables import (
    REFERENCE_TITLES,
    STAGE_TITLES,
    answer,
    protocol_warning,
    ranking_note,
    verdicts,
)


def write_report(run: RunDirectory, summary: dict[str, Any], trials: list[TrialRecord]) -> None:
    """Writes ``plots/`` and then, as the sign that all is there, ``report.html``.

    What there is nothing of yet is left out.

    Args:
        run: The run; its files are read, nothing else.
        summary: The content of ``summary.json``.
        trials: Of the search, as far as it is.
    """
    # Until the search is complete, its record has what these files will.
    history = read_history(run) if run.trials.exists() else history_frame(trials)
    pictures = draw_pictures(run, summary, trials, history)
    page = render(run, summary, trials, history, pictures)
    with replacing(run.plots) as folder:
        folder.mkdir()
        for picture in pictures:
            (folder / f"{picture.name}.png").write_bytes(picture.png)
            picture.numbers.to_csv(folder / f"{picture.name}.csv", index=False)
    write_text(run.report, page)


def render(
    run: RunDirectory,
    summary: dict[str, Any],
    trials: list[TrialRecord],
    history: pd.DataFrame,
    pictures: list[Picture],
) -> str:
    """The report as one HTML page that needs nothing beside itself."""
    environment = Environment(
        loader=PackageLoader("evensweep.results"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=_count, decimals=_decimals, signed=_signed, percent=_percent, duration=_duration
    )
    recorded = read_environment(run)
    settings = read_sweep(run)
    shown = shlex.quote(str(run.location))
    context: dict[str, Any] = {
        "run": run.name,
        "summary": summary,
        "pictures": pictures,
        "sweep": run.sweep.read_text(encoding="utf-8"),
        "environment": recorded,
        "dataset": read_dataset(run) if run.dataset.exists() else None,
        "predict": f"evensweep predict {shown} TABLE -o scores.csv",
        "resume": f"evensweep resume {shown}",
        "refresh": f"evensweep report {shown}",
        "repeat": f"evensweep run {shlex.quote(str(run.location / run.sweep.name))}",
        "model_titles": {"ensemble": "ensemble", **REFERENCE_TITLES},
        "stage_titles": STAGE_TITLES,
        "status_titles": STATUS_TITLES,
        "metric": _metric(settings["search"]),
        "models": MODELS,
        "folds": [],
        "trials": trials,
        "views": views_of(trials),
        "untested": settings.get("split", {}).get("test") == 0,
    }
    if run.cross_validation.exists():
        context["folds"] = compute_folds(read_folds(run))
    if len(history):
        context |= _search_context(summary, trials, history, context)
    if run.ensemble.exists():
        context["ensemble"] = read_ensemble(run)
    if "test" in summary:
        frame = read_test(run)
        intervals = score_intervals(summary, frame, recorded["seed"])
        context |= {
            "answer": answer(summary),
            "protocol_warning": protocol_warning(summary),
            "ranking_note": ranking_note(summary),
            "verdicts": verdicts(summary),
            "cells": score_cells(summary, intervals),
            "metrics": metrics_of_test(summary),
        }
    return environment.get_template("report.html.j2").render(context)


def _metric(search: dict[str, Any]) -> str | None:
    """What a search calls the metric that it compares trials by; None if that is the loss."""
    name = search.get("metric", VAL_LOSS)  # older runs knew no other
    return None if name == VAL_LOSS else metric_title(name)


def _search_context(
    summary: dict[str, Any],
    trials: list[TrialRecord],
    history: pd.DataFrame,
    context: dict[str, Any],
) -> dict[str, Any]:
    views = context["views"]
    searched = [trial for trial in trials if trial.stage == "search"]
    return {
        "stages": {(row["stage"], row["view"]): row for row in summary.get("stages", [])},
        "leaderboards": {
            view: leaderboard(trials, history, context["folds"], view) for view in views
        },
        "rungs": rung_rows(trials, history, views),
        "status_counts": status_counts(trials),
        "errors": error_counts(trials),
        "finished": sum(trial.finished for trial in searched),
        "epochs": sum(trial.epochs for trial in searched),
        "planned": len(searched),
    }


def _count(value: int) -> str:
    return f"{value:,}"


def _percent(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}%}"


def _decimals(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:+.{digits}f}"


def _duration(seconds: float) -> str:
    """Such as ``8.4 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
