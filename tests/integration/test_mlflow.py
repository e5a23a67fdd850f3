"""MLflow's own client reads what was logged of a run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from evensweep.cli import app
from evensweep.datasets.errors import InputError
from evensweep.results.run_directory import RunDirectory
from evensweep.search.errors import SweepError
from evensweep.search.mlflow_log import RUN_TAG, log_run, open_client
from evensweep.search.run import Run
from evensweep.search.tracking import Tracking


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="module")
def client(uri: str) -> Any:
    return open_client(uri)


def runs_of(client: Any, filter_string: str = "") -> list[Any]:
    [experiment] = [e for e in client.search_experiments() if e.name == "demonstration"]
    return list(client.search_runs([experiment.experiment_id], filter_string, max_results=1000))


def test_the_sweep_is_a_parent_and_its_trials_are_children(
    finished: Run, uri: str, client: Any
) -> None:
    run = finished.directory
    parent = client.get_run(log_run(run, uri))
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["test.roc_auc"] == finished.summary["test"]["roc_auc"]
    assert (
        parent.data.metrics["ensemble.oof_log_loss"]
        == (finished.summary["ensemble"]["oof_log_loss"])
    )
    assert parent.data.params["search.max_epochs"] == "6"
    assert parent.data.tags["mlflow.note.content"].startswith("Of 1,400 test rows")

    children = runs_of(client, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    trials = {trial.id: trial for trial in finished.trials}
    assert {child.info.run_name for child in children} == set(trials)
    history = pd.read_parquet(run.history).set_index(["trial", "epoch"])["val_loss"]
    for child in children:
        trial = trials[child.info.run_name]
        assert child.data.metrics["best_val_loss"] == trial.best_val_loss
        assert child.data.params["view"] == trial.view
        assert float(child.data.params["learning_rate"]) == trial.config["learning_rate"]
        epochs = client.get_metric_history(child.info.run_id, "val_loss")
        assert {m.step: m.value for m in epochs} == history[trial.id].to_dict()

    folder = Path(client.download_artifacts(parent.info.run_id, ""))
    assert (folder / "model" / "model.json").read_text() == (run.model / "model.json").read_text()
    assert json.loads((folder / "summary.json").read_text())["run"] == "finished"
    assert {path.name for path in (folder / "plots").iterdir()} == {
        path.name for path in run.plots.iterdir()
    }


def test_a_run_that_is_logged_again_stands_there_once(finished: Run, uri: str, client: Any) -> None:
    for _ in range(2):
        log_run(finished.directory, uri)
    assert len(runs_of(client, f"tags.`{RUN_TAG}` = '{finished.directory.root}'")) == 1
    assert len(runs_of(client)) == 1 + len(finished.trials)


def test_a_run_under_way_is_logged_as_far_as_it_is(
    finished: Run, uri: str, client: Any, tmp_path: Path
) -> None:
    shutil.copytree(finished.directory.root, tmp_path / "begun")
    run = RunDirectory(tmp_path / "begun")
    summary = json.loads(run.summary.read_text())
    del summary["test"], summary["ensemble"], summary["views"]
    run.summary.write_text(json.dumps(summary | {"status": "running"}))
    for path in (run.trials, run.report):
        path.unlink()
    parent = client.get_run(log_run(run, uri))
    assert parent.data.metrics == {}
    assert parent.data.tags["evensweep.status"] == "running"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("http://127.0.0.1:9", "no MLflow answers at http://127.0.0.1:9 ("),
        ("nowhere://x", "no MLflow answers at nowhere://x ("),
        ("http://user:hush@127.0.0.1:9", "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("https://hush@127.0.0.1:9", "or MLFLOW_TRACKING_TOKEN"),
        ("postgresql://user:hush@127.0.0.1:9/db", "in PGPASSWORD or ~/.pgpass"),
        ("postgresql://127.0.0.1:9/db?password=hush", "in PGPASSWORD or ~/.pgpass"),
    ],
)
def test_an_unfit_server_is_told_before_the_sweep(uri: str, said: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "--out", str(tmp_path / "runs"), "--mlflow", uri])
    assert done.exit_code == 2
    assert said in done.output
    assert "hush" not in done.output
    assert not (tmp_path / "runs").exists()


def test_a_server_that_fails_in_the_end_loses_nothing(
    finished: Run, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("the disk is full")

    monkeypatch.setattr(MlflowClient, "create_run", refuse)
    with pytest.raises(SweepError, match=r"did not take the run \(the disk is full\)"):
        Tracking(mlflow=uri).log(finished.directory)
    assert finished.directory.report.exists()


def test_without_its_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(InputError, match=r"pip install 'evensweep\[mlflow\]'"):
        open_client("sqlite:///x.db")
