"""A searcher: quasi-random points at first, then steps from the best trial so far."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import qmc

from evensweep.search.searcher_protocol import Observation

FIRST = 8


class LocalSearch:
    """Halton's sequence for the first trials of a view, then neighbours of its best one."""

    def __init__(self, space: Mapping, seed: int) -> None:
        self.space = dict(sorted(space.items()))
        self.seed = seed

    def suggest(self, number: int, trials: Sequence[Observation]) -> dict:
        """A configuration of the space; what is drawn depends on the seed and the number alone."""
        known = [trial for trial in trials if trial.loss is not None]
        if number < FIRST or not known:
            halton = qmc.Halton(len(self.space), rng=self.seed)
            halton.fast_forward(number)
            [places] = halton.random(1)
        else:
            longest = max(trial.epochs for trial in known)
            best = min((t for t in known if t.epochs == longest), key=lambda trial: trial.loss)
            here = [domain.place(best.config[name]) for name, domain in self.space.items()]
            steps = np.random.default_rng([self.seed, number]).normal(0, 0.15, len(here))
            places = np.clip(here + steps, 0, 1)
        domains = zip(self.space.items(), places, strict=True)
        return {name: domain.at(place) for (name, domain), place in domains}
