"""Populations: rows that are split, searched, cross-validated and judged together.

The protocol says which there are. With ``holdout`` all views are balanced forms of the training
rows of one population, the table. With ``balanced_first`` the table is balanced before it is split,
so every view is a population of its own, and no row of one can be judged beside another's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..datasets.balanced_first import balance_table
from ..datasets.preparation import Prepared, prepare
from ..datasets.preprocessing import Preprocessor
from ..datasets.splits import Fold, Split, stratified_folds, stratified_split
from ..datasets.table import Table
from ..datasets.views import UNSAMPLED
from .config import SweepConfig
from .plan import child_seed


@dataclass(frozen=True)
class Population:
    """Rows that are split, searched, cross-validated and judged together.

    Attributes:
        table: The rows.
        samplers: How the training rows are balanced for each view, by the view's name.
        split: Train, validation and test rows.
        folds: Of the development rows.
        first_fold: The first fold's number among the folds of all populations.
    """

    table: Table
    samplers: Mapping[str, str]
    split: Split
    folds: Sequence[Fold]
    first_fold: int


def populations_of(config: SweepConfig, table: Table) -> list[Population]:
    """The populations of a sweep; the same in every session of a run.

    Raises:
        InputError: A view can't balance the table.
    """
    if config.protocol == "holdout":
        return [_population(config, table, {view: view for view in config.views}, 0)]
    seed = child_seed(config.seed, "views")
    return [
        _population(
            config,
            balance_table(table, view, seed),
            {view: view if view in UNSAMPLED else "natural"},
            number * config.cross_validation.folds,
        )
        for number, view in enumerate(config.views)
    ]


def holdout_check(config: SweepConfig, table: Table) -> Population:
    """What a configuration is worth on untouched rows: one fold, and its rows to predict are those.

    Networks are fitted on the training rows, which are balanced then, and watched on the validation
    rows. It stands beside figures of other protocols.
    """
    population = _population(config, table, {view: view for view in config.views}, 0)
    split = population.split
    fold = Fold(fit=split.train, stop=split.validation, out_of_fold=split.test)
    after = len(config.views) * config.cross_validation.folds
    return replace(population, folds=[fold], first_fold=after)


def prepare_search(config: SweepConfig, population: Population) -> Prepared:
    """The search's views and validation rows, fitted on training rows alone."""
    return prepare(
        population.table.features,
        population.table.target,
        fit=population.split.train,
        watch=population.split.validation,
        samplers=population.samplers,
        seed=child_seed(config.seed, "views"),
        preprocessor=new_preprocessor(config),
    )


def new_preprocessor(config: SweepConfig) -> Preprocessor:
    """As the sweep wants it, not fitted."""
    return Preprocessor(**config.preprocessing.model_dump())


def _population(
    config: SweepConfig, table: Table, samplers: Mapping[str, str], first_fold: int
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
