"""Logs a run to an MLflow tracking server: the sweep as a parent run, its trials as children."""

import logging
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

from ..cluster.session import environment
from ..datasets.errors import InputError
from ..results.comparison import settings_of
from ..results.contents import read_folds, read_history, read_summary, read_trials
from ..results.leaderboard import cv_losses
from ..results.records import HISTORY_COLUMNS, TrialRecord
from ..results.run_directory import RunDirectory
from ..results.tables import answer

RUN_TAG = "evensweep.run"
"""Tag of a parent run with the run directory, by which a run that is logged again is replaced."""

_METRICS_A_BATCH, _PARAMS_A_BATCH = 1000, 100
"""What MLflow takes at once."""

_SECRETS = {"password", "passwd", "pwd", "token", "sslpassword"}
"""Names of secrets in an address's query."""


def open_client(uri: str) -> Any:
    """A client of the tracking server, which has answered.

    Args:
        uri: Such as ``http://HOST:PORT`` or ``sqlite:///mlflow.db``.

    Raises:
        InputError: MLflow is not installed, there is no such server, or the address holds a
            password.
    """
    refuse_password(uri)
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise InputError(
            "--mlflow needs MLflow's client; install it with pip install 'evensweep[mlflow]'"
        ) from error
    for name in ("mlflow", "alembic"):  # which tell of every table they make
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        # A typing error is to be told now, and not after two minutes of trying.
        with environment({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}):
            client = MlflowClient(tracking_uri=uri)
            client.search_experiments(max_results=1)
    except (MlflowException, OSError, ImportError, ValueError) as error:
        raise InputError(
            f"no MLflow answers at {uri} ({_reason(error)}); give such as http://HOST:PORT or "
            "sqlite:///mlflow.db"
        ) from error
    return client


def log_run(run: RunDirectory, uri: str) -> str:
    """Logs what a run's files say, in place of what an earlier call logged of the same run.

    The parent has the sweep's settings as parameters, the ensemble's and the test's figures, and
    ``model/``, ``plots/``, the report and the summary as artifacts. A child has its trial's
    hyperparameters, and its figures epoch by epoch.

    Args:
        run: The run.
        uri: Of the tracking server.

    Returns:
        The parent's run id.

    Raises:
        InputError: MLflow is not installed, or the server did not take it.
    """
    client = open_client(uri)
    from mlflow.exceptions import MlflowException

    try:
        return _log(client, run, uri)
    except (MlflowException, OSError) as error:
        raise InputError(
            f"MLflow at {uri} did not take the run ({_reason(error)}); mend the server, and resume "
            "the run with --mlflow again"
        ) from error


def _log(client: Any, run: RunDirectory, uri: str) -> str:
    settings = settings_of(run)
    summary = read_summary(run)
    experiment = _experiment(client, str(settings["name"]), uri)
    replaced = list(client.search_runs([experiment], f"tags.`{RUN_TAG}` = '{run.location}'"))
    tags = {RUN_TAG: str(run.location), "evensweep.status": summary["status"]}
    if "dataset" in summary:
        tags["evensweep.fingerprint"] = summary["dataset"]["fingerprint"]
    if "test" in summary:
        tags["mlflow.note.content"] = answer(summary)
    parent = client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
    _add(client, parent, settings, {0: _headline(summary)})
    for path in (run.sweep, run.summary, run.report):
        if path.exists():
            client.log_artifact(parent, str(path))
    for folder in (run.model, run.plots):
        if folder.exists():
            client.log_artifacts(parent, str(folder), folder.name)
    if run.trials.exists():
        _log_trials(client, run, experiment, parent)
    client.set_terminated(parent)
    for old in replaced:  # now that the new one is whole
        for child in list(_children(client, experiment, old.info.run_id)):
            client.delete_run(child.info.run_id)
        client.delete_run(old.info.run_id)
    return str(parent)


def _log_trials(client: Any, run: RunDirectory, experiment: str, parent: str) -> None:
    history = dict(list(read_history(run).groupby("trial")))
    losses: Mapping[str, float] = {}
    if run.cross_validation.exists():
        losses = cv_losses(read_folds(run))
    for trial in read_trials(run):
        tags = {
            "mlflow.parentRunId": parent,
            "view": trial.view,
            "stage": trial.stage,
            "status": trial.status,
        }
        if trial.error:
            tags["error"] = trial.error
        child = client.create_run(experiment, run_name=trial.id, tags=tags).info.run_id
        figures = _epochs(history.get(trial.id))
        figures.setdefault(trial.best_epoch, {}).update(_best(trial, losses))
        _add(client, child, {"view": trial.view, **trial.config}, figures)
        client.set_terminated(child, "FAILED" if trial.status == "failed" else "FINISHED")


def _epochs(history: pd.DataFrame | None) -> dict[int, dict[str, float]]:
    if history is None:
        return {}
    return {
        int(row["epoch"]): {name: row[name] for name in HISTORY_COLUMNS[1:] if pd.notna(row[name])}
        for row in history.to_dict("records")
    }


def _best(trial: TrialRecord, losses: Mapping[str, float]) -> dict[str, float]:
    figures = {
        "best_val_loss": trial.best_val_loss,
        "best_val_accuracy": trial.best_val_accuracy,
        "best_metric": trial.best_metric,
        "cv_val_loss": losses.get(trial.id),
    }
    return {name: value for name, value in figures.items() if value is not None}


def _headline(summary: dict[str, Any]) -> dict[str, float]:
    """The run's own figures."""
    figures = {
        f"test.{name}": value
        for name, value in summary.get("test", {}).items()
        if isinstance(value, int | float)
    }
    for name in ("oof_log_loss", "oof_roc_auc", "oof_metric"):
        value = summary.get("ensemble", {}).get(name)
        if value is not None:
            figures[f"ensemble.{name}"] = value
    for view, of_view in summary.get("views", {}).items():
        figures[f"best_val_loss.{view}"] = of_view["best_val_loss"]
    return figures


def _add(
    client: Any,
    run_id: str,
    params: Mapping[str, Any],
    figures: Mapping[int, Mapping[str, float]],
) -> None:
    """Logs parameters, and figures by step, in batches as MLflow takes them."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    metrics = [
        Metric(name, float(value), now, step)
        for step, of_step in figures.items()
        for name, value in of_step.items()
    ]
    for start in range(0, len(metrics), _METRICS_A_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _METRICS_A_BATCH])
    named = [Param(name, str(value)) for name, value in params.items()]
    for start in range(0, len(named), _PARAMS_A_BATCH):
        client.log_batch(run_id, params=named[start : start + _PARAMS_A_BATCH])


def _experiment(client: Any, name: str, uri: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None and known.lifecycle_stage == "active":
        return str(known.experiment_id)
    location = None
    if urlsplit(uri).scheme == "sqlite":  # beside the file, and not in the working directory
        location = (Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlartifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _children(client: Any, experiment: str, parent: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs(
            [experiment], f"tags.`mlflow.parentRunId` = '{parent}'", page_token=token
        )
        yield from page
        token = page.token
        if not token:
            return


def refuse_password(uri: str) -> None:
    """Refuses what a process list, Ray's dashboard and the logs would show to others.

    Raises:
        InputError: The address holds a password, or a token in its place, or is none.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise InputError(
            "the address of MLflow is malformed; give such as http://HOST:PORT or "
            "sqlite:///mlflow.db"
        ) from None
    on_web = parts.scheme in ("http", "https")
    named = {name.lower() for name, _ in parse_qsl(parts.query)}
    if parts.password is None and not (on_web and parts.username) and not named & _SECRETS:
        return
    remedy = (
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        if on_web
        else "let the database's client find it, such as in PGPASSWORD or ~/.pgpass"
    )
    raise InputError(
        "the address of MLflow holds a password, which process lists and Ray's dashboard would "
        f"show; leave it out, and {remedy}"
    )


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
