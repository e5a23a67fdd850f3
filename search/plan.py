"""Which trials a sweep runs: decided before the first one starts, from configuration and seed."""

import zlib
from dataclasses import asdict
from typing import Any

import numpy as np

from ..results.records import TrialRecord
from ..trainables.builder import is_builder
from ..trainables.mlp import MLPConfig
from .config import SweepConfig
from .rungs import deal, in_turn


def child_seed(seed: int, *keys: str | int) -> int:
    """A seed that depends on the sweep's seed and on what it is for, and on nothing else.

    Texts enter by their CRC, since Python's own hash changes from process to process.
    """
    entropy = [seed, *(zlib.crc32(k.encode()) if isinstance(k, str) else k for k in keys)]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0])


def plan_trials(config: SweepConfig) -> list[TrialRecord]:
    """A baseline and the search's trials a view, views in turn.

    A trial's seed depends on the sweep's seed, its view and its number only: adding a view or more
    trials leaves the others as they were. The searcher draws the configuration when the trial
    starts; until then it is empty.
    """
    trials = [
        TrialRecord(
            id=f"{view}-baseline",
            view=view,
            stage="baseline",
            seed=child_seed(config.seed, view, "baseline"),
            config=whole(config, config.baseline_configuration),
            mode=config.search.direction,
        )
        for view in config.views
    ]
    search = config.search
    digits = len(str(search.trial_count - 1))
    brackets = (in_turn if search.scheduler == "hyperband" else deal)(search.sizes)
    for number, bracket in zip(range(search.trial_count), brackets, strict=False):
        for view in config.views:
            trials.append(
                TrialRecord(
                    id=f"{view}-{number:0{max(3, digits)}d}",
                    view=view,
                    stage="search",
                    seed=child_seed(config.seed, view, number),
                    config={},
                    bracket=bracket,
                    mode=config.search.direction,
                )
            )
    return trials


def whole(config: SweepConfig, hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """A configuration with what the search space leaves out.

    Of the mlp that is everything, with its defaults; a builder knows its own defaults.
    """
    hyperparameters = {"batch_size": config.training.batch_size, **hyperparameters}
    if is_builder(config.trainable):
        return hyperparameters
    return asdict(MLPConfig.from_mapping(hyperparameters))
