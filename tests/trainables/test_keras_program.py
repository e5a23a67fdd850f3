"""The compiled epoch of a user's model against ``keras.Model.fit`` of that same model."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensweep.results.calibration import shift_log_odds
from evensweep.trainables.builder_family import BuilderFamily, BuiltNetwork
from evensweep.trainables.program import EpochOutcome, ResidentRows
from evensweep.trainables.runtime import tf
from evensweep.trainables.training import TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

Table = Mapping[str, np.ndarray]

SEED = 11
HERE = str(Path(__file__).parent)
CONFIG = {"learning_rate": 5e-3, "batch_size": 32}


def family(function: str) -> BuilderFamily:
    return BuilderFamily(f"example_builders:{function}", HERE)


def begin(function: str, **config: Any) -> BuiltNetwork:
    """A loaded network of 6 features."""
    network = family(function).network(CONFIG | config, 6, SEED)
    network.load(network.initial_state)
    return network


def run(network: BuiltNetwork, data: TrainingData, epochs: int) -> list[EpochOutcome]:
    return [network.run_epoch(data.train, data.validation, 0.0) for _ in range(epochs)]


def twin(function: str, **config: Any) -> keras.Model:
    """The same model, compiled as a user of Keras would."""
    model, optimizer = family(function)._builder.build(CONFIG | config, 6, SEED)
    kind = "binary" if function == "sigmoid" else "sparse_categorical"
    # Averaged weights replace a model's when a fit ends, which no epoch's figures are of.
    optimizer.finalize_variable_values = lambda _: None
    loss = f"{kind}_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy", loss], jit_compile=False)
    return model


def fit(
    model: keras.Model,
    table: Table,
    epochs: int,
    batch_size: int = 32,
    class_weight: Mapping[int, float] | None = None,
) -> list[EpochOutcome]:
    """Keras' figures of epochs that take the rows in the program's order."""
    steps = -(-len(table["y"]) // batch_size)
    batches = []
    for epoch in range(epochs):
        keys = tf.random.stateless_uniform([len(table["y"])], seed=[SEED, -1 - epoch * steps])
        order = tf.argsort(keys).numpy()
        rows = tf.data.Dataset.from_tensor_slices((table["X"][order], table["y"][order, None]))
        batches.append(rows.batch(batch_size))
    fitted = model.fit(
        reduce(tf.data.Dataset.concatenate, batches),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        validation_data=(table["X_val"], table["y_val"][:, None]),
        class_weight=class_weight,
        verbose=0,
    ).history
    # Without penalties, as the metric of that name; see test_program.
    val_loss = next(name for name in fitted if name.endswith("crossentropy") and "val" in name)
    names = ["loss", "accuracy", val_loss, "val_accuracy"]
    return [
        EpochOutcome(*figures, val_probabilities=np.arange(0))
        for figures in zip(*(fitted[name] for name in names), strict=True)
    ]


def assert_agree(function: str, table: Table, data: TrainingData, **config: Any) -> BuiltNetwork:
    network, model = begin(function, **config), twin(function, **config)
    for ours, theirs in zip(network.weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    theirs = fit(model, table, 5, config.get("batch_size", 32))
    for mine, keras_figures in zip(run(network, data, 5), theirs, strict=True):
        assert mine[:4] == pytest.approx(keras_figures[:4], rel=0, abs=1e-5)
    for ours, weights in zip(network.weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(ours, weights, rtol=0, atol=1e-4)
    return network


def test_weighted_epochs_agree_with_keras_class_weights(table: Table, data: TrainingData) -> None:
    network, model = begin("sigmoid"), twin("sigmoid")
    rows = ResidentRows.place(table["X"], table["y"], (0.6, 2.5))
    ours = run(network, replace(data, train=rows), 3)
    for mine, theirs in zip(ours, fit(model, table, 3, 32, {0: 0.6, 1: 2.5}), strict=True):
        assert mine[:4] == pytest.approx(theirs[:4], rel=0, abs=1e-5)
    for weights, expected in zip(network.weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "function", ["plain", "normalised", "skipping", "sigmoid", "constrained", "subclassed"]
)
def test_five_epochs_of_a_model_agree_with_keras_fit(
    function: str, table: Table, data: TrainingData
) -> None:
    assert_agree(function, table, data)


def test_penalties_are_those_of_keras(table: Table, data: TrainingData) -> None:
    assert_agree("penalised", table, data, l1=3e-4, l2=3e-3)


@pytest.mark.parametrize("batch_size", [1000, 7])
def test_the_last_batch_is_as_small_as_in_keras(
    batch_size: int, table: Table, data: TrainingData
) -> None:
    assert_agree("normalised", table, data, batch_size=batch_size)


@pytest.mark.parametrize(
    ("optimizer", "is_flat"),
    [
        ("rmsprop", True),
        ("adamw", True),
        ("sgd", True),
        ("nadam", True),
        ("averaged", True),
        ("accumulating", True),
        ("scaled", True),
        ("scheduled", True),
        ("clipped", False),
        ("lamb", False),
        ("excluding", False),
    ],
)
def test_optimizers_are_those_of_keras(
    optimizer: str, is_flat: bool, table: Table, data: TrainingData
) -> None:
    network = assert_agree("compiled", table, data, optimizer=optimizer)
    assert network.program._is_flat == is_flat


def masks_of(network: BuiltNetwork, rate: float, seed: int, updates: int) -> list[np.ndarray]:
    """What two dropout calls of one update make of ones."""
    dropouts = network.program._dropouts
    dropouts.begin(tf.constant([rate]), tf.constant(seed, tf.int64), tf.constant(updates, tf.int64))
    return [dropouts.drop(0, tf.ones([300, 41])).numpy() for _ in range(2)]


def test_dropout_calls_draw_each_by_itself() -> None:
    """Shares and correlations within 4 standard errors (p = 6e-5 each)."""
    network = begin("nested", l2=0.0, rate=0.3)
    one, other = masks_of(network, 0.3, seed=5, updates=7)
    np.testing.assert_allclose(np.unique(one), [0, 1 / 0.7], rtol=1e-5)
    assert abs((one == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / one.size)
    others = [
        other,
        masks_of(network, 0.3, seed=5, updates=8)[0],
        masks_of(network, 0.3, seed=6, updates=7)[0],
    ]
    for mask in others:
        assert abs(np.corrcoef(one.ravel(), mask.ravel())[0, 1]) < 4 / np.sqrt(one.size)
    np.testing.assert_array_equal(one, masks_of(network, 0.3, seed=5, updates=7)[0])


@pytest.mark.parametrize(
    ("function", "config"),
    [("nested", {"l2": 0.0, "rate": 0.4}), ("subclassed", {"rate": 0.4}), ("noisy", {})],
)
def test_random_layers_train_as_with_keras(
    function: str, config: dict[str, Any], table: Table
) -> None:
    """Losses of one batch under 300 draws and weights that stand still.

    Means within 4 standard errors (p = 6e-5), spreads within 20% (p < 1e-3): a layer that did not
    hear of training would have no spread at all.
    """
    from evensweep.trainables.program import ResidentRows

    rows = ResidentRows.place(table["X"], table["y"])
    network = begin(function, **config, learning_rate=1e-30, batch_size=200)
    ours = np.array([outcome.loss for outcome in run(network, TrainingData(rows, rows, 0.0), 300)])
    model, _ = family(function)._builder.build(CONFIG | config, 6, SEED)
    forward = tf.function(lambda X: (model(X, training=True), tf.add_n([0.0, *model.losses])))
    theirs = []
    for _ in range(300):
        probabilities, penalty = forward(tf.constant(table["X"]))
        right = probabilities.numpy()[np.arange(200), table["y"]]
        theirs.append(float(penalty) - np.log(right).mean())
    error = np.sqrt((ours.var() + np.var(theirs)) / 300)
    assert abs(ours.mean() - np.mean(theirs)) < 4 * error
    assert 0.8 < ours.std() / np.std(theirs) < 1.25


@pytest.mark.parametrize("function", ["normalised", "sigmoid"])
def test_validation_is_of_probabilities_shifted_by_hand(
    function: str, table: Table, data: TrainingData
) -> None:
    network = begin(function)
    outcome = network.run_epoch(data.train, data.validation, -1.3)
    model = family(function).keras_model(CONFIG, 6)
    model.set_weights(network.weights())
    expected = shift_log_odds(model.predict(table["X_val"], verbose=0)[:, -1], -1.3)
    np.testing.assert_allclose(outcome.val_probabilities, expected, atol=1e-6)
    of_the_label = np.where(table["y_val"] == 1, expected, 1 - expected)
    assert outcome.val_loss == pytest.approx(-np.log(of_the_label).mean(), abs=1e-6)
    assert outcome.val_accuracy == pytest.approx((of_the_label > 0.5).mean(), abs=1e-6)
    predicted = network.predict(network.weights(), table["X_val"], -1.3)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


@pytest.mark.parametrize("function", ["plain", "sigmoid"])
def test_validation_loss_is_exact_for_certain_predictions(
    function: str, data: TrainingData
) -> None:
    """From the logits that the activation kept, so that a confident network isn't cut off."""
    network = begin(function)
    outcome = network.run_epoch(data.train, data.validation, 500.0)
    assert np.isfinite(outcome.val_loss)
    assert outcome.val_loss > 100


def test_weights_that_predict_are_given_not_read(table: Table, data: TrainingData) -> None:
    network = begin("noisy")
    before = network.predict(network.weights(), table["X_val"], 0.0)
    weights: Sequence[np.ndarray] = network.weights()
    run(network, data, 2)
    np.testing.assert_array_equal(network.predict(list(weights), table["X_val"], 0.0), before)
    assert not np.allclose(network.predict(network.weights(), table["X_val"], 0.0), before)
