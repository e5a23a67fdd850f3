"""A sweep's keys and values before they are validated: a sweep file's, and those of ``--set``."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..datasets.errors import InputError
from ..datasets.locations import Location, parse_location
from ..results.sweep_file import parse_yaml, read_mapping


def read_yaml(path: Path | Location) -> dict[str, Any]:
    """The raw mapping of a sweep file; relative paths of inputs are taken from the file's folder.

    These are those of ``data``, and ``module_folder``, which is that folder where it is not given.

    Raises:
        InputError: The file is missing or is no YAML mapping.
    """
    raw = read_mapping(path)
    data = raw.get("data")
    if isinstance(data, dict) and isinstance(data.get("path"), str):
        data["path"] = _beside(path, data["path"])
    if isinstance(data, dict) and isinstance(data.get("arrays"), dict):
        data["arrays"] = {view: _beside(path, str(file)) for view, file in data["arrays"].items()}
    given = raw.get("module_folder")
    # Modules are imported from this machine's folders.
    beside = "." if isinstance(path, Path) else None
    folders = as_list(beside if given is None else given)
    if isinstance(folders, list | tuple):  # anything else is told when it is validated
        whole = path.parent.resolve() / path.name
        raw["module_folder"] = [_beside(whole, str(folder)) for folder in folders]
    return raw


def _beside(path: Path | Location, given: str) -> str:
    """What a sweep file calls a place: from its own folder on, unless that says all."""
    place = parse_location(given)
    if isinstance(place, Location) or place.is_absolute():
        return str(place)
    return str(path.parent / place)


def override(raw: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Applies ``key.path=value`` assignments; values are YAML.

    Raises:
        InputError: An assignment is malformed, or goes below a value that has no keys.
    """
    result = copy.deepcopy(dict(raw))
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError(f"--set {assignment}: write it as key.path=value")
        try:
            value = parse_yaml(text)
        except ValueError as error:
            raise InputError(f"--set {assignment}: the value is not YAML; quote it") from error
        *parents, leaf = key.split(".")
        section = result
        for parent in parents:
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise InputError(f"--set {assignment}: '{parent}' has no keys below it")
        section[leaf] = value
    return result


def as_list(raw: Any) -> Any:
    """One folder, none or several, as several."""
    if raw is None:
        return ()
    return (raw,) if isinstance(raw, str | Path) else raw
