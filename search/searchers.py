"""Searchers draw a trial's configuration when it starts, from what is known of the others then.

A user's own follows :class:`~.searcher_protocol.Searcher`, and is told of a view's trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ..datasets.errors import InputError, nearest
from ..datasets.user_code import described, load_code, names_code, told
from ..results.objective import as_objective
from ..results.records import UNUSABLE, TrialRecord
from .config import SweepConfig
from .plan import child_seed
from .searcher_protocol import SEARCHER, Observation, Searcher
from .space import AnyDomain, ChoiceDomain, Scalar, sample

_RANDOM_SHARE = 1 / 3
_ENOUGH = 10
"""Trials to learn from, at least; and two more than there are hyperparameters."""
_GOOD_SHARE = 0.15
"""Of the trials learned from, that the next one should resemble; HyperOpt takes 25 at most."""


class Draws(Protocol):
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
        """See :class:`Draws`."""
        return sample(self._space, np.random.default_rng(trial.seed))


class TpeSearcher:
    """Tree-structured Parzen estimator (Bergstra et al. 2011), in the way of BOHB.

    It learns from the trials of the same view alone, by the losses, or the search's metric, at the
    largest budget that enough of them have reached: stopped and paused trials teach, too. The best
    15% of them, 25 at most, count as good. A third of the trials, and the first ones, are random
    (Falkner et al. 2018).

    Args:
        space: The search space.
        levels: Rung levels in epochs, ascending.
    """

    def __init__(self, space: dict[str, AnyDomain], levels: Sequence[int]) -> None:
        self._space = space
        self._levels = levels

    def draw(self, trial: TrialRecord, known: Iterable[TrialRecord]) -> dict[str, Scalar]:
        """See :class:`Draws`."""
        rng = np.random.default_rng(trial.seed)
        others = [t for t in _of_its_view(trial, known) if t.id != trial.id]
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
                return [(t.config, _objective(t, level)) for t in there]
        return []

    @cached_property
    def _domain(self) -> Any:
        from hyperopt import hp
        from hyperopt.base import Domain

        space = {}
        for name, domain in sorted(self._space.items()):
            space[name] = (
                hp.randint(name, len(domain.choice))
                if isinstance(domain, ChoiceDomain)
                else hp.uniform(name, 0, 1)
            )
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
                "vals": {name: [_coordinate(self._space[name], config[name])] for name in names},
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
        return {name: _value(self._space[name], places[name][0]) for name in names}


class OwnSearcher:
    """Draws what a user's searcher suggests, one searcher a view.

    Args:
        reference: ``module:Class``; see :class:`~.searcher_protocol.Searcher`.
        module_folder: Where its module is.
        space: The search space.
        seed: Of the sweep.

    Raises:
        InputError: The class can't be imported.
    """

    def __init__(
        self, reference: str, module_folder: str | None, space: dict[str, AnyDomain], seed: int
    ) -> None:
        self._what = f"the searcher '{reference}'"
        self._class = load_code(SEARCHER, reference, module_folder)
        self._space = space
        self._seed = seed
        self._searchers: dict[str, Searcher] = {}

    def draw(self, trial: TrialRecord, known: Iterable[TrialRecord]) -> dict[str, Scalar]:
        """See :class:`Draws`.

        Raises:
            InputError: The searcher fails, or suggests what is not of the space.
        """
        numbered = list(enumerate(_of_its_view(trial, known)))
        number = next(number for number, other in numbered if other.id == trial.id)
        observed = [
            Observation(
                number=n,
                config={name: other.config[name] for name in self._space},
                epochs=other.epochs,
                loss=other.objective if other.epochs or other.finished else None,
                finished=other.finished,
            )
            for n, other in numbered
            if other.config and n != number
        ]
        return self.suggest(trial.view, number, observed)

    def suggest(self, view: str, number: int, trials: Sequence[Observation]) -> dict[str, Scalar]:
        """What a view's searcher suggests, checked.

        Raises:
            InputError: It fails, or suggests what is not of the space.
        """
        try:
            if view not in self._searchers:
                seed = child_seed(self._seed, view, "searcher")
                self._searchers[view] = self._class(dict(self._space), seed)
            suggested = self._searchers[view].suggest(number, trials)
        except Exception as error:
            raise self._error(view, number, f"failed with {told(error)}") from error
        problem = self._problem(suggested)
        if problem is not None:
            raise self._error(view, number, problem)
        return {name: self._space[name].accept(suggested[name]) for name in sorted(self._space)}

    def _problem(self, suggested: Mapping[str, Any]) -> str | None:
        if not isinstance(suggested, Mapping):
            return f"suggested {described(suggested)} and no dict of hyperparameters"
        for name in suggested:
            if name not in self._space:
                return (
                    f"suggested a '{name}' that the space hasn't{nearest(str(name), self._space)}"
                )
        for name, domain in self._space.items():
            if name not in suggested:
                return f"left out '{name}'"
            try:
                domain.accept(suggested[name])
            except ValueError as error:
                return f"left the space: {name} {error}"
        return None

    def _error(self, view: str, number: int, what: str) -> InputError:
        return InputError(
            f"{self._what} {what} (trial {number} of the view '{view}'); mend it, and "
            "resume the run"
        )


def searcher_for(config: SweepConfig) -> Draws:
    """The searcher that a sweep names.

    Raises:
        InputError: It is a user's, and can't be imported.
    """
    name, space = config.search.searcher, dict(config.space)
    if names_code(name):
        return OwnSearcher(name, config.searcher_folder, space, config.seed)
    if name == "tpe":
        return TpeSearcher(space, config.search.levels)
    return RandomSearcher(space)


def _of_its_view(trial: TrialRecord, known: Iterable[TrialRecord]) -> list[TrialRecord]:
    """The search's trials on the same view, in the order of their numbers."""
    return [t for t in known if t.view == trial.view and t.stage == trial.stage]


def _coordinate(domain: AnyDomain, value: Scalar) -> float:
    """A value in HyperOpt's terms: the number of a choice, or a place."""
    return domain.choice.index(value) if isinstance(domain, ChoiceDomain) else domain.place(value)


def _value(domain: AnyDomain, coordinate: float) -> Scalar:
    if isinstance(domain, ChoiceDomain):
        return domain.choice[int(coordinate)]
    return domain.at(coordinate)


def _objective(trial: TrialRecord, level: int) -> float:
    """What the search makes small, as it was after so many epochs."""
    if trial.status in UNUSABLE:
        return math.inf
    losses = [row[3] for row in trial.history[:level] if row[3] is not None]
    measured = [value for epochs, value in trial.measured if epochs <= level]
    return as_objective(trial.mode, min(losses, default=None), measured[-1] if measured else None)
