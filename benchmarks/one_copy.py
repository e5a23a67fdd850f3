"""What a node holds of a view that several of its workers read.

    python benchmarks/one_copy.py [--megabytes N] [--workers N]

The view is put once, as a sweep does; every worker then reads all of it. Shared memory is the
machine's (Shmem in /proc/meminfo), which the object store is in; private memory is the workers' own
(their unique set sizes), where a copy would be.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import ray
from rich.console import Console
from rich.table import Table

from evensweep.cluster.session import ray_session
from evensweep.datasets.preparation import Prepared
from evensweep.datasets.views import Rows, View
from evensweep.trainables.tune_adapter import Lent, SharedRows, SweepRows

FEATURES = 64


class Reader:
    """A worker that takes what it is lent and reads every number of a view."""

    def __init__(self) -> None:
        # What reading imports is no copy of a view.
        importlib.import_module("evensweep.trainables.tune_adapter")

    def memory(self) -> int:
        return int(psutil.Process().memory_full_info().uss)

    def read(self, lent: Any) -> float:
        self._rows = lent.get().rows[None]
        view = ray.get(self._rows.views["natural"])
        return float(view.X.sum())


def shared_memory() -> int:
    """Bytes of the machine's shared memory in use."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this kernel does not tell its shared memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=8)
    arguments = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("this benchmark reads Linux's /proc")
    rows = arguments.megabytes * 10**6 // (4 * FEATURES)
    with ray_session(cpus=arguments.workers):
        readers = [ray.remote(Reader).remote() for _ in range(arguments.workers)]
        before_private = sum(ray.get([reader.memory.remote() for reader in readers]))
        before = shared_memory()
        X = np.ones((rows, FEATURES), np.float32)
        y = np.zeros(rows, np.int32)
        view = View("natural", X, y, 0.0)
        prepared = Prepared(views={"natural": view}, watched=Rows(X[:1], y[:1]), preprocessor=None)
        lent = Lent(SweepRows({None: SharedRows.put(prepared)}, None))
        put = shared_memory()
        sums = ray.get([reader.read.remote(lent) for reader in readers])
        assert sums == [rows * FEATURES] * arguments.workers
        after = shared_memory()
        private = sum(ray.get([reader.memory.remote() for reader in readers])) - before_private
    size = view.X.nbytes + view.y.nbytes
    table = Table(title=f"A view of {size / 1e6:,.0f} MB, read by {arguments.workers} workers")
    table.add_column("memory")
    table.add_column("MB", justify="right")
    table.add_column("of the view", justify="right")
    for name, value in (
        ("shared, when it was put", put - before),
        ("shared, when all had read it", after - before),
        ("private, of all workers together", private),
    ):
        table.add_row(name, f"{value / 1e6:,.0f}", f"{value / size:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
