"""Reads a sweep file as plain values, and says in one sentence why it can't."""

from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import ConstructorError

from ..datasets.errors import InputError
from ..datasets.locations import Location
from ..datasets.stores import LocationError

_MOST_BITS = 1000
"""Of a whole number; larger ones are no float64, and from 4,300 digits on Python writes none."""


def read_mapping(path: Path | Location) -> dict[str, Any]:
    """The keys and values of a sweep file; an empty one has none.

    Raises:
        InputError: The file can't be read, or is no YAML mapping.
    """
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8"))
    except LocationError:
        raise
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8; save it as UTF-8") from error
    except ValueError as error:
        raise InputError(f"{path} is not well-formed YAML{error}; mend it") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no keys; a sweep file is a mapping such as 'seed: 1'")
    return raw


def parse_yaml(text: str) -> Any:
    """The value that a YAML text stands for.

    Raises:
        ValueError: It is none, or a key stands twice; the message says where, and what is wrong.
    """
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", "not YAML")
        raise ValueError(f"{where} ({problem})") from error
    except RecursionError as error:
        raise ValueError(" (it is nested too deeply)") from error
    # PyYAML passes on what Python says of a date in month 13, of a number of 5,000 digits, or of a
    # tag such as !!bool before a word that is none: errors of several types.
    except Exception as error:
        raise ValueError(f" ({' '.join(str(error).split()) or 'not YAML'})") from error


try:  # its scanner and parser take a sixth of the time
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without LibYAML
    from yaml import SafeLoader  # type: ignore[assignment]


class _Loader(Composer, SafeLoader):
    """Refuses a key that stands twice, of which YAML would take the last without a word.

    Nodes are composed in Python, since LibYAML's composer ends the process where it is nested too
    deeply.
    """

    def __init__(self, text: str) -> None:
        SafeLoader.__init__(self, text)
        Composer.__init__(self)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue
            if key_node.value in seen:
                raise ConstructorError(
                    None, None, f"the key '{key_node.value}' stands twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if value.bit_length() > _MOST_BITS:
            raise ConstructorError(None, None, "a number is too large", node.start_mark)
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
