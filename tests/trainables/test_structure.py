"""Which models share a program: all that differ in nothing but numbers that are its inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensweep.trainables import builder_family
from evensweep.trainables.builder import Builder
from evensweep.trainables.builder_family import BuilderFamily
from evensweep.trainables.keras_program import KerasProgram
from evensweep.trainables.structure import TrialInputs, structure_key
from evensweep.trainables.training import Training, TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

HERE = str(Path(__file__).parent)


def key(function: str, **config: Any) -> Any:
    built = Builder(f"example_builders:{function}", HERE).build(config, 6, seed=0)
    return structure_key(built.model, built.optimizer)


@pytest.mark.parametrize(
    ("function", "one", "other"),
    [
        ("plain", {"learning_rate": 1e-3}, {"learning_rate": 1e-2}),
        ("skipping", {}, {"unknown": 1}),
        ("normalised", {}, {}),
        ("nested", {"l2": 1e-3, "rate": 0.1}, {"l2": 0.1, "rate": 0.0}),
        ("penalised", {"l1": 0.0, "l2": 1e-3}, {"l1": 1e-3, "l2": 0.0}),
        ("noisy", {"rate": 0.0}, {"rate": 0.5}),
        ("compiled", {"optimizer": "sgd", "learning_rate": 0.1}, None),
        ("compiled", {"optimizer": "adamw", "learning_rate": 0.1, "decay": 1e-3}, None),
        ("compiled", {"optimizer": "scheduled", "learning_rate": 0.2}, {"learning_rate": 0.2}),
        ("subclassed", {"rate": 0.1}, {"rate": 0.1}),
        ("scaled", {"where": "activation", "factor": 2.0}, {"factor": 2.0}),
        ("scaled", {"where": "lambda", "factor": 2.0}, {"factor": 2.0}),
    ],
)
def test_models_of_one_structure_have_one_key(
    function: str, one: dict[str, Any], other: dict[str, Any] | None
) -> None:
    changed = {"learning_rate": 0.2, "decay": 0.1} if other is None else other
    assert key(function, **one) == key(function, **one | changed)


@pytest.mark.parametrize(
    ("function", "one", "other"),
    [
        ("plain", {"units": 8}, {"units": 9}),
        ("compiled", {"optimizer": "sgd"}, {"optimizer": "nadam"}),
        ("compiled", {"optimizer": "scheduled"}, {"learning_rate": 0.3}),
        ("subclassed", {"rate": 0.1}, {"rate": 0.2}),
        ("scaled", {"where": "activation", "factor": 2.0}, {"factor": 3.0}),
        ("scaled", {"where": "layer", "factor": 2.0}, {"factor": 3.0}),
        ("scaled", {"where": "lambda", "factor": 2.0}, {"factor": 3.0}),
        ("scaled", {"where": "constant", "factor": 2.0}, {"factor": 3.0}),
    ],
)
def test_models_that_compute_something_else_have_another_key(
    function: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    config = {"learning_rate": 0.1} | one
    assert key(function, **config) != key(function, **config | other)


def test_names_that_collide_with_values_stay_apart() -> None:
    def named(activation: str) -> Any:
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(3, activation=activation, name=activation)(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
        return structure_key(model, keras.optimizers.Adam())

    assert named("relu") == named("relu")
    assert named("relu") != named("tanh")


def test_numbers_that_are_inputs_are_read_from_the_model() -> None:
    built = Builder("example_builders:nested", HERE).build(
        {"l2": 0.25, "rate": 0.5, "learning_rate": 0.125}, 6, seed=0
    )
    inputs = TrialInputs.of(built.model, built.optimizer)
    assert (inputs.learning_rate, inputs.weight_decay) == (0.125, None)
    assert sorted(inputs.dropout_rates) == [0.25, 0.5]
    assert sorted(inputs.penalties) == [(0, 0)] * 5 + [(0, 0.25)]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows by one whenever an epoch is traced; starts with no programs."""
    traced: list[Any] = []
    original = KerasProgram._train_and_validate

    def counted(self: KerasProgram, *tensors: Any) -> Any:
        traced.append(tensors)
        return original(self, *tensors)

    monkeypatch.setattr(KerasProgram, "_train_and_validate", counted)
    monkeypatch.setattr(builder_family, "_programs", type(builder_family._programs)())
    return traced


def test_a_search_over_continuous_numbers_traces_once(
    data: TrainingData, traces: list[Any]
) -> None:
    """And the worker holds one model at the end, however many trials it trained."""
    import gc
    import weakref

    rng = np.random.default_rng(0)
    family = BuilderFamily("example_builders:nested", HERE)
    built: list[Any] = []
    build = family._builder.build

    def remembered(*arguments: Any) -> Any:
        result = build(*arguments)
        built.append(weakref.ref(result.model))
        return result

    family._builder.build = remembered  # type: ignore[method-assign]
    losses = set()
    for seed in range(60):
        config = {
            "l2": 10 ** rng.uniform(-5, -1),
            "rate": rng.uniform(0, 0.5) if seed % 3 else 0.0,
            "learning_rate": 10 ** rng.uniform(-4, -2),
            "batch_size": int(rng.integers(16, 200)),
        }
        training = Training(family.network(config, 6, seed), data, patience=5, max_epochs=1)
        losses.add(training.train(1)[0].val_loss)
    assert len(losses) == 60
    assert len(traces) == 1
    assert len(builder_family._programs) == 1
    gc.collect()
    assert len(built) == 60
    assert sum(model() is not None for model in built) <= 1


def test_the_cache_of_programs_is_bounded(
    traces: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder_family, "_CACHED_PROGRAMS", 3)
    family = BuilderFamily("example_builders:plain", HERE)
    networks = [family.network({"units": units}, 6, 0) for units in (1, 2, 3, 1, 4)]
    assert len(builder_family._programs) == 3
    assert networks[0].program is networks[3].program  # used again, so 2 was the one to go
    assert family.network({"units": 1}, 6, 0).program is networks[0].program
    assert family.network({"units": 2}, 6, 0).program is not networks[1].program
    assert not traces  # none before its first epoch
