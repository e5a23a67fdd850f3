"""Tries a user's own code once, before a sweep spends time on it."""

from collections.abc import Sequence

import numpy as np

from ..datasets.errors import InputError
from ..datasets.preparation import Prepared
from ..datasets.table import Table
from ..datasets.user_code import names_code
from .config import SweepConfig
from .populations import populations_of, prepare_search


def try_samplers(config: SweepConfig, table: Table, prepared: Sequence[Prepared]) -> None:
    """Makes the views once more, if a user's sampler is among them: they have to be the same.

    A search that goes on in another process makes its views anew.

    Args:
        config: The sweep.
        table: The whole table.
        prepared: The search's views, by population.

    Raises:
        InputError: A view is another one than before.
    """
    if not any(names_code(spec.sampler) for spec in config.views.values()):
        return
    again = [prepare_search(config, population) for population in populations_of(config, table)]
    for first, second in zip(prepared, again, strict=True):
        for name, view in first.views.items():
            other = second.views[name]
            if not (np.array_equal(view.X, other.X) and np.array_equal(view.y, other.y)):
                raise InputError(
                    f"the sampler '{config.views[name].sampler}' of the view '{name}' gives other "
                    "rows every time; draw with np.random.default_rng(random_state) alone"
                )
