"""Worker processes that are killed at random moments cost time and nothing else."""

import contextlib
import random
import threading
from pathlib import Path

import pandas as pd
import psutil
import pytest
from comparison.workers import trial_workers

from evensweep.search.config import SweepConfig
from evensweep.search.sweep import Sweep

SWEEP = {
    "views": ["smote"],
    "search": {"scheduler": "hyperband", "trials": 17, "max_epochs": 27, "grace_epochs": 1},
    "space": {"hidden_layer_size": {"choice": [16, 32]}, "activation": "relu"},
    "cross_validation": {"folds": 3, "top_k": 2},
    "ensemble": {"rounds": 10},
}


class Killer(threading.Thread):
    """Kills one of this session's training processes now and then, until it is told to end."""

    def __init__(self, seed: int) -> None:
        super().__init__(daemon=True)
        self._rng = random.Random(seed)
        self.over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        while self.killed < 2 and not self.over.wait(self._rng.uniform(1, 8)):
            if training := trial_workers():
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._rng.choice(training).kill()
                    self.killed += 1


@pytest.mark.minutes
@pytest.mark.usefixtures("ray_session")
def test_killed_workers_lose_no_trial(tmp_path: Path, moment: int) -> None:
    config = SweepConfig.from_mapping({**SWEEP, "storage": str(tmp_path), "seed": moment}, "test")
    killer = Killer(moment)
    killer.start()
    run = Sweep(config).run("sabotaged")
    killer.over.set()
    killer.join()
    assert killer.killed
    trials = pd.read_parquet(run.directory.trials)
    assert len(trials) == 18
    assert trials["id"].is_unique
    assert set(trials["status"]) <= {"stopped", "converged", "completed"}
    assert trials["error"].isna().all()
    assert run.summary["status"] == "complete"
    assert len(pd.read_parquet(run.directory.cross_validation)) == 2 * 3
