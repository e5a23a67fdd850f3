"""The multilayer perceptrons as a family: configurations bound to their compiled program."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .family import State
from .mlp import MLPConfig, build_keras_model, initial_weights, split_weights
from .program import EpochOutcome, OptimizerState, ResidentRows, mlp_program

if TYPE_CHECKING:
    import keras


class MLPFamily:
    """The family of :class:`MLPConfig`."""

    def network(
        self, hyperparameters: Mapping[str, Any], n_features: int, seed: int
    ) -> "MLPNetwork":
        """A configuration's network; see ``Family``."""
        return MLPNetwork(MLPConfig.from_mapping(hyperparameters), n_features, seed)

    def keras_model(self, hyperparameters: Mapping[str, Any], n_features: int) -> "keras.Model":
        """The configuration's Keras model, uncompiled."""
        return build_keras_model(MLPConfig.from_mapping(hyperparameters), n_features)


class MLPNetwork:
    """One multilayer perceptron with a seed; a ``Network``.

    Args:
        config: Hyperparameters.
        n_features: Columns of the feature matrix.
        seed: Of the initial weights, the order of rows and dropout.
    """

    def __init__(self, config: MLPConfig, n_features: int, seed: int) -> None:
        self.config = config
        self.program = mlp_program(config.structure)
        self.initial_state = _arrays(
            OptimizerState.start(_flat(initial_weights(config, n_features, seed)))
        )
        self._n_features = n_features
        self._seed = seed

    def load(self, state: State) -> None:
        """Puts a state into the program's variables."""
        self.program.load(
            OptimizerState(
                weights=state["weights"],
                first_moments=state["first_moments"],
                second_moments=state["second_moments"],
                updates=int(state["updates"]),
            )
        )

    def state(self) -> State:
        """A copy of the program's variables."""
        return _arrays(self.program.state())

    def weights(self) -> list[np.ndarray]:
        """A copy of kernels and biases, in Keras' order."""
        return split_weights(self.program.weights(), self.config, self._n_features)

    def run_epoch(
        self, train: ResidentRows, validation: ResidentRows, log_odds_shift: float
    ) -> EpochOutcome:
        """Trains one epoch and validates; see ``Network``."""
        return self.program.run_epoch(train, validation, self.config, log_odds_shift, self._seed)

    def predict(
        self, weights: list[np.ndarray], X: np.ndarray, log_odds_shift: float
    ) -> np.ndarray:
        """Natural-prior probability of the positive class; see ``Network``."""
        return self.program.predict(_flat(weights), X, self.config, log_odds_shift)


def _flat(weights: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([w.ravel() for w in weights])


def _arrays(state: OptimizerState) -> State:
    return {name: np.asarray(value) for name, value in vars(state).items()}
