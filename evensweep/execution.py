"""How the command line runs sweeps: sessions, signals, errors in one sentence and exit codes."""

import errno
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from .datasets.locations import Location
from .search.stage import StageName

FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130
"""Exit codes beside 0: see the README."""

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.ENOENT, errno.ESTALE, errno.EIO}
"""What the operating system says of a disk that is full or has gone."""


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turns wrong input, and files that the system doesn't give, into a line and exit code 2."""
    from .datasets.errors import InputError
    from .results.run_directory import RunDirectory

    try:
        yield
    except (InputError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # who reads the output, such as head, has seen enough
        reason = str(error) if isinstance(error, InputError) else _told(error)
        # A column's name, for one, may hold line breaks.
        line = " ".join(RunDirectory.with_locations(reason).splitlines())
        typer.echo(f"evensweep: {line}", err=True)
        raise typer.Exit(WRONG_INPUT) from None


@contextmanager
def sweeping(
    address: str | None, cpus: int | None, go_on: str, shown: Path | Location
) -> Iterator[Any]:
    """A Ray session; what interrupts or ends it is told in a sentence, with the way to go on.

    Args:
        address: Of a Ray cluster; None starts Ray on this machine.
        cpus: CPUs for Ray on this machine; None takes all.
        go_on: The command that goes on.
        shown: The folder that is written to, for errors that don't tell.
    """
    from .results.tables import plain_console

    err = plain_console(stderr=True)
    try:
        from .cluster.session import ClusterError
        from .search.errors import SweepError
        from .search.sweep import session_for_sweeps

        with (
            _signals_interrupt(),
            session_for_sweeps(address, cpus) as session,
            _signals_interrupt(),  # again, since Ray has put its own handlers, which abort
        ):
            yield session
    except KeyboardInterrupt:
        err.print(f"\ninterrupted; go on with: {go_on}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
    except (SweepError, ClusterError, OSError) as error:
        reason = _told(error, shown) if isinstance(error, OSError) else str(error)
        err.print(f"evensweep: {reason}", style="red", soft_wrap=True)
        err.print(f"go on with: {go_on}", soft_wrap=True)
        raise typer.Exit(FAILED) from None


def run_sweep(
    shown: Path | Location,
    config: Any,
    table: Any,
    directory: Any,
    until: StageName | None,
    tracking: Any,
    address: str | None,
    cpus: int | None,
    pack: str | None = None,
) -> None:
    """Runs what is not complete of a run, in a Ray session, with a progress display.

    Unless ``pack`` is None, the run is packed among Ray's logs at its end: its ``results``, or
    ``all`` of it.
    """
    from rich.text import Text

    from .cluster.session import log_folder
    from .results.tables import closing, plain_console
    from .search.packing import packed_at_the_end

    console = plain_console()
    console.print(
        Text(table.name, style="bold", end=""),
        f": {len(table.target):,} rows, {len(table.schema.columns)} features, "
        f"{table.positive_rate:.1%} positive",
        sep="",
    )
    for note in table.notes:
        console.print(f"  inferred {note}", style="dim", highlight=False)
    duplicates = table.duplicate_rows
    if duplicates:
        another = "another" if table.given is None else "a training row"
        console.print(
            f"  {duplicates:,} rows ({duplicates / table.natural_rows:.0%}) repeat the features of "
            f"{another}; copies in different splits flatter the figures",
            style="yellow",
            highlight=False,
        )
    resume = f"evensweep resume {shlex.quote(str(shown))}{_joining(address)}"
    with (
        sweeping(address, cpus, resume, shown) as session,
        packed_at_the_end(directory, log_folder() if pack else None, whole=pack == "all"),
    ):
        from .search.displays import display_for
        from .search.sweep import execute

        if session.dashboard:
            token = " (its token: ray get-auth-token)"
            console.print(
                f"  Ray dashboard: {session.dashboard}{token if session.token_required else ''}",
                style="dim",
            )
        with display_for(console) as display:
            finished = execute(config, directory, table, session, display, until, tracking)
    if tracking.tensorboard:
        events = shlex.quote(str(shown / "tensorboard"))
        console.print(f"TensorBoard: tensorboard --logdir {events}", soft_wrap=True)
    if finished.summary["status"] != "complete":
        console.print(f"done up to {until}; go on with: {resume}", soft_wrap=True)
        return
    console.print(closing(finished.summary, shown))


def run_presets(
    presets: list[str], data_dir: Path, out: Path, address: str | None, cpus: int | None
) -> None:
    """Runs presets as published and as they are, what is not complete of it, and compares them."""
    from .presets.reproduction import compare, comparison_tables, plan_runs, write_comparison
    from .results.tables import plain_console

    console = plain_console()
    runs = plan_runs(presets, data_dir, out)
    folders = f"--data-dir {shlex.quote(str(data_dir))} --out {shlex.quote(str(out))}"
    command = f"evensweep reproduce {' '.join(presets)} {folders}{_joining(address)}"
    with sweeping(address, cpus, command, out) as session:
        from .search.displays import display_for
        from .search.sweep import execute

        for run in runs:
            console.print(run.directory.name, style="bold")
            with display_for(console) as display:
                execute(run.config, run.directory, run.table, session, display)
    lines = [line for preset in presets for line in compare(preset, out)]
    console.print(comparison_tables(lines))
    console.print(f"written to {write_comparison(lines, out)}", soft_wrap=True)


def _joining(address: str | None) -> str:
    """What a command that goes on needs, to join the same cluster."""
    return f" --address {shlex.quote(address)}" if address else ""


def _told(error: OSError, shown: Path | Location | None = None) -> str:
    """What the operating system said, of which file, and what to do."""
    if not error.strerror:
        return str(error)
    if error.errno in _STORAGE:
        remedy = "make room or bring the storage back"
    else:
        remedy = "check its rights, and what is there"
    return f"{error.filename2 or error.filename or shown}: {error.strerror}; {remedy}"


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Ends the process the way Ctrl-C does when a batch system sends SIGTERM or SIGHUP."""
    # Every result is on disk when the next decision is made, so Tune's own slow goodbye, which
    # swallows the signal, is not needed.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    known = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    before = {number: signal.signal(number, interrupt) for number in known}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
