"""Where the search's trials keep their states, and what is read of them outside of a training."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.locations import Location


class StorageError(RuntimeError):
    """A trial's state can't be written, which is no fault of the trial."""


def state_file(
    states: Path | Location, trial: str, hyperparameters: Mapping[str, Any]
) -> Path | Location:
    """Where a trial of the search keeps its state; see :meth:`Training.save`.

    The name tells its hyperparameters: if the event that brought them was lost with a driver, the
    trial may get others, and must not go on from where it was with those.
    """
    drawn = json.dumps(hyperparameters, sort_keys=True).encode()
    return states / f"{trial}-{hashlib.sha256(drawn).hexdigest()[:8]}.npz"


def saved_probabilities(state: Path | Location, best_epoch: int, n_rows: int) -> np.ndarray | None:
    """A trial's predictions of the watched rows at its best epoch, from its state.

    Args:
        state: See :func:`state_file`.
        best_epoch: Of the record.
        n_rows: How many watched rows there are.

    Returns:
        Natural-prior probabilities of the positive class, float64 of shape (n_watched,); None if
        the state is further than the record, and has a later best epoch.

    Raises:
        Exception: There is no such state, or one of other rows; of whatever type NumPy raises.
    """
    with np.load(io.BytesIO(state.read_bytes()), allow_pickle=False) as arrays:
        if arrays["best_epoch"] != best_epoch:
            return None
        predicted = np.asarray(arrays["best_val_probabilities"], np.float64)
    if predicted.shape != (n_rows,):
        raise ValueError(f"it has predictions of {predicted.size} rows and not of {n_rows}")
    return predicted


def storage_error(what: str, error: OSError) -> StorageError:
    """What a search that can't go on tells; object storage brings a sentence of its own.

    Args:
        what: The sentence's beginning, of a file.
        error: What the operating system or the object storage said.
    """
    if error.strerror is None:
        return StorageError(str(error))
    return StorageError(f"{what} ({error.strerror}); make room or bring the storage back")
