"""The compiled epoch against ``keras.Model.fit``, which it must not differ from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp

from evensweep.results.files import CACHE
from evensweep.trainables import periodic
from evensweep.trainables.keras_layers import MeanOfMembers
from evensweep.trainables.mlp import (
    ACTIVATIONS,
    MLPConfig,
    build_keras_model,
    initial_weights,
    split_weights,
)
from evensweep.trainables.program import (
    EpochOutcome,
    MLPProgram,
    OptimizerState,
    ResidentRows,
    mlp_program,
)
from evensweep.trainables.runtime import tf
from evensweep.trainables.training import TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

Table = Mapping[str, np.ndarray]

SEED = 11
CONFIG = MLPConfig(num_layers=2, hidden_layer_size=9, learning_rate=5e-3, batch_size=32)


def flatten(weights: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([w.ravel() for w in weights])


def start(config: MLPConfig, seed: int = SEED) -> tuple[MLPProgram, list[np.ndarray]]:
    """The shared program with the configuration's initial weights in it."""
    weights = initial_weights(config, 6, seed)
    program = mlp_program(config.structure)
    program.load(OptimizerState.start(flatten(weights)))
    return program, weights


def run(
    program: MLPProgram, config: MLPConfig, data: TrainingData, shift: float = 0.0, seed: int = SEED
) -> EpochOutcome:
    return program.run_epoch(data.train, data.validation, config, shift, seed)


def compiled_keras(config: MLPConfig, weights: list[np.ndarray]) -> keras.Model:
    model = build_keras_model(config, 6, weights)
    model.compile(
        keras.optimizers.Adam(config.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", "sparse_categorical_crossentropy"],
        jit_compile=False,  # the same arithmetic, and the tests don't wait for a compiler
    )
    return model


def epoch_order(updates: int, rows: int = 200, seed: int = SEED) -> np.ndarray:
    """The order in which the program takes rows in an epoch that starts after those updates."""
    return tf.argsort(tf.random.stateless_uniform([rows], seed=[seed, -1 - updates])).numpy()


def fit(
    model: keras.Model,
    table: Table,
    orders: Sequence[np.ndarray],
    batch_size: int,
    class_weight: Mapping[int, float] | None = None,
) -> list[EpochOutcome]:
    """Keras' figures of epochs that take the rows in the given orders."""
    validation = table["X_val"], table["y_val"]
    batches = [
        tf.data.Dataset.from_tensor_slices((table["X"][order], table["y"][order])).batch(batch_size)
        for order in orders
    ]
    fitted = model.fit(
        reduce(tf.data.Dataset.concatenate, batches),
        epochs=len(orders),
        steps_per_epoch=-(-len(table["y"]) // batch_size),
        shuffle=False,
        validation_data=validation,
        class_weight=class_weight,
        verbose=0,
    ).history
    # Keras adds the L2 penalty to the validation loss; ours is the predictions' alone, so that
    # trials of different L2 strength compare fairly. The metric of that name has none either.
    names = ["loss", "accuracy", "val_sparse_categorical_crossentropy", "val_accuracy"]
    return [
        EpochOutcome(*figures, val_probabilities=np.arange(0))
        for figures in zip(*(fitted[name] for name in names), strict=True)
    ]


def check_agreement(
    config: MLPConfig, table: Table, data: TrainingData
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Asserts that five epochs are those of Keras; gives the weights before and after."""
    program, weights = start(config)
    orders, outcomes = [], []
    for _ in range(5):
        orders.append(epoch_order(program.state().updates))
        outcomes.append(run(program, config, data))
    model = compiled_keras(config, weights)
    for ours, theirs in zip(outcomes, fit(model, table, orders, 32), strict=True):
        assert ours[:4] == pytest.approx(theirs[:4], rel=0, abs=1e-5)
    np.testing.assert_allclose(program.weights(), flatten(model.get_weights()), rtol=0, atol=1e-4)
    return weights, split_weights(program.weights(), config, 6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("num_layers", "l2_strength"), [(2, 0.0), (2, 3e-3), (3, 3e-3), (5, 3e-3)])
def test_five_epochs_agree_with_keras_fit(
    activation: str, num_layers: int, l2_strength: float, table: Table, data: TrainingData
) -> None:
    config = replace(CONFIG, activation=activation, num_layers=num_layers, l2_strength=l2_strength)
    check_agreement(config, table, data)


class MembersLogits(MeanOfMembers):
    """The last layer as it is trained: every member by itself."""

    def call(self, X: Any) -> Any:
        return self.logits(X)


@pytest.mark.parametrize("embedding", ["none", "periodic"])
@pytest.mark.parametrize(("num_layers", "activation"), [(1, "tanh"), (3, "relu")])
def test_five_epochs_of_members_agree_with_keras_fit(
    num_layers: int, activation: str, embedding: str, table: Table, data: TrainingData
) -> None:
    config = replace(
        CONFIG, num_layers=num_layers, activation=activation, members=4, l2_strength=3e-3,
        embedding=embedding,
    )  # fmt: skip
    program, weights = start(config)
    orders, outcomes = [], []
    for _ in range(5):
        orders.append(epoch_order(program.state().updates))
        outcomes.append(run(program, config, data))

    whole = build_keras_model(config, 6, weights)
    trained = keras.Sequential([keras.Input((6,)), *whole.layers[:-1], MembersLogits()])
    trained.set_weights(weights)
    trained.compile(
        keras.optimizers.Adam(config.learning_rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    for order, ours in zip(orders, outcomes, strict=True):
        labels = np.repeat(table["y"][order][:, None], 4, axis=1)
        rows = tf.data.Dataset.from_tensor_slices((table["X"][order], labels)).batch(32)
        theirs = trained.fit(rows, shuffle=False, verbose=0).history["loss"]
        assert [ours.loss] == pytest.approx(theirs, rel=0, abs=1e-5)
        whole.layers[-1].set_weights(trained.layers[-1].get_weights())
        probabilities = np.asarray(whole(table["X_val"]))[:, 1]
        np.testing.assert_allclose(ours.val_probabilities, probabilities, atol=1e-5)
    after = trained.get_weights()
    np.testing.assert_allclose(program.weights(), flatten(after), rtol=0, atol=1e-4)
    for before, ours in zip(weights, split_weights(program.weights(), config, 6), strict=True):
        assert np.abs(ours - before).max() > 1e-3  # factors and all


@pytest.mark.parametrize(("num_layers", "activation"), [(1, "relu"), (3, "selu")])
def test_five_epochs_of_embedded_columns_agree_with_keras_fit(
    num_layers: int, activation: str, table: Table, data: TrainingData
) -> None:
    embedded = replace(CONFIG, embedding="periodic", embedding_scale=0.7, l2_strength=3e-3)
    config = replace(embedded, num_layers=num_layers, activation=activation)
    weights, trained = check_agreement(config, table, data)
    for before, after in zip(weights, trained, strict=True):
        assert np.abs(after - before).max() > 1e-3  # frequencies and all


def test_weighted_epochs_agree_with_keras_class_weights(table: Table, data: TrainingData) -> None:
    config = replace(CONFIG, l2_strength=3e-3)
    program, weights = start(config)
    weighted = replace(data, train=ResidentRows.place(table["X"], table["y"], (0.6, 2.5)))
    orders, outcomes = [], []
    for _ in range(5):
        orders.append(epoch_order(program.state().updates))
        outcomes.append(run(program, config, weighted))
    model = compiled_keras(config, weights)
    theirs = fit(model, table, orders, 32, class_weight={0: 0.6, 1: 2.5})
    for ours, keras_figures in zip(outcomes, theirs, strict=True):
        assert ours[:4] == pytest.approx(keras_figures[:4], rel=0, abs=1e-5)
    np.testing.assert_allclose(program.weights(), flatten(model.get_weights()), rtol=0, atol=1e-4)


def test_a_batch_larger_than_the_table_is_the_whole_table(table: Table, data: TrainingData) -> None:
    config = replace(CONFIG, batch_size=1000)
    program, weights = start(config)
    outcome = run(program, config, data)
    theirs = fit(compiled_keras(config, weights), table, [np.arange(200)], 1000)[0]
    assert outcome[:4] == pytest.approx(theirs[:4], rel=0, abs=1e-5)
    assert program.state().updates == 1


def test_dropout_trains_to_the_losses_that_keras_does(table: Table, data: TrainingData) -> None:
    """Thirty paired trainings; the masks differ, so only the distributions can agree.

    Thresholds: the mean difference is within 2.76 of its standard errors, which sound code exceeds
    with p = 0.01 (t, 29 degrees of freedom), and below 0.02 nats, so that a wide spread can't hide
    an error: without the division by 1 - rate the losses differ by 0.05 and more. Two-sample
    Kolmogorov-Smirnov tests of the final losses do not reject at p = 0.01.
    """
    seeds = 30
    config = replace(CONFIG, dropout_rate=0.4)
    keras.utils.set_random_seed(0)
    model = compiled_keras(config, initial_weights(config, 6, 0))
    model.optimizer.build(model.trainable_variables)
    fresh = [variable.numpy() for variable in model.optimizer.variables]
    losses = np.zeros((2, seeds, 2))
    for seed in range(seeds):
        program, weights = start(config, seed)
        model.set_weights(weights)
        for variable, value in zip(model.optimizer.variables, fresh, strict=True):
            variable.assign(value)
        orders = []
        for _ in range(6):
            orders.append(epoch_order(program.state().updates, seed=seed))
            ours = run(program, config, data, seed=seed)
        theirs = fit(model, table, orders, config.batch_size)[-1]
        losses[:, seed] = [(ours.loss, ours.val_loss), (theirs.loss, theirs.val_loss)]
    differences = losses[0] - losses[1]
    mean = np.mean(differences, axis=0)
    error = np.std(differences, axis=0, ddof=1) / np.sqrt(seeds)
    assert (np.abs(mean) < 2.76 * error).all(), (mean, error)
    assert (np.abs(mean) < 0.02).all(), mean
    for figure in range(2):
        assert ks_2samp(*losses[:, :, figure]).pvalue > 0.01


def frozen_losses(config: MLPConfig, data: TrainingData, draws: int, seed: int) -> np.ndarray:
    """Training losses of one batch under successive dropout masks and weights that stand still."""
    config = replace(config, learning_rate=1e-30, batch_size=200)
    program, _ = start(config)
    return np.array([run(program, config, data, seed=seed).loss for _ in range(draws)])


def test_dropout_masks_have_the_mean_and_the_spread_of_keras(
    table: Table, data: TrainingData
) -> None:
    """400 draws each: means within 4 standard errors (p = 6e-5), spreads within 20% (p = 1e-4).

    A mask shared by rows keeps the mean and fails by its spread.
    """
    config = replace(CONFIG, num_layers=3, dropout_rate=0.3)
    ours = frozen_losses(config, data, 400, SEED)
    keras.utils.set_random_seed(0)
    model = build_keras_model(config, 6, initial_weights(config, 6, SEED))
    forward = tf.function(lambda X: model(X, training=True))
    X, y = tf.constant(table["X"]), table["y"]
    theirs = np.array([-np.log(forward(X).numpy()[np.arange(200), y]).mean() for _ in range(400)])
    error = np.sqrt((ours.var() + theirs.var()) / 400)
    assert abs(ours.mean() - theirs.mean()) < 4 * error
    assert 0.8 < ours.std() / theirs.std() < 1.25


def test_dropout_depends_on_the_seed_and_the_updates_only(table: Table, data: TrainingData) -> None:
    # Equal rows, so that the order, which also depends on them, makes no difference.
    rows = ResidentRows.place(np.repeat(table["X"][:1], 200, axis=0), np.ones(200, np.int32))
    data = replace(data, train=rows)
    config = replace(CONFIG, dropout_rate=0.3)
    first = frozen_losses(config, data, 20, seed=1)
    assert len(set(first)) == 20
    np.testing.assert_array_equal(first, frozen_losses(config, data, 20, seed=1))
    assert not set(first) & set(frozen_losses(config, data, 20, seed=2))


def test_an_epoch_in_the_middle_needs_only_the_state(data: TrainingData) -> None:
    config = replace(CONFIG, dropout_rate=0.3, l2_strength=1e-3)
    program, _ = start(config)
    run(program, config, data)
    state = program.state()
    expected = run(program, config, data)
    for other in range(3):
        run(program, config, data, seed=other)
    program.load(state)
    again = run(program, config, data)
    assert again[:4] == expected[:4]


def test_rows_come_in_another_order_every_epoch(data: TrainingData) -> None:
    """A frozen model's epoch loss is the same in any order, but a training one's is not."""
    config = replace(CONFIG, batch_size=7)
    losses = set()
    for updates in range(3):
        program, weights = start(config)
        program.load(replace(OptimizerState.start(flatten(weights)), updates=10_000 + updates))
        losses.add(run(program, config, data).loss)
    assert len(losses) == 3


def test_one_trace_serves_every_configuration_of_a_structure(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE, "")
    traces = []

    class Counted(MLPProgram):
        def _train_and_validate(self, *tensors: Any) -> Any:
            traces.append(tensors)
            return super()._train_and_validate(*tensors)

    program = Counted(MLPConfig(activation="tanh", dropout_rate=0.5).structure)
    for config in (
        MLPConfig(hidden_layer_size=4, activation="tanh"),
        MLPConfig(hidden_layer_size=128, activation="tanh", batch_size=17),
        MLPConfig(activation="tanh", learning_rate=0.3, dropout_rate=0.5, l2_strength=0.1),
    ):
        program.load(OptimizerState.start(flatten(initial_weights(config, 6, SEED))))
        run(program, config, data, shift=0.1)
    few = replace(data.train, X=data.train.X[:50, :3], y=data.train.y[:50])
    watched = replace(few, X=few.X[:9], y=few.y[:9])
    program.load(OptimizerState.start(flatten(initial_weights(config, 3, SEED))))
    run(program, config, TrainingData(few, watched, 0.0))
    assert len(traces) == 1


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, embedding="periodic"),
        replace(CONFIG, members=3, activation="selu"),
        replace(CONFIG, members=2, embedding="periodic"),
    ],
)
def test_rows_are_predicted_piece_by_piece_where_each_becomes_many_numbers(
    config: MLPConfig, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    monkeypatch.setattr(periodic, "PIECE", 6 * 7)
    weights = initial_weights(config, 6, SEED)
    model = build_keras_model(config, 6, weights)
    program = MLPProgram(config.structure)
    for rows in (1, 7, 8, 50):
        X = table["X"][:rows]
        expected = model.predict(X, verbose=0)[:, 1]
        predicted = program.predict(flatten(weights), X, config, 0.0)
        np.testing.assert_allclose(predicted, expected, atol=1e-6)


def test_a_structure_has_one_program_a_worker() -> None:
    config = replace(CONFIG, dropout_rate=0.2)
    same = replace(config, hidden_layer_size=3, dropout_rate=0.1, learning_rate=1.0, batch_size=2)
    assert mlp_program(config.structure) is mlp_program(same.structure)
    for other in (
        {"num_layers": 3},
        {"activation": "selu"},
        {"dropout_rate": 0.0},
        {"embedding": "periodic"},
        {"members": 2},
    ):
        assert mlp_program(config.structure) is not mlp_program(replace(config, **other).structure)
    assert replace(config, members=2).structure == replace(config, members=9).structure


@pytest.mark.parametrize("shift", [0.0, -1.3])
def test_validation_is_of_softmax_probabilities_shifted_by_hand(
    shift: float, table: Table, data: TrainingData
) -> None:
    program, _ = start(CONFIG)
    outcome = run(program, CONFIG, data, shift)
    softmax = build_keras_model(CONFIG, 6, split_weights(program.weights(), CONFIG, 6)).predict(
        table["X_val"], verbose=0
    )
    odds = softmax[:, 1] / softmax[:, 0] * np.exp(shift)
    expected = odds / (1 + odds)
    np.testing.assert_allclose(outcome.val_probabilities, expected, atol=1e-6)
    of_the_label = np.where(table["y_val"] == 1, expected, 1 - expected)
    assert outcome.val_loss == pytest.approx(-np.log(of_the_label).mean(), abs=1e-6)
    assert outcome.val_accuracy == pytest.approx((of_the_label > 0.5).mean(), abs=1e-6)
    predicted = program.predict(program.weights(), table["X_val"], CONFIG, shift)
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


def test_validation_loss_is_finite_for_certain_predictions(data: TrainingData) -> None:
    """From log-odds, not from probabilities: log(0) would end a sound training as diverged."""
    program, _ = start(CONFIG)
    outcome = run(program, CONFIG, data, shift=500.0)
    assert np.isfinite(outcome.val_loss)
    assert outcome.val_loss > 100
