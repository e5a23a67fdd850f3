"""Runs side by side."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from example_run import write_prepared
from rich.console import Console

from evensweep.results.comparison import comparison_table, compute_comparison
from evensweep.results.metrics import classification_metrics
from evensweep.results.references import REFERENCES
from evensweep.results.run_directory import RunDirectory

TARGET = np.arange(400) % 4 == 0


def a_run(
    root: Path, noise: float, *, rows: int = 0, tested: bool = True, **settings: Any
) -> RunDirectory:
    """A run whose ensemble finds the target through so much noise; ``rows`` shifts its test."""
    run = RunDirectory(root)
    write_prepared(run, views=["smote"])
    sweep = yaml.safe_load(run.sweep.read_text())
    sweep |= {"name": root.name, "storage": str(root.parent), "seed": 0}
    for section, value in {"search": {"trials": 4}, **settings}.items():
        sweep[section] = {**sweep[section], **value} if isinstance(value, dict) else value
    run.sweep.write_text(yaml.safe_dump(sweep))
    summary = {
        "run": root.name,
        "status": "complete" if tested else "running",
        "protocol": "holdout",
        "seconds": 90.0,
        "dataset": {"name": "customers", "rows": 4000},
        "search": {"trials": 4, "epochs": 120},
        "views": {"smote": {"best_val_loss": 0.2}},
    }
    if tested:
        p = 1 / (1 + np.exp(-(3 * TARGET - 2 + noise * np.random.default_rng(3).normal(size=400))))
        run.predictions.mkdir()
        frame = pd.DataFrame({"row": np.arange(400) + rows, "target": TARGET.astype(int)})
        references = dict.fromkeys(REFERENCES, 0.5)
        frame.assign(ensemble=p, **references).to_parquet(run.test_predictions)
        summary["test"] = classification_metrics(TARGET.astype(int), p, 0.5)
        summary["ensemble"] = {"oof_log_loss": 0.21, "oof_roc_auc": 0.9}
    run.summary.write_text(json.dumps(summary))
    return run


def shown(content: dict[str, Any]) -> str:
    file = io.StringIO()
    Console(file=file, width=100).print(comparison_table(content))
    return file.getvalue()


def test_a_better_run_is_better_beyond_doubt(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / "noisy", 3), a_run(tmp_path / "sharp", 1, search={"trials": 9})]
    content = compute_comparison(runs)
    first, second = content["runs"]
    assert first["differences"] is None
    gap = second["differences"]["roc_auc"]
    assert gap["value"] == pytest.approx(second["test"]["roc_auc"] - first["test"]["roc_auc"])
    assert 0 < gap["ci95"][0] < gap["value"] < gap["ci95"][1]
    assert content["settings"] == {"search.trials": [4, 9]}
    page = shown(content)
    assert "Test figures minus those of noisy" in page
    assert f"{gap['value']:+.4f}" in page
    assert "other rows" not in page


def test_a_run_beside_itself_differs_in_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path / "one", 2)
    content = compute_comparison([run, run])
    assert content["settings"] == {}
    assert content["runs"][1]["differences"]["log_loss"] == {"value": 0, "ci95": [0, 0]}
    assert "Settings that differ" not in shown(content)


def test_other_test_rows_give_no_difference_and_a_warning(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / "one", 2), a_run(tmp_path / "two", 2, rows=7, seed=1)]
    content = compute_comparison(runs)
    assert content["runs"][1]["differences"] is None
    assert content["settings"] == {"seed": [0, 1]}
    assert "two: tested on other rows than one" in " ".join(shown(content).split())


def test_a_run_under_way_shows_what_it_has(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / "done", 2), a_run(tmp_path / "begun", 2, tested=False)]
    content = compute_comparison(runs)
    assert content["runs"][1]["test"] is None
    page = shown(content)
    assert "running" in page
    assert "other rows" not in page


def test_a_domain_is_shown_as_it_is_written(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / "one", 2), a_run(tmp_path / "two", 2, space={"x": {"choice": ["a"]}})]
    content = compute_comparison(runs)
    assert content["settings"]["space.x"] == [None, {"choice": ["a"]}]
    assert "{choice: [a]}" in shown(content)


def test_metrics_stand_beside_one_another_where_they_are_the_same(tmp_path: Path) -> None:
    runs = [a_run(tmp_path / name, noise=1.0) for name in "abc"]
    for run, metric, value in zip(runs, ["f1", "f1", "mine:profit"], [0.5, 0.6, 7.0], strict=True):
        summary = json.loads(run.summary.read_text())
        summary["search"]["metric"], summary["ensemble"]["oof_metric"] = metric, value
        run.summary.write_text(json.dumps(summary))
    rows = (line.strip().split("  ", 1) for line in shown(compute_comparison(runs)).splitlines())
    cells = {row[0]: row[1].split() for row in rows if len(row) == 2}
    assert cells["ensemble, best F1 out of fold"] == ["0.5000", "0.6000", "–"]
    assert cells["ensemble, profit out of fold"] == ["–", "–", "7.0000"]
