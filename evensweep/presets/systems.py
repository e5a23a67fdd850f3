"""Published systems: what they are, which figures they report, and the settings to repeat them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ..results.sweep_file import read_mapping
from ..search.config import SweepConfig
from ..search.raw_config import read_yaml
from ..search.sections import Section
from . import preset_paths, published_path


class PublishedFigure(Section):
    """What a system reports of one stage; the log loss in nats a row.

    Attributes:
        stage: As in ``summary.json``, or ``test``.
        view: Of the stage; None of the test.
    """

    stage: Literal["baseline", "search", "ensemble", "cross_validation", "test"]
    view: str | None = None
    log_loss: float | None = None
    accuracy: float | None = None
    f1: float | None = None


class PublishedSystem(Section):
    """A published system, told so that its figures can be read.

    Attributes:
        system: What it is.
        table: The name of its table's file.
        protocol: In which order it balances and splits.
        unclear: What it doesn't tell.
        differs: What is done otherwise here.
        figures: What it reports.
        settings: What goes over the preset's own to repeat it.
    """

    system: str
    table: str
    protocol: str
    unclear: str
    differs: str
    figures: tuple[PublishedFigure, ...] = Field(min_length=1)
    settings: dict[str, Any]


def published_system(preset: str) -> PublishedSystem:
    """What was published for a preset."""
    return PublishedSystem.model_validate(read_mapping(published_path(preset)))


def published_settings(preset: str) -> dict[str, Any]:
    """The preset's raw configuration under the published protocol and settings."""
    raw = read_yaml(preset_paths()[preset])
    return _over(raw, published_system(preset).settings) | {"name": f"{preset}-published"}


def preset_config(preset: str, table: Path, *, published: bool) -> SweepConfig:
    """A preset's configuration for a table, as it is or under the published settings."""
    raw = published_settings(preset) if published else read_yaml(preset_paths()[preset])
    raw["data"] = {**raw["data"], "path": str(table.resolve())}
    return SweepConfig.from_mapping(raw, preset)


_WHOLE = ("space", "baseline")
"""Sections that mean something as a whole, and are replaced."""


def _over(raw: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings over others; of most sections, key by key."""
    result = copy.deepcopy(raw)
    for key, value in settings.items():
        section = result.get(key)
        if key not in _WHOLE and isinstance(section, dict) and isinstance(value, dict):
            value = {**section, **value}
        result[key] = value
    return result
