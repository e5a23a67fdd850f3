"""The driver's time and memory a trial, over 10,000 synthetic trials through the real search.

    python benchmarks/scale.py [--trials N]

A closed-form learning curve stands for the training, so that what is left is ours and Ray Tune's:
the planned trials, the decisions at rungs, the reports and the record on disk.
Seconds are processor seconds of the driver process, memory is its resident size; the slope says how
much dearer a trial gets with every thousand trials before it.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from ray import tune
from rich.console import Console
from rich.table import Table

from evensweep import SweepConfig
from evensweep.cluster.session import ray_session
from evensweep.results.records import SearchRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.search.experiment import run_search
from evensweep.search.plan import plan_trials
from evensweep.search.pool import TrainingPool
from evensweep.trainables.tune_adapter import REPORT, Report, TrialSpec


class SyntheticTrainable(tune.Trainable):
    """A trial whose loss falls like a power of the epochs, towards a limit that its seed draws.

    Keeps no state, since that is the workers' work and not the driver's.
    """

    def setup(self, config: dict[str, Any], levels: tuple[int, ...]) -> None:
        self._levels = levels
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        spec = TrialSpec(**new_config)
        self._limit, self._speed = np.random.default_rng(spec.seed).uniform(0.2, 1, 2)
        self._epoch = max((level for level in self._levels if level < spec.level), default=0)
        return True

    def step(self) -> dict[str, Any]:
        level = next(level for level in self._levels if level > self._epoch)
        losses = self._limit + np.arange(self._epoch + 1, level + 1.0) ** -self._speed
        history = [
            (self._epoch + i, loss, 0.5, loss, 0.5) for i, loss in enumerate(losses.tolist(), 1)
        ]
        self._epoch = level
        return {
            REPORT: Report(
                rung=level,
                epochs=level,
                best_epoch=level,
                best_val_loss=float(losses[-1]),
                best_val_accuracy=0.5,
                seconds=0.0,
                history=history,
                ending="completed" if level == self._levels[-1] else None,
            )
        }


class Meter:
    """The driver's processor seconds and resident bytes at every so many trials."""

    def __init__(self, record: SearchRecord, every: int) -> None:
        self._driver = psutil.Process()
        self._record = record
        self._every = every
        self.marks: list[tuple[int, float, float, int]] = []

    def __call__(self) -> None:
        started = len(self._record.started)
        if started % self._every == 0 and (not self.marks or self.marks[-1][0] != started):
            times = self._driver.cpu_times()
            self.marks.append(
                (
                    started,
                    time.perf_counter(),
                    times.user + times.system,
                    self._driver.memory_info().rss,
                )
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as storage, ray_session():
        config = SweepConfig.from_mapping(
            {"views": ["undersampled"], "search": {"trials": arguments.trials}}, "scale"
        )
        run = RunDirectory.create(Path(storage) / "run")
        record = SearchRecord.open(run.search_records, plan_trials(config))
        meter = Meter(record, every=max(1, arguments.trials // 20))
        trainable = tune.with_parameters(SyntheticTrainable, levels=config.search.levels)
        with TrainingPool(trainable, cpus=1, gpus=0) as pool:
            run_search(config, run, record, pool, None, meter)
    show(np.array(meter.marks, float))


def show(marks: np.ndarray) -> None:
    """Prints the figures between the marks, and how they change from the first to the last."""
    trials, wall, cpu, resident = np.diff(marks, axis=0).T
    table = Table(title="The driver, a trial")
    for heading in ("trials so far", "wall ms", "CPU ms", "memory kB"):
        table.add_column(heading, justify="right")
    for at, *row in zip(marks[1:, 0], wall / trials, cpu / trials, resident / trials, strict=True):
        seconds, busy, size = row
        table.add_row(
            f"{at:,.0f}", f"{seconds * 1e3:.1f}", f"{busy * 1e3:.1f}", f"{size / 1e3:.1f}"
        )
    console = Console(width=100)
    console.print(table)
    overall = (marks[-1] - marks[0]) / (marks[-1, 0] - marks[0, 0])
    slope, _ = np.polyfit(marks[1:, 0] / 1000, cpu / trials * 1e3, 1)
    console.print(
        f"all: {overall[1] * 1e3:.1f} ms wall, {overall[2] * 1e3:.1f} ms CPU, "
        f"{overall[3] / 1e3:.1f} kB a trial; slope {slope:+.3f} ms CPU a trial for every thousand"
    )


if __name__ == "__main__":
    main()
