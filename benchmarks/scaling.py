"""Strong and weak scaling over worker slots, and the controller's limit that explains them.

    python benchmarks/scaling.py [--quick]

A closed-form learning curve with a sleep stands for a training on another machine, so that many
slots fit on one. What is left is ours and Ray's: decisions, reports, records, and the way from the
driver to a worker and back.

Strong scaling: the same trials on 1, 2, 4, 8 and 16 slots; the efficiency is the time that they
sleep in all, divided by the slots and by the wall time. Weak scaling: so many trials a slot, up to
10,000 in all, each of which sleeps briefly, until the driver is what limits the trials a second.

Slots work warm: rounds of trials before each measurement start their processes. After ten rounds it
is measured with those that have started.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import ray
import scale
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

SLOTS = (1, 2, 4, 8, 16)

_WARM_ROUNDS = 10


class Sleeping(scale.SyntheticTrainable):
    """A synthetic trial of which every step takes so many seconds."""

    def setup(self, config: dict[str, Any], levels: tuple[int, ...], seconds: float) -> None:
        self._seconds = seconds
        super().setup(config, levels)

    def step(self) -> dict[str, Any]:
        time.sleep(self._seconds)
        return super().step()


def timed(slots: int, trials: int, seconds: float) -> tuple[float, float]:
    """Wall and driver processor seconds of a search of one-step trials on warm slots."""
    trainable = tune.with_parameters(Sleeping, levels=(1,), seconds=seconds)
    with (
        tempfile.TemporaryDirectory() as storage,
        ray_session(cpus=slots),
        TrainingPool(trainable, cpus=1, gpus=0) as pool,
    ):
        for number in range(_WARM_ROUNDS):  # until every slot has its process, if it gets one
            started = time.perf_counter()
            search(pool, Path(storage, f"warm-{number}"), 2 * slots)
            if time.perf_counter() - started < 2.5 * seconds + 0.2:
                break
        before, started = processor_seconds(), time.perf_counter()
        search(pool, Path(storage, "measured"), trials)
        return time.perf_counter() - started, processor_seconds() - before


def search(pool: TrainingPool, folder: Path, trials: int) -> None:
    """The real search: schedule, searcher and record; the baseline is one of the trials."""
    settings = {"scheduler": "fifo", "trials": trials - 1, "max_epochs": 1, "grace_epochs": 1}
    config = SweepConfig.from_mapping({"views": ["natural"], "search": settings}, "scaling")
    run = RunDirectory.create(folder)
    record = SearchRecord.open(run.search_records, plan_trials(config))
    run_search(config, run, record, pool, None, lambda: None)
    assert record.finished == trials


def processor_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


def strong(console: Console, trials: int, seconds: float) -> None:
    table = Table(title=f"Strong scaling: {trials:,} trials of {seconds:g} s")
    for heading in ("slots", "wall s", "speed-up", "efficiency", "driver ms a trial"):
        table.add_column(heading, justify="right")
    for slots in SLOTS:
        wall, busy = timed(slots, trials, seconds)
        ideal = trials * seconds / slots
        table.add_row(
            str(slots),
            f"{wall:.1f}",
            f"{trials * seconds / wall:.2f}×",
            f"{ideal / wall:.3f}",
            f"{busy / trials * 1e3:.1f}",
        )
    console.print(table)


def weak(console: Console, trials: int, seconds: float) -> None:
    """Trials a slot stay the same; the model is the slower of the slots and the driver."""
    table = Table(title=f"Weak scaling: {trials // SLOTS[-1]:,} trials a slot, of {seconds:g} s")
    for heading in ("slots", "trials", "trials a second", "model", "driver ms a trial"):
        table.add_column(heading, justify="right")
    rows = []
    for slots in SLOTS:
        count = trials * slots // SLOTS[-1]
        wall, busy = timed(slots, count, seconds)
        rows.append((slots, count, count / wall, busy / count))
    # What a result costs the driver in wall time where it is the limit, else its processor time.
    controller = max(rows[-1][3], 1 / rows[-1][2])
    between = max(0.0, rows[0][0] / rows[0][2] - seconds)
    for slots, count, rate, busy in rows:
        model = min(slots / (seconds + between), 1 / controller)
        table.add_row(str(slots), f"{count:,}", f"{rate:.1f}", f"{model:.1f}", f"{busy * 1e3:.1f}")
    console.print(table)
    console.print(
        f"a slot is idle for {between * 1e3:.0f} ms between two trials; the driver takes at most "
        f"{1 / controller:.0f} results a second ({controller * 1e3:.1f} ms each): it is the limit "
        f"from (seconds a step + {between:.3f}) × {1 / controller:.0f} slots on"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer trials")
    arguments = parser.parse_args()
    ray.cloudpickle.register_pickle_by_value(scale)  # a worker can't import this folder
    console = Console(width=100)
    strong(console, 96 if arguments.quick else 320, 0.5)
    weak(console, 1_600 if arguments.quick else 10_000, 0.1)


if __name__ == "__main__":
    main()
