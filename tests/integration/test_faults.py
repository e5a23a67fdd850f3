"""A killed worker process costs time and nothing else."""

import contextlib
from collections.abc import Sequence

import pandas as pd
import psutil
import pytest
from comparison.workers import trial_workers

from evensweep.results.records import SearchRecord
from evensweep.search.config import SweepConfig
from evensweep.search.cross_validation import FoldFigures
from evensweep.search.progress import Display
from evensweep.search.run import Run
from evensweep.search.sweep import Sweep


def kill_a_worker() -> bool:
    """Kills a process that trains, if there is one."""
    for process in trial_workers():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            return True
    return False


class Saboteur(Display):
    """Kills a worker after the first result of the search, and one after the first fold."""

    def __init__(self) -> None:
        self.killed_in_search = self.killed_in_folds = False

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        self.record = record

    def refresh(self) -> None:
        if any(trial.epochs for trial in self.record.trials.values()):
            self.killed_in_search = self.killed_in_search or kill_a_worker()

    def fold_done(self, figures: FoldFigures) -> None:
        self.killed_in_folds = self.killed_in_folds or kill_a_worker()


@pytest.mark.minutes
def test_killed_workers_lose_no_trial_and_no_fold(finished: Run, small_config: SweepConfig) -> None:
    saboteur = Saboteur()
    run = Sweep(small_config).run("sabotaged", display=saboteur)

    assert saboteur.killed_in_search
    assert saboteur.killed_in_folds
    trials = pd.read_parquet(run.directory.trials)
    assert len(trials) == 8
    assert set(trials["status"]) <= {"stopped", "converged", "completed"}
    assert run.summary["status"] == "complete"
    folds = pd.read_parquet(run.directory.cross_validation)
    assert len(folds) == 4 * 3
    # A trial taken up again from its checkpoint, or from the start, gives the same figures.
    histories = [
        pd.read_parquet(r.directory.history)
        .set_index(["trial", "epoch"])
        .drop(columns="search_seconds")
        for r in (run, finished)
    ]
    both = histories[0].index.intersection(histories[1].index)
    pd.testing.assert_frame_equal(histories[0].loc[both], histories[1].loc[both])
