"""A whole search beside Keras Tuner, plain Ray Tune and Optuna: time, memory and loss.

    make benchmark            # hours
    make benchmark QUICK=1    # minutes

Every search is a process of its own, measured with all its children. A finished measurement is kept
in docs/benchmarks.json at once, so a benchmark that was stopped goes on where it was; the
tables and docs/benchmarks.md are made from that file.
"""

import argparse
import itertools
import json
import signal
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from comparison.machine import describe_machine
from comparison.measurements import Measurement, Section, Store
from comparison.meter import measure
from comparison.page import page, terminal_tables
from comparison.rows import benchmark_table, write_rows
from comparison.settings import FULL, QUICK, VIEWS, Form
from comparison.tools import COMPETITORS, Task, command, environment, in_turns, outcome
from rich.console import Console

from evensweep.datasets.table import Table
from evensweep.results.files import write_text

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
AUDIOBOOKS = ROOT.parent / "shared" / "data" / "audiobooks.csv"
LOG_LINES = 15


class SideBySide:
    """Measures what is missing of a benchmark.

    Args:
        form: Budgets.
        data: The table; None takes the embedded demonstration data.
        table: The same, read.
        store: Where measurements are kept.
    """

    def __init__(self, form: Form, data: Path | None, table: Table, store: Store) -> None:
        self.form = form
        self.data = data
        self.table = table
        self.store = store
        self.settings = form.to_mapping() | {
            "table": table.name,
            "fingerprint": table.fingerprint,
            "rows": len(table.target),
        }
        self.machine = describe_machine()

    @property
    def section(self) -> Section:
        """The measurements made so far with these settings on this machine."""
        return self.store.section(self.settings, self.machine)

    def forget(self, tasks: list[Task]) -> None:
        """Drops the measurements of tasks that are to be measured anew."""
        self.store.put(self.section.without(tasks))

    def run(self, tasks: list[Task]) -> list[Task]:
        """Measures the tasks that have no measurement yet, and returns those that failed."""
        measured = {measurement.task for measurement in self.section.measurements}
        waiting = [task for task in tasks if task not in measured]
        print(f"{len(tasks) - len(waiting)} of {len(tasks)} are measured already", flush=True)
        turns = in_turns(waiting)
        count, numbers = sum(map(len, turns)), itertools.count(1)
        failed = []
        for turn in turns:
            began = datetime.now(UTC).isoformat(timespec="seconds")
            for task in turn:
                label = f"[{next(numbers)}/{count}] {task.view}, seed {task.seed}, {task.tool}:"
                print(label, "…", flush=True)
                with tempfile.TemporaryDirectory(prefix="evensweep-benchmark-") as folder:
                    measurement = self._measure(task, began, Path(folder))
                if measurement is None:
                    failed.append(task)
                    continue
                self.store.put(self.section.added(measurement))
                print(label, _one_line(measurement), flush=True)
        return failed

    def _measure(self, task: Task, turn: str, folder: Path) -> Measurement | None:
        rows = write_rows(self.table, self.data, task.seed, folder)[task.view]
        log = folder / "log.txt"
        usage = measure(
            command(task, self.form, self.data, rows, folder),
            cwd=folder,
            # Evensweep keeps what it traced; each measurement starts as on a new machine.
            env=environment(BENCHMARKS) | {"EVENSWEEP_CACHE": str(folder / "cache")},
            log=log,
        )
        if usage.exit_code:
            tail = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            print(f"exit code {usage.exit_code}; its last lines:", *tail, sep="\n  ", flush=True)
            return None
        used = asdict(usage)
        del used["exit_code"]
        return Measurement(**asdict(task), turn=turn, **used, **asdict(outcome(task, folder)))


def _one_line(measurement: Measurement) -> str:
    return (
        f"{measurement.wall_seconds:.1f} s wall, {measurement.cpu_seconds:.1f} s CPU, "
        f"{measurement.peak_bytes / 1e6:.0f} MB, {measurement.trials} trials, "
        f"{measurement.epochs} epochs, best {measurement.best_val_loss:.4f}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small budgets, one repeat")
    parser.add_argument("--repeats", type=int, help="default: 3, and 1 with --quick")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=VIEWS)
    parser.add_argument(
        "--tools", nargs="+", choices=COMPETITORS, default=[*COMPETITORS], help="beside Evensweep"
    )
    parser.add_argument("--data", type=Path, help="table; default: audiobooks or demonstration")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "benchmarks.md")
    parser.add_argument("--fresh", action="store_true", help="measure again what is measured")
    parser.add_argument("--render-only", action="store_true", help="measure nothing")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if sys.platform != "linux":
        raise SystemExit("the meter reads Linux's /proc, so the benchmark needs Linux")
    # A terminated benchmark ends what it measures and deletes its files, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    store = Store(arguments.output)
    failed = [] if arguments.render_only else _run(arguments, store)
    console = Console(width=150)
    for section in store.sections:
        for table in terminal_tables(section):
            console.print(table)
    write_text(arguments.page, page(store.sections))
    if failed:
        raise SystemExit(f"{len(failed)} failed; the same command tries them again")


def _run(arguments: argparse.Namespace, store: Store) -> list[Task]:
    form = QUICK if arguments.quick else FULL
    data = arguments.data or (AUDIOBOOKS if AUDIOBOOKS.exists() else None)
    data = data.resolve() if data else None
    benchmark = SideBySide(form, data, benchmark_table(data), store)
    tasks = [
        Task(tool, view, seed)
        for seed in range(arguments.repeats or form.repeats)
        for view in arguments.views
        for tool in arguments.tools
    ]
    print(json.dumps(benchmark.settings), flush=True)
    if arguments.fresh:
        benchmark.forget(tasks)
    return benchmark.run(tasks)


if __name__ == "__main__":
    main()
