"""Where the time of a search goes: seconds of the whole process, and of whose processor.

    python benchmarks/timeline.py [--trials N] [--data PATH] [--view VIEW] [--cache DIR]

Runs a search as ``evensweep run --until search`` does and stops at its milestones to read the
processor seconds of the driver, of the workers and of Ray's own processes.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil
from comparison.workers import trial_workers
from rich.console import Console
from rich.table import Table

STARTED = time.time()


class Timeline:
    """Milestones with the seconds since the start, and processor seconds by group."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, dict[str, float]]] = []

    def mark(self, milestone: str) -> None:
        driver, training = psutil.Process(), trial_workers()
        used = {"driver": sum(driver.cpu_times()[:2]), "workers": 0.0, "Ray": 0.0}
        for process in driver.children(recursive=True):
            try:
                is_worker = process in training or "ray::IDLE" in " ".join(process.cmdline())
                used["workers" if is_worker else "Ray"] += sum(process.cpu_times()[:2])
            except psutil.Error:
                continue  # it ended while it was looked at
        self.rows.append((milestone, time.time() - STARTED, used))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=172)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--view", default="undersampled")
    parser.add_argument("--cache", default="", help="where traced programs are; none are kept")
    arguments = parser.parse_args()
    os.environ["EVENSWEEP_CACHE"] = arguments.cache
    from evensweep import Sweep, SweepConfig
    from evensweep.presets import preset_paths
    from evensweep.results.records import SearchRecord
    from evensweep.search.progress import Display
    from evensweep.search.raw_config import read_yaml
    from evensweep.search.stage import StageName
    from evensweep.search.sweep import create, execute, session_for_sweeps

    timeline = Timeline()

    class Marks(Display):
        """Marks the first report of a worker."""

        def search(self, record: SearchRecord, views: object) -> None:
            timeline.mark("data prepared")
            self._record, self._seen = record, False

        def refresh(self) -> None:
            if not self._seen and any(trial.epochs for trial in self._record.trials.values()):
                self._seen = True
                timeline.mark("first report of a worker")

    raw = read_yaml(preset_paths()["repeat-customers"])
    raw["data"] = {**raw["data"], "path": arguments.data} if arguments.data else {}
    raw["views"] = [arguments.view]
    raw["space"] |= {"embedding": "none"}
    raw["search"] = {"trials": arguments.trials, "brackets": 5, "max_epochs": 100}
    with tempfile.TemporaryDirectory() as storage:
        sweep = Sweep(SweepConfig.from_mapping({**raw, "storage": storage}, "timeline"))
        timeline.mark("table read")
        run = create(sweep.config)
        with session_for_sweeps() as session:
            timeline.mark("Ray is up")
            done = execute(sweep.config, run, sweep.table, session, Marks(), StageName.SEARCH)
            timeline.mark("search done")
            trials = done.trials
        timeline.mark("Ray is down")
    table = Table(title=f"{len(trials)} trials, {sum(t.epochs for t in trials):,} epochs")
    for heading in ("milestone", "seconds", "CPU: driver", "workers", "Ray's own"):
        table.add_column(heading, justify="right")
    for milestone, seconds, used in timeline.rows:
        shown = [f"{used[group]:.1f}" for group in ("driver", "workers", "Ray")]
        table.add_row(milestone, f"{seconds:.1f}", *shown)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
