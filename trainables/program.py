"""The compiled training epoch: one TensorFlow graph call trains an epoch and validates it.

A program is traced once a structure (depth and activation). Everything else enters as data: weights
and rows have unknown dimensions, hyperparameters are scalars, so that trials of every width, batch
size, learning rate, dropout rate and L2 strength share it. Its arithmetic is that of
``keras.Model.fit`` with Adam and sparse categorical cross-entropy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .mlp import MLPConfig
from .runtime import tf

ADAM_BETA_1, ADAM_BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
"""Keras' defaults (Kingma & Ba 2015)."""

Tensor: TypeAlias = Any
"""A symbolic tensor; TensorFlow has no types of its own."""

_ACTIVATIONS = {"relu": tf.nn.relu, "tanh": tf.nn.tanh, "selu": tf.nn.selu}


@dataclass(frozen=True)
class ResidentRows:
    """Rows that stay in the device's memory: X float32 (n_rows, n_features), y int32 (n_rows,)."""

    X: Any
    y: Any

    @classmethod
    def place(cls, X: np.ndarray, y: np.ndarray) -> "ResidentRows":
        """Moves arrays into TensorFlow's memory; done once a worker and view, not once a trial."""
        return cls(tf.constant(X, tf.float32), tf.constant(y, tf.int32))


class EpochOutcome(NamedTuple):
    """Figures of one epoch; losses in nats a row.

    ``loss`` includes the L2 penalty and is of the view's rows, under dropout, as Keras reports it.
    ``val_probabilities`` is the natural-prior probability of the positive class, float32 of shape
    (n_validation_rows,); ``val_loss`` and ``val_accuracy`` are computed from it.
    """

    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_probabilities: np.ndarray


@dataclass
class OptimizerState:
    """Everything that an epoch changes: weights, Adam's moments and its count of updates."""

    weights: list[np.ndarray]
    first_moments: list[np.ndarray]
    second_moments: list[np.ndarray]
    updates: int = 0

    @classmethod
    def start(cls, weights: Sequence[np.ndarray]) -> "OptimizerState":
        """The state before the first update."""
        zeros = [np.zeros_like(w) for w in weights]
        return cls(list(weights), zeros, [z.copy() for z in zeros])


@lru_cache(maxsize=64)
def mlp_program(num_layers: int, activation: str) -> "MLPProgram":
    """The worker's one program of this structure; traced at its first epoch."""
    return MLPProgram(num_layers, activation)


class MLPProgram:
    """An epoch of every multilayer perceptron with the same depth and activation.

    Holds the variables of one training at a time: :meth:`load` it, run epochs, :meth:`state`.
    """

    def __init__(self, num_layers: int, activation: str) -> None:
        self.num_layers = num_layers
        self._activate = _ACTIVATIONS[activation]
        ranks = [2, 1] * (num_layers + 1)
        self._weights = [_variable(rank) for rank in ranks]
        self._first = [_variable(rank) for rank in ranks]
        self._second = [_variable(rank) for rank in ranks]
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)

        def scalar(kind: Any) -> Any:
            return tf.TensorSpec([], kind)

        X, y = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32)
        self._epoch = tf.function(
            self._train_and_validate,
            input_signature=[
                X,
                y,
                X,
                y,
                scalar(tf.int32),
                *[scalar(tf.float32)] * 4,
                scalar(tf.int64),
            ],
        )
        self._predict = tf.function(self._probabilities, input_signature=[X, scalar(tf.float32)])

    def load(self, state: OptimizerState) -> None:
        """Puts a training's state into the variables."""
        for variables, arrays in self._slots(state):
            for variable, array in zip(variables, arrays, strict=True):
                variable.assign(array)
        self._updates.assign(state.updates)

    def state(self) -> OptimizerState:
        """A copy of the variables."""
        weights, first, second = (
            [variable.numpy() for variable in variables]
            for variables in (self._weights, self._first, self._second)
        )
        return OptimizerState(weights, first, second, int(self._updates.numpy()))

    def weights(self) -> list[np.ndarray]:
        """A copy of the weights alone, in Keras' order."""
        return [variable.numpy() for variable in self._weights]

    def run_epoch(
        self,
        train: ResidentRows,
        validation: ResidentRows,
        config: MLPConfig,
        log_odds_shift: float,
        seed: int,
    ) -> EpochOutcome:
        """Trains one epoch in shuffled batches, then validates.

        Args:
            train: Rows to train on.
            validation: Rows to validate on, with natural class shares.
            config: Hyperparameters; structure must be this program's.
            log_odds_shift: Moves predictions from the training rows' prior to the natural one.
            seed: Of the trial; shuffling and dropout depend on it and on the count of updates only.
        """
        figures, probabilities = self._epoch(
            train.X,
            train.y,
            validation.X,
            validation.y,
            config.batch_size,
            config.learning_rate,
            config.dropout_rate,
            config.l2_strength,
            log_odds_shift,
            seed,
        )
        loss, accuracy, val_loss, val_accuracy = map(float, figures.numpy())
        return EpochOutcome(loss, accuracy, val_loss, val_accuracy, probabilities.numpy())

    def predict(self, X: np.ndarray, log_odds_shift: float) -> np.ndarray:
        """Natural-prior probability of the positive class, float32 of shape (n_rows,)."""
        return self._predict(tf.constant(X, tf.float32), log_odds_shift).numpy()

    def _slots(self, state: OptimizerState) -> Any:
        return (
            (self._weights, state.weights),
            (self._first, state.first_moments),
            (self._second, state.second_moments),
        )

    def _train_and_validate(
        self,
        X: Tensor,
        y: Tensor,
        X_val: Tensor,
        y_val: Tensor,
        batch_size: Tensor,
        learning_rate: Tensor,
        dropout_rate: Tensor,
        l2: Tensor,
        shift: Tensor,
        seed: Tensor,
    ) -> tuple[Tensor, Tensor]:
        rows = tf.shape(X)[0]
        # One generator for shuffling and dropout, keyed by the trial's seed and a counter that the
        # checkpoint holds: a resumed trial draws what the unbroken one would have drawn.
        keys = tf.random.stateless_uniform([rows], seed=[seed, -1 - self._updates])
        order = tf.argsort(keys)
        X, y = tf.gather(X, order), tf.gather(y, order)
        loss_sum, hits = tf.constant(0.0), tf.constant(0)
        for start in tf.range(0, rows, batch_size):
            X_batch, y_batch = X[start : start + batch_size], y[start : start + batch_size]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                weights = [tf.convert_to_tensor(variable) for variable in self._weights]
                tape.watch(weights)
                logits = self._logits(weights, X_batch, dropout_rate, seed)
                cross_entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(y_batch, logits)
                penalty = l2 * tf.add_n([2 * tf.nn.l2_loss(kernel) for kernel in weights[:-2:2]])
                loss = tf.reduce_mean(cross_entropy) + penalty
            self._adam(tape.gradient(loss, weights), learning_rate)
            n = tf.shape(y_batch)[0]
            loss_sum += loss * tf.cast(n, tf.float32)
            hits += _count_hits(logits[:, 1] > logits[:, 0], y_batch)
        n = tf.cast(rows, tf.float32)

        logits = self._logits([tf.convert_to_tensor(v) for v in self._weights], X_val)
        log_odds = logits[:, 1] - logits[:, 0] + shift
        val_loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(y_val, tf.float32), log_odds)
        )
        val_hits = tf.cast(_count_hits(log_odds > 0, y_val), tf.float32)
        val_accuracy = val_hits / tf.cast(tf.shape(y_val)[0], tf.float32)
        figures = tf.stack([loss_sum / n, tf.cast(hits, tf.float32) / n, val_loss, val_accuracy])
        return figures, tf.sigmoid(log_odds)

    def _probabilities(self, X: Tensor, shift: Tensor) -> Tensor:
        logits = self._logits([tf.convert_to_tensor(v) for v in self._weights], X)
        return tf.sigmoid(logits[:, 1] - logits[:, 0] + shift)

    def _logits(
        self,
        weights: Sequence[Tensor],
        hidden: Tensor,
        dropout_rate: Tensor | None = None,
        seed: Tensor | None = None,
    ) -> Tensor:
        for layer in range(self.num_layers):
            hidden = self._activate(hidden @ weights[2 * layer] + weights[2 * layer + 1])
            if dropout_rate is not None:
                counter = self._updates * self.num_layers + layer
                draws = tf.random.stateless_uniform(tf.shape(hidden), seed=[seed, counter])
                hidden = tf.where(draws >= dropout_rate, hidden / (1 - dropout_rate), 0.0)
        return hidden @ weights[-2] + weights[-1]

    def _adam(self, gradients: Sequence[Tensor], learning_rate: Tensor) -> None:
        self._updates.assign_add(1)
        step = tf.cast(self._updates, tf.float32)
        for variable, first, second, gradient in zip(
            self._weights, self._first, self._second, gradients, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=tf.pow(ADAM_BETA_1, step),
                beta2_power=tf.pow(ADAM_BETA_2, step),
                lr=learning_rate,
                beta1=ADAM_BETA_1,
                beta2=ADAM_BETA_2,
                epsilon=ADAM_EPSILON,
                grad=gradient,
            )


def _variable(rank: int) -> Any:
    return tf.Variable(tf.zeros([0] * rank), shape=[None] * rank, trainable=False)


def _count_hits(predicted_positive: Tensor, y: Tensor) -> Tensor:
    return tf.reduce_sum(tf.cast(tf.equal(tf.cast(predicted_positive, tf.int32), y), tf.int32))
