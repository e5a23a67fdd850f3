"""What a sweep needs of the nodes of a cluster, and whether they have it."""

import math

from ..cluster.preflight import Needs, UnfitClusterError, check_nodes
from ..datasets.errors import InputError
from ..datasets.locations import Location
from ..datasets.table import Table
from ..datasets.views import NAMED_SAMPLERS, SAMPLERS, UNSAMPLED
from ..results.run_directory import RunDirectory
from .config import SweepConfig
from .populations import new_preprocessor

PACKAGE = __name__.partition(".")[0]
PARTS = ("datasets", "results", "cluster", "trainables", "search", "presets")
"""The package's subpackages, which an editable install has in other folders."""

_EXACT = ("ray",)
"""Ray's own processes speak to each other in the words of their version."""

_MINOR = (
    "tensorflow",  # trials go on on other nodes, and the same trial gives the same numbers there
    "keras",  # one node exports the model, and others load it
    "scikit-learn",  # fitted preprocessing travels in pickles, which other versions may misread
    "imbalanced-learn",  # nodes balance the folds, by the seed
    "numpy",  # arrays and generators travel in pickles
    "pandas",  # so do frames
)
"""Patches mend, and change neither pickles nor what is drawn or computed on purpose."""

_WORKER_BYTES = 800_000_000
"""What a worker's resident size comes to: see docs/performance.md."""

_SAMPLE_ROWS = 10_000
"""Rows that are enough to tell how many columns the networks see."""


def check_cluster(config: SweepConfig, run: RunDirectory, table: Table) -> None:
    """Checks that every node of the open session can take part in a sweep.

    Args:
        config: The sweep.
        run: Whose folder every node must be able to write to.
        table: The whole table.

    Raises:
        InputError: Nodes can't; the message names them.
        OSError: The driver itself can't write to the run's folder.
    """
    resources, modules, storage = config.resources, config.worker_modules, run.location
    code = {PACKAGE: (PACKAGE, *(f"{PACKAGE}.{part}" for part in PARTS))}
    code |= {f"module '{module}'": (module,) for module in modules}
    needs = Needs(
        resources={"CPU": resources.cpus} | ({"GPU": resources.gpus} if resources.gpus else {}),
        exact=_EXACT,
        minor=_MINOR,
        code=code,
        module_folders=tuple(dict.fromkeys(modules.values())),
        storage=storage.uri if isinstance(storage, Location) else str(storage),
        worker_memory=_WORKER_BYTES,
        shared_rows=views_bytes(config, table),
    )
    try:
        check_nodes(needs)
    except UnfitClusterError as error:
        raise InputError(str(error)) from None


def views_bytes(config: SweepConfig, table: Table) -> int:
    """About how many bytes the search's views and its validation rows take, before they are made.

    Of a view that adds rows, the rarer class grows to the size of the other; one that drops rows
    counts with all of them, unless it is known to keep as many of each class.
    """
    sample = table.features.iloc[:_SAMPLE_ROWS]
    columns = len(new_preprocessor(config).fit(sample).output_names())
    return 4 * columns * math.ceil(_rows(config, table))


def _rows(config: SweepConfig, table: Table) -> float:
    if table.given is not None:
        return sum(len(split.train) + len(split.validation) for split in table.given.values())
    positive = int(table.target.sum())
    rarer, other = sorted((positive, len(table.target) - positive))
    sampled = sum(_rows_of_view(view.sampler, rarer, other) for view in config.views.values())
    if config.protocol == "balanced_first":
        return (1 - config.split.test) * sampled
    train = 1 - config.split.validation - config.split.test
    return train * sampled + config.split.validation * len(table.target)


def _rows_of_view(sampler: str, rarer: int, other: int) -> int:
    sampler = NAMED_SAMPLERS.get(sampler, sampler).rpartition(":")[2]
    if sampler == "RandomUnderSampler":
        return 2 * rarer
    if sampler in UNSAMPLED or sampler in SAMPLERS["imblearn.under_sampling"]:
        return rarer + other
    return 2 * other
