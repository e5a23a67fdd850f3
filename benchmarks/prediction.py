"""Memory and time of scoring tables of growing size with an exported model.

    python benchmarks/prediction.py RUN_DIR

Rows are drawn from the demonstration table, which the run must be of. Each size is scored by a new
process that gets the run's ``model/`` folder alone.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evensweep.datasets.demo import demonstration_table

SCRIPT = """
import resource, sys
from evensweep.cli import app
try:
    app(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    arguments = parser.parse_args()
    rows = demonstration_table()
    rng = np.random.default_rng(0)
    table = Table("rows", "peak memory, MB", "seconds", "rows a second")
    for size in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            rows.iloc[rng.integers(len(rows), size=size)].to_csv(path, index=False)
            started = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT, "predict", arguments.run / "model", path,
                 "-o", Path(folder) / "scores.csv"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            seconds = time.perf_counter() - started
        peak = int(done.stdout.splitlines()[-1]) / 1024
        table.add_row(f"{size:,}", f"{peak:,.0f}", f"{seconds:.1f}", f"{size / seconds:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
