"""What is compared: budgets, and how many configurations they come to."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from competitors.job import BATCH_SIZE, PATIENCE, REDUCTION_FACTOR

from evensweep.search.rungs import rung_levels

PRESET = "repeat-customers"
EMBEDDING = {"space.embedding": "none", "space.embedding_scale": 0.3}
"""What makes the preset's space that of the other tools, which have no embeddings."""
GRACE_EPOCHS = 2


@dataclass(frozen=True)
class Form:
    """A size of the benchmark.

    Attributes:
        name: ``full`` or ``quick``.
        command: The command that runs it.
        max_epochs: Budget of a trial, by view.
        repeats: Runs of every tool on every view, unless said otherwise.
    """

    name: str
    command: str
    max_epochs: Mapping[str, int]
    repeats: int

    def configurations(self, view: str) -> int:
        """Configurations that every tool tries on a view: those of Keras Tuner's Hyperband."""
        return sum(first for first, *_ in hyperband_rounds(self.max_epochs[view]))

    def brackets(self, view: str) -> int:
        """Brackets of Evensweep's search: all that the rungs of a view allow."""
        return len(rung_levels(GRACE_EPOCHS, self.max_epochs[view], REDUCTION_FACTOR))

    def to_mapping(self) -> dict[str, Any]:
        """Everything that figures depend on, for the JSON file."""
        return {
            "form": self.name,
            "command": self.command,
            "preset": PRESET,
            "max_epochs": dict(self.max_epochs),
            "configurations": {view: self.configurations(view) for view in self.max_epochs},
            "batch_size": BATCH_SIZE,
            "patience": PATIENCE,
            "reduction_factor": REDUCTION_FACTOR,
            "grace_epochs": GRACE_EPOCHS,
            "brackets": {view: self.brackets(view) for view in self.max_epochs},
        }


FULL = Form("full", "make benchmark", {"undersampled": 100, "smote": 150}, repeats=3)
QUICK = Form("quick", "make benchmark QUICK=1", {"undersampled": 9, "smote": 9}, repeats=1)
VIEWS = tuple(FULL.max_epochs)


def hyperband_rounds(max_epochs: int, factor: int = REDUCTION_FACTOR) -> list[list[int]]:
    """Trials of every round of every bracket in one iteration of Keras Tuner's Hyperband.

    Keras Tuner counts each round a configuration takes part in as a trial; the configurations are
    those of the first rounds.

    Args:
        max_epochs: R.
        factor: η.
    """
    last = max(s for s in range(max_epochs) if factor**s <= max_epochs)
    budget = math.ceil(1 + math.log(max_epochs, factor))
    return [
        [math.ceil(budget / (bracket + 1) * factor ** (bracket - n)) for n in range(bracket + 1)]
        for bracket in range(last, -1, -1)
    ]
