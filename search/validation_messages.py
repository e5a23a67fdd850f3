"""What a failed validation of the sweep configuration tells its user: one sentence."""

from collections.abc import Iterable, Mapping
from reprlib import Repr
from typing import Any

from pydantic import BaseModel, ValidationError

from ..datasets.errors import nearest

_PLAIN_MESSAGES = {
    "model_type": "it must hold keys",
    "dict_type": "it must hold keys",
    "tuple_type": "it must be a list such as [a, b]",
    "too_short": "it has too few items",
    "too_long": "it has too many items",
    "path_type": "it must be a path",
}
"""Wordings for messages of Pydantic's that name Python types."""

# A few lines of YAML can stand for a value that is gigabytes when written out.
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def first_problem(error: ValidationError, model: type[BaseModel], raw: Mapping[str, Any]) -> str:
    """The first problem of a validation, in one sentence."""
    problem = error.errors()[0]
    path = [str(part) for part in problem["loc"]]
    where = ".".join(path)
    if problem["type"] in {"extra_forbidden", "invalid_key"}:
        section: Any = model
        for part in path[:-1]:
            field = getattr(section, "model_fields", {}).get(part)
            section = field.annotation if field else None
        known = list(getattr(section, "model_fields", {}))
        hint = nearest(path[-1], known) or (f"; known keys: {', '.join(known)}" if known else "")
        return f"'{where}' is not a known key{hint}"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}" if where else str(problem["ctx"]["error"])
    written = _written(problem["loc"], raw)
    if len(written) < len(path):
        return f"{'.'.join(written)}: this is no value for it, got {_short(problem['input'])}"
    message = _PLAIN_MESSAGES.get(problem["type"], problem["msg"])
    return f"{where}: {message[0].lower()}{message[1:]}, got {_short(problem['input'])}"


def _written(location: Iterable[str | int], raw: Any) -> list[str]:
    """The part of a location that stands in the input; Pydantic adds the types of a union to it."""
    path = []
    for part in location:
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            break
        path.append(str(part))
    return path


def _short(value: Any) -> str:
    text = _SHORT.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
