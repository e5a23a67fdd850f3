"""Tries a user's own code once, before a sweep spends time on it."""

from collections.abc import Sequence

import numpy as np

from ..datasets.errors import InputError
from ..datasets.preparation import Prepared
from ..datasets.table import Table
from ..datasets.user_code import names_code
from ..results.objective import load_metric
from .config import SweepConfig
from .experiment import try_family
from .plan import whole
from .pool import TrainingPool
from .populations import populations_of, prepare_search
from .searcher_protocol import Observation
from .searchers import OwnSearcher, searcher_for

_SUGGESTIONS = 3


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


def try_search(config: SweepConfig, prepared: Prepared, pool: TrainingPool) -> None:
    """Tries what the search uses: the searcher, the metric and the builder.

    Args:
        config: The sweep.
        prepared: What trials will read.
        pool: The workers, one of which tries the builder.

    Raises:
        InputError: They fail, or do other than they should.
    """
    try_searcher(config)
    try_metric(config, prepared.watched.y)
    baseline = whole(config, config.baseline_configuration)
    try_family(config, baseline, prepared.watched.X.shape[1], pool)


def try_metric(config: SweepConfig, y: np.ndarray) -> None:
    """On probabilities that know nothing, and on those of a model that gives all rows the same."""
    if config.metric is None:
        return
    metric = load_metric(config.metric)
    metric(y, np.full(len(y), y.mean()))
    value = metric(y, np.random.default_rng(0).random(len(y)))
    if not np.isfinite(value):
        raise InputError(
            f"the metric '{config.metric.name}' is {value} for random probabilities; mend it"
        )


def try_searcher(config: SweepConfig) -> None:
    """A resumed search's searcher has to suggest what that of the unbroken one would have."""
    searcher, anew = searcher_for(config), searcher_for(config)
    if not (isinstance(searcher, OwnSearcher) and isinstance(anew, OwnSearcher)):
        return
    view, epochs = next(iter(config.views)), config.search.levels[0]
    seen: list[Observation] = []
    for number in range(_SUGGESTIONS):
        suggested = searcher.suggest(view, number, seen)
        seen.append(Observation(number, suggested, epochs, loss=1 / (number + 1), finished=False))
    if anew.suggest(view, len(seen) - 1, seen[:-1]) != seen[-1].config:
        raise InputError(
            f"the searcher '{config.search.searcher}' suggests something else for the same trial "
            "when it is made anew, as a run that is resumed makes it; draw from the space, the "
            "seed and the arguments alone"
        )
