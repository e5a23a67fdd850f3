"""The compiled training epoch of any Keras model: one TensorFlow graph call, as in ``program``.

The arithmetic is that of ``keras.Model.fit``: the model itself is called with ``training=True``, a
gradient tape differentiates it and its own optimizer updates it. What ``fit`` does in Python for
every batch is done inside the graph.

Networks this small are bound by the number of operations in a batch. So where the optimizer treats
each number by itself, all weights are one vector, which it updates at once.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..datasets.errors import InputError
from .family import State
from .graph_cache import trace
from .lifted_dropout import LiftedDropouts
from .program import EpochOutcome, ResidentRows
from .runtime import EXECUTOR, Tensor, tf
from .structure import TrialInputs, can_lift_decay, is_penalty, liftable_dropouts

import keras  # isort: skip - after the runtime has set TensorFlow up

_ELEMENTWISE = (
    keras.optimizers.SGD,
    keras.optimizers.RMSprop,
    keras.optimizers.Adam,
    keras.optimizers.AdamW,
    keras.optimizers.Adadelta,
    keras.optimizers.Adagrad,
    keras.optimizers.Adamax,
    keras.optimizers.Nadam,
    keras.optimizers.Ftrl,
    keras.optimizers.Lion,
)
"""Optimizers whose update of a number depends on that number and its gradient alone."""

_BRANCHES = {"If", "StatelessIf", "Case", "StatelessCase"}


class KerasProgram:
    """An epoch of every model with the same structure.

    Holds the variables of one training at a time: :meth:`load` it, run epochs, :meth:`state`.

    Args:
        model: Built, and left to the program with its variables.
        optimizer: The model's; left to the program too.
    """

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self._weights = model.weights
        self._trainable = model.trainable_variables
        self._others = _state_variables(model)
        regularizers = [v.regularizer for v in self._trainable]
        self._penalised = [is_penalty(regularizer) for regularizer in regularizers]
        self._has_l1 = any(hasattr(r, "l1") for r in regularizers)
        for variable, penalised in zip(self._trainable, self._penalised, strict=True):
            if penalised:
                variable.regularizer = None  # computed here, from strengths that are inputs
        self._is_flat = _is_elementwise(optimizer, self._trainable)
        self._sizes = [int(np.prod(v.shape)) for v in self._trainable]
        self._parts = self._trainable
        if self._is_flat:
            self._parts = [keras.Variable(_flat(v.numpy() for v in self._trainable))]
        self._dropouts = LiftedDropouts()
        self._model = self._dropouts.lift(model)
        self._optimizer = optimizer
        self._decay: keras.Variable | None = None
        if can_lift_decay(optimizer) and optimizer.weight_decay is not None:
            # The optimizer counts it among its variables from here on.
            self._decay = optimizer.weight_decay = keras.Variable(optimizer.weight_decay)
        if not optimizer.built:
            optimizer.build(self._parts)
        self._fresh_optimizer = [v.numpy() for v in optimizer.variables]
        self._updates = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._variables = _named([*self._parts, *self._others, *optimizer.variables, self._updates])

    @cached_property
    def _epoch(self) -> Any:
        return self._traced()

    @cached_property
    def _weighted_epoch(self) -> Any:
        return self._traced(tf.TensorSpec([None], tf.float32))

    def _traced(self, *weights: Any) -> Any:
        X, y = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([None], tf.int32)
        counts, reals = tf.TensorSpec([2], tf.int64), tf.TensorSpec([None], tf.float32)
        traced, call = _compiled(self._train_and_validate, X, y, X, y, counts, reals, *weights)
        self._check_variables(traced.graph.variables)
        return call

    @cached_property
    def _predict(self) -> Any:
        X, shift = tf.TensorSpec([None, None], tf.float32), tf.TensorSpec([], tf.float32)
        weights = [tf.TensorSpec(v.shape, v.dtype) for v in self._weights]
        return _compiled(self._probabilities, X, shift, *weights)[1]

    def _check_variables(self, read: Iterable[Any]) -> None:
        """Refuses state that would be neither saved nor seeded.

        Raises:
            InputError: The traced epoch reads a variable that is not the program's.
        """
        variables = self._variables.values()
        own = {id(v.value if isinstance(v, keras.Variable) else v) for v in variables}
        for variable in read:
            if id(variable) not in own:
                raise InputError(
                    f"the model reads '{variable.name}', which is no variable of its layers; a "
                    "layer that draws random numbers needs its own keras.random.SeedGenerator"
                )

    def initial_state(self, model: keras.Model, inputs: TrialInputs) -> State:
        """The state before the first epoch.

        Args:
            model: Of this structure, with a trial's initial weights; neither kept nor changed.
            inputs: The trial's numbers.
        """
        weights = [v.numpy() for v in model.trainable_variables]
        optimizer = list(self._fresh_optimizer)
        for i, variable in enumerate(self._optimizer.variables):
            if variable is self._optimizer.learning_rate:
                optimizer[i] = np.asarray(inputs.learning_rate, np.float32)
            elif variable is self._decay:
                optimizer[i] = np.asarray(inputs.weight_decay, np.float32)
        parts = [_flat(weights)] if self._is_flat else weights
        others = [v.numpy() for v in _state_variables(model)]
        return _named([*parts, *others, *optimizer, np.asarray(0)])

    def load(self, state: State) -> None:
        """Puts a training's state into the variables."""
        for name, variable in self._variables.items():
            variable.assign(state[name])

    def state(self) -> State:
        """A copy of the variables."""
        return {name: np.asarray(v.numpy()) for name, v in self._variables.items()}

    def weights(self) -> list[np.ndarray]:
        """A copy of the model's weights, in the order of ``keras.Model.get_weights``."""
        arrays = [part.numpy() for part in self._parts]
        if self._is_flat:
            pieces = np.split(arrays[0], np.cumsum(self._sizes)[:-1])
            arrays = [p.reshape(v.shape) for p, v in zip(pieces, self._trainable, strict=True)]
        known = dict(zip(map(id, self._trainable), arrays, strict=True))
        known |= {id(v): v.numpy() for v in self._others}
        return [known[id(v)] for v in self._weights]

    def run_epoch(
        self,
        train: ResidentRows,
        validation: ResidentRows,
        inputs: TrialInputs,
        batch_size: int,
        log_odds_shift: float,
        seed: int,
    ) -> EpochOutcome:
        """Trains one epoch in shuffled batches, then validates.

        Args:
            train: Rows to train on.
            validation: Rows to validate on, with natural class shares.
            inputs: The trial's numbers; learning rate and weight decay come with its state.
            batch_size: Rows a gradient step.
            log_odds_shift: Moves predictions from the training rows' prior to the natural one.
            seed: Of the trial; shuffling and dropout depend on it and on the count of updates only.
        """
        pairs = zip(inputs.penalties, self._penalised, strict=True)
        strengths = [strength for pair, penalised in pairs if penalised for strength in pair]
        epoch = self._weighted_epoch if train.weights else self._epoch
        figures, probabilities = epoch(
            train.X,
            train.y,
            validation.X,
            validation.y,
            tf.constant([batch_size, seed], tf.int64),
            tf.constant([log_odds_shift, *inputs.dropout_rates, *strengths], tf.float32),
            *train.weights,
        )
        loss, accuracy, val_loss, val_accuracy = map(float, figures.numpy())
        return EpochOutcome(loss, accuracy, val_loss, val_accuracy, probabilities.numpy())

    def predict(
        self, weights: Sequence[np.ndarray], X: np.ndarray, log_odds_shift: float
    ) -> np.ndarray:
        """Natural-prior probability of the positive class, float32 of shape (n_rows,).

        Args:
            weights: As :meth:`weights` gives them; the variables are neither read nor changed.
            X: float32 ndarray of shape (n_rows, n_features).
            log_odds_shift: As for :meth:`run_epoch`.
        """
        tensors = [tf.constant(w, v.dtype) for w, v in zip(weights, self._weights, strict=True)]
        X, shift = tf.constant(X, tf.float32), tf.constant(log_odds_shift, tf.float32)
        return self._predict(X, shift, *tensors).numpy()

    def _train_and_validate(
        self,
        X: Tensor,
        y: Tensor,
        X_val: Tensor,
        y_val: Tensor,
        counts: Tensor,
        reals: Tensor,
        *weights_of_rows: Tensor,
    ) -> tuple[Tensor, Tensor]:
        batch_size, seed = tf.cast(counts[0], tf.int32), counts[1]
        first_strength = 1 + self._dropouts.count
        shift, rates = reals[0], reals[1:first_strength]
        strengths = self._spread(tf.reshape(reals[first_strength:], [-1, 2]))
        rows = tf.shape(X)[0]
        updates = tf.convert_to_tensor(self._updates)
        # As in MLPProgram: keyed by the trial's seed and a counter that the checkpoint holds.
        order = tf.argsort(tf.random.stateless_uniform([rows], seed=[seed, -1 - updates]))
        X, y, *row_weights = (tf.gather(part, order) for part in (X, y, *weights_of_rows))
        log_2 = tf.constant(np.log(2), tf.float32)

        def batch(
            start: Tensor, updates: Tensor, loss_sum: Tensor, hits: Tensor, *others: Tensor
        ) -> Any:
            end = tf.minimum(start + batch_size, rows)
            X_batch, y_batch, *weights = (
                tf.strided_slice(part, [start], [end], [1]) for part in (X, y, *row_weights)
            )
            self._dropouts.begin(rates, seed, updates)
            with tf.GradientTape() as tape:
                parts = [tf.convert_to_tensor(part.value) for part in self._parts]
                output, after, added = self._call(self._split(parts), others, X_batch, True)
                losses = _cross_entropies(y_batch, output)
                weighted = losses * weights[0] if weights else losses
                penalties = self._penalty(parts, strengths)
                loss = tf.add_n([tf.reduce_mean(weighted), *added, *penalties])
                scaled = self._optimizer.scale_loss(loss)
            gradients = tape.gradient(scaled, [part.value for part in self._parts])
            self._optimizer.apply(gradients, self._parts)
            loss_sum += loss * tf.cast(end - start, tf.float32)
            # Of two classes, the right one is the likelier when its loss is below log 2.
            hits += tf.reduce_sum(tf.cast(losses < log_2, tf.float32))
            return end, updates + 1, loss_sum, hits, *after

        started = [tf.convert_to_tensor(v.value) for v in self._others]
        _, updates, loss_sum, hits, *others = tf.while_loop(
            lambda start, *_: start < rows,
            batch,
            [0, updates, 0.0, 0.0, *started],
            parallel_iterations=1,
        )
        self._updates.assign(updates)
        for variable, value in zip(self._others, others, strict=True):
            variable.assign(value)

        parts = [tf.convert_to_tensor(part.value) for part in self._parts]
        output, _, _ = self._call(self._split(parts), others, X_val, training=False)
        log_odds = _log_odds(output) + shift
        positive = y_val > 0
        val_loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(positive, tf.float32), log_odds)
        )
        val_accuracy = tf.reduce_mean(tf.cast(tf.equal(log_odds > 0, positive), tf.float32))
        n = tf.cast(rows, tf.float32)
        return tf.stack([loss_sum / n, hits / n, val_loss, val_accuracy]), tf.sigmoid(log_odds)

    def _probabilities(self, X: Tensor, shift: Tensor, *weights: Tensor) -> Tensor:
        known = dict(zip(map(id, self._weights), weights, strict=True))
        trainable = [known[id(v)] for v in self._trainable]
        # Only seeds of random layers are no weights, and predicting draws nothing.
        others = [known.get(id(v), tf.zeros(v.shape, v.dtype)) for v in self._others]
        output, _, _ = self._call(trainable, others, X, training=False)
        return tf.sigmoid(_log_odds(output) + shift)

    def _call(
        self, weights: Sequence[Tensor], others: Sequence[Tensor], X: Tensor, training: bool
    ) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """The model's output, its other variables afterwards, and the losses that it adds."""
        mapping = [
            *zip(self._trainable, weights, strict=True),
            *zip(self._others, others, strict=True),
        ]
        # As fit does; a model whose call has no such argument hears of training from nobody.
        arguments = {"training": training} if self._model._call_has_training_arg else {}
        with keras.StatelessScope(state_mapping=mapping, collect_losses=training) as scope:
            output = self._model(X, **arguments)
            added = [tf.reduce_sum(tf.cast(loss, tf.float32)) for loss in self._model.losses]
            after = [tf.convert_to_tensor(scope.get_current_value(v)) for v in self._others]
        return output, after, added if training else []

    def _split(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """The trainable variables' values."""
        if not self._is_flat:
            return parts
        pieces = tf.split(parts[0], self._sizes)
        return [tf.reshape(p, v.shape) for p, v in zip(pieces, self._trainable, strict=True)]

    def _spread(self, strengths: Tensor) -> list[Tensor]:
        """Strengths of each part: (l1, l2) stacked, in a shape that broadcasts to the part."""
        values = iter(tf.unstack(strengths, sum(self._penalised)))
        pairs = [next(values) if penalised else tf.zeros([2]) for penalised in self._penalised]
        if not self._is_flat:
            return pairs
        spread = [tf.tile(p[:, None], [1, n]) for p, n in zip(pairs, self._sizes, strict=True)]
        return [tf.concat(spread, axis=1)]

    def _penalty(self, parts: Sequence[Tensor], strengths: Sequence[Tensor]) -> list[Tensor]:
        """L1 and L2 penalties as Keras defines them."""
        if not any(self._penalised):
            return []
        pairs = list(zip(parts, strengths, strict=True))
        penalty = [tf.reduce_sum(strength[1] * tf.square(part)) for part, strength in pairs]
        if self._has_l1:
            penalty += [tf.reduce_sum(strength[0] * tf.abs(part)) for part, strength in pairs]
        return penalty


def _compiled(function: Callable[..., Any], *signature: Any) -> tuple[Any, Callable[..., Any]]:
    """The traced function, and a call of it by the fastest executor that can run it."""
    for executor in (EXECUTOR, ""):
        with tf.experimental.function_executor_type(executor):
            traced = trace(function, *signature)
        if not _has_branches(traced):
            break

    def call(*tensors: Tensor) -> Any:
        with tf.experimental.function_executor_type(executor):
            return traced(*tensors)

    return traced, call


def _has_branches(traced: Any) -> bool:
    """Whether there is an operation for which the single-threaded executor waits forever."""
    library = traced.graph.as_graph_def().library.function
    return any(node.op in _BRANCHES for function in library for node in function.node_def)


def _state_variables(model: keras.Model) -> list[keras.Variable]:
    """What training changes besides weights, without the seeds that are inputs of the program."""
    seeds = {id(layer.seed_generator.state) for layer in liftable_dropouts(model) if layer.rate > 0}
    return [v for v in model.non_trainable_variables if id(v) not in seeds]


def _is_elementwise(
    optimizer: keras.optimizers.Optimizer, variables: Iterable[keras.Variable]
) -> bool:
    """Whether updating all variables as one vector is the same as updating them one by one."""
    return (
        type(optimizer) in _ELEMENTWISE
        and not optimizer.built
        and optimizer.clipnorm is None
        and not getattr(optimizer, "_exclude_from_weight_decay", None)
        and not getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
        and all(
            v.dtype == "float32" and v.constraint is None and not v.overwrite_with_gradient
            for v in variables
        )
    )


def _cross_entropies(y: Tensor, output: Tensor) -> Tensor:
    """Each row's, by Keras' own functions; they take the logits where an activation kept them."""
    if output.shape[1] == 2:
        return tf.cast(keras.losses.sparse_categorical_crossentropy(y, output), tf.float32)
    labels = tf.cast(y[:, None], output.dtype)
    return tf.cast(keras.losses.binary_crossentropy(labels, output), tf.float32)


def _log_odds(output: Tensor) -> Tensor:
    """Of the positive class; from logits where an activation kept them, so that they stay exact."""
    logits = getattr(output, "_keras_logits", None)
    if logits is None:
        smallest = keras.config.epsilon()
        probabilities = tf.clip_by_value(tf.cast(output, tf.float32), smallest, 1 - smallest)
        logits = tf.math.log(probabilities)
        if output.shape[1] == 1:
            logits -= tf.math.log1p(-probabilities)
    logits = tf.cast(logits, tf.float32)
    return logits[:, 0] if output.shape[1] == 1 else logits[:, 1] - logits[:, 0]


def _flat(weights: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate([w.ravel() for w in weights])


def _named(values: Iterable[Any]) -> dict[str, Any]:
    return {f"variable_{i:03d}": value for i, value in enumerate(values)}
