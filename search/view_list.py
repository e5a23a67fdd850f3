"""The list ``views`` of a sweep file: names of built-in views, and samplers under a name.

``[smote, {mine: {sampler: my_sampler:Jittered, scale: 0.1}}]`` are two views: the second one is
called ``mine`` in trials, files and reports, and all but ``sampler`` are parameters of the sampler.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticKnownError

from ..datasets.errors import nearest
from ..datasets.samplers import SAMPLER, SamplerSpec
from ..datasets.user_code import names_code, split_reference
from ..datasets.views import NAMED_SAMPLERS, UNSAMPLED, VIEWS
from .sections import RUN_NAME


def _parse(raw: Any) -> dict[str, SamplerSpec]:
    if not isinstance(raw, list | tuple):
        raise PydanticKnownError("tuple_type")
    if not raw:
        expected = {"field_type": "List", "min_length": 1, "actual_length": 0}
        raise PydanticKnownError("too_short", expected)
    views: dict[str, SamplerSpec] = {}
    for entry in raw:
        name, spec = _entry(entry)
        if name in views:
            raise ValueError(f"a view stands twice in {list(raw)}")
        views[name] = spec
    return views


def _entry(entry: Any) -> tuple[str, SamplerSpec]:
    if isinstance(entry, str):
        if names_code(entry):
            raise ValueError(f"give '{entry}' a name, such as {{mine: {{sampler: '{entry}'}}}}")
        return entry, SamplerSpec(entry)
    if isinstance(entry, Mapping) and len(entry) == 1:
        [(name, settings)] = entry.items()
        if isinstance(name, str) and isinstance(settings, Mapping):
            parameters = {str(key): value for key, value in settings.items()}
            sampler = parameters.pop("sampler", None)
            if isinstance(sampler, str):
                return name, SamplerSpec(sampler, parameters)
    raise ValueError(
        "a view is the name of one, or a sampler under a name such as {mine: {sampler: "
        f"'my_sampler:Jittered'}}}}, got {entry!r}"
    )


def _write(views: Mapping[str, SamplerSpec]) -> list[Any]:
    return [
        name if spec == SamplerSpec(name) else {name: {"sampler": spec.sampler, **spec.parameters}}
        for name, spec in views.items()
    ]


ViewList: TypeAlias = Annotated[
    dict[str, SamplerSpec], BeforeValidator(_parse), PlainSerializer(_write)
]
"""How every view balances, by the view's name; in files and ``--set`` it is the list."""


def check_views(views: Mapping[str, SamplerSpec], arrays: Iterable[str] | None) -> None:
    """Checks the names of views and samplers.

    Args:
        views: The views.
        arrays: The names of those that are split and balanced already, if any are.

    Raises:
        ValueError: A name is unfit.
    """
    if arrays is not None:
        if sorted(views) != sorted(arrays):
            raise ValueError(f"the arrays' views are {', '.join(arrays)}; leave out views")
        for name in views:
            _check_name(name)
        return
    for name, spec in views.items():
        if spec == SamplerSpec(name):
            _check_built_in(name)
        else:
            _check_own(name, spec)
    balancing = [(NAMED_SAMPLERS.get(s.sampler, s.sampler), s.parameters) for s in views.values()]
    folded = {name.casefold() for name in views if name not in VIEWS}
    own = [name for name in views if name not in VIEWS]
    if any(balancing.count(each) > 1 for each in balancing) or len(folded) < len(own):
        raise ValueError(f"a view stands twice in {_write(views)}")


def _check_name(name: str) -> None:
    if not re.fullmatch(RUN_NAME, name):
        raise ValueError(
            f"{name!r} is no name for a view; use letters, digits, dots, dashes and underscores"
        )


def _check_built_in(name: str) -> None:
    if name not in VIEWS:
        named = ", ".join((*NAMED_SAMPLERS, *UNSAMPLED))
        # Views with a name of their own last, which goes before a sampler's of that name.
        hint = nearest(name, reversed(VIEWS)) or (
            f"; the views are {named}, and imbalanced-learn's samplers such as SVMSMOTE"
        )
        raise ValueError(f"there is no view '{name}'{hint}")


def _check_own(name: str, spec: SamplerSpec) -> None:
    _check_name(name)
    if name.casefold() in map(str.casefold, VIEWS):
        raise ValueError(f"'{name}' is the name of a built-in view; give the sampler another one")
    if "random_state" in spec.parameters:
        raise ValueError(f"{name}: random_state comes from the sweep's seed; leave it out")
    if names_code(spec.sampler):
        split_reference(SAMPLER, spec.sampler)
    elif spec.sampler in UNSAMPLED:
        raise ValueError(f"{name}: '{spec.sampler}' samples nothing; name it as a view alone")
    else:
        _check_built_in(spec.sampler)
