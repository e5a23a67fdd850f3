"""A user's own models: calls the builder ``module:function`` and checks what it builds.

A builder is ``def build(config: dict[str, Any], n_features: int) -> keras.Model``. It gets a
trial's hyperparameters and the number of columns. Its model takes (n_features,) and gives
probabilities: two softmax units, or one sigmoid unit for the positive class. A compiled model
brings its optimizer; one that is not is trained with Adam at ``config["learning_rate"]``.

The driver imports this file; Keras is imported on a worker, where models are built.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..datasets.errors import InputError
from ..datasets.user_code import Role, described, load_code, names_code, told

if TYPE_CHECKING:
    import keras

DEFAULT_BATCH_SIZE = 128
"""Rows a gradient step, where the hyperparameters have no ``batch_size``."""

_PROBE_ROWS = 64
_CROSS_ENTROPIES = {
    1: ("binary_crossentropy",),
    2: ("sparse_categorical_crossentropy", "categorical_crossentropy"),
}
"""Losses that are a model's cross-entropy, by its output units."""
_LOSS_SETTINGS = ("from_logits", "label_smoothing", "ignore_class")
"""Settings, off by default, that make a cross-entropy another loss."""


BUILDER = Role(
    "trainable",
    "'mlp' or 'module:function' such as 'models:build'",
    "function",
    "takes (config, n_features) and returns a keras.Model",
)
"""Among a user's code."""


def is_builder(trainable: str) -> bool:
    """Whether a sweep's ``trainable`` names a builder and not a family of ours."""
    return names_code(trainable)


class BuiltModel(NamedTuple):
    """A model of a builder, and the optimizer that it is compiled with, or Adam."""

    model: keras.Model
    optimizer: keras.optimizers.Optimizer


class Builder:
    """A user's function that builds Keras models.

    Args:
        trainable: ``module:function``.
        module_folder: Where its module is; see :func:`~evensweep.datasets.user_code.load_code`.

    Raises:
        InputError: The module can't be imported, or has no such function.
    """

    def __init__(self, trainable: str, module_folder: str | None = None) -> None:
        self.trainable = trainable
        self._function = load_code(BUILDER, trainable, module_folder)

    def build(self, hyperparameters: Mapping[str, Any], n_features: int, seed: int) -> BuiltModel:
        """A built and checked Keras model with its optimizer.

        Args:
            hyperparameters: The builder's ``config``.
            n_features: Columns of the feature matrix.
            seed: What the initial weights, and the seeds of the model's random layers, depend on;
                the process' own random state stays as it was.

        Raises:
            InputError: The builder fails, or what it returns is no model for such rows.
        """
        from .runtime import tf  # noqa: F401 - sets TensorFlow up before Keras imports it

        import keras  # isort: skip

        with _seeded(seed):
            try:
                model = self._function(dict(hyperparameters), n_features)
            except Exception as error:
                raise self._error(
                    f"failed for {dict(hyperparameters)} with {told(error)}; mend the builder or "
                    "the space"
                ) from error
            if not isinstance(model, keras.Model):
                raise self._error(f"returned {described(model)}; it must return a keras.Model")
            output = self._output(model, n_features)
        shape = tuple(output.shape)
        if len(shape) != 2 or shape[1] not in (1, 2):
            raise self._error(
                f"returned a model with output shape (None, {', '.join(map(str, shape[1:]))}); it "
                "must end in two softmax units, or in one sigmoid unit for the positive class"
            )
        if not model.compiled:
            rate = float(hyperparameters.get("learning_rate", 1e-3))
            return BuiltModel(model, keras.optimizers.Adam(rate))
        if model.loss is not None:
            self._check_loss(model.loss, _CROSS_ENTROPIES[shape[1]], shape[1])
        return BuiltModel(model, model.optimizer)

    def _check_loss(self, loss: Any, wanted: tuple[str, ...], units: int) -> None:
        import keras

        with suppress(TypeError, ValueError):  # whatever it is then, it is named below
            loss = keras.losses.get(loss)
        name = getattr(loss, "__name__", type(loss).__name__)
        settings = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
        changed = [key for key in _LOSS_SETTINGS if settings.get(key)]
        if settings.get("reduction") in ("sum", "none", None) and settings:
            changed.append("reduction")
        known = [known.replace("_", "") for known in wanted]
        if name.replace("_", "").lower() not in known or changed:
            with_settings = f" with {' and '.join(changed)}" if changed else ""
            raise self._error(
                f"compiled its model with the loss {name}{with_settings}, and a model of {units} "
                f"output unit{'s' * (units - 1)} is trained with plain {wanted[0]}; compile it "
                f"with that, or leave compiling out"
            )

    def check_probabilities(self, model: keras.Model, n_features: int) -> None:
        """Looks at predictions for random rows; done once a structure.

        Raises:
            InputError: They are no probabilities.
        """
        import keras

        last = model.layers[-1] if model.layers else None
        activation = getattr(last, "activation", None)
        X = np.random.default_rng(0).normal(scale=3, size=(_PROBE_ROWS, n_features))
        values = np.asarray(model(X.astype(np.float32), training=False), np.float64)
        units = values.shape[1]
        wanted = "softmax" if units == 2 else "sigmoid"
        fit = bool(np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1)
        if units == 2:
            fit = fit and bool(np.allclose(values.sum(axis=1), 1, atol=1e-3))
        # Weights that start at zero give numbers that only look like probabilities.
        linear = type(last) is keras.layers.Dense and activation is keras.activations.linear
        constant = units == 1 and activation is keras.activations.softmax
        if not fit or linear or constant:
            name = getattr(activation, "__name__", None)
            named = f" (its last activation is {name})" if name else ""
            raise self._error(
                f"returned a model whose output is not a probability{named}; end it in "
                f"Dense({units}, activation='{wanted}')"
            )

    def _output(self, model: keras.Model, n_features: int) -> Any:
        """A tensor, or a symbol of one, that the model gives; builds the model if it is not."""
        if model.built and hasattr(model, "inputs") and model.inputs is not None:
            inputs = [tuple(tensor.shape) for tensor in model.inputs]
            if inputs != [(None, n_features)]:
                raise self._error(
                    f"returned a model with input shape {' and '.join(map(str, inputs))}; it must "
                    f"take one input of shape (None, {n_features}), the table's columns"
                )
            return _only(model.outputs)
        try:
            output = model(np.zeros((2, n_features), np.float32))
        except Exception as error:
            raise self._error(
                f"returned a model that can't take rows of {n_features} columns ("
                f"{told(error)}); check its input"
            ) from error
        return _only(output)

    def _error(self, what: str) -> InputError:
        return InputError(f"the builder '{self.trainable}' {what}")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers from a seed inside, and afterwards as if nothing had been drawn.

    Keras seeds initializers and random layers that have no seed of their own from Python's
    generator.
    """
    before, before_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(before_numpy)


def _only(output: Any) -> Any:
    """The one output; several count as a wrong shape."""
    if isinstance(output, list | tuple):
        return output[0] if len(output) == 1 else np.empty((0, 0))
    return output
