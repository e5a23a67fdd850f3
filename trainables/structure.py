"""What makes two Keras models one structure, and the numbers in which they may differ.

Models of one structure share a compiled program. So a structure leaves out what a program can read
as an input (learning rate, weight decay, the rates of ``Dropout`` layers, the strengths of L1 and
L2 penalties) and what makes no difference to it (names, seeds, initial weights).
"""

import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from inspect import isfunction
from types import FunctionType
from typing import Any

import numpy as np

from .runtime import tf  # noqa: F401 - sets TensorFlow up before Keras imports it

import keras  # isort: skip

_PENALTIES = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
_PENALTY_NAMES = {penalty.__name__ for penalty in _PENALTIES}


@dataclass(frozen=True)
class TrialInputs:
    """Numbers of a trial that are inputs of its program.

    Attributes:
        learning_rate: Of the optimizer; None if it follows a schedule, which is structure.
        weight_decay: Of the optimizer; None if it has none.
        dropout_rates: One for each of :func:`liftable_dropouts`.
        penalties: L1 and L2 strength for each trainable variable, zeros where it has no penalty.
    """

    learning_rate: float | None
    weight_decay: float | None
    dropout_rates: tuple[float, ...]
    penalties: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> "TrialInputs":
        """The numbers of a model that its builder has just built."""
        rate = optimizer.learning_rate
        return cls(
            learning_rate=float(rate) if isinstance(rate, keras.Variable) else None,
            weight_decay=optimizer.weight_decay if can_lift_decay(optimizer) else None,
            dropout_rates=tuple(float(layer.rate) for layer in liftable_dropouts(model)),
            penalties=tuple(_strengths(v.regularizer) for v in model.trainable_variables),
        )


def structure_key(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Hashable:
    """Equal for models that one program can train; equal to nothing else if that can't be told."""
    try:
        config = model.get_config()
        if _is_graph(model):
            config = _normalised_graph(config)
        else:
            config = _normalised({"config": config}, {})
        texts = _text(config), _text(_normalised_optimizer(optimizer))
    except Exception:
        # Anything may go wrong in the configuration of a user's own layer.
        return object()
    return (
        type(model),
        type(optimizer),
        *texts,
        tuple(_foreign_code(model)),
        _identity(getattr(optimizer, "_learning_rate", None)),
        _decay_exclusions(optimizer),
        tuple((tuple(v.shape), v.dtype, type(v.regularizer)) for v in model.trainable_variables),
    )


def liftable_dropouts(model: keras.Model) -> list[keras.layers.Dropout]:
    """Dropout layers whose rate can be an input: Keras' own, and in view of the model's graph."""
    if not _is_graph(model):
        return []
    return [layer for layer in _graph_layers(model) if _is_liftable(layer)]


def _graph_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    seen = set()
    for layer in model.layers:
        for inner in _graph_layers(layer) if _is_graph(layer) else (layer,):
            if id(inner) not in seen:
                seen.add(id(inner))
                yield inner


def _is_graph(layer: Any) -> bool:
    """Whether it is a Sequential or functional model of Keras' own class."""
    is_graph = isinstance(layer, keras.Sequential | keras.Function) and isinstance(
        layer, keras.Model
    )
    return is_graph and _is_keras(type(layer).__module__)


def _is_liftable(layer: Any) -> bool:
    return type(layer) is keras.layers.Dropout and layer.noise_shape is None and layer.rate < 1


def _strengths(regularizer: Any) -> tuple[float, float]:
    if type(regularizer) not in _PENALTIES:
        return 0.0, 0.0
    return float(getattr(regularizer, "l1", 0.0)), float(getattr(regularizer, "l2", 0.0))


def is_penalty(regularizer: Any) -> bool:
    """Whether a variable's regularizer is one of Keras' own whose strengths can be inputs."""
    return type(regularizer) in _PENALTIES


def _normalised_graph(config: dict[str, Any]) -> dict[str, Any]:
    """A graph's configuration without names, seeds and numbers that are inputs."""
    entries = config["layers"]
    places = {entry.get("name", entry["config"].get("name")): i for i, entry in enumerate(entries)}
    rest = {k: v for k, v in config.items() if k not in {"name", "layers"}}
    for ends in ("input_layers", "output_layers"):
        if ends in rest:
            rest[ends] = _without_names(rest[ends], places)
    return {
        **_normalised(rest, places),
        "layers": [_normalised_layer(entry, places) for entry in entries],
    }


def _normalised_layer(entry: dict[str, Any], places: dict[str, int]) -> dict[str, Any]:
    entry = {k: v for k, v in entry.items() if k != "name"}
    config = {k: v for k, v in entry.pop("config").items() if k != "name"}
    if _is_keras(entry["module"]) and "layers" in config:
        return {**_normalised(entry, places), "graph": _normalised_graph(config)}
    if _is_keras(entry["module"]):
        config = {
            k: _without_strengths(k, v)
            for k, v in config.items()
            if k != "seed" and not k.endswith("_initializer")
        }
        if entry["class_name"] == "Dropout" and not config["noise_shape"] and config["rate"] < 1:
            del config["rate"]
    return {**_normalised(entry, places), "config": _normalised(config, places)}


def _without_strengths(key: str, value: Any) -> Any:
    # An activity regularizer is applied to outputs, where it stays.
    if not key.endswith("_regularizer") or key == "activity_regularizer" or not value:
        return value
    is_stock = _is_keras(value.get("module")) and value.get("class_name") in _PENALTY_NAMES
    return value["class_name"] if is_stock else value


def _normalised(value: Any, places: dict[str, int]) -> Any:
    if isinstance(value, list | tuple):
        return [_normalised(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    value = {k: v for k, v in value.items() if k != "shared_object_id"}
    config = value.get("config")
    if isinstance(config, dict):
        if "keras_history" in config:
            config = config | {"keras_history": _without_names(config["keras_history"], places)}
        if "trainable" in config:  # a layer's; a policy's name, for one, says what it is
            config = {k: v for k, v in config.items() if k != "name"}
        if _is_keras(value.get("module")):
            config = {k: v for k, v in config.items() if k != "seed"}
        value["config"] = config
    return {k: _normalised(v, places) for k, v in value.items()}


def _without_names(reference: Any, places: dict[str, int]) -> Any:
    """``[layer name, node, output]``, or nested lists of such, with places for names."""
    if isinstance(reference, list | tuple):
        if reference and isinstance(reference[0], str):
            return [places[reference[0]], *reference[1:]]
        return [_without_names(item, places) for item in reference]
    if isinstance(reference, dict):
        return {k: _without_names(v, places) for k, v in reference.items()}
    return reference


def _normalised_optimizer(optimizer: keras.optimizers.Optimizer) -> dict[str, Any]:
    config = {k: v for k, v in optimizer.get_config().items() if k != "name"}
    if isinstance(optimizer.learning_rate, keras.Variable):
        config.pop("learning_rate", None)
    if can_lift_decay(optimizer):
        config["weight_decay"] = optimizer.weight_decay is not None
    return config


def _decay_exclusions(optimizer: keras.optimizers.Optimizer) -> Hashable:
    """Variables that ``optimizer.exclude_from_weight_decay`` named."""
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        return _ById(optimizer)  # a list of this model's own variables
    return getattr(optimizer, "_exclude_from_weight_decay_pattern", None)


def can_lift_decay(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer is Keras' own, and reads its weight decay as all of those do."""
    return _is_keras(type(optimizer).__module__) and hasattr(optimizer, "weight_decay")


def _foreign_code(model: keras.Model) -> Iterator[Hashable]:
    """What a configuration only names: classes and functions that are not Keras'."""
    for layer in model._flatten_layers():
        if not _is_keras(type(layer).__module__):
            yield _ById(type(layer))
        for name, value in vars(layer).items():
            if name != "build" and callable(value) and not _is_keras(_module(value)):
                yield _identity(value)


def _identity(value: Any) -> Hashable:
    """Equal for the same code over the same values, wherever it was defined."""
    if isfunction(value):
        return _function_identity(value)
    if _is_keras(_module(value)) or value is None:
        return None
    # What has a configuration is in the model's; its class is not.
    return _ById(type(value) if hasattr(value, "get_config") else value)


def _function_identity(function: FunctionType) -> Hashable:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    enclosed = [cells, function.__defaults__, function.__kwdefaults__]
    try:
        return function.__module__, function.__code__, json.dumps(enclosed)
    except (TypeError, ValueError):
        return _ById(function)


@dataclass(frozen=True, eq=False)
class _ById:
    """Equal to nothing but itself; keeps its object, so that no other takes over the id."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _module(value: Any) -> str | None:
    return getattr(value if isfunction(value) else type(value), "__module__", None)


def _is_keras(module: str | None) -> bool:
    return (module or "").partition(".")[0] == "keras"


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=_written)


def _written(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{value!r} has no text that says all of it")
