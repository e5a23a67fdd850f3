"""Trials that want more memory than there is fail, each by itself, and the sweep goes on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

from evensweep.search.run import Run

BUILDER = """
import time

import keras


def build(config, n_features):
    if config["units"] == 64:
        wanted = []
        for _ in range(60):
            wanted.append(bytearray(100 << 20))
            time.sleep(0.05)
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(config["units"], activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
"""
ALLOWED = 4.5 * 2**30
"""Bytes that the sweep may take; sound trials leave room for another test's sweep."""
SWEEP: dict[str, Any] = {
    "trainable": "hungry:build",
    "views": ["undersampled"],
    "search": {"trials": 6, "max_epochs": 4, "grace_epochs": 2, "max_failed_share": 1.0},
    "space": {
        "units": {"choice": [8, 16, 32, 64]},
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
    },
    "baseline": {"units": 8, "learning_rate": 1e-3},
    "cross_validation": {"folds": 3, "top_k": 1},
    "ensemble": {"rounds": 10},
    "seed": 9,
}


@pytest.mark.minutes
@pytest.mark.timeout(600)
def test_trials_that_exceed_the_memory_fail_alone(tmp_path: Path) -> None:
    (tmp_path / "hungry.py").write_text(BUILDER)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    memory = psutil.virtual_memory()
    threshold = (memory.total - memory.available + ALLOWED) / memory.total
    if threshold > 0.9:
        pytest.skip("this machine has too little memory left to see some of it used up")
    ran = subprocess.run(
        [sys.executable, "-m", "evensweep.cli", "run", tmp_path / "sweep.yaml",
         "--out", tmp_path, "--name", "run", "--cpus", "1"],
        env={
            **os.environ,
            "RAY_memory_usage_threshold": f"{threshold:.4f}",
            "RAY_memory_monitor_refresh_ms": "50",
        },
        capture_output=True,
        text=True,
        timeout=580,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    trials = pd.read_parquet(Run.load(tmp_path / "run").directory.trials)
    hungry = trials["config.units"] == 64
    assert 0 < hungry.sum() < len(trials)
    assert set(trials.loc[hungry, "status"]) == {"failed"}
    assert trials.loc[hungry, "error"].str.startswith("OutOfMemoryError: Ray ended").all()
    assert set(trials.loc[~hungry, "status"]) <= {"stopped", "completed", "converged"}
