"""Sweeps as jobs of a cluster that has no Evensweep: submitted, followed, stopped, fetched."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from ray_processes import RayProcesses, bare_python, free_port

from evensweep.datasets.demo import demonstration_table

SMALL = """
name: mine
data: {path: customers.csv, target: purchased_again}
views: [undersampled]
space: {num_layers: 2, hidden_layer_size: {choice: [16, 32]}, activation: relu, embedding: none}
search: {trials: 3, max_epochs: 4}
cross_validation: {folds: 2, top_k: 1}
ensemble: {rounds: 5}
"""

OURS = """
name: ours
trainable: user_models:build
space: {width: {choice: [8, 16]}}
"""

USER_MODELS = """
import os


def build(config, n_features):
    letters = len(os.environ["SECRET_OF_THE_MODEL"])
    raise ValueError(f"a width of {config['width']} and a secret of {letters} letters")
"""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayProcesses]:
    """A head whose Python has no Evensweep, and its user's home."""
    python = bare_python(tmp_path_factory.mktemp("bare"))
    with RayProcesses() as cluster:
        home = cluster.folder / "home"
        home.mkdir()
        clean = {"PYTHONPATH": "", "HOME": str(home)}
        cluster.start_head("--num-cpus=2", python=python, environment=clean)
        yield cluster


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user types: a sweep file with its table, and one with a module."""
    folder = tmp_path_factory.mktemp("work")
    demonstration_table().to_csv(folder / "customers.csv", index=False)
    (folder / "small.yaml").write_text(SMALL)
    (folder / "ours.yaml").write_text(OURS)
    (folder / "user_models.py").write_text(USER_MODELS)
    return folder


def command(head: RayProcesses, *words: str) -> list[str]:
    address = [] if "--address" in words else ["--address", head.dashboard]
    return [sys.executable, "-m", "evensweep", *words, *address]


def evensweep(
    head: RayProcesses, work: Path, *words: str, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(head, *words),
        capture_output=True, text=True, cwd=work, timeout=280, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def submitted(head: RayProcesses, work: Path) -> subprocess.CompletedProcess[str]:
    return evensweep(head, work, "submit", "small.yaml", "--name", "small-one")


def test_submit_follows_the_job_and_says_where_the_run_is(
    submitted: subprocess.CompletedProcess[str], head: RayProcesses
) -> None:
    out = submitted.stdout
    assert f"job small-one is submitted to {head.dashboard}" in out
    assert re.search(r"  table +customers\n", out)
    assert "checking the nodes" in out
    assert out.count("Running entrypoint for job small-one: python -m evensweep run") == 1
    assert "Results:" in out
    # A storage that this machine has, too: nothing needs to be fetched.
    root = head.folder / "home" / "runs" / "small-one"
    assert f"the run: {root}; look at it with: evensweep leaderboard {root}" in out
    assert json.loads((root / "summary.json").read_text())["status"] == "complete"


def test_the_dashboard_has_the_jobs_metadata_and_status_the_leaderboard(
    submitted: subprocess.CompletedProcess[str], head: RayProcesses, work: Path
) -> None:
    shown = evensweep(head, work, "status", "small-one").stdout
    assert shown.startswith("job small-one: SUCCEEDED, ")
    assert re.search(r"  scheduler +asha\n", shown)
    assert "undersampled-001" in shown
    assert "\u00a0" not in shown
    assert evensweep(head, work, "logs", "small-one").stdout in submitted.stdout
    listed = evensweep(head, work, "jobs").stdout
    assert re.search(r"small-one +│ SUCCEEDED", listed)


def test_a_fetched_run_is_read_like_any_other(
    submitted: subprocess.CompletedProcess[str], head: RayProcesses, work: Path
) -> None:
    evensweep(head, work, "fetch", "small-one", "-o", "fetched")
    root = work / "fetched" / "small-one"
    board = evensweep_here(work, "leaderboard", str(root), "--json")
    assert len(json.loads(board)) == 4
    here = head.folder / "home" / "runs" / "small-one"
    assert (root / "report.html").read_bytes() == (here / "report.html").read_bytes()
    assert (here / "folds").exists()
    assert not (root / "folds").exists()
    scores = evensweep_here(work, "predict", str(root), "customers.csv", "-o", "scores.csv")
    assert "rows scored" in scores
    again = evensweep(head, work, "fetch", "small-one", "-o", "fetched", code=2)
    assert "exists already; choose another -o" in again.stderr


def evensweep_here(work: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evensweep", *words], capture_output=True, text=True, cwd=work
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.minutes
def test_ctrl_c_leaves_the_job_running_and_stop_leaves_what_it_has(
    head: RayProcesses, work: Path
) -> None:
    words = ["submit", "small.yaml", "--name", "long-one", "--set", "search.trials=2000"]
    following = subprocess.Popen(
        command(head, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=work,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert following.stdout is not None
        printed = read_until(following.stdout, "searching")
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=90)
    finally:
        following.kill()
    assert following.returncode == 130, printed + out + err
    assert "job long-one goes on" in err
    for name in ("logs long-one --follow", "stop long-one", "fetch long-one"):
        assert f"evensweep {name} --address {head.dashboard}\n" in err
    assert "Traceback" not in err

    too_early = evensweep(head, work, "fetch", "long-one", code=2)
    assert "job long-one is RUNNING and packs its run when it ends" in too_early.stderr
    deadline = time.monotonic() + 150
    while "undersampled-" not in (shown := evensweep(head, work, "status", "long-one").stdout):
        assert time.monotonic() < deadline, shown

    assert "job long-one: STOPPED" in evensweep(head, work, "stop", "long-one").stdout
    assert "ended already: STOPPED" in evensweep(head, work, "stop", "long-one").stdout
    evensweep(head, work, "fetch", "long-one", "-o", "fetched")
    trials = json.loads(evensweep_here(work, "leaderboard", "fetched/long-one", "--json"))
    assert 0 < len(trials) < 2001
    assert all(trial["epochs"] for trial in trials)


def read_until(stream: IO[str], text: str) -> str:
    read = ""
    for line in stream:
        read += line
        if text in line:
            return read
    pytest.fail(f"no {text!r} in: {read}")


@pytest.mark.minutes
def test_a_failing_job_says_why(
    head: RayProcesses, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the user's own module, which was shipped, and saw the variable that was named."""
    monkeypatch.setenv("SECRET_OF_THE_MODEL", "swordfish")
    words = ["ours.yaml", "--name", "ours-one", "--env", "SECRET_OF_THE_MODEL"]
    done = evensweep(head, work, "submit", *words, code=1)
    assert done.stderr.startswith("evensweep: job ours-one failed: the builder 'user_models:build'")
    assert "ValueError: a width of 8 and a secret of 9 letters; mend the builder" in done.stderr
    assert "swordfish" not in done.stdout + done.stderr
    # What there is comes back: the run's log, for one.
    root = head.folder / "home" / "runs" / "ours-one"
    assert f"the run: {root}; look at it" in done.stdout


def test_a_cluster_without_evensweep_says_so(head: RayProcesses, work: Path) -> None:
    done = evensweep(head, work, "submit", "small.yaml", "--name", "bare-one", "--no-ship", code=1)
    assert "evensweep: job bare-one failed: " in done.stderr
    assert "No module named evensweep" in done.stderr
    assert "it failed: " in evensweep(head, work, "status", "bare-one").stdout
    missing = evensweep(head, work, "fetch", "bare-one", code=2)
    assert missing.stderr.startswith("evensweep: job bare-one has left no run; evensweep logs")


def test_no_wait_says_what_to_type_next(head: RayProcesses, work: Path) -> None:
    done = evensweep(
        head, work, "submit", "small.yaml", "--name", "gone-one", "--no-wait", "--no-ship"
    )
    assert f"evensweep fetch gone-one --address {head.dashboard}\n" in done.stdout
    evensweep(head, work, "logs", "gone-one", "--follow", code=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["submit", "small.yaml", "--address", "ray://127.0.0.1:10001"], "no address of a dashb"),
        (["status", "none"], "has no job none; evensweep jobs lists them"),
        (["submit", "small.yaml", "--set", "search.trials=-1"], "search.trials"),
        (["submit", "small.yaml", "--env", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
        (["submit", "small.yaml", "--data", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_input_is_one_sentence(
    head: RayProcesses, work: Path, words: list[str], told: str
) -> None:
    [line] = evensweep(head, work, *words, code=2).stderr.splitlines()
    assert line.startswith("evensweep: ")
    assert told in line


def test_an_address_where_nobody_answers_is_one_sentence(head: RayProcesses, work: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    [line] = evensweep(head, work, "jobs", "--address", address, code=2).stderr.splitlines()
    assert line.startswith(f"evensweep: no dashboard of Ray answers at {address} (")
