"""One small but whole sweep of the demonstration data, run once a session."""

import os
from pathlib import Path

import pytest
from command_line import Shell
from filelock import FileLock

from evensweep import cli
from evensweep.search.config import SweepConfig
from evensweep.search.run import Run
from evensweep.search.sweep import Sweep

SMALL = {
    "search": {"trials": 3, "max_epochs": 6, "grace_epochs": 2},
    "space": {
        "num_layers": {"int": [2, 3]},
        "hidden_layer_size": {"choice": [16, 32]},
        "activation": "relu",
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
    },
    "cross_validation": {"folds": 3, "top_k": 2},
    "ensemble": {"rounds": 10},
    "seed": 7,
}
"""A sweep that takes seconds and still goes through every stage."""


@pytest.fixture(scope="session")
def small_config(tmp_path_factory: pytest.TempPathFactory) -> SweepConfig:
    base = tmp_path_factory.getbasetemp()
    # What the processes of pytest-xdist share, each of which has a folder of its own in there.
    storage = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "runs"
    storage.mkdir(exist_ok=True)
    return SweepConfig.from_mapping({**SMALL, "storage": str(storage)}, "the small sweep")


@pytest.fixture(scope="session")
def finished(ray_session: None, small_config: SweepConfig) -> Run:
    root = small_config.storage / "finished"
    with FileLock(small_config.storage / "finished.lock"):
        return Run.load(root) if root.exists() else Sweep(small_config).run("finished")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    started: list[object] = []
    monkeypatch.setattr(cli, "run_sweep", lambda *arguments: started.append(arguments))
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, started)


@pytest.fixture
def root(finished: Run) -> Path:
    return finished.directory.root
