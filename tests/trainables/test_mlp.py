from pathlib import Path

import numpy as np
import pytest

from evensweep.results.calibration import shift_log_odds
from evensweep.trainables.exported import keras_files, load_network
from evensweep.trainables.mlp import (
    ACTIVATIONS,
    EMBEDDINGS,
    HYPERPARAMETERS,
    UNITS,
    WAVES,
    MLPConfig,
    build_keras_model,
    initial_weights,
    split_weights,
)
from evensweep.trainables.mlp_family import MLPNetwork
from evensweep.trainables.training import Training, TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up


@pytest.mark.parametrize(
    ("name", "value", "received"),
    [
        ("num_layers", 0, "got 0, 64, 128 and 1"),
        ("hidden_layer_size", 0, "got 2, 0, 128 and 1"),
        ("batch_size", -1, "got 2, 64, -1 and 1"),
        ("members", 0, "got 2, 64, 128 and 0"),
        ("activation", "gelu", "got 'gelu'"),
        ("dropout_rate", 1.0, "got 1.0"),
        ("dropout_rate", -0.1, "got -0.1"),
        ("dropout_rate", float("nan"), "got nan"),
        ("l2_strength", -1e-3, "got -0.001 and 0.001"),
        ("l2_strength", float("nan"), "got nan and 0.001"),
        ("learning_rate", 0.0, "got 0.0 and 0.0"),
        ("learning_rate", float("inf"), "got 0.0 and inf"),
        ("embedding", "fourier", "got 'fourier'"),
        ("embedding_scale", 0.0, "got 0.0"),
        ("embedding_scale", float("nan"), "got nan"),
        ("embedding_scale", float("inf"), "got inf"),
    ],
)
def test_an_unfit_hyperparameter_is_named_with_its_value(
    name: str, value: object, received: str
) -> None:
    with pytest.raises(ValueError, match=name) as raised:
        MLPConfig.from_mapping({name: value})
    assert received in str(raised.value)


def test_the_bounds_are_allowed() -> None:
    config = MLPConfig(num_layers=1, hidden_layer_size=1, batch_size=1)
    assert (config.dropout_rate, config.l2_strength) == (0, 0)


def test_a_mapping_may_leave_hyperparameters_out_but_not_invent_any() -> None:
    assert MLPConfig.from_mapping({"num_layers": 4}) == MLPConfig(num_layers=4)
    assert set(HYPERPARAMETERS) == set(vars(MLPConfig()))
    with pytest.raises(TypeError, match="momentum"):
        MLPConfig.from_mapping({"momentum": 0.9})


def test_initial_kernels_fill_the_glorot_range_and_biases_are_zero() -> None:
    weights = initial_weights(MLPConfig(num_layers=2, hidden_layer_size=300), 14, seed=0)
    shapes = [(14, 300), (300,), (300, 300), (300,), (300, 2), (2,)]
    assert [w.shape for w in weights] == shapes
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        limit = np.sqrt(6 / sum(kernel.shape))
        assert 0.98 * limit < np.abs(kernel).max() <= limit
        assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
        assert kernel.dtype == bias.dtype == np.float32
        assert not bias.any()


def test_an_embedding_starts_with_frequencies_of_its_scale_and_uniform_layers() -> None:
    config = MLPConfig(num_layers=1, hidden_layer_size=7, embedding="periodic", embedding_scale=0.2)
    frequencies, kernel, bias, dense, *_ = initial_weights(config, 500, seed=0)
    assert frequencies.shape == (500, WAVES)
    assert frequencies.std() == pytest.approx(0.2, rel=0.05)
    assert (kernel.shape, bias.shape) == ((500, 2 * WAVES, UNITS), (500, UNITS))
    limit = 1 / np.sqrt(2 * WAVES)
    for array in (kernel, bias):
        assert 0.98 * limit < np.abs(array).max() <= limit
    assert dense.shape == (500 * UNITS, 7)


def test_members_start_with_signs_of_their_own_and_are_alike_otherwise() -> None:
    config = MLPConfig(num_layers=2, hidden_layer_size=8, members=5)
    weights = initial_weights(config, 200, seed=0)
    hidden = [(5, 200), (5, 8), (200, 8), (5, 8), (5, 8), (5, 8), (8, 8), (5, 8)]
    assert [w.shape for w in weights] == [*hidden, (5, 8, 2), (5, 2)]
    signs, outer, _, bias, inner, *_ = weights
    assert set(signs.ravel()) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.1
    assert (np.unique(signs, axis=0).shape[0], (inner == 1).all(), (outer == 1).all()) == (5, 1, 1)
    assert not bias.any()
    assert np.abs(weights[-2]).max() <= np.sqrt(6 / 10)


def test_initial_weights_are_a_function_of_the_seed() -> None:
    first, again, other = (initial_weights(MLPConfig(), 5, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_flattened_weights_are_split_into_what_they_were(embedding: str, members: int) -> None:
    config = MLPConfig(num_layers=3, hidden_layer_size=4, embedding=embedding, members=members)
    weights = initial_weights(config, 5, seed=0)
    split = split_weights(np.concatenate([w.ravel() for w in weights]), config, 5)
    for before, after in zip(weights, split, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("num_layers", [1, 4])
def test_the_keras_model_has_the_shapes_of_the_weights(
    num_layers: int, activation: str, embedding: str
) -> None:
    config = MLPConfig(
        num_layers,
        hidden_layer_size=7,
        activation=activation,
        dropout_rate=0.2,
        l2_strength=0.01,
        embedding=embedding,
    )
    weights = initial_weights(config, 5, seed=3)
    model = build_keras_model(config, 5, weights)
    assert model.input_shape == (None, 5)
    assert model.output_shape == (None, 2)
    for ours, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    hidden = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][:-1]
    assert [layer.activation.__name__ for layer in hidden] == [activation] * num_layers
    assert [float(layer.kernel_regularizer.l2) for layer in hidden] == [0.01] * num_layers
    dropouts = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropouts == [0.2] * num_layers


def test_members_share_a_keras_model() -> None:
    config = MLPConfig(2, 7, "selu", dropout_rate=0.2, l2_strength=0.01, members=3)
    weights = initial_weights(config, 5, seed=3)
    model = build_keras_model(config, 5, weights)
    assert model.output_shape == (None, 2)
    for ours, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(np.asarray(model(np.ones((4, 5)))).sum(axis=1), 1, rtol=1e-6)
    penalty = 0.01 * sum(np.square(weights[i]).sum() for i in (2, 6))
    np.testing.assert_allclose(sum(float(loss) for loss in model.losses), penalty, rtol=1e-5)


@pytest.mark.parametrize("members", [1, 4])
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_an_exported_network_predicts_what_the_training_predicts(
    embedding: str, members: int, table: dict[str, np.ndarray], data: TrainingData, tmp_path: Path
) -> None:
    regular = {"dropout_rate": 0.1, "l2_strength": 1e-3, "learning_rate": 0.01}
    config = MLPConfig(2, 9, "selu", **regular, embedding=embedding, members=members)
    networks = [MLPNetwork(config, 6, seed) for seed in (1, 2)]
    trainings = [Training(network, data, patience=3, max_epochs=4) for network in networks]
    for training in trainings:
        training.train(4)
    files = keras_files(vars(config), [(6, training.best_weights) for training in trainings])
    for training, content in zip(trainings, files, strict=True):
        path = tmp_path / "network.keras"
        path.write_bytes(content)
        network = load_network(path)
        softmax = np.asarray(network(table["X_val"], training=False))
        np.testing.assert_allclose(
            shift_log_odds(softmax[:, 1], data.log_odds_shift),
            training.predict(table["X_val"]),
            atol=1e-5,
        )


def test_folds_of_different_columns_are_exported_each_as_it_is(tmp_path: Path) -> None:
    config = MLPConfig(num_layers=2, hidden_layer_size=5)
    networks = [(n, initial_weights(config, n, seed)) for seed, n in enumerate([6, 4, 6])]
    files = keras_files(vars(config), networks)
    for (n_features, weights), content in zip(networks, files, strict=True):
        path = tmp_path / "network.keras"
        path.write_bytes(content)
        model = load_network(path)
        assert model.input_shape == (None, n_features)
        for ours, theirs in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
