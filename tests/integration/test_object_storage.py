"""A sweep with data, run directory and checkpoints in object storage, and with a driver killed."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from evensweep import load_run
from evensweep.cli import app
from evensweep.datasets.demo import demonstration_table
from evensweep.datasets.locations import Location, parse_location
from evensweep.results.copies import fetch_files

SWEEP: dict[str, Any] = {
    "data": {"target": "purchased_again"},
    "views": ["undersampled"],
    "search": {"scheduler": "hyperband", "trials": 14, "max_epochs": 9, "grace_epochs": 1},
    "space": {
        "num_layers": {"int": [2, 3]},
        "hidden_layer_size": {"choice": [16, 32]},
        "activation": {"choice": ["relu", "tanh"]},
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
    },
    "cross_validation": {"folds": 3, "top_k": 2},
    "ensemble": {"rounds": 10},
    "seed": 7,
}
SECRETS = ("AKIAMARKEDACCESSKEY", "marked/secret/access/key", "marked%2Fsecret")


@dataclass
class Broken:
    """A run whose driver was killed in the search, and which was resumed elsewhere.

    Attributes:
        location: The run.
        table: Its table.
        caches: What the two drivers kept on their machines.
        killed: The run's files when the first driver was dead.
        told: What both drivers printed.
    """

    location: Location
    table: Location
    caches: list[Path]
    killed: dict[str, bytes]
    told: str


def start(cache: Path, *arguments: object) -> "subprocess.Popen[bytes]":
    # One worker: then nothing depends on who is faster.
    command = [sys.executable, "-m", "evensweep.cli", *map(str, arguments), "--cpus", "1"]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "EVENSWEEP_CACHE": str(cache)},
    )


def contents(location: Location) -> dict[str, bytes]:
    return {name: (location / name).read_bytes() for name in location.files()}


@pytest.fixture(scope="module")
def run(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Broken:
    folder = tmp_path_factory.mktemp("driver")
    (folder / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    storage = parse_location(f"s3://bucket/sweeps?endpoint_override={s3_endpoint}")
    assert isinstance(storage, Location)
    table = storage / "customers.csv"
    table.write_bytes(demonstration_table().to_csv(index=False).encode())
    location = storage / "runs" / "broken"
    caches = [folder / "here", folder / "there"]

    process = start(
        caches[0], "run", folder / "sweep.yaml", "--data", table, "--out", storage / "runs",
        "--name", location.name,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    records = location / "tune" / "records.jsonl"
    while not records.exists() or records.read_bytes().count(b'"progress"') < 4:
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    told = process.communicate()[0]
    killed = contents(location)
    process = start(caches[1], "resume", location)
    output = process.communicate(timeout=240)[0]
    assert process.returncode == 0, output.decode()
    return Broken(location, table, caches, killed, (told + output).decode())


def call(*arguments: object) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_killed_driver_leaves_a_run_to_go_on_with_and_its_copy(run: Broken) -> None:
    assert {
        "sweep.yaml",
        "environment.json",
        "dataset.json",
        "tune/records.jsonl",
        ".owner",
    } <= set(run.killed)
    assert "trials.parquet" not in run.killed
    reached = [json.loads(line) for line in run.killed["tune/records.jsonl"].splitlines()]
    checkpoints = {event["checkpoint"] for event in reached if event["event"] == "progress"}
    assert checkpoints <= set(run.killed)
    [copy] = (run.caches[0] / "runs").iterdir()
    # It may know of events that the bucket has not: those of the last second, and no others.
    written = (copy / "tune" / "records.jsonl").read_bytes()
    assert written.startswith(run.killed["tune/records.jsonl"])


def test_the_run_is_whole_and_nothing_is_left_on_the_drivers_machine(run: Broken) -> None:
    files = set(run.location.files())
    assert {
        "summary.json", "report.html", "model/model.json", "trials.parquet", "run.log",
        "predictions/test.parquet", "plots/test-roc.png", "tune/records.jsonl",
    } <= files  # fmt: skip
    assert ".owner" not in files
    assert not [name for name in files if name.endswith((".tmp", ".lock"))]
    assert list((run.caches[1] / "runs").iterdir()) == []
    assert f"Results: {run.location}" in "".join(run.told.splitlines())


def test_every_epoch_of_every_trial_is_there_once(run: Broken) -> None:
    loaded = load_run(str(run.location))
    assert loaded.summary["status"] == "complete"
    history = pd.read_parquet(loaded.directory.history)
    for trial in loaded.trials:
        epochs = history.loc[history["trial"] == trial.id, "epoch"].tolist()
        assert epochs == list(range(1, trial.epochs + 1)), trial.id
    recorded = loaded.directory.search_records.read_text()
    first = run.killed["tune/records.jsonl"].rpartition(b"\n")[0].decode()
    assert recorded.startswith(first)
    figures: dict[tuple[str, int], list[float]] = {}
    for event in map(json.loads, recorded.splitlines()):
        for row in event.get("history", []):
            # One whose checkpoint was further than the record was trained again, to the same.
            assert figures.setdefault((event["trial"], row[0]), row) == row


def test_a_run_is_looked_at_where_it_is(run: Broken, tmp_path: Path) -> None:
    rows = json.loads(call("leaderboard", run.location, "--json"))
    assert len(rows) == 15
    trial = json.loads(call("show", run.location, rows[0]["trial"], "--json"))
    assert len(trial["history"]) == trial["epochs"]

    fetch_files(run.location, tmp_path / "local", run.location.files())
    content = json.loads(call("compare", tmp_path / "local", run.location, "--json"))
    assert content["settings"] == {}
    assert content["runs"][1]["differences"]["roc_auc"]["value"] == 0

    (run.location / "report.html").delete()
    assert call("report", run.location).strip() == str(run.location / "report.html")
    page = (run.location / "report.html").read_text("utf-8")
    assert "Test against references" in page
    assert "evensweep predict &#39;s3://bucket/sweeps/runs/broken?endpoint" in page


def test_a_model_scores_a_table_from_and_to_object_storage(run: Broken, tmp_path: Path) -> None:
    scores = run.table.parent / "scores.csv"
    assert str(scores) in call("predict", run.location, run.table, "-o", scores)
    from_run = pd.read_csv(io.BytesIO(scores.read_bytes()))
    assert len(from_run) == len(demonstration_table())
    call("predict", run.location / "model", run.table, "-o", tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "scores.csv"), from_run)


def test_no_credentials_are_anywhere_in_it(run: Broken) -> None:
    written = contents(run.location) | run.killed
    for cache in run.caches:
        written |= {str(path): path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    written["the terminal"] = run.told.encode()
    assert len(written) > 50
    for secret in SECRETS:
        assert [name for name, content in written.items() if secret.encode() in content] == []


@pytest.mark.parametrize("command", ["resume", "leaderboard", "report", "compare"])
def test_what_is_not_there_gets_one_sentence(run: Broken, command: str) -> None:
    other = Location(run.location.store, run.location.path.parents[2] / "none" / "run")
    for location in (run.location.parent / "no-run", other):
        done = CliRunner().invoke(app, [command, str(location)])
        assert done.exit_code == 2
        [line] = done.stderr.splitlines()
        assert line.startswith(f"evensweep: {location} is no run directory")


def test_where_nothing_can_be_written_nothing_starts(run: Broken) -> None:
    nowhere = f"s3://no-such-bucket/runs?{run.location.store.query}"
    done = CliRunner().invoke(app, ["run", "--out", nowhere, "--name", "mine"])
    assert done.exit_code == 2
    [line] = done.stderr.splitlines()
    assert "there is no bucket 'no-such-bucket'; make it, or mend its name" in line
    there = CliRunner().invoke(
        app, ["run", "--out", str(run.location.parent), "--name", run.location.name]
    )
    assert there.exit_code == 2
    assert "exists already; choose another --name" in there.stderr
