"""The reference models of a sweep, as work for its workers."""

from collections.abc import Sequence

import ray

from ..datasets.splits import Fold
from ..results.references import REFERENCES, reference_probabilities
from .config import SweepConfig
from .feed import Call
from .plan import child_seed
from .populations import Population, new_preprocessor


def reference_calls(
    config: SweepConfig, population: Population, folds: Sequence[Fold]
) -> list[Call]:
    """Fits every reference on each fold's rows, and predicts those out of it.

    Returns:
        The folds of one reference after another, in the order of
        :data:`~evensweep.results.references.REFERENCES`.
    """
    features, target = ray.put(population.table.features), ray.put(population.table.target)
    return [
        Call(
            f"{name} {population.name} {number}",
            reference_probabilities,
            (
                name,
                features,
                target,
                population.fitted(fold),
                fold.out_of_fold,
                new_preprocessor(config),
                child_seed(config.seed, "references"),
                population.reference_shift,
            ),
        )
        for name in REFERENCES
        for number, fold in enumerate(folds)
    ]
