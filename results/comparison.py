"""Several runs side by side: what was set differently, and how much better which one is."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import yaml
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from .contents import read_dataset, read_summary, read_test
from .metrics import INTERVAL_METRICS, difference_intervals
from .objective import metric_title
from .report_tables import TEST_METRICS
from .run_directory import RunDirectory
from .sweep_file import read_mapping
from .tables import bare_table, four_decimals, titled

_NO_SETTINGS = {"name", "storage", "module_folder"}
"""Keys of a sweep that say where it runs, and not what it does."""


def compute_comparison(runs: Sequence[RunDirectory]) -> dict[str, Any]:
    """Runs side by side, as far as each is.

    Args:
        runs: At least one; the first is what the others are compared with.

    Returns:
        ``runs`` has a mapping a run: run, status, protocol, table, rows, seconds, trials, epochs,
        ``best_val_loss`` of each view, ``oof_log_loss`` and ``oof_roc_auc`` of the ensemble,
        ``test`` (figures with ``ci95``) and ``differences``: its test figures minus the first
        run's, each with ``value`` and ``ci95``, or None where the two were not tested on the same
        rows. ``settings`` has every key of the sweep files in which the runs differ, with each
        run's value.
    """
    summaries = [read_summary(run) for run in runs]
    sweeps = [settings_of(run) for run in runs]
    keys = dict.fromkeys(key for sweep in sweeps for key in sweep if key not in _NO_SETTINGS)
    settings = {key: [sweep.get(key) for sweep in sweeps] for key in keys}
    return {
        "runs": [
            _line(summary) | {"differences": _differences(runs[0], run) if number else None}
            for number, (run, summary) in enumerate(zip(runs, summaries, strict=True))
        ],
        "settings": {
            key: values for key, values in settings.items() if any(v != values[0] for v in values)
        },
    }


def settings_of(run: RunDirectory) -> dict[str, Any]:
    """Values of a sweep file by dotted keys, such as ``search.trials``; lists are values."""

    def flat(mapping: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in mapping.items():
            # A hyperparameter's domain is one value.
            if isinstance(value, Mapping) and prefix != "space.":
                values |= flat(value, f"{prefix}{key}.")
            else:
                values[f"{prefix}{key}"] = value
        return values

    return flat(read_mapping(run.sweep), "")


def comparison_table(content: dict[str, Any]) -> RenderableType:
    """What :func:`compute_comparison` gives, for a terminal."""
    runs = content["runs"]
    parts: list[RenderableType] = [titled("Runs side by side", _figures(runs))]
    differing = [run for run in runs if run["differences"]]
    if differing:
        table = bare_table()
        table.add_column("")
        for run in differing:
            table.add_column(f"  {run['run']}", justify="right", overflow="fold")
        for metric, (title, _, _) in TEST_METRICS.items():
            cells = []
            for run in differing:
                gap = run["differences"][metric]
                low, high = gap["ci95"]
                sure = not low <= 0 <= high
                text = f"{gap['value']:+.4f}  {low:+.4f} to {high:+.4f}"
                cells.append(Text(text, style="bold" if sure else ""))
            table.add_row(title, *cells)
        title = f"Test figures minus those of {runs[0]['run']}, with 95% intervals"
        parts += [titled(title, table), Text("bold: the interval leaves out 0\n", style="dim")]
    apart = [run["run"] for run in runs[1:] if run["test"] and not run["differences"]]
    if apart and runs[0]["test"]:
        parts.append(
            Text(
                f"{', '.join(apart)}: tested on other rows than {runs[0]['run']}, so that test "
                "figures differ by chance as well; give runs the same table and seed\n",
                style="yellow",
            )
        )
    if content["settings"]:
        table = bare_table()
        table.add_column("", overflow="fold")
        for run in runs:
            table.add_column(f"  {run['run']}", overflow="fold")
        for key, values in content["settings"].items():
            table.add_row(key, *(Padding(Text(_words(value)), (0, 0, 0, 2)) for value in values))
        parts.append(titled("Settings that differ", table))
    return Group(*parts)


def _figures(runs: Sequence[dict[str, Any]]) -> RenderableType:
    table = bare_table()
    table.add_column("")
    for run in runs:
        table.add_column(f"  {run['run']}", justify="right", overflow="fold")

    def row(title: str, *cells: str) -> None:
        table.add_row(title, *(f"  {cell}" for cell in cells))

    row("status", *(run["status"] for run in runs))
    row("table", *(run["table"] or "–" for run in runs))
    row("rows", *("–" if run["rows"] is None else f"{run['rows']:,}" for run in runs))
    row("protocol", *(run["protocol"] for run in runs))
    row("trials", *("–" if run["trials"] is None else f"{run['trials']:,}" for run in runs))
    row("epochs", *("–" if run["epochs"] is None else f"{run['epochs']:,}" for run in runs))
    row("minutes", *(f"{run['seconds'] / 60:.1f}" for run in runs))
    for view in dict.fromkeys(view for run in runs for view in run["best_val_loss"]):
        losses = (run["best_val_loss"].get(view) for run in runs)
        row(f"best validation loss, {view}", *map(four_decimals, losses))
    row("ensemble, log loss out of fold", *(four_decimals(run["oof_log_loss"]) for run in runs))
    row("ensemble, ROC-AUC out of fold", *(four_decimals(run["oof_roc_auc"]) for run in runs))
    for name in dict.fromkeys(run["metric"] for run in runs if run["oof_metric"] is not None):
        values = (run["oof_metric"] if run["metric"] == name else None for run in runs)
        row(f"ensemble, {metric_title(name)} out of fold", *map(four_decimals, values))
    for metric, (title, _, _) in TEST_METRICS.items():
        figures = [(run["test"] or {}).get(metric) for run in runs]
        row(f"test: {title}", *map(four_decimals, figures))
    return table


def _line(summary: dict[str, Any]) -> dict[str, Any]:
    dataset, search = summary.get("dataset", {}), summary.get("search", {})
    ensemble = summary.get("ensemble", {})
    return {
        "run": summary["run"],
        "status": summary["status"],
        "protocol": summary["protocol"],
        "table": dataset.get("name"),
        "rows": dataset.get("rows"),
        "seconds": summary["seconds"],
        "trials": search.get("trials"),
        "epochs": search.get("epochs"),
        "best_val_loss": {
            view: figures["best_val_loss"] for view, figures in summary.get("views", {}).items()
        },
        "oof_log_loss": ensemble.get("oof_log_loss"),
        "oof_roc_auc": ensemble.get("oof_roc_auc"),
        "metric": search.get("metric"),
        "oof_metric": ensemble.get("oof_metric"),
        "test": summary.get("test"),
    }


def _differences(first: RunDirectory, other: RunDirectory) -> dict[str, Any] | None:
    if not (first.test_predictions.exists() and other.test_predictions.exists()):
        return None
    if read_dataset(first)["fingerprint"] != read_dataset(other)["fingerprint"]:
        return None
    frames = [read_test(run) for run in (first, other)]
    keys = [frame[["row", "target", *({"view"} & set(frame))]] for frame in frames]
    if not keys[0].equals(keys[1]):
        return None
    summaries = [read_summary(run) for run in (first, other)]
    if not all("test" in summary for summary in summaries):
        return None
    tests = [summary["test"] for summary in summaries]
    intervals = difference_intervals(
        frames[0]["target"].to_numpy(np.int64),
        [frame["ensemble"].to_numpy(np.float64) for frame in frames],
        [test["threshold"] for test in tests],
        seed=0,
    )
    return {
        metric: {"value": tests[1][metric] - tests[0][metric], "ci95": intervals[metric]}
        for metric in INTERVAL_METRICS
    }


def _words(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dict | list):
        return yaml.safe_dump(value, default_flow_style=True, width=1000).strip()
    return str(value)
