"""What the reference has from the code itself: the command line, and the sweep file's keys."""

from collections.abc import Iterator
from typing import Any

import typer
import yaml
from typer.cli import get_docs_for_click

from evensweep.cli import app
from evensweep.search.config import SweepConfig

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} of them",
}
_KINDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "array": "list",
    "object": "keys",
    "null": "null",
}
_FORMATS = {"path": "path", "uri-reference": "path or URI"}


def command_line() -> str:
    """Every command with its arguments and options, as Markdown with headings of level 2."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="evensweep")
    pages = (
        get_docs_for_click(obj=command, ctx=context, call_prefix="evensweep", indent=1)
        for command in group.commands.values()
    )
    return "".join(pages).replace("```console\n$ ", "```text\n")


def sweep_file_keys() -> str:
    """Every key with its values, its default and its meaning, as Markdown, a table a section."""
    schema = SweepConfig.model_json_schema()
    defaults = SweepConfig().to_mapping()
    sections = {
        key: schema["$defs"][part["$ref"].rpartition("/")[2]]
        for key, part in schema["properties"].items()
        if "$ref" in part
    }
    scalars = {k: v for k, v in schema["properties"].items() if k not in sections}
    parts = ["## Top level", *_table("", scalars, defaults)]
    for key, section in sections.items():
        parts += [f"## {key}", section["description"].replace("``", "`")]
        parts += _table(f"{key}.", section["properties"], defaults[key])
    return "\n\n".join(parts)


def _table(prefix: str, properties: dict[str, Any], defaults: dict[str, Any]) -> Iterator[str]:
    lines = ["| key | values | default | meaning |", "|---|---|---|---|"]
    for name, part in properties.items():
        default = "see below" if name in {"space", "baseline"} else f"`{_yaml(defaults[name])}`"
        meaning = part["description"].rstrip(".")
        lines.append(f"| `{prefix}{name}` | {_values(part)} | {default} | {meaning} |")
    yield "\n".join(lines)


def _values(part: dict[str, Any]) -> str:
    """What a key may hold, in words."""
    if "anyOf" in part:
        return ", or ".join(dict.fromkeys(_values(option) for option in part["anyOf"]))
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{part['const']}`"
    limits = [words.format(part[key]) for key, words in _LIMITS.items() if key in part]
    kind = _FORMATS.get(part.get("format", "")) or _KINDS[part["type"]]
    return kind + (f", {' and '.join(limits)}" if limits else "")


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
