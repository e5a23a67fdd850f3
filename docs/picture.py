"""Draws a finished run's closing tables as docs/pictures/sweep.svg: python docs/picture.py RUN."""

import io
import sys
from pathlib import Path

from rich.console import Console

from evensweep import load_run
from evensweep.results.tables import closing


def main() -> None:
    run = load_run(sys.argv[1])
    console = Console(record=True, width=84, file=io.StringIO())
    console.print(closing(run.summary, Path("runs") / run.directory.name))
    console.save_svg(str(Path(__file__).parent / "pictures" / "sweep.svg"), title="make sweep")


if __name__ == "__main__":
    main()
