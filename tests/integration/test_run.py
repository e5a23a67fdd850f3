"""A whole sweep leaves what the contract of the run directory promises."""

import json
import re
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from report_numbers import unexplained_numbers
from typer.testing import CliRunner

from evensweep import load_run
from evensweep.cli import app
from evensweep.datasets.table import load_table
from evensweep.results.metrics import classification_metrics
from evensweep.results.summary import write_summary
from evensweep.search.config import SweepConfig
from evensweep.search.run import Run
from evensweep.search.stage import StageName
from evensweep.search.sweep import Sweep, resume

TEST_METRICS = {
    "rows", "accuracy", "log_loss", "roc_auc", "pr_auc", "balanced_accuracy", "f1", "brier", "ece",
    "threshold", "confusion_matrix",
}  # fmt: skip


def test_the_summary_satisfies_its_contract(finished: Run) -> None:
    summary = json.loads(finished.directory.summary.read_text())

    assert summary["run"] == "finished"
    assert summary["status"] == "complete"
    assert summary["protocol"] == "holdout"
    assert summary["seconds"] > 0
    assert set(summary["dataset"]) == {"name", "rows", "features", "positive_rate", "fingerprint"}
    assert set(summary["search"]) >= {
        "scheduler", "searcher", "trials", "errored", "epochs", "seconds",
    }  # fmt: skip
    assert summary["search"]["trials"] == 6
    assert list(summary["views"]) == ["undersampled", "smote"]
    for view in summary["views"].values():
        assert set(view) == {
            "train_rows", "best_trial", "best_config", "baseline_val_loss", "best_val_loss",
            "best_val_accuracy", "cv_val_loss",
        }  # fmt: skip
        assert all(value is not None for value in view.values())
    assert [(row["view"], row["stage"]) for row in summary["stages"]] == [
        (view, stage)
        for view in ("undersampled", "smote")
        for stage in ("baseline", "search", "ensemble", "cross_validation")
    ]
    assert sum(m["weight"] for m in summary["ensemble"]["members"]) == pytest.approx(1)
    assert set(summary["test"]) == TEST_METRICS | {"ci95"}
    assert set(summary["references"]) == {"majority", "logistic_regression", "gradient_boosting"}
    assert all(set(figures) == TEST_METRICS for figures in summary["references"].values())


def test_every_file_of_the_layout_is_there(finished: Run) -> None:
    run = finished.directory
    for path in (
        run.sweep, run.environment, run.dataset, run.trials, run.history, run.cross_validation,
        run.predictions, run.ensemble, run.model, run.summary, run.report, run.plots, run.tune,
    ):  # fmt: skip
        assert path.exists(), path
    assert list(run.plots.glob("*.png"))
    assert not list(run.root.rglob("*.tmp"))


def test_every_number_of_the_report_is_one_of_the_runs_files(finished: Run) -> None:
    assert unexplained_numbers(finished.directory) == set()


def test_every_picture_has_its_numbers_beside_it(finished: Run) -> None:
    plots, summary = finished.directory.plots, finished.summary
    numbers = {path.stem: pd.read_csv(path) for path in plots.glob("*.csv")}
    assert set(numbers) == {path.stem for path in plots.glob("*.png")}

    roc = numbers["test-roc"]
    figures = {"ensemble": summary["test"], **summary["references"]}
    for model, curve in roc.groupby("model"):
        area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
        assert area == pytest.approx(figures[model]["roc_auc"])
    for view in ("undersampled", "smote"):
        stages = numbers[f"stages-{view}"].set_index("stage")["val_loss"]
        assert stages["search"] == pytest.approx(summary["views"][view]["best_val_loss"])
        searched = numbers[f"search-{view}"]
        assert searched["val_loss"].min() <= summary["views"][view]["best_val_loss"]
        assert set(searched["trial"]) == {t.id for t in finished.trials if t.view == view}
    times = numbers["search-time"]
    assert set(times["view"]) == {"undersampled", "smote"}
    assert times["search_seconds"].between(0, summary["search"]["seconds"]).all()
    folds = numbers["cross-validation"].groupby("trial")["losses"]
    assert (folds.count() == 3).all()
    assert len(numbers["ensemble-selection"]) == 10


def test_the_log_of_a_sound_run_has_its_stages_and_no_word_of_tunes_files(finished: Run) -> None:
    text = finished.directory.log.read_text()
    assert [line.split(" INFO ")[1] for line in text.splitlines() if " INFO " in line] == [
        f"{stage}: {what}" for stage in StageName for what in ("starts", "complete")
    ]
    assert "Failed to fetch metrics" not in text


def test_the_parts_of_the_table_are_those_the_predictions_are_for(finished: Run) -> None:
    table = load_table()
    oof = pd.read_parquet(finished.directory.oof_predictions)
    test = pd.read_parquet(finished.directory.test_predictions)

    assert not set(oof["row"]) & set(test["row"])
    assert sorted([*oof["row"], *test["row"]]) == list(range(len(table.target)))
    assert (table.target[test["row"]] == test["target"]).all()
    assert not oof.isna().any().any()


def test_test_figures_are_those_of_the_stored_predictions(finished: Run) -> None:
    test = pd.read_parquet(finished.directory.test_predictions)
    figures = finished.summary["test"]
    again = classification_metrics(
        test["target"].to_numpy(), test["ensemble"].to_numpy(), figures["threshold"]
    )
    assert {key: figures[key] for key in again} == again
    for metric, (low, high) in figures["ci95"].items():
        assert low <= figures[metric] <= high


def test_the_sweep_learns(finished: Run) -> None:
    summary = finished.summary
    assert summary["test"]["roc_auc"] > 0.85
    assert summary["test"]["log_loss"] < summary["references"]["majority"]["log_loss"] - 0.1


def test_every_trial_is_in_the_tables_once(finished: Run) -> None:
    trials = pd.read_parquet(finished.directory.trials)
    history = pd.read_parquet(finished.directory.history)

    assert len(trials) == trials["id"].nunique() == 8
    assert set(trials["status"]) <= {"stopped", "converged", "completed"}
    assert history.groupby("trial").size().to_dict() == dict(
        zip(trials["id"], trials["epochs"], strict=True)
    )
    best = history.groupby("trial")["val_loss"].min()
    np.testing.assert_array_equal(best[trials["id"]], trials["best_val_loss"])


def test_baselines_are_never_cut(finished: Run) -> None:
    trials = pd.read_parquet(finished.directory.trials)
    baselines = trials[trials["stage"] == "baseline"]
    assert set(baselines["status"]) <= {"converged", "completed"}


def test_the_exported_model_gives_the_tested_probabilities(finished: Run) -> None:
    table = load_table()
    test = pd.read_parquet(finished.directory.test_predictions)
    probabilities = finished.model.predict_proba(table.features.iloc[test["row"]])

    assert probabilities.shape == (len(test), 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_allclose(probabilities[:, 1], test["ensemble"], atol=1e-6)


def test_the_leaderboard_is_sorted_and_knows_the_folds(finished: Run) -> None:
    board = finished.leaderboard()
    assert board["val_loss"].is_monotonic_increasing
    assert board["cv_val_loss"].notna().sum() == 4


def test_a_run_is_looked_at_from_the_command_line(finished: Run) -> None:
    def call(*arguments: object) -> str:
        done = CliRunner().invoke(app, [*map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.stdout

    root, board = finished.directory.root, finished.leaderboard()
    rows = json.loads(call("leaderboard", root, "--json", "--where", "view=smote"))
    assert [row["trial"] for row in rows] == board["trial"][board["view"] == "smote"].tolist()
    assert rows[0]["val_loss"] == board["val_loss"][board["view"] == "smote"].iloc[0]
    written = pd.read_csv(StringIO(call("leaderboard", root, "--csv", "--sort", "epochs")))
    assert sorted(written["trial"]) == sorted(board["trial"])
    assert written["epochs"].is_monotonic_increasing
    assert f"{2} of {len(board)} trials" in call("leaderboard", root, "--limit", "2")

    member = finished.summary["ensemble"]["members"][0]
    trial = json.loads(call("show", root, member["trial"], "--json"))
    assert trial["weight"] == member["weight"]
    assert len(trial["history"]) == trial["epochs"]
    assert len(trial["folds"]) == 3
    assert member["trial"] in call("show", root, member["trial"])

    content = json.loads(call("compare", root, root, "--json"))
    assert content["settings"] == {}
    assert content["runs"][1]["differences"]["roc_auc"]["value"] == 0
    assert "Runs side by side" in call("compare", root, root)


def test_the_same_seed_gives_the_same_run(finished: Run, small_config: SweepConfig) -> None:
    again = Sweep(small_config).run("again", until=StageName.SEARCH)

    columns = ["id", "seed", "best_epoch", "best_val_loss"]
    first, second = (
        pd.read_parquet(run.directory.trials)[columns].set_index("id") for run in (finished, again)
    )
    # Which trials a rung stops depends on who comes first; what an epoch gives does not.
    first_history, second_history = (
        pd.read_parquet(run.directory.history)
        .set_index(["trial", "epoch"])
        .drop(columns="search_seconds")
        for run in (finished, again)
    )
    both = first_history.index.intersection(second_history.index)
    assert len(both) >= 16
    pd.testing.assert_frame_equal(first_history.loc[both], second_history.loc[both])
    assert (first["seed"] == second["seed"]).all()


@pytest.mark.parametrize("lost", ["report", "ensemble"])
def test_resume_does_the_missing_stages_and_no_other(
    finished: Run, lost: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("resumed") / "run"
    shutil.copytree(finished.directory.root, root)
    run = load_run(str(root)).directory
    later = ["ensemble", "model", "test_predictions", "report"]
    for name in later[later.index(lost) :]:
        path = getattr(run, name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if lost == "ensemble":
        run.report.write_text("asked for before the test")
    untouched = {path: path.stat().st_mtime_ns for path in (run.trials, run.cross_validation)}

    resumed = resume(root)

    assert resumed.summary["status"] == "complete"
    assert resumed.summary["test"] == finished.summary["test"]
    assert "Test against references" in run.report.read_text()
    assert {path: path.stat().st_mtime_ns for path in untouched} == untouched


def ended_trial(line: str) -> str | None:
    """The trial that an event of the record ends, if it ends one."""
    event = json.loads(line)
    return event["trial"] if event["event"] == "end" or event.get("ending") else None


def test_resume_of_an_unfinished_search_keeps_the_finished_trials(
    finished: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("resumed") / "run"
    root.mkdir()
    source = finished.directory
    for path in (source.sweep, source.environment, source.dataset):
        shutil.copy(path, root)
    run = load_run(str(root)).directory
    lines = source.search_records.read_text().splitlines(keepends=True)
    ends = [i for i, line in enumerate(lines) if ended_trial(line)]
    run.search_records.parent.mkdir()
    run.search_records.write_text("".join(lines[: ends[2] + 1]) + '{"event": "progr')
    shutil.copytree(source.tune, run.tune, dirs_exist_ok=True, ignore=lambda *_: ["records.jsonl"])
    kept = [ended_trial(lines[i]) for i in ends[:3]]
    write_summary(run, "running")
    assert CliRunner().invoke(app, ["report", str(root)]).exit_code == 0
    assert re.search(r"\d of 6 trials are done", run.report.read_text())

    resume(root, until=StageName.SEARCH)

    before = pd.read_parquet(source.trials).set_index("id")
    after = pd.read_parquet(run.trials).set_index("id")
    assert list(after.index) == list(before.index)
    pd.testing.assert_frame_equal(after.loc[kept], before.loc[kept])
    ended = map(ended_trial, run.search_records.read_text().splitlines())
    assert sorted(filter(None, ended)) == sorted(after.index)


def test_a_driver_imports_nothing_that_takes_seconds(
    small_config: SweepConfig, tmp_path: Path, graph_cache: Path
) -> None:
    (tmp_path / "sweep.yaml").write_text(small_config.to_yaml())
    # What workers send back counts, too: it brings the modules of its classes with it.
    code = (
        "import sys\n"
        "from evensweep import Sweep\n"
        "run = Sweep.from_yaml('sweep.yaml').run(cpus=2)\n"
        "assert run.leaderboard()['val_loss'].notna().all()\n"
        "dear = {'tensorflow', 'keras', 'mlflow', 'ray.dashboard.optional_deps'}\n"
        "assert not dear & set(sys.modules), dear & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
