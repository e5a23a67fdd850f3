"""The command line. Heavy libraries are imported inside the commands that need them."""

from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from .browsing import RunDir
from .browsing import app as browsing
from .datasets.locations import Location
from .deployment import app as deployment
from .execution import INTERRUPTED, WRONG_INPUT, clear_errors, run_presets, run_sweep
from .jobs import app as jobs
from .options import (
    Address,
    Cpus,
    Data,
    MLflow,
    Name,
    Positive,
    Published,
    Settings,
    SweepFile,
    Target,
    TensorBoard,
    Trainable,
    Until,
    configuration,
    data_section,
    on_disk,
)

app = typer.Typer(
    name="evensweep",
    help="Finds the best neural classifier for an imbalanced table.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"evensweep {installed('evensweep')}")
        raise typer.Exit


@app.command()
def run(
    sweep: SweepFile = None,
    data: Data = None,
    target: Target = None,
    positive: Positive = None,
    settings: Settings = None,
    trainable: Trainable = None,
    published: Published = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Where runs are kept, also s3:// or gs://. Default: runs."
        ),
    ] = None,
    name: Name = None,
    until: Until = None,
    tensorboard: TensorBoard = False,
    mlflow: MLflow = None,
    address: Address = None,
    cpus: Cpus = None,
    pack: Annotated[str | None, typer.Option(hidden=True)] = None,  # as evensweep submit wants it
) -> None:
    """Searches, cross-validates, builds the ensemble and tests it once.

    Without a sweep and without data, sweeps the embedded demonstration data.

    A sweep file may name your own Keras builder, samplers, metric and searcher as module:name:
    trainable, views, search.metric, search.searcher. docs/your-own.md shows each.
    """
    with clear_errors():
        given = data_section(data, target, positive)
        config = configuration(sweep, given, settings or [], out, published, trainable)
        # The table first: a mistake in it should not have to wait for Ray's import.
        from .search.intake import read_table

        read = read_table(config)
        from .search.sweep import created
        from .search.tracking import Tracking

        tracking = Tracking(tensorboard, mlflow)
        tracking.check()
        with created(config, name) as directory:
            run_sweep(
                directory.location, config, read, directory, until, tracking, address, cpus, pack
            )


@app.command()
def resume(
    run_dir: RunDir,
    until: Until = None,
    tensorboard: TensorBoard = False,
    mlflow: MLflow = None,
    address: Address = None,
    cpus: Cpus = None,
) -> None:
    """Continues a run from its first stage that is not complete."""
    with clear_errors():
        from .datasets.locations import parse_location
        from .search.sweep import reopen
        from .search.tracking import Tracking

        tracking = Tracking(tensorboard, mlflow)
        tracking.check()
        shown = parse_location(run_dir)
        directory, config, table = reopen(shown)
        run_sweep(shown, config, table, directory, until, tracking, address, cpus)


app.add_typer(browsing)
app.add_typer(jobs)
app.add_typer(deployment)


@app.command()
def predict(
    run_dir: Annotated[
        str,
        typer.Argument(metavar="RUN_DIR", help="The run's folder or URI, or a copy of its model/."),
    ],
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV or Parquet to score.")],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="CSV or Parquet to write.")
    ],
    delimiter: Annotated[
        str | None, typer.Option(help="Between the cells of a CSV line. Default: the run's.")
    ] = None,
    contacts: Annotated[
        int | None,
        typer.Option(
            min=0, help="Predict so many rows positive, the likeliest. Default: by the threshold."
        ),
    ] = None,
) -> None:
    """Scores a table: probability, rank and decile of every row, in the table's order."""
    with clear_errors():
        from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

        from .datasets.errors import InputError
        from .datasets.locations import local_copy, local_output, parse_location
        from .results.tables import plain_console
        from .search.prediction import check_paths, score_file
        from .search.run import open_model

        scored, written = parse_location(table), parse_location(output)
        if _same_object(scored, written):  # whose local copies are two files
            raise InputError(f"{written} is the table that is to be scored; choose another -o")
        with local_copy(scored) as source, local_output(written) as target:
            check_paths(source, target)  # before the model takes its seconds
            model, settings = open_model(run_dir)
            console = plain_console(stderr=True)
            with Progress(
                SpinnerColumn(),
                "{task.completed:,} rows scored",
                TimeElapsedColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            ) as progress:
                task = progress.add_task("rows", total=None)
                rows = score_file(
                    model,
                    source,
                    target,
                    delimiter=settings["delimiter"] if delimiter is None else delimiter,
                    header=settings["header"],
                    contacts=contacts,
                    on_rows=lambda n: progress.advance(task, n),
                )
        typer.echo(f"{rows:,} rows scored: {output}")
        if settings["balanced_table"]:
            typer.echo(
                "the model was fitted on a table that was balanced first: its ranks hold, its "
                "probabilities are those of a balanced table",
                err=True,
            )


def _same_object(one: Path | Location, other: Path | Location) -> bool:
    """Whether two URIs name one object, however each says the way to it."""
    if isinstance(one, Path) or isinstance(other, Path):
        return False
    places = {(place.store.scheme, place.store.endpoint, place.path) for place in (one, other)}
    return len(places) == 1


@app.command()
def describe(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="CSV or Parquet.")],
    target: Target = None,
    positive: Positive = None,
    settings: Settings = None,
) -> None:
    """Shows what a sweep would see in a table: columns, gaps, classes, duplicates."""
    with clear_errors():
        given = data_section([table], target, positive)
        config = configuration(None, given, settings or [])
        from .results.description import description
        from .results.tables import plain_console
        from .search.intake import read_table

        plain_console().print(description(read_table(config)))


@app.command()
def prepare(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Where they go.", callback=on_disk),
    ],
    sweep: SweepFile = None,
    data: Data = None,
    target: Target = None,
    positive: Positive = None,
    settings: Settings = None,
) -> None:
    """Writes a sweep's views for other tools: an .npz file each, of six arrays."""
    with clear_errors():
        config = configuration(sweep, data_section(data, target, positive), settings or [])
        from .search.intake import read_table

        table = read_table(config)
        from .datasets.errors import InputError
        from .search.preparing import write_views

        try:
            written = write_views(config, table, output)
        except OSError as error:
            reason = f"{error.filename or output} can't be written ({error.strerror})"
            raise InputError(f"{reason}; choose another -o") from error
        for path, view in written.items():
            typer.echo(f"{path}: {len(view.y):,} training rows, {view.y.mean():.1%} positive")


@app.command()
def reproduce(
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder with the published systems' tables.")
    ],
    presets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PRESET]...", help="Which to repeat. Default: all of them."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where the runs are kept, to go on with them.",
            callback=on_disk,
        ),
    ] = Path("reproduction"),
    address: Address = None,
    cpus: Cpus = None,
) -> None:
    """Repeats published systems, and shows the honest figures beside theirs."""
    from .presets import preset_paths

    with clear_errors():
        run_presets(list(dict.fromkeys(presets or preset_paths())), data_dir, out, address, cpus)


@app.command()
def presets() -> None:
    """Lists the sweep files that ship with Evensweep."""
    from .presets import preset_paths, preset_title

    for name, path in preset_paths().items():
        typer.echo(f"{name}  {preset_title(path)}\n    {path}")


def main() -> None:
    """The console script; a wrong command line gets one sentence, too."""
    import atexit
    import gc
    import sys

    # A process that ends need not look for garbage among a million objects once more.
    atexit.register(gc.freeze)
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        message = error.format_message().rstrip(".")
        context = getattr(error, "ctx", None)
        command = context.command_path if context else app.info.name
        if message:  # without any arguments the help has been printed
            typer.echo(f"evensweep: {message}; see {command} --help", err=True)
        sys.exit(WRONG_INPUT)
    except typer.Abort:
        sys.exit(INTERRUPTED)
    sys.exit(code)


if __name__ == "__main__":
    main()
