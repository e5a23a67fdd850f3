"""A worker's memory over 1,000 trials of every depth and activation, as trials come and go.

    python benchmarks/memory.py [--trials N]

One worker trains the trials of a real search on the embedded demonstration data, two epochs each.
The figure to look at is its resident size after the last trial beside that after the hundredth,
when it has met every structure.
"""

import argparse
import tempfile
from pathlib import Path

from comparison.workers import trial_workers
from rich.console import Console
from rich.table import Table

from evensweep import SweepConfig
from evensweep.results.records import SearchRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.search.experiment import lend_rows, open_pool, run_search
from evensweep.search.intake import read_table
from evensweep.search.plan import plan_trials
from evensweep.search.populations import populations_of, prepare_search
from evensweep.search.sweep import session_for_sweeps
from evensweep.trainables.tune_adapter import SharedRows

FIRST = 100
"""Finished trials at the first measurement."""


class Meter:
    """The worker's resident megabytes at every hundredth finished trial."""

    def __init__(self, record: SearchRecord) -> None:
        self._record = record
        self.marks: dict[int, float] = {}

    def __call__(self) -> None:
        finished = self._record.finished
        if finished % FIRST == 0 and finished and finished not in self.marks:
            [worker] = trial_workers()
            self.marks[finished] = worker.memory_info().rss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    arguments = parser.parse_args()
    search = {"scheduler": "fifo", "trials": arguments.trials, "max_epochs": 2, "grace_epochs": 1}
    config = SweepConfig.from_mapping({"views": ["undersampled"], "search": search}, "memory")
    with tempfile.TemporaryDirectory() as storage, session_for_sweeps(cpus=1) as session:
        run = RunDirectory.create(Path(storage) / "run")
        record = SearchRecord.open(run.search_records, plan_trials(config))
        prepared = prepare_search(config, populations_of(config, read_table(config))[0])
        rows = lend_rows(config, run, {None: SharedRows.put(prepared)})
        meter = Meter(record)
        run_search(config, run, record, open_pool(config, session), rows, meter)
    table = Table(title="Resident size of the worker")
    for heading in ("trials", "MB", f"of that after {FIRST}"):
        table.add_column(heading, justify="right")
    for finished, size in meter.marks.items():
        table.add_row(f"{finished:,}", f"{size:.0f}", f"{size / meter.marks[FIRST]:.3f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
