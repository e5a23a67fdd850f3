"""The compiled training epoch: one TensorFlow graph call trains an epoch and validates it.

A program is traced once a structure (depth, activation, dropout, embedding, members). Everything
else enters as data: weights and rows have unknown dimensions, hyperparameters are scalars, so that
trials of every width, batch size, learning rate, dropout rate and L2 strength share it. Its
arithmetic is that of ``keras.Model.fit`` with Adam and sparse categorical cross-entropy.

Networks this small are bound by the number of operations in a batch, not by their arithmetic. So
all weights are one vector, which Adam and the L2 penalty take at once, and the backward pass is
written out: a gradient tape leaves twice as many operations.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .dense import dense
from .dropout import PooledDropout
from .graph_cache import trace_once
from .members import members_log_odds, members_logits, members_losses
from .mlp import MLPConfig, Structure
from .periodic import Embedded, embed, embed_gradients, in_pieces
from .runtime import EXECUTOR, Tensor, tf
from .weight_vector import ADAM_BETA_1, ADAM_BETA_2, Layout, Variables

_SOURCE = b"".join(
    Path(__file__).with_name(f"{module}.py").read_bytes()
    for module in ("program", "dense", "dropout", "members", "periodic", "weight_vector", "mlp")
)
"""What the traced operations follow from."""

_ACTIVATION_GRADIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda y, dy: tf.raw_ops.ReluGrad(gradients=dy, features=y),
    "tanh": lambda y, dy: tf.raw_ops.TanhGrad(y=y, dy=dy),
    "selu": lambda y, dy: tf.raw_ops.SeluGrad(gradients=dy, outputs=y),
}
"""dL/dx from y = f(x) and dL/dy."""


@dataclass(frozen=True)
class ResidentRows:
    """Rows that stay in the device's memory.

    X is float32 (n_rows, n_features), y int32 (n_rows,). What a row's loss is multiplied by is
    ``weights``, float32 (n_rows,), or nothing where all weigh 1.
    """

    X: Any
    y: Any
    weights: tuple[Any, ...] = ()

    @classmethod
    def place(
        cls, X: np.ndarray, y: np.ndarray, class_weights: Sequence[float] = (1.0, 1.0)
    ) -> "ResidentRows":
        """Moves arrays into TensorFlow's memory; done once a worker and view, not once a trial."""
        weights = np.asarray(class_weights, np.float32)[y]
        placed = (tf.constant(weights),) if set(class_weights) != {1.0} else ()
        return cls(tf.constant(X, tf.float32), tf.constant(y, tf.int32), placed)


class EpochOutcome(NamedTuple):
    """Figures of one epoch; losses in nats a row.

    ``loss`` includes the L2 penalty and is of the view's rows, under dropout, as Keras reports it.
    Of members it is the mean, and a row counts as right where their losses' mean is below log 2.
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
    """Everything that an epoch changes: weights, Adam's moments and its count of updates.

    Each array is a float32 ndarray of shape (n_weights,): kernels and biases in Keras' order,
    flattened and put one after another.
    """

    weights: np.ndarray
    first_moments: np.ndarray
    second_moments: np.ndarray
    updates: int = 0

    @classmethod
    def start(cls, weights: np.ndarray) -> "OptimizerState":
        """The state before the first update."""
        return cls(weights, np.zeros_like(weights), np.zeros_like(weights))


@lru_cache(maxsize=64)
def mlp_program(structure: Structure) -> "MLPProgram":
    """The worker's one program of this structure; traced at its first epoch."""
    return MLPProgram(structure)


class MLPProgram:
    """An epoch of every multilayer perceptron with the same structure.

    Holds the variables of one training at a time: :meth:`load` it, run epochs, :meth:`state`.

    Args:
        structure: What all of them have in common.
    """

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self._activation_gradient = _ACTIVATION_GRADIENTS[structure.activation]
        self._weights, self._first, self._second = (
            tf.Variable(tf.zeros([0]), shape=[None], trainable=False) for _ in range(3)
        )
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        variables = (self._weights, self._first, self._second, self._updates)
        self._handles = [variable.handle for variable in variables]

    @cached_property
    def _epoch(self) -> Any:
        return self._traced_epoch("epoch")

    @cached_property
    def _weighted_epoch(self) -> Any:
        return self._traced_epoch("weighted epoch", tf.TensorSpec([None], tf.float32))

    def _traced_epoch(self, kind: str, *weights: Any) -> Any:
        X, y = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32)
        counts, reals = tf.TensorSpec([4], tf.int64), tf.TensorSpec([4], tf.float32)
        handles = [tf.TensorSpec([], tf.resource)] * len(self._handles)
        signature = (X, y, X, y, counts, reals, *handles, *weights)
        return self._traced(kind, self._train_and_validate, *signature)

    @cached_property
    def _predict(self) -> Any:
        weights, X = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None, None], tf.float32)
        sizes, shift = tf.TensorSpec([2], tf.int32), tf.TensorSpec([], tf.float32)
        return self._traced("predict", self._probabilities, weights, X, sizes, shift)

    def _traced(self, kind: str, function: Callable[..., Any], *signature: Any) -> Any:
        name = " ".join(map(str, (kind, *self.structure)))
        return trace_once(name, _SOURCE, function, *signature)

    def load(self, state: OptimizerState) -> None:
        """Puts a training's state into the variables."""
        self._weights.assign(state.weights)
        self._first.assign(state.first_moments)
        self._second.assign(state.second_moments)
        self._updates.assign(state.updates)

    def state(self) -> OptimizerState:
        """A copy of the variables."""
        return OptimizerState(
            self._weights.numpy(),
            self._first.numpy(),
            self._second.numpy(),
            int(self._updates.numpy()),
        )

    def weights(self) -> np.ndarray:
        """A copy of the weights alone."""
        return self._weights.numpy()

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
        counts = [config.hidden_layer_size, config.members, config.batch_size, seed]
        reals = [config.learning_rate, config.dropout_rate, config.l2_strength, log_odds_shift]
        with tf.experimental.function_executor_type(EXECUTOR):  # also when it is traced
            epoch = self._weighted_epoch if train.weights else self._epoch
            figures, probabilities = epoch(
                train.X,
                train.y,
                validation.X,
                validation.y,
                tf.constant(counts, tf.int64),
                tf.constant(reals, tf.float32),
                *self._handles,
                *train.weights,
            )
        loss, accuracy, val_loss, val_accuracy = map(float, figures.numpy())
        return EpochOutcome(loss, accuracy, val_loss, val_accuracy, probabilities.numpy())

    def predict(
        self, weights: np.ndarray, X: np.ndarray, config: MLPConfig, log_odds_shift: float
    ) -> np.ndarray:
        """Natural-prior probability of the positive class, float32 of shape (n_rows,).

        Args:
            weights: As in :class:`OptimizerState`; the variables are neither read nor changed.
            X: float32 ndarray of shape (n_rows, n_features).
            config: As for :meth:`run_epoch`.
            log_odds_shift: As for :meth:`run_epoch`.
        """
        [probabilities] = self._predict(
            tf.constant(weights, tf.float32),
            tf.constant(X, tf.float32),
            tf.constant([config.hidden_layer_size, config.members], tf.int32),
            tf.constant(log_odds_shift, tf.float32),
        )
        return probabilities.numpy()

    def _train_and_validate(
        self,
        X: Tensor,
        y: Tensor,
        X_val: Tensor,
        y_val: Tensor,
        counts: Tensor,
        reals: Tensor,
        *others: Tensor,
    ) -> tuple[Tensor, Tensor]:
        n_handles = len(self._handles)
        variables = Variables(*others[:n_handles])
        row_weights: Sequence[Tensor] = others[n_handles:]
        width, members, batch_size, _ = tf.unstack(tf.cast(counts, tf.int32))
        seed = counts[-1]  # the one that may need 64 bits
        learning_rate, dropout_rate, l2, shift = tf.unstack(reals)
        n_rows = tf.shape(X)[0]
        n_batches = -(-n_rows // batch_size)
        layout = Layout.of(self.structure, tf.shape(X)[1], width, members)
        decay = layout.decay(l2)
        updates = variables.read_updates()
        # One generator for shuffling and dropout, keyed by the trial's seed and a counter that the
        # checkpoint holds: a resumed trial draws what the unbroken one would have drawn.
        keys = tf.random.stateless_uniform([n_rows], seed=[seed, -1 - updates])
        order = tf.argsort(keys)
        X, y, *row_weights = (tf.gather(part, order) for part in (X, y, *row_weights))
        if self.structure.drops:
            largest = tf.minimum(batch_size, n_rows)
            shape = (self.structure.num_layers, largest * members, width)
            dropout = PooledDropout.draw(shape, n_batches, dropout_rate, [seed, updates])
        # Places in the rows are vectors of one number, as slices take them.
        size, end_of_rows = tf.reshape(batch_size, [1]), tf.reshape(n_rows, [1])

        def batch(
            number: Tensor, start: Tensor, powers: Sequence[Tensor], losses: Any, penalties: Tensor
        ) -> Any:
            end = tf.minimum(start + size, end_of_rows)
            rows = end - start
            n = tf.cast(rows, tf.float32)
            X_batch, y_batch, *weights_batch = (
                tf.strided_slice(part, start, end, [1]) for part in (X, y, *row_weights)
            )
            weights = variables.read_weights()
            masks = dropout.masks(number, rows * members) if self.structure.drops else []
            losses_and_gradient = (
                self._differentiate if self.structure.shares else self._backpropagate
            )
            batch_losses, gradient = losses_and_gradient(
                layout, weights, X_batch, y_batch, weights_batch, n, masks
            )
            decay_gradient = decay * weights
            variables.apply_adam(gradient + decay_gradient, learning_rate, powers)
            return (
                number + 1,
                end,
                (powers[0] * ADAM_BETA_1, powers[1] * ADAM_BETA_2),
                losses.write(number, batch_losses),
                penalties + tf.reduce_sum(decay_gradient * weights) * n,
            )

        step = tf.cast(updates + 1, tf.float32)
        *_, losses, penalties = tf.while_loop(
            lambda number, *_: number < n_batches,
            batch,
            (
                0,
                tf.constant([0]),
                (tf.pow(ADAM_BETA_1, step), tf.pow(ADAM_BETA_2, step)),
                tf.TensorArray(tf.float32, n_batches, element_shape=[None], infer_shape=False),
                tf.constant([0.0]),
            ),
            parallel_iterations=1,
        )
        variables.write_updates(updates + tf.cast(n_batches, tf.int64))
        losses = losses.concat()
        weighted = losses * row_weights[0] if row_weights else losses
        loss = tf.reduce_mean(weighted) + penalties[0] / 2 / tf.cast(n_rows, tf.float32)
        # Of two classes, the right one is the likelier when its loss is below log 2.
        accuracy = tf.reduce_mean(tf.cast(losses < np.float32(np.log(2)), tf.float32))

        log_odds = self._log_odds(layout, variables.read_weights(), X_val, shift)
        positive = y_val > 0
        val_loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(positive, tf.float32), log_odds)
        )
        val_accuracy = tf.reduce_mean(tf.cast(tf.equal(log_odds > 0, positive), tf.float32))
        return tf.stack([loss, accuracy, val_loss, val_accuracy]), tf.sigmoid(log_odds)

    def _probabilities(
        self, weights: Tensor, X: Tensor, sizes: Tensor, shift: Tensor
    ) -> tuple[Tensor]:
        layout = Layout.of(self.structure, tf.shape(X)[1], *tf.unstack(sizes))
        return (tf.sigmoid(self._log_odds(layout, weights, X, shift)),)

    def _log_odds(self, layout: Layout, weights: Tensor, X: Tensor, shift: Tensor) -> Tensor:
        embedding, layers = layout.split(weights)
        activation = self.structure.activation
        if self.structure.shares:
            return in_pieces(
                lambda X: (
                    members_log_odds(members_logits(X, embedding, layers, activation)) + shift
                ),
                X,
                tf.maximum(tf.size(layers[-2][-1]), tf.shape(X)[1]),
            )
        *hidden_layers, output_layer = layers

        def forward(X: Tensor) -> Tensor:
            if embedding:
                X = embed(X, embedding).output
            for kernel, bias in hidden_layers:
                X = dense(X, kernel, bias, activation)
            logits = dense(X, *output_layer)
            return logits[:, 1] - logits[:, 0] + shift

        return in_pieces(forward, X, tf.shape(X)[1]) if embedding else forward(X)

    def _differentiate(
        self,
        layout: Layout,
        weights: Tensor,
        X: Tensor,
        y: Tensor,
        row_weights: Sequence[Tensor],
        n: Tensor,
        masks: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """As :meth:`_backpropagate`, of members that share kernels."""
        with tf.GradientTape() as tape:
            tape.watch(weights)
            logits = members_logits(X, *layout.split(weights), self.structure.activation, masks)
            losses = members_losses(logits, y)
            loss = tf.reduce_sum(losses * row_weights[0] if row_weights else losses) / n
        return losses, tape.gradient(loss, weights)

    def _backpropagate(
        self,
        layout: Layout,
        weights: Tensor,
        X: Tensor,
        y: Tensor,
        row_weights: Sequence[Tensor],
        n: Tensor,
        masks: Sequence[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each of the n rows, and the gradient of its weighted mean."""
        embedding, layers = layout.split(weights)
        *hidden_layers, output_layer = layers
        num_layers, activation = len(hidden_layers), self.structure.activation
        embedded: Embedded | None = embed(X, embedding) if embedding else None
        inputs, activated = [embedded.output if embedded else X], []
        for layer, (kernel, bias) in enumerate(hidden_layers):
            activated.append(dense(inputs[-1], kernel, bias, activation))
            inputs.append(activated[-1] * masks[layer] if masks else activated[-1])
        losses, delta = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=dense(inputs[-1], *output_layer), labels=y
        )
        delta /= n
        if row_weights:
            delta *= row_weights[0][:, None]
        gradients = []
        for layer in reversed(range(num_layers + 1)):
            gradients.append(tf.raw_ops.BiasAddGrad(out_backprop=delta))
            # Transposed beforehand: TensorFlow's product of a transposed matrix is slower by more.
            gradients.append(tf.reshape(tf.transpose(inputs[layer]) @ delta, [-1]))
            if layer > 0:
                delta @= tf.transpose(layers[layer][0])
                if masks:
                    delta *= masks[layer - 1]
                delta = self._activation_gradient(activated[layer - 1], delta)
        if embedding and embedded:
            delta @= tf.transpose(layers[0][0])
            parts = embed_gradients(embedded, embedding, delta)
            gradients += [tf.reshape(part, [-1]) for part in reversed(parts)]
        return losses, tf.concat(gradients[::-1], axis=0)
