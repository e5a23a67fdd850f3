"""Families of models: what a training needs of one, and which family a sweep's ``trainable`` names.

A family turns hyperparameters into a :class:`Network`, which trains itself an epoch at a time and
gives its whole state as arrays. The driver imports this file; TensorFlow is imported with the
family itself, on a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from .builder import is_builder

if TYPE_CHECKING:
    import keras

    from .program import EpochOutcome, ResidentRows

State: TypeAlias = dict[str, np.ndarray]
"""Everything that an epoch changes, by name: weights, optimizer slots, counters, generators."""


class Network(Protocol):
    """One configuration of a family, with a seed: a trial's model.

    Networks of one structure share a compiled program in the worker, and with it the variables:
    :meth:`load` a state, run epochs, take :meth:`state`.
    """

    initial_state: State
    """Before the first epoch; a function of the configuration and the seed."""

    def load(self, state: State) -> None:
        """Puts a state into the shared variables."""

    def state(self) -> State:
        """A copy of the variables."""

    def weights(self) -> list[np.ndarray]:
        """A copy of what predicts, in the order of ``keras.Model.get_weights``."""

    def run_epoch(
        self, train: ResidentRows, validation: ResidentRows, log_odds_shift: float
    ) -> EpochOutcome:
        """Trains one epoch in shuffled batches, then validates.

        Args:
            train: Rows to train on.
            validation: Rows to validate on, with natural class shares.
            log_odds_shift: Moves predictions from the training rows' prior to the natural one.
        """

    def predict(
        self, weights: list[np.ndarray], X: np.ndarray, log_odds_shift: float
    ) -> np.ndarray:
        """Natural-prior probability of the positive class, float32 of shape (n_rows,).

        Args:
            weights: As :meth:`weights` gives them.
            X: float32 ndarray of shape (n_rows, n_features).
            log_odds_shift: As for :meth:`run_epoch`.
        """


class Family(Protocol):
    """Models that hyperparameters describe."""

    def network(self, hyperparameters: Mapping[str, Any], n_features: int, seed: int) -> Network:
        """A configuration's network for that many columns.

        Raises:
            ValueError: The hyperparameters don't describe a model.
        """

    def keras_model(self, hyperparameters: Mapping[str, Any], n_features: int) -> keras.Model:
        """The configuration's Keras model, whose weights are in the order of the network's."""


@dataclass(frozen=True)
class FamilySpec:
    """Names a family, so that any worker can load it.

    Attributes:
        trainable: ``mlp``, or ``module:function`` for a user's own Keras models.
        module_folder: The absolute folder of the builder's module, as ``builder.find_module`` finds
            it; None where the module can be imported without.
    """

    trainable: str
    module_folder: str | None = None


MLP = FamilySpec("mlp")
"""The family that comes with the package."""


def load_family(spec: FamilySpec) -> Family:
    """The family of that name; for a worker, since it imports TensorFlow.

    Raises:
        InputError: The builder can't be imported.
    """
    if is_builder(spec.trainable):
        from .builder_family import BuilderFamily

        return BuilderFamily(spec.trainable, spec.module_folder)
    from .mlp_family import MLPFamily

    return MLPFamily()
