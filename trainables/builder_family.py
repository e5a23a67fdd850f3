"""A user's own Keras models as a family; models of one structure share a compiled program."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from ..datasets.errors import InputError
from .builder import DEFAULT_BATCH_SIZE, Builder
from .family import State
from .keras_program import KerasProgram
from .program import EpochOutcome, ResidentRows
from .structure import TrialInputs, structure_key

import keras  # isort: skip - after the runtime has set TensorFlow up

_CACHED_PROGRAMS = 32

_programs: OrderedDict[Hashable, KerasProgram] = OrderedDict()


class BuilderFamily:
    """Models that a user's builder makes.

    Args:
        trainable: ``module:function``.
        module_folder: As ``builder.find_module`` finds it.

    Raises:
        InputError: The builder can't be imported.
    """

    def __init__(self, trainable: str, module_folder: str | None = None) -> None:
        self._builder = Builder(trainable, module_folder)

    def network(
        self, hyperparameters: Mapping[str, Any], n_features: int, seed: int
    ) -> "BuiltNetwork":
        """A configuration's network; see ``Family``.

        Raises:
            InputError: The builder fails, or what it builds can't be trained.
        """
        return BuiltNetwork(self._builder, hyperparameters, n_features, seed)

    def keras_model(self, hyperparameters: Mapping[str, Any], n_features: int) -> keras.Model:
        """What the builder builds, with initial weights that nobody should use."""
        return self._builder.build(hyperparameters, n_features, seed=0).model


class BuiltNetwork:
    """One model of a builder with a seed; a ``Network``.

    Args:
        builder: Builds it.
        hyperparameters: The builder's ``config``.
        n_features: Columns of the feature matrix.
        seed: Of the initial weights, the order of rows and dropout.

    Raises:
        InputError: The builder fails, or what it builds can't be trained.
    """

    def __init__(
        self, builder: Builder, hyperparameters: Mapping[str, Any], n_features: int, seed: int
    ) -> None:
        self._batch_size = _batch_size(hyperparameters)
        self._seed = seed
        model, optimizer = builder.build(hyperparameters, n_features, seed)
        self._inputs = TrialInputs.of(model, optimizer)
        self.program = _program(builder, model, optimizer, n_features)
        self.initial_state: State = self.program.initial_state(model, self._inputs)

    def load(self, state: State) -> None:
        """Puts a state into the program's variables."""
        self.program.load(state)

    def state(self) -> State:
        """A copy of the program's variables."""
        return self.program.state()

    def weights(self) -> list[np.ndarray]:
        """A copy of the model's weights, in Keras' order."""
        return self.program.weights()

    def run_epoch(
        self, train: ResidentRows, validation: ResidentRows, log_odds_shift: float
    ) -> EpochOutcome:
        """Trains one epoch and validates; see ``Network``."""
        return self.program.run_epoch(
            train, validation, self._inputs, self._batch_size, log_odds_shift, self._seed
        )

    def predict(
        self, weights: list[np.ndarray], X: np.ndarray, log_odds_shift: float
    ) -> np.ndarray:
        """Natural-prior probability of the positive class; see ``Network``."""
        return self.program.predict(weights, X, log_odds_shift)


def _program(
    builder: Builder, model: keras.Model, optimizer: keras.optimizers.Optimizer, n_features: int
) -> KerasProgram:
    """The worker's program of the model's structure, which keeps the first model it sees."""
    key = structure_key(model, optimizer)
    if key not in _programs:
        builder.check_probabilities(model, n_features)
        _programs[key] = KerasProgram(model, optimizer)
        while len(_programs) > _CACHED_PROGRAMS:
            _programs.popitem(last=False)
    _programs.move_to_end(key)
    return _programs[key]


def _batch_size(hyperparameters: Mapping[str, Any]) -> int:
    size = hyperparameters.get("batch_size", DEFAULT_BATCH_SIZE)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"batch_size must be a whole number of at least 1, got {size!r}")
    return size
