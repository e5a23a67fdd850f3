"""Which trials a sweep runs: decided before the first one starts, from configuration and seed."""

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np

from ..results.records import TrialRecord
from ..trainables.builder import is_builder
from ..trainables.mlp import MLPConfig
from .config import SweepConfig
from .rungs import bracket_sizes, deal
from .space import sample


def child_seed(seed: int, *keys: str | int) -> int:
    """A seed that depends on the sweep's seed and on what it is for, and on nothing else.

    Texts enter by their CRC, since Python's own hash changes from process to process.
    """
    entropy = [seed, *(zlib.crc32(k.encode()) if isinstance(k, str) else k for k in keys)]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])


def plan_trials(config: SweepConfig) -> list[TrialRecord]:
    """A baseline and ``search.trials`` random configurations a view, views in turn.

    A trial's configuration and seed depend on the sweep's seed, its view and its number only:
    adding a view or more trials leaves the others as they were. Configurations of the mlp are
    whole: what the space leaves out has the default. A builder knows its own defaults.
    """
    shared = {"batch_size": config.training.batch_size}
    trials = [
        TrialRecord(
            id=f"{view}-baseline",
            view=view,
            stage="baseline",
            seed=child_seed(config.seed, view, "baseline"),
            config=_whole(config, {**shared, **config.baseline_configuration}),
        )
        for view in config.views
    ]
    digits = len(str(config.search.trials - 1))
    sizes = bracket_sizes(config.search.brackets, config.search.reduction_factor)
    for number, bracket in zip(range(config.search.trials), deal(sizes), strict=False):
        for view in config.views:
            seed = child_seed(config.seed, view, number)
            drawn = sample(config.space, np.random.default_rng(seed))
            trials.append(
                TrialRecord(
                    id=f"{view}-{number:0{max(3, digits)}d}",
                    view=view,
                    stage="search",
                    seed=seed,
                    config=_whole(config, {**shared, **drawn}),
                    bracket=bracket,
                )
            )
    return trials


def _whole(config: SweepConfig, hyperparameters: dict[str, Any]) -> dict[str, Any]:
    if is_builder(config.trainable):
        return hyperparameters
    return asdict(MLPConfig.from_mapping(hyperparameters))
