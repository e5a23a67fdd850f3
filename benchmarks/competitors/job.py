"""What every competitor is asked to do, and what it answers: NumPy and the standard library only.

The budgets' constants are those of the preset ``repeat-customers``.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

BATCH_SIZE = 128
PATIENCE = 5
REDUCTION_FACTOR = 3


@dataclass(frozen=True)
class Rows:
    """The arrays of one view, and the validation rows in natural class shares.

    Attributes:
        X_train: float32 ndarray of shape (n_train, n_features).
        y_train: int32 ndarray of shape (n_train,).
        X_val: float32 ndarray of shape (n_val, n_features).
        y_val: int32 ndarray of shape (n_val,).
        log_odds_shift: Brings log-odds from the view's class prior to the natural one.
    """

    X_train: np.ndarray
    y_train: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    log_odds_shift: float

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads the arrays that :meth:`save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            shift = float(arrays["log_odds_shift"])
            return cls(*(arrays[name] for name in ("X_train", "y_train", "X_val", "y_val")), shift)

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file."""
        np.savez(path, **asdict(self))


@dataclass(frozen=True)
class Job:
    """One search on one view.

    Attributes:
        rows: An ``.npz`` file of :class:`Rows`.
        max_epochs: Budget of a trial.
        trials: Trials in all. Hyperband of Keras Tuner takes as many as its brackets need.
        seed: Of configurations and weights.
        directory: Where the tool may keep its files.
        output: The JSON file of the :class:`Outcome`.
    """

    rows: Path
    max_epochs: int
    trials: int
    seed: int
    directory: Path
    output: Path

    @classmethod
    def from_command_line(cls, description: str | None) -> Self:
        """The job that the process was started with."""
        parser = argparse.ArgumentParser(description=description)
        for name in ("rows", "directory", "output"):
            parser.add_argument(f"--{name}", type=Path, required=True)
        for name in ("max-epochs", "trials", "seed"):
            parser.add_argument(f"--{name}", type=int, required=True)
        return cls(**vars(parser.parse_args()))

    def to_arguments(self) -> list[str]:
        """The command line that :meth:`from_command_line` reads."""
        return [
            text
            for name, value in vars(self).items()
            for text in (f"--{name.replace('_', '-')}", str(value))
        ]


@dataclass(frozen=True)
class Outcome:
    """What a search did.

    Attributes:
        trials: Trials, as the tool counts them.
        configurations: Different configurations among them.
        epochs: Epochs trained in all.
        best_val_loss: Lowest of any epoch of any trial, in nats a row, natural prior.
        failed: Trials that ended by an error or without a finite loss.
    """

    trials: int
    configurations: int
    epochs: int
    best_val_loss: float
    failed: int = 0

    def write(self, path: Path) -> None:
        """Writes a JSON file."""
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads what :meth:`write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))
