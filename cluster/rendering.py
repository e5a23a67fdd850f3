"""Renders deployment templates so that no parameter's value can break out of its place.

Whatever a template of ``templates/`` prints must have gone through one of three filters, which
quote it for where it stands: ``yaml``, ``sh`` and ``plain``. Text that has not is refused.
"""

import json
import math
import re
import shlex
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from .deployment import Template


class _Quoted(str):
    """Text that a filter has made fit for its place."""


def render(parameters: Template) -> str:
    """The file that a template and its parameters make.

    Raises:
        OSError: A file that a parameter names can't be read.
    """
    environment = Environment(
        loader=PackageLoader(__package__),
        undefined=StrictUndefined,
        finalize=_refuse_unquoted,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters.update(yaml=_yaml, sh=_shell, plain=_plain)
    return environment.get_template(parameters.file).render(p=parameters)


def _refuse_unquoted(value: Any) -> Any:
    if isinstance(value, str) and not isinstance(value, _Quoted):
        raise TypeError(f"the template prints {value!r} without a filter that quotes it")
    return value


def _yaml(value: Any, indent: int = 0) -> str:
    """A YAML scalar, or a list of them; further lines of a text are indented by ``indent``."""
    if not isinstance(value, str):
        return _Quoted(json.dumps(value))
    style = "|" if "\n" in value else '"'
    text = yaml.safe_dump(value, default_style=style, width=math.inf, allow_unicode=True)
    return _Quoted(text.rstrip("\n").replace("\n", "\n" + " " * indent))


def _shell(value: Any) -> str:
    """A word of a shell command, or several."""
    return _Quoted(shlex.quote(value) if isinstance(value, str) else shlex.join(value))


def _plain(value: Any) -> str:
    """Text that means itself everywhere; the parameters' patterns allow no other."""
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9._:@/+,=-]+", text):
        raise ValueError(f"{text!r} can't stand without quotes")
    return _Quoted(text)
