"""A published system repeated, with its protocol and without."""

import json
import re
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from evensweep import presets
from evensweep.datasets.demo import demonstration_table
from evensweep.datasets.errors import InputError
from evensweep.presets import reproduction, systems
from evensweep.presets.reproduction import Line, compare, comparison_tables, plan_runs
from evensweep.search.sweep import resume

PRESET = """# What is tried here?
name: tiny
data: {target: purchased_again, positive: 1}
views: [undersampled]
baseline: {num_layers: 1, hidden_layer_size: 16}
search: {trials: 2, max_epochs: 4}
cross_validation: {folds: 2, top_k: 1}
"""
PUBLISHED = """
system: A test
table: tiny.csv
protocol: balanced first
unclear: nothing
differs: nothing
figures:
  - {view: undersampled, stage: baseline, accuracy: 0.1}
  - {stage: test, log_loss: 0.0001, f1: 0.9999}
settings: {protocol: balanced_first, search: {trials: 0}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a preset, ``tiny``, and its table."""
    (tmp_path / "tiny.yaml").write_text(PRESET)
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "tiny.yaml").write_text(PUBLISHED)
    demonstration_table(1500).to_csv(tmp_path / "tiny.csv", index=False)
    for module in (presets, systems, reproduction):
        monkeypatch.setattr(module, "preset_paths", lambda: {"tiny": tmp_path / "tiny.yaml"})
    return tmp_path


def test_figures_stand_beside_what_they_are_here(ray_session: None, folder: Path) -> None:
    out = folder / "out"
    for planned in plan_runs(["tiny"], folder, out):
        resume(planned.directory.root)
    lines = {(line.stage, line.metric): line for line in compare("tiny", out)}
    published = json.loads((out / "tiny-published" / "summary.json").read_text())
    swept = json.loads((out / "tiny" / "summary.json").read_text())

    baseline = lines["undersampled: baseline", "accuracy"]
    assert baseline.here == published["stages"][0]["val_accuracy"]
    assert (baseline.verdict, baseline.holdout, baseline.sweep) == ("better", None, None)

    loss = lines["test", "log_loss"]
    assert loss.here == published["test"]["log_loss"]
    assert loss.holdout == published["holdout"]["log_loss"]
    assert loss.interval is not None
    assert loss.interval[0] < loss.holdout < loss.interval[1]
    assert loss.sweep == swept["test"]["log_loss"]
    assert loss.verdict == "behind"

    test = pd.read_parquet(out / "tiny-published" / "predictions" / "test.parquet")
    called, right = test["ensemble"] >= 0.5, test["target"] == 1
    precision, recall = (called & right).sum() / called.sum(), (called & right).sum() / right.sum()
    f1 = lines["test", "f1"]
    assert f1.here == pytest.approx(2 * precision * recall / (precision + recall))

    # What is complete stays as it is, and is not done again.
    again = [planned.directory.root for planned in plan_runs(["tiny"], folder, out)]
    assert again == [out / "tiny-published", out / "tiny"]

    path = reproduction.write_comparison(list(lines.values()), out)
    written, notes = path.read_text().split("\n\n")
    assert len(written.splitlines()) == 2 + 3
    assert notes.startswith("**tiny**: A test Protocol: balanced first Unclear: nothing")
    shown = StringIO()
    Console(file=shown, width=80).print(comparison_tables(list(lines.values())))
    assert re.search(rf"holdout +log loss +{loss.holdout:.3f}", shown.getvalue())
    assert "…" not in shown.getvalue()


@pytest.mark.parametrize(
    ("metric", "published", "here", "noise", "verdict"),
    [
        ("accuracy", 0.80, 0.82, 0.01, "better"),
        ("accuracy", 0.80, 0.81, 0.02, "within noise"),
        ("accuracy", 0.82, 0.81, 0.02, "within noise"),
        ("accuracy", 0.84, 0.81, 0.02, "behind"),
        ("log_loss", 0.30, 0.29, None, "better"),
        ("log_loss", 0.30, 0.31, 0.02, "within noise"),
        ("log_loss", 0.30, 0.31, None, "behind"),
    ],
)
def test_verdicts(
    metric: str, published: float, here: float, noise: float | None, verdict: str
) -> None:
    assert Line("p", "test", metric, published, here, noise).verdict == verdict


def test_a_missing_table_is_told_before_anything_is_made(folder: Path) -> None:
    (folder / "tiny.csv").unlink()
    with pytest.raises(InputError, match=r"has no tiny\.csv, which the preset 'tiny'"):
        plan_runs(["tiny"], folder, folder / "out")
    with pytest.raises(InputError, match="there is no preset 'tinny'; did you mean 'tiny'"):
        plan_runs(["tinny"], folder, folder / "out")
    assert not (folder / "out").exists()
