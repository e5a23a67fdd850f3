"""A sweep that ends with its search and is resumed, and one of a user's own models."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from comparison.workers import trial_workers

from evensweep.datasets.table import load_table
from evensweep.search.config import SweepConfig
from evensweep.search.run import Run
from evensweep.search.stage import StageName
from evensweep.search.sweep import Sweep, resume

BUILDER = """
import keras


def build(config, n_features):
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(config["units"], activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
"""


@pytest.fixture(scope="module")
def searched(ray_session: None, small_config: SweepConfig) -> tuple[Run, dict[str, bytes]]:
    """A run whose search alone is done, and its files' content at that time."""
    run = Sweep(small_config).run("searched", until=StageName.SEARCH)
    root = run.directory.root
    return run, {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def completed(searched: tuple[Run, dict[str, bytes]]) -> Run:
    run, _ = searched
    assert run.summary["status"] == "running"
    return resume(run.directory.root)


def test_a_sweep_until_the_search_leaves_its_results_and_no_more(
    searched: tuple[Run, dict[str, bytes]],
) -> None:
    run, files = searched
    assert {"trials.parquet", "history.parquet", "predictions/validation.parquet"} <= set(files)
    later = ("cross_validation", "ensemble", "report", "test", "model/", "folds/", "plots/")
    assert not [name for name in files if name.startswith(later)]
    assert run.summary["search"]["trials"] == 6
    assert not {"test", "ensemble", "references"} & set(run.summary)
    assert run.leaderboard()["val_loss"].notna().all()


def test_resume_does_the_later_stages_on_the_same_trials(
    searched: tuple[Run, dict[str, bytes]], completed: Run
) -> None:
    _, files = searched
    assert completed.summary["status"] == "complete"
    for name in ("trials.parquet", "history.parquet", "tune/records.jsonl"):
        assert (completed.directory.root / name).read_bytes() == files[name]


def test_a_sweep_in_two_parts_gives_the_figures_of_an_unbroken_one(
    completed: Run, finished: Run
) -> None:
    def both(file: str, keys: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows that both runs have: which trials a rung stops depends on who comes first."""
        one, other = (
            pd.read_parquet(run.directory.root / file).set_index(keys)
            for run in (completed, finished)
        )
        shared = one.index.intersection(other.index)
        return one.loc[shared], other.loc[shared]

    one, other = (
        f.drop(columns="search_seconds") for f in both("history.parquet", ["trial", "epoch"])
    )
    assert len(one) >= 16
    pd.testing.assert_frame_equal(one, other)
    one, other = (
        f.drop(columns="seconds") for f in both("cross_validation.parquet", ["trial", "fold"])
    )
    assert len(one) >= 3
    pd.testing.assert_frame_equal(one, other)
    one, other = both("trials.parquet", ["id"])
    assert len(one) == len(other) == 8
    same = one.filter(regex=r"^(view|stage|seed|bracket|config\.)")
    pd.testing.assert_frame_equal(same, other[same.columns])


def test_the_sweeps_of_a_session_share_its_workers(
    completed: Run, small_config: SweepConfig, tmp_path: Path
) -> None:
    before = trial_workers()
    assert len(before) == 2
    again = small_config.model_copy(update={"storage": tmp_path, "seed": 8})
    assert Sweep(again).run(until=StageName.SEARCH).leaderboard()["val_loss"].notna().all()
    # At least one: a worker of an earlier file's pool may still have been ending.
    assert {process.pid for process in trial_workers()} & {process.pid for process in before}


@pytest.mark.minutes
def test_a_users_own_model_is_swept_tested_and_exported(ray_session: None, tmp_path: Path) -> None:
    (tmp_path / "nets_of_a_user.py").write_text(BUILDER)
    sweep = {
        "name": "own",
        "trainable": "nets_of_a_user:build",
        "space": {
            "units": {"choice": [4, 8]},
            "learning_rate": {"float": [3e-3, 3e-2], "log": True},
        },
        "views": ["undersampled"],
        "search": {"trials": 2, "max_epochs": 4, "grace_epochs": 2},
        "training": {"batch_size": 32},
        "cross_validation": {"folds": 2, "top_k": 1},
        "ensemble": {"rounds": 3},
        "storage": str(tmp_path / "runs"),
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(sweep))

    run = Sweep.from_yaml(tmp_path / "sweep.yaml").run("own")

    assert run.summary["status"] == "complete"
    assert [(t.stage, t.epochs > 0, t.error) for t in run.trials] == [
        ("baseline", True, None), ("search", True, None), ("search", True, None),
    ]  # fmt: skip
    assert {t.config["units"] for t in run.trials} <= {4, 8}
    [member] = run.summary["ensemble"]["members"]
    assert member["weight"] == pytest.approx(1)
    assert run.summary["test"]["roc_auc"] > 0.6
    table = load_table()
    test = pd.read_parquet(run.directory.test_predictions)
    rows = table.features.iloc[test["row"]]
    probabilities = run.model.predict_proba(rows)[:, 1]
    np.testing.assert_allclose(probabilities, test["ensemble"], atol=1e-6)
    predicted = run.model.predict(rows)
    assert len(predicted) == len(test)
    assert len(set(predicted)) == 2
