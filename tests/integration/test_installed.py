"""The built wheel, installed outside the checkout and used as a person would: run, predict, and a
sweep that is sent to a cluster of three nodes."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from ray_processes import RayProcesses

CHECKOUT = Path(__file__).resolve().parents[2]
TINY = [
    "--set=search.trials=2", "--set=search.max_epochs=3", "--set=cross_validation.folds=2",
    "--set=cross_validation.top_k=1", "--set=space.num_layers=2", "--set=space.activation=relu",
]  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: a build leaves files behind, which the next one would pack again.
    kept_out = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")
    source = shutil.copytree(CHECKOUT, folder / "source", ignore=kept_out)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(source)], check=True, capture_output=True, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def evensweep(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of a new environment that holds the wheel.

    Its dependencies are this environment's, put on the path, since installing TensorFlow again
    would take minutes; this environment's own editable install is not reachable that way.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "evensweep"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def test_the_wheel_holds_every_file_of_every_package(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    folders = ["evensweep", "cluster", "datasets", "results", "search", "trainables"]
    files = {
        ("" if folder == "evensweep" else "evensweep/") + path.relative_to(CHECKOUT).as_posix()
        for folder in folders
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"evensweep/results/templates/report.html.j2", "evensweep/py.typed"} <= files
    assert files <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"evensweep"}


def test_it_says_its_version(evensweep: Path, folder: Path) -> None:
    done = subprocess.run(
        [evensweep, "--version"], check=True, capture_output=True, text=True, cwd=folder
    )
    assert done.stdout.strip() == "evensweep 0.1.0"


def test_it_runs_from_its_own_files(evensweep: Path, folder: Path) -> None:
    code = "import evensweep.search.config as c; print(c.__file__)"
    python = evensweep.parent / "python"
    done = subprocess.run(
        [python, "-c", code], check=True, capture_output=True, text=True, cwd=folder
    )
    assert str(evensweep.parents[1]) in done.stdout


USERS_SCRIPT = """
from typing import assert_type

import numpy as np
import pandas as pd

from evensweep import EvenSweepClassifier, InputError, RankingModel, Run, Sweep, SweepConfig
from evensweep import load_run, resume, session_for_sweeps

frame = pd.DataFrame({"a": [1.0, 2.0], "b": [0, 1]})
config: SweepConfig = SweepConfig.from_mapping({"seed": 1}, "here")
try:
    with session_for_sweeps(cpus=2) as session:
        assert_type(session.cpus, float)
        assert_type(Sweep(config, frame).run("mine", cpus=2), Run)
except InputError as error:
    print(error)
run = Sweep.from_yaml("sweep.yaml").run()
assert_type(resume("runs/mine", data=frame), Run)
assert_type(load_run("runs/mine"), Run)
assert_type(run.leaderboard(), pd.DataFrame)
assert_type(run.model, RankingModel)
scores: np.ndarray = run.model.predict_proba(frame)
model = EvenSweepClassifier(max_epochs=50).fit(frame, [0, 1])
assert_type(model, EvenSweepClassifier)
labels: np.ndarray = model.predict(frame)
run.summary["test"]
Sweep(3)  # type: ignore[arg-type]
EvenSweepClassifier(epochs=50)  # type: ignore[call-arg]
run.leader_board()  # type: ignore[attr-defined]
"""

# Ray and MLflow alone would take mypy a quarter of a minute.
MYPY_INI = """
[mypy]
strict = True
follow_imports = skip
[mypy-evensweep.*,pandas.*]
follow_imports = silent
"""


def test_a_users_script_type_checks_against_it(evensweep: Path, folder: Path) -> None:
    (folder / "script.py").write_text(USERS_SCRIPT)
    (folder / "mypy.ini").write_text(MYPY_INI)
    python = f"--python-executable={evensweep.parent / 'python'}"
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", python, "script.py"],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture(scope="module")
def root(evensweep: Path, folder: Path) -> Path:
    """A run on this machine."""
    ran = subprocess.run(
        [evensweep, "run", "--name", "mine", "--out", "runs", "--cpus", "2", *TINY],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "RAY_ADDRESS": ""},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "Results:" in ran.stdout
    return folder / "runs" / "mine"


@pytest.mark.minutes
def test_it_runs_a_sweep_and_predict_scores_a_table(
    evensweep: Path, folder: Path, root: Path
) -> None:
    summary = json.loads((root / "summary.json").read_text())
    assert summary["status"] == "complete"
    assert summary["search"]["trials"] == 4

    from evensweep.datasets.demo import demonstration_table

    table = demonstration_table().drop(columns="purchased_again").head(100)
    table.to_csv(folder / "new.csv", index=False)
    scored = subprocess.run(
        [evensweep, "predict", "runs/mine", "new.csv", "-o", "scores.csv"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    scores = pd.read_csv(folder / "scores.csv")
    assert list(scores) == ["customer_id", "probability", "rank", "decile", "predicted"]
    assert (scores["customer_id"] == table["customer_id"].to_numpy()).all()
    assert sorted(scores["rank"]) == list(range(1, 101))
    assert scores.sort_values("rank")["probability"].is_monotonic_decreasing
    assert (scores["decile"].value_counts() == 10).all()


@pytest.fixture(scope="module")
def fetched(evensweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three nodes that have the wheel, one of which was lost while it searched."""
    folder = tmp_path_factory.mktemp("cluster")
    storage = folder / "shared"
    installed = {"python": evensweep.parent / "python", "environment": {"PYTHONPATH": ""}}
    with RayProcesses() as cluster:
        cluster.start_head("--num-cpus=1", **installed)
        lost = cluster.start_node("--num-cpus=1", **installed)
        cluster.start_node("--num-cpus=1", **installed)
        process = subprocess.Popen(
            [
                evensweep, "submit", "--name", "three", "--address", cluster.dashboard,
                "--no-ship", "--out", storage, "--output", "runs",
                *TINY, "--set=search.trials=12", "--set=search.max_epochs=30",
            ],
            cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=cluster.environment,
        )  # fmt: skip
        records = storage / "three" / "tune" / "records.jsonl"
        try:
            deadline = time.monotonic() + 200
            while not (records.exists() and records.read_text().count('"progress"') >= 3):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline, "the search does not come on"
                time.sleep(0.05)
            cluster.stop(lost)
            assert records.read_text().count('"end"') < 24, "the search was over by then"
            told, _ = process.communicate(timeout=200)
        finally:
            process.kill()
    assert process.returncode == 0, told
    return storage / "three"


def keys(value: Any) -> Any:
    """The keys of nested mappings, and of the first entries of lists of them."""
    if isinstance(value, dict):
        return {key: keys(inner) for key, inner in value.items()}
    return [keys(value[0])] if isinstance(value, list) and value else None


@pytest.mark.minutes
def test_a_cluster_that_loses_a_node_finishes_with_the_same_summary(
    fetched: Path, root: Path
) -> None:
    summary = json.loads((fetched / "summary.json").read_text())
    here = json.loads((root / "summary.json").read_text())
    assert summary["status"] == here["status"] == "complete"
    assert summary["search"]["errored"] == 0
    assert summary["search"]["trials"] == 2 * 12
    for view in summary["views"].values():
        view["best_config"] = None  # the default space's, which both drew from
    for view in here["views"].values():
        view["best_config"] = None
    assert keys(summary) == keys(here)
