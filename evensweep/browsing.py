"""Commands that look at runs: their trials, one trial, several runs side by side, the report."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .execution import clear_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

app = typer.Typer()

RunDir = Annotated[
    str, typer.Argument(metavar="RUN_DIR", help="The folder of a run, or its s3:// or gs:// URI.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]

_TABLE_ROWS = 20


@app.command()
def leaderboard(
    run_dir: RunDir,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Keep trials such as view=smote or 'dropout_rate<=0.2'; may be given again.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Best or smallest first, by any column. Default: what the search compares by.",
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Worst or largest first.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Rows to show. Default: 20; all with --json or --csv."),
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for other programs.")] = False,
) -> None:
    """Shows a run's trials, best first; also while it runs."""
    with clear_errors():
        from .datasets.errors import InputError
        from .results.leaderboard import leaderboard_table, matching, ordered
        from .search.run import Run

        if as_json and as_csv:
            raise InputError("--json and --csv exclude each other; give one of them")
        whole = Run.load(run_dir).leaderboard()
        frame = ordered(matching(whole, where or []), sort, reverse)
        shown = frame.head(limit or (len(frame) if as_json or as_csv else _TABLE_ROWS))
        if as_json:
            rows = shown.astype(object).where(shown.notna(), None).to_dict("records")
            typer.echo(json.dumps(rows, indent=2, allow_nan=False))
        elif as_csv:
            typer.echo(shown.to_csv(index=False), nl=False)
        else:
            _print(leaderboard_table(shown, len(whole)))


@app.command()
def show(
    run_dir: RunDir,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Such as smote-007.")],
    as_json: Json = False,
) -> None:
    """Shows all about one trial: hyperparameters, epochs, folds, weight; also while it runs."""
    with clear_errors():
        from .results.trial_page import compute_trial, trial_page
        from .search.run import Run

        run = Run.load(run_dir)
        content = compute_trial(run.directory, run.trials, trial)
        _print_as(content, trial_page, as_json)


@app.command()
def compare(
    run_dirs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_DIR...", help="Folders or URIs of runs; the first is compared with."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Shows runs side by side: figures, settings that differ, and differences with intervals."""
    with clear_errors():
        from .results.comparison import comparison_table, compute_comparison
        from .results.copies import open_run

        content = compute_comparison([open_run(root) for root in run_dirs])
        _print_as(content, comparison_table, as_json)


@app.command()
def report(run_dir: RunDir) -> None:
    """Writes a run's report.html and plots again, from its files; also while it runs."""
    with clear_errors():
        from .results.copies import publish
        from .results.report import write_report
        from .results.summary import compute_summary
        from .search.run import Run

        opened = Run.load(run_dir)
        directory = opened.directory
        summary = compute_summary(directory, opened.summary["status"])
        write_report(directory, summary, opened.trials)
        publish(directory, directory.plots, directory.report)
        typer.echo(directory.location / directory.report.name)


def _print(page: "RenderableType") -> None:
    from .results.tables import plain_console

    plain_console().print(page)


def _print_as(
    content: dict[str, Any], page: "Callable[[dict[str, Any]], RenderableType]", as_json: bool
) -> None:
    if as_json:
        typer.echo(json.dumps(content, indent=2, allow_nan=False))
    else:
        _print(page(content))
