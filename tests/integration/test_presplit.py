"""A sweep of arrays that ``prepare`` wrote."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from evensweep.cli import app
from evensweep.datasets.table import load_table
from evensweep.search.config import SweepConfig
from evensweep.search.run import Run
from evensweep.search.sweep import Sweep, reopen

VIEWS = ("undersampled", "smote")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("arrays")
    done = CliRunner().invoke(app, ["prepare", "-o", str(folder)])
    assert done.exit_code == 0, done.output
    assert [line.partition(":")[0] for line in done.output.splitlines()] == [
        str(folder / f"{view}.npz") for view in VIEWS
    ]
    return {view: folder / f"{view}.npz" for view in VIEWS}


@pytest.fixture(scope="module")
def run(ray_session: None, files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {
        "data": {"arrays": {view: str(path) for view, path in files.items()}},
        "search": {"trials": 2, "max_epochs": 6},
        "cross_validation": {"folds": 3, "top_k": 2},
        "storage": str(tmp_path_factory.mktemp("runs")),
    }
    return Sweep(SweepConfig.from_mapping(config, "the test")).run("presplit")


def test_validation_rows_are_predicted_by_networks_that_never_saw_them(
    run: Run, files: dict[str, Path]
) -> None:
    oof = pd.read_parquet(run.directory.oof_predictions)
    with np.load(files["smote"]) as arrays:
        np.testing.assert_array_equal(oof["target"], arrays["y_val"])
        y_test = arrays["y_test"]
    candidates = [name for name in oof if str(name).startswith(VIEWS)]
    assert len(candidates) == 4
    assert not oof.isna().any(axis=None)
    # The probabilities are of the validation rows' shares, whatever the views' are.
    assert oof[candidates].mean().between(0.05, 0.35).all()
    assert oof["gradient_boosting"].mean() < 0.35
    test = pd.read_parquet(run.directory.test_predictions)
    np.testing.assert_array_equal(test["target"], y_test)
    assert run.summary["test"]["roc_auc"] > 0.7
    assert "ranking" not in run.summary["ensemble"]


def test_the_report_says_what_it_can_not_know(run: Run) -> None:
    page = run.directory.report.read_text(encoding="utf-8")
    assert "were split and balanced before this run saw them" in page
    assert run.summary["protocol"] == "presplit"


def test_the_model_scores_rows_of_the_arrays_columns(run: Run) -> None:
    columns = [column.name for column in run.model.schema.columns]
    assert "spent_total" in columns
    scores = run.model.predict_proba(pd.DataFrame(np.zeros((5, len(columns))), columns=columns))
    assert scores.shape == (5, 2)


def test_the_run_is_found_again_with_its_arrays(run: Run) -> None:
    _, config, table = reopen(run.directory.root)
    assert config.data.arrays is not None
    assert table.given is not None
    assert len(table.target) > len(load_table().target)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "a.npz", "--data", "b.csv"], "several --data must be .npz files of different"),
        (["--data", "a=x.npz", "--data", "a=y.npz"], "several --data must be .npz files of diff"),
        (["--data", "a=x.npz", "--target", "y"], "target goes with a table, and not with arrays"),
        (["repeat-customers", "--data", "a=missing.npz"], "missing.npz can't be read (No such"),
        (["--data", "a=missing.npz"], "missing.npz can't be read (No such file or directory)"),
    ],
)
def test_wrong_sources_are_told(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["run", *arguments])
    assert done.exit_code == 2
    assert message in done.output
