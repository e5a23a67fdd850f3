"""Populations: rows that are split, searched, cross-validated and judged together.

The protocol says which there are. With ``holdout`` all views are balanced forms of the training
rows of one population, the table. With ``balanced_first`` the table is balanced before it is split,
so every view is a population of its own, and no row of one can be judged beside another's. With
``presplit`` the rows were split and balanced elsewhere: views that share their validation and test
rows are one population, and only the validation rows are predicted out of fold.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..datasets.balanced_first import balance_table
from ..datasets.preparation import Prepared, prepare, prepare_given
from ..datasets.preprocessing import Preprocessor
from ..datasets.samplers import SamplerSpec
from ..datasets.splits import (
    Fold,
    Split,
    folds_of_validation,
    stratified_folds,
    stratified_split,
)
from ..datasets.table import Table
from ..datasets.views import UNSAMPLED, log_odds_shift
from .config import SweepConfig
from .intake import check_size
from .plan import child_seed


@dataclass(frozen=True)
class Population:
    """Rows that are split, searched, cross-validated and judged together.

    Attributes:
        table: The rows.
        samplers: How the training rows are balanced for each view, by the view's name.
        split: Train, validation and test rows.
        folds: Of the rows that are predicted out of fold.
        first_fold: The first fold's number among the folds of all populations.
        given: The training rows of each view, where they are balanced already.
    """

    table: Table
    samplers: Mapping[str, SamplerSpec]
    split: Split
    folds: Sequence[Fold]
    first_fold: int
    given: Mapping[str, np.ndarray] | None = None

    @property
    def name(self) -> str:
        """That of its first view."""
        return next(iter(self.samplers))

    @property
    def judged(self) -> np.ndarray:
        """Positions of the rows that are predicted out of fold, sorted."""
        return self.split.development if self.given is None else self.split.validation

    def fitted(self, fold: Fold) -> np.ndarray:
        """Positions of the rows that a reference is fitted on, which stops no training early.

        Of training rows that are balanced already, they are the first view's.
        """
        return np.sort(np.concatenate([fold.fit, fold.stop])) if self.given is None else fold.fit

    @property
    def whole(self) -> Fold:
        """The fold whose rows to predict are the test rows."""
        return Fold(self.split.train, self.split.validation, self.split.test)

    @property
    def reference_shift(self) -> float:
        """What a reference's log-odds lack to be nature's; see :class:`~.views.View`."""
        if self.given is None:
            return 0.0
        rate, fitted = (self.table.target[r].mean() for r in (self.judged, self.split.train))
        return log_odds_shift(float(rate), float(fitted))

    def prepare(
        self, fit: np.ndarray, watch: np.ndarray, seed: int, preprocessor: Preprocessor
    ) -> Prepared:
        """What trainings on some of the rows read; see ``datasets.preparation``."""
        features, target = self.table.features, self.table.target
        if self.given is not None:
            return prepare_given(features, target, self.given, watch, preprocessor)
        return prepare(
            features,
            target,
            fit=fit,
            watch=watch,
            samplers=self.samplers,
            seed=seed,
            preprocessor=preprocessor,
        )


def populations_of(config: SweepConfig, table: Table) -> list[Population]:
    """The populations of a sweep; the same in every session of a run.

    Raises:
        InputError: A view can't balance the table, or leaves too few rows of it.
    """
    if table.given is not None:
        return _given_populations(config, table, table.given)
    if config.protocol == "holdout":
        return [_population(config, table, config.samplers, 0)]
    populations = []
    for number, (view, spec) in enumerate(config.samplers.items()):
        balanced = balance_table(table, view, spec, child_seed(config.seed, "views"))
        check_size(config, balanced.target, neighbours=0, rows=f"rows of the view '{view}'")
        samplers = {view: spec if spec.sampler in UNSAMPLED else SamplerSpec("natural")}
        first_fold = number * config.cross_validation.folds
        populations.append(_population(config, balanced, samplers, first_fold))
    return populations


def holdout_check(config: SweepConfig, table: Table, views: Iterable[str]) -> Population:
    """One fold of the ``holdout`` protocol, whose rows to predict are the test rows.

    Networks are fitted on the training rows, which are balanced then, and watched on the validation
    rows. It stands beside the figures of ``balanced_first``, under which the configurations were
    chosen with all rows in sight.
    """
    samplers = config.samplers
    population = _population(config, table, {view: samplers[view] for view in views}, 0)
    after = len(config.views) * config.cross_validation.folds
    return replace(population, folds=[population.whole], first_fold=after)


def prepare_search(config: SweepConfig, population: Population) -> Prepared:
    """The search's views and validation rows, fitted on training rows alone."""
    split, seed = population.split, child_seed(config.seed, "views")
    return population.prepare(split.train, split.validation, seed, new_preprocessor(config))


def new_preprocessor(config: SweepConfig) -> Preprocessor:
    """As the sweep wants it, not fitted."""
    return Preprocessor(**config.preprocessing.model_dump())


def split_counts(populations: Sequence[Population]) -> dict[str, dict[str, int]]:
    """The class counts of every part; where populations are several, each goes by its name."""
    return {
        f"{population.name} {name}" if len(populations) > 1 else name: class_counts(
            population.table.target[getattr(population.split, name)]
        )
        for population in populations
        for name in ("train", "validation", "test")
    }


def class_counts(y: np.ndarray) -> dict[str, int]:
    """How many labels there are, and of each class.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
    """
    return {"rows": len(y), "positive": int(y.sum()), "negative": int(len(y) - y.sum())}


def _population(
    config: SweepConfig, table: Table, samplers: Mapping[str, SamplerSpec], first_fold: int
) -> Population:
    shares, settings = config.split, config.cross_validation
    split = stratified_split(
        table.target, shares.validation, shares.test, child_seed(config.seed, "split")
    )
    folds = stratified_folds(
        table.target,
        split.development,
        settings.folds,
        settings.stop_share,
        child_seed(config.seed, "folds"),
    )
    return Population(table, samplers, split, folds, first_fold)


def _given_populations(
    config: SweepConfig, table: Table, given: Mapping[str, Split]
) -> list[Population]:
    together: dict[int, list[str]] = {}
    for view, split in given.items():
        together.setdefault(int(split.validation[0]), []).append(view)
    settings = config.cross_validation
    return [
        Population(
            table=table,
            samplers=dict.fromkeys(views, SamplerSpec("natural")),
            split=given[views[0]],
            folds=folds_of_validation(
                table.target, given[views[0]], settings.folds, child_seed(config.seed, "folds")
            ),
            first_fold=number * settings.folds,
            given={view: given[view].train for view in views},
        )
        for number, views in enumerate(together.values())
    ]
