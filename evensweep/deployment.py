"""Commands about clusters: the deployment templates, listed and rendered."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .execution import clear_errors

if TYPE_CHECKING:
    from rich.console import RenderableType

    from .cluster.deployment import Template

app = typer.Typer(name="cluster", help="Files that start a cluster.", no_args_is_help=True)


@app.command()
def templates(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One of them. Default: all.")
    ] = None,
) -> None:
    """Lists the templates with their parameters."""
    with clear_errors():
        from rich.console import Console

        from .cluster.deployment import TEMPLATES

        chosen = {name: _template(name)} if name else TEMPLATES
        for key, template in chosen.items():
            Console().print(f"[bold]{key}[/]: {template.title}", _parameters(template))


@app.command()
def template(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A template, as cluster templates lists them.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter; may be given again."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where it goes. Default: printed."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Prints a template, filled in."""
    with clear_errors():
        from .cluster.rendering import render
        from .datasets.errors import InputError

        parameters = _filled_in(name, settings or [])
        try:
            text = render(parameters)
            if output is None:
                typer.echo(text, nl=False)
                return
            if output.exists() and not force:
                raise InputError(f"{output} exists already; give --force, or another -o")
            from .results.files import write_text

            write_text(output, text)
        except OSError as error:
            where = error.filename or output
            raise InputError(f"{where}: {error.strerror}; check the path") from error
        except UnicodeDecodeError as error:
            raise InputError("the sweep file is not UTF-8; save it as UTF-8") from error
        typer.echo(output)


def _template(name: str) -> "type[Template]":
    from .cluster.deployment import TEMPLATES
    from .datasets.errors import InputError, nearest

    if name not in TEMPLATES:
        hint = nearest(name, TEMPLATES) or f"; there are {', '.join(TEMPLATES)}"
        raise InputError(f"there is no template '{name}'{hint}")
    return TEMPLATES[name]


def _filled_in(name: str, settings: Sequence[str]) -> "Template":
    from pydantic import ValidationError

    from .datasets.errors import InputError
    from .search.validation_messages import first_problem

    kind = _template(name)
    raw: dict[str, Any] = {}
    for assignment in settings:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise InputError(f"--set {assignment}: write it as key=value")
        raw[key] = value
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "missing":
            missing = str(problem["loc"][0])
            what = str(kind.model_fields[missing].description).rstrip(".")
            raise InputError(f"{name} needs --set {missing}=…: {what}") from error
        raise InputError(f"{name}: {first_problem(error, kind, raw)}") from error


def _parameters(template: "type[Template]") -> "RenderableType":
    from rich.markup import escape
    from rich.padding import Padding
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column()
    fields = sorted(template.model_fields.items(), key=lambda named: not named[1].is_required())
    for key, field in fields:
        default = field.get_default(call_default_factory=True)
        shown = "required" if field.is_required() else _shown(default)
        table.add_row(key, shown, escape(str(field.description)))
    return Padding(table, (0, 0, 1, 2))


def _shown(default: Any) -> str:
    if default in (None, "", ()):
        return "–"
    return str(default).lower() if isinstance(default, bool) else str(default)
