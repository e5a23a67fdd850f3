"""A user's own code, which a sweep names as ``module:name``: where it is, and importing it.

Builders, samplers, metrics and searchers are all found here. Nothing is imported but the module
that the user names.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import InputError, nearest

_imported: dict[str, str] = {}
"""Digests of the files of modules that were imported here."""

_appended: set[str] = set()
"""Folders that were put into ``sys.path`` here; another sweep's modules aren't looked for there."""


@dataclass(frozen=True)
class Role:
    """What a user's code is for, in the words of messages.

    Attributes:
        noun: Such as ``metric``.
        forms: What may be written where it is named.
        kind: What the name is to stand for, such as ``function``.
        contract: What that has to be; goes on after "one that".
    """

    noun: str
    forms: str
    kind: str
    contract: str


def names_code(reference: str) -> bool:
    """Whether a reference is ``module:name``, and not the name of something built in."""
    return ":" in reference


def split_reference(role: Role, reference: str) -> tuple[str, str]:
    """Module and name of a ``module:name``; the module may be dotted.

    Raises:
        InputError: It is malformed.
    """
    module, _, name = reference.partition(":")
    if not name.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"{role.noun} must be {role.forms}, got {reference!r}")
    return module, name


def find_module(role: Role, reference: str, folders: Iterable[Path | str] = ()) -> str:
    """Where a reference's module is; nothing of it is executed.

    Args:
        role: What the code is for.
        reference: ``module:name``.
        folders: Where to look after ``sys.path``, such as the sweep file's folder. The current
            directory comes last.

    Returns:
        The absolute folder from which the module can be imported.

    Raises:
        InputError: The reference is malformed, or there is no such module.
    """
    module, _ = split_reference(role, reference)
    places = [
        *(place for place in sys.path if place not in _appended),
        *(str(Path(folder).resolve()) for folder in folders),
        str(Path.cwd()),
    ]
    importlib.invalidate_caches()
    spec = _find_spec(module, places)
    if spec is None or not spec.has_location or spec.origin is None:
        raise InputError(
            f"there is no module '{module}' for the {role.noun} '{reference}' beside the sweep "
            "file, in the current directory or installed; check its name or set module_folder"
        )
    origin = Path(spec.origin).resolve()
    depth = len(module.split(".")) - (0 if spec.submodule_search_locations is not None else 1)
    return str(origin.parents[depth])


def load_code(role: Role, reference: str, folder: str | None) -> Callable[..., Any]:
    """Imports a reference's module and returns what it names.

    Args:
        role: What the code is for.
        reference: ``module:name``.
        folder: What :func:`find_module` returned; None if the module can be imported without.

    Raises:
        InputError: The module can't be imported, or the name stands for nothing that can be called.
    """
    module_name, name = split_reference(role, reference)
    module = _import(role, reference, module_name, folder)
    where = getattr(module, "__file__", None) or module_name
    if not hasattr(module, name):
        known = [key for key, value in vars(module).items() if callable(value)]
        hint = nearest(name, known) or f"; check the {role.noun}'s name"
        raise InputError(f"{where} has no {role.kind} '{name}'{hint}")
    code = getattr(module, name)
    if not callable(code):
        raise InputError(
            f"'{name}' in {where} is {described(code)}, not a {role.kind}; name one that "
            f"{role.contract}"
        )
    return code


def described(value: Any) -> str:
    """A value's type, for messages."""
    return "nothing" if value is None else f"an object of type {type(value).__name__}"


def told(error: BaseException) -> str:
    """An exception's type and the first line of its text, for messages."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _import(role: Role, reference: str, name: str, folder: str | None) -> ModuleType:
    if folder is not None and folder not in sys.path:
        sys.path.append(folder)
        _appended.add(folder)
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise _unfit(role, reference, error) from error
    module = _as_it_stands(role, reference, module)
    # Another one of that name may have been imported before, from a folder of another sweep.
    wanted = _find_spec(name, [folder]) if folder is not None else None
    file = getattr(module, "__file__", None)
    if wanted is not None and wanted.origin is not None and file is not None:
        here, there = Path(file).resolve(), Path(wanted.origin).resolve()
        if here != there:
            raise InputError(
                f"the module '{name}' of the {role.noun} '{reference}' is {there}, and this Python "
                f"process has {here} under that name; start a new one, or rename the module"
            )
    return module


def _as_it_stands(role: Role, reference: str, module: ModuleType) -> ModuleType:
    """The module anew if its file has changed: a sweep's new workers import what stands there."""
    file = getattr(module, "__file__", None)
    if file is None or not Path(file).is_file():
        return module
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    if _imported.setdefault(module.__name__, digest) != digest:
        try:
            module = importlib.reload(module)
        except Exception as error:
            raise _unfit(role, reference, error) from error
        _imported[module.__name__] = digest
    return module


def _unfit(role: Role, reference: str, error: Exception) -> InputError:
    return InputError(
        f"the module of the {role.noun} '{reference}' can't be imported ({told(error)}); mend it, "
        "or install what it needs"
    )


def _find_spec(name: str, places: list[str]) -> ModuleSpec | None:
    # Not importlib.util.find_spec for all of it: that imports the packages above a module.
    spec: ModuleSpec | None = None
    for depth, part in enumerate(name.split(".")):
        # By its last name alone, since a dotted one would look for its imported parent.
        spec = PathFinder.find_spec(part, places)
        if spec is None and depth == 0:
            with suppress(ValueError):  # of a module without a specification
                spec = importlib.util.find_spec(part)  # finds editable installs too
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return spec
