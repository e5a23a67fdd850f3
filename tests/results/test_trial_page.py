"""All about one trial."""

import io
import json
from pathlib import Path
from typing import Any

import example_run
import pandas as pd
import pytest
from rich.console import Console

from evensweep.datasets.errors import InputError
from evensweep.results.records import TrialRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.results.trial_page import compute_trial, trial_page

TRIALS = [
    TrialRecord(
        id="smote-000", view="smote", stage="search", seed=5, status="completed", epochs=50,
        best_epoch=37, best_val_loss=0.2, best_val_accuracy=0.9, seconds=1.25,
        config={"num_layers": 2, "learning_rate": 0.0123456789},
        history=[[e, 0.5, 0.8, 0.2 + abs(e - 37) / 100, 0.9] for e in range(1, 51)],
    ),
    TrialRecord(
        id="smote-001", view="smote", stage="search", seed=6, status="failed", config={"units": 3},
        error="ValueError: [red] is no colour",
    ),
    TrialRecord(
        id="smote-002", view="smote", stage="search", seed=7, status="diverged", epochs=1,
        config={}, history=[[1, None, 0.5, None, 0.5]],
    ),
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path)


def shown(content: dict[str, Any]) -> str:
    file = io.StringIO()
    Console(file=file, width=100).print(trial_page(content))
    return file.getvalue()


def test_a_trial_of_a_running_search_shows_its_history(run: RunDirectory) -> None:
    content = compute_trial(run, TRIALS, "smote-000")
    assert (content["place"], content["of"], content["weight"]) == (1, 1, None)
    assert content["history"][36] == {
        "epoch": 37, "loss": 0.5, "accuracy": 0.8, "val_loss": 0.2, "val_accuracy": 0.9,
    }  # fmt: skip
    page = shown(content)
    assert "trained to the full budget; 50 epochs in 1.2 s" in page
    assert "best at epoch 37: log loss 0.2000, accuracy 90.0%" in page
    assert "learning_rate   0.0123457" in page
    epochs = [line.split()[0] for line in page.splitlines() if line.strip()[:1].isdigit()]
    assert {"1", "37", "50"} <= set(epochs)
    assert 20 <= len(epochs) <= 21


def test_a_finished_run_knows_folds_and_weight(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    example_run.write_prepared(run)
    example_run.write_searched(run)
    example_run.write_tested(run)
    pd.DataFrame(
        {
            "trial": ["smote-000"] * 2 + ["undersampled-000"], "fold": [1, 0, 0],
            "view": ["smote"] * 2 + ["undersampled"], "rows": [100, 300, 100],
            "val_loss": [0.4, 0.2, 0.3], "val_accuracy": [0.9, None, 0.9], "best_epoch": 3,
            "seconds": 0.1,
        }
    ).to_parquet(run.cross_validation)  # fmt: skip
    trials = example_run.TRIALS
    content = compute_trial(run, trials, "smote-000")
    assert [fold["fold"] for fold in content["folds"]] == [0, 1]
    assert [fold["val_accuracy"] for fold in content["folds"]] == [None, 0.9]
    assert content["cv_val_loss"] == pytest.approx(0.25)
    nothing = RunDirectory(tmp_path / "no")
    assert content["history"] == compute_trial(nothing, trials, "smote-000")["history"]
    json.dumps(content, allow_nan=False)
    page = shown(content)
    assert "k-fold log loss 0.2500" in page
    assert "weight in the ensemble 66.7%" in page
    assert compute_trial(run, trials, "smote-001")["weight"] == 0


def test_a_failed_trial_shows_its_error_as_it_is(run: RunDirectory) -> None:
    page = shown(compute_trial(run, TRIALS, "smote-001"))
    assert "failed with an error" in page
    assert "ValueError: [red] is no colour" in page


def test_a_diverged_trial_has_no_place(run: RunDirectory) -> None:
    content = compute_trial(run, TRIALS, "smote-002")
    assert content["place"] is None
    assert "–" in shown(content)
    json.dumps(content, allow_nan=False)


def test_an_unknown_trial_is_told(run: RunDirectory) -> None:
    with pytest.raises(InputError, match="has no trial 'smote-0000'; did you mean 'smote-000'"):
        compute_trial(run, TRIALS, "smote-0000")
