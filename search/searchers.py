"""Searchers draw a trial's configuration when it starts, from what is known of the others then."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..results.records import UNUSABLE, TrialRecord
from .config import SweepConfig
from .space import AnyDomain, Scalar, sample

_RANDOM_SHARE = 1 / 3
_ENOUGH = 10
"""Trials to learn from, at least; and two more than there are hyperparameters."""
_GOOD_SHARE = 0.15
"""Of the trials learned from, that the next one should resemble; HyperOpt takes 25 at most."""


class Searcher(Protocol):
    """Draws configurations; a function of the trial's seed and what is known of the others."""

    def draw(self, trial: TrialRecord, known: Iterable[TrialRecord]) -> dict[str, Scalar]:
        """The hyperparameters, of the search space, for a trial that starts.

        Args:
            trial: That starts.
            known: All trials of the sweep, with what is known of each.
        """


class RandomSearcher:
    """Draws every hyperparameter from its domain, whatever is known.

    Args:
        space: The search space.
    """

    def __init__(self, space: dict[str, AnyDomain]) -> None:
        self._space = space

    def draw(self, trial: TrialRecord, known: Iterable[TrialRecord]) -> dict[str, Scalar]:
        """See :class:`Searcher`."""
        return sample(self._space, np.random.default_rng(trial.seed))


class TpeSearcher:
    """Tree-structured Parzen estimator (Bergstra et al. 2011), in the way of BOHB.

    It learns from the trials of the same view alone, by the losses at the largest budget that
    enough of them have reached: stopped and paused trials teach, too. The best 15% of them, 25 at
    most, count as good. A third of the trials, and the first ones, are random (Falkner et al.
    2018).

    Args:
        space: The search space.
        levels: Rung levels in epochs, ascending.
    """

    def __init__(self, space: dict[str, AnyDomain], levels: Sequence[int]) -> None:
        self._space = space
        self._levels = levels

    def draw(self, trial: TrialRecord, known: Iterable[TrialRecord]) -> dict[str, Scalar]:
        """See :class:`Searcher`."""
        rng = np.random.default_rng(trial.seed)
        others = [
            t for t in known if t.view == trial.view and t.stage == trial.stage and t.id != trial.id
        ]
        observed = self._observations(others)
        if rng.uniform() < _RANDOM_SHARE or not observed:
            return sample(self._space, rng)
        return self._suggest(observed, int(rng.integers(2**31)))

    def _observations(self, trials: Sequence[TrialRecord]) -> list[tuple[dict[str, Any], float]]:
        """Configurations and losses at the largest budget that enough trials have reached."""
        enough = max(_ENOUGH, len(self._space) + 2)
        for level in reversed(self._levels):
            there = [t for t in trials if t.config and (t.epochs >= level or t.ended_by_itself)]
            if len(there) >= enough:
                return [(t.config, _best_loss(t, level)) for t in there]
        return []

    @cached_property
    def _domain(self) -> Any:
        from hyperopt import hp
        from hyperopt.base import Domain

        space = {}
        for name, domain in sorted(self._space.items()):
            choices = len(domain.choice) if hasattr(domain, "choice") else 0
            space[name] = hp.randint(name, choices) if choices else hp.uniform(name, 0, 1)
        return Domain(lambda _: 0, space)

    def _suggest(
        self, observed: list[tuple[dict[str, Any], float]], seed: int
    ) -> dict[str, Scalar]:
        from hyperopt import JOB_STATE_DONE, STATUS_OK, Trials, tpe
        from hyperopt.base import trials_from_docs

        names = sorted(self._space)
        ids = list(range(len(observed)))
        miscs = [
            {
                "tid": i,
                "cmd": None,
                "idxs": {name: [i] for name in names},
                "vals": {name: [self._space[name].place(config[name])] for name in names},
            }
            for i, (config, _) in enumerate(observed)
        ]
        results = [{"loss": loss, "status": STATUS_OK} for _, loss in observed]
        documents = Trials().new_trial_docs(ids, [None] * len(ids), results, miscs)
        for document in documents:
            document["state"] = JOB_STATE_DONE
        history = trials_from_docs(documents, validate=False)
        # HyperOpt takes gamma * sqrt(n) as good: two or three of a level, too few to learn from.
        gamma = _GOOD_SHARE * math.sqrt(len(ids))
        [suggested] = tpe.suggest(
            [len(ids)], self._domain, history, seed, n_startup_jobs=0, gamma=gamma, verbose=False
        )
        places = suggested["misc"]["vals"]
        return {name: self._space[name].at(places[name][0]) for name in names}


def searcher_for(config: SweepConfig) -> Searcher:
    """The searcher that a sweep names."""
    if config.search.searcher == "tpe":
        return TpeSearcher(dict(config.space), config.search.levels)
    return RandomSearcher(dict(config.space))


def _best_loss(trial: TrialRecord, level: int) -> float:
    if trial.status in UNUSABLE:
        return math.inf
    losses = [row[3] for row in trial.history[:level] if row[3] is not None]
    return min(losses, default=math.inf)
