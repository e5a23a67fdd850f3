"""The figures as tables: in the terminal, and as a page that says how they were made."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.table import Table

from .figures import Comparison, Spread, ToolFigures, comparisons, tool_figures
from .measurements import Section
from .tools import EVENSWEEP

HEADINGS = (
    "tool",
    "runs",
    "wall s",
    "CPU s",
    "peak MB",
    "trials",
    "epochs",
    "best val. loss",
    "wall ratio",
    "CPU ratio",
)

OVERALL = ("tool", "turns", "wall ratio", "CPU ratio", "best val. loss: more by")

TABLES = "<!-- tables -->"
"""The line of ``page.md`` that the tables take the place of."""


def cells(figures: ToolFigures) -> tuple[str, ...]:
    """A row of a table, in the order of :data:`HEADINGS`."""
    trials = _spread(figures.trials, "{:.0f}")
    if figures.configurations != figures.trials:
        trials += f", {_spread(figures.configurations, '{:.0f}')} different"
    if figures.failed:
        trials += f", {figures.failed} failed"
    return (
        figures.tool,
        str(figures.runs),
        _spread(figures.wall_seconds, "{:.0f}"),
        _spread(figures.cpu_seconds, "{:.0f}"),
        _spread(figures.peak_bytes, "{:.0f}", unit=1e6),
        trials,
        _spread(figures.epochs, "{:.0f}"),
        _spread(figures.best_val_loss, "{:.4f}"),
        _ratio(figures.wall_ratio),
        _ratio(figures.cpu_ratio),
    )


def terminal_tables(section: Section) -> list[Table]:
    """A table a view."""
    tables = []
    for view in section.settings["max_epochs"]:
        table = Table(title=_title(section, view))
        for heading in HEADINGS:
            table.add_column(heading, justify="left" if heading == "tool" else "right")
        rows = tool_figures(section.measurements, view)
        for figures in rows:
            table.add_row(*cells(figures))
        if rows:
            tables.append(table)
    return tables


def page(sections: Iterable[Section]) -> str:
    """The whole page, in Markdown."""
    frame = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    sections = list(sections)
    tables = [*_all_turns(sections), *map(_section, sections)]
    return frame.replace(TABLES, "\n".join(tables).strip())


def _all_turns(sections: Sequence[Section]) -> list[str]:
    """The ratios over every turn of a form, each of which is of one machine."""
    lines = []
    by_settings: dict[str, list[Section]] = {}
    for section in sections:
        by_settings.setdefault(str(section.settings), []).append(section)
    for alike in by_settings.values():
        settings = alike[0].settings
        lines += [f"## Ratios over all turns: `{settings['command']}`", ""]
        for view in settings["max_epochs"]:
            compared: dict[str, list[Comparison]] = {}
            for section in alike:
                for tool, of_tool in comparisons(section.measurements, view).items():
                    compared.setdefault(tool, []).extend(of_tool)
            rows = [
                (
                    tool,
                    str(len(turns)),
                    _spread(Spread.of([c.wall_ratio for c in turns]), "{:.2f}×"),
                    _spread(Spread.of([c.cpu_ratio for c in turns]), "{:.2f}×"),
                    _spread(Spread.of([c.loss_difference for c in turns]), "{:+z.4f}"),
                )
                for tool, turns in compared.items()
                if turns and tool != EVENSWEEP
            ]
            if rows:
                lines += [f"**{view}**", "", *_markdown(OVERALL, rows), ""]
    return lines


def _section(section: Section) -> str:
    settings, machine = section.settings, section.machine
    hardware = ", ".join(
        (
            machine["CPU"],
            f"{machine['cores']} cores",
            machine["memory"],
            machine["system"],
            f"Python {machine['Python']}",
        )
    )
    named = {"CPU", "cores", "memory", "system", "Python"}
    packages = ", ".join(f"{name} {value}" for name, value in machine.items() if name not in named)
    lines = [
        f"## The {settings['form']} form: `{settings['command']}`",
        "",
        f"Table: {settings['table']}, {settings['rows']:,} rows. Machine: {hardware}; {packages}.",
        f"Preset `{settings['preset']}`, batches of {settings['batch_size']}, patience "
        f"{settings['patience']}, reduction factor {settings['reduction_factor']}.",
        "",
    ]
    for view in settings["max_epochs"]:
        rows = [cells(figures) for figures in tool_figures(section.measurements, view)]
        if rows:
            lines += [f"**{_title(section, view)}**", "", *_markdown(HEADINGS, rows), ""]
    return "\n".join(lines)


def _title(section: Section, view: str) -> str:
    settings = section.settings
    return (
        f"{view}: at most {settings['max_epochs'][view]} epochs a trial, "
        f"{settings['configurations'][view]} configurations"
    )


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return [f"| {' | '.join(row)} |" for row in (headings, rule, *rows)]


def _spread(spread: Spread, style: str, unit: float = 1.0) -> str:
    middle, low, high = (
        style.format(value / unit) for value in (spread.median, spread.low, spread.high)
    )
    return middle if low == high else f"{middle} ({low}–{high})"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"
