"""Writes ``report.html`` and its plots from a run's files."""

from typing import Any

from .files import write_text
from .run_directory import RunDirectory


def write_report(run: RunDirectory, summary: dict[str, Any]) -> None:
    """Writes the report."""
    write_text(run.report, "")
