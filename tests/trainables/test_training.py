"""Trainings end, resume and repeat as they should."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from evensweep.trainables.family import State
from evensweep.trainables.history import Ending, EpochRecord
from evensweep.trainables.mlp import MLPConfig
from evensweep.trainables.mlp_family import MLPNetwork
from evensweep.trainables.program import EpochOutcome, ResidentRows
from evensweep.trainables.training import Training, TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

Table = Mapping[str, np.ndarray]

CONFIG = MLPConfig(
    num_layers=2,
    hidden_layer_size=12,
    dropout_rate=0.2,
    l2_strength=1e-4,
    learning_rate=3e-3,
    batch_size=48,
)


def begin(data: TrainingData, config: MLPConfig = CONFIG, seed: int = 5) -> Training:
    return Training(MLPNetwork(config, 6, seed), data, patience=100, max_epochs=18)


def assert_same_state(one: Training, other: Training) -> None:
    """Bit for bit."""
    for name in ("epoch", "ending", "best_epoch", "best_val_loss", "best_val_accuracy"):
        assert getattr(one, name) == getattr(other, name), name
    np.testing.assert_array_equal(one.best_val_probabilities, other.best_val_probabilities)
    for ours, theirs in zip(one.best_weights, other.best_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name, ours in one._state.items():
        np.testing.assert_array_equal(ours, other._state[name], err_msg=name)


@pytest.fixture(scope="module")
def straight(data: TrainingData) -> tuple[Training, list[EpochRecord]]:
    """Eighteen epochs in one call, and their history."""
    training = begin(data)
    return training, training.train(18)


class ScriptedNetwork:
    """Stands in for a network: its losses are given, its one weight is the epoch."""

    def __init__(self, val_losses: Sequence[float], losses: Sequence[float] | None = None) -> None:
        self.initial_state: State = {"epoch_trained": np.array(0)}
        self._val_losses = val_losses
        self._losses = losses or [0.5] * len(val_losses)
        self._epoch = 0

    def load(self, state: State) -> None:
        self._epoch = int(state["epoch_trained"])

    def run_epoch(self, *_: Any) -> EpochOutcome:
        val_loss, loss = self._val_losses[self._epoch], self._losses[self._epoch]
        self._epoch += 1
        return EpochOutcome(loss, 0.5, val_loss, self._epoch / 100, np.full(57, self._epoch))

    def weights(self) -> list[np.ndarray]:
        return [np.array([self._epoch])]

    def state(self) -> State:
        return {"epoch_trained": np.array(self._epoch)}

    def predict(self, *_: Any) -> np.ndarray:
        raise NotImplementedError


def scripted(
    data: TrainingData,
    val_losses: Sequence[float],
    patience: int,
    losses: Sequence[float] | None = None,
) -> Training:
    network = ScriptedNetwork(val_losses, losses)
    return Training(network, data, patience=patience, max_epochs=len(val_losses))


def keras_early_stopping(val_losses: Sequence[float], patience: int) -> tuple[int, int]:
    """Epochs trained and the epoch whose weights Keras' callback leaves in the model."""
    weights = [0]
    model = SimpleNamespace(
        stop_training=False,
        get_weights=lambda: list(weights),
        set_weights=lambda restored: weights.__setitem__(0, restored[0]),
    )
    callback = keras.callbacks.EarlyStopping(
        "val_loss", patience=patience, restore_best_weights=True, mode="min"
    )
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, val_loss in enumerate(val_losses):
        weights[0] = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": val_loss})
        if model.stop_training:
            break
    callback.on_train_end()
    return epoch + 1, weights[0]


@pytest.mark.parametrize(
    ("val_losses", "patience", "epochs", "best_epoch", "ending"),
    [
        ([5, 4, 3, 2, 1], 1, 5, 5, Ending.COMPLETED),
        ([5, 4, 4, 4, 3], 2, 4, 2, Ending.CONVERGED),
        ([5, 4, 4, 3, 9, 9, 9], 3, 7, 4, Ending.CONVERGED),
        ([1, 2, 3], 2, 3, 1, Ending.CONVERGED),
        ([1, 2, 3], 3, 3, 1, Ending.COMPLETED),
        ([1, 2, 3], 1, 2, 1, Ending.CONVERGED),
    ],
)
def test_a_training_ends_after_patience_epochs_without_a_better_loss(
    val_losses: list[float],
    patience: int,
    epochs: int,
    best_epoch: int,
    ending: Ending,
    data: TrainingData,
) -> None:
    training = scripted(data, val_losses, patience)
    history = training.train(len(val_losses))
    assert [row.epoch for row in history] == list(range(1, epochs + 1))
    assert (training.epoch, training.best_epoch, training.ending) == (epochs, best_epoch, ending)
    assert training.best_val_loss == val_losses[best_epoch - 1]
    assert training.best_val_accuracy == best_epoch / 100
    assert set(training.best_val_probabilities) == {best_epoch}
    assert training.train(len(val_losses)) == []


@given(
    val_losses=st.lists(st.integers(0, 9).map(float), min_size=1, max_size=12),
    patience=st.integers(1, 4),
    rungs=st.lists(st.integers(1, 12), max_size=4),
)
@settings(max_examples=200, deadline=None)
def test_early_stopping_is_that_of_keras_whatever_the_rungs(
    val_losses: list[float], patience: int, rungs: list[int], data: TrainingData
) -> None:
    training = scripted(data, val_losses, patience)
    for level in [*sorted(rungs), 12]:
        training.train(level)
    epochs, best_epoch = keras_early_stopping(val_losses, patience)
    assert (training.epoch, training.best_epoch) == (epochs, best_epoch)
    assert training.best_weights == [[best_epoch]]


def test_rungs_train_what_one_call_trains(
    data: TrainingData, straight: tuple[Training, list[EpochRecord]]
) -> None:
    training = begin(data)
    history = [row for level in (2, 6, 18) for row in training.train(level)]
    assert history == straight[1]
    assert_same_state(training, straight[0])


def test_a_budget_beyond_max_epochs_ends_the_training(
    straight: tuple[Training, list[EpochRecord]],
) -> None:
    training, history = straight
    assert training.ending is Ending.COMPLETED
    assert [row.epoch for row in history] == list(range(1, 19))
    assert training.train(100) == []


def test_a_fresh_training_goes_on_from_a_checkpoint(
    data: TrainingData, straight: tuple[Training, list[EpochRecord]], tmp_path: Path
) -> None:
    training, history = begin(data), []
    for level in (2, 6, 18):
        history += training.train(level)
        training.save(tmp_path / "state.npz")
        training = begin(data)
        training.restore(tmp_path / "state.npz")
    assert history == straight[1]
    assert_same_state(training, straight[0])


def test_restoring_takes_a_training_back(
    data: TrainingData, straight: tuple[Training, list[EpochRecord]], tmp_path: Path
) -> None:
    """Also one that has gone on, or that was about to end."""
    training = begin(data)
    training.train(6)
    training.save(tmp_path / "state.npz")
    training.train(9)
    training.ending = Ending.DIVERGED
    training.restore(tmp_path / "state.npz")
    assert (training.epoch, training.ending) == (6, None)
    assert training.train(18) == straight[1][6:]
    assert_same_state(training, straight[0])


def test_a_checkpoint_keeps_the_ending(data: TrainingData, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    training = Training(MLPNetwork(CONFIG, 6, seed=0), data, patience=1, max_epochs=2)
    training.train(2)
    training.save(path)
    restored = Training(MLPNetwork(CONFIG, 6, seed=0), data, patience=1, max_epochs=2)
    restored.restore(path)
    assert restored.ending is training.ending is Ending.COMPLETED
    assert restored.train(9) == []


def test_a_checkpoint_is_plain_arrays(data: TrainingData, tmp_path: Path) -> None:
    training = begin(data)
    training.train(2)
    training.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
        assert {array.dtype.kind for array in arrays.values()} <= {"i", "f", "U"}
        assert int(arrays["epoch"]) == 2
        assert int(arrays["updates"]) == 10
        assert arrays["weights"].shape == (7 * 12 + 13 * 12 + 13 * 2,)
        assert arrays["best_weight_0"].shape == (6, 12)


OTHER_PROCESS = """
import json, sys
from dataclasses import asdict
from pathlib import Path
import numpy as np
from evensweep.trainables.mlp import MLPConfig
from evensweep.trainables.mlp_family import MLPNetwork
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import Training, TrainingData

folder = Path(sys.argv[1])
table = np.load(folder / "table.npz")
config, shift = json.loads((folder / "config.json").read_text())
data = TrainingData(
    ResidentRows.place(table["X"], table["y"]),
    ResidentRows.place(table["X_val"], table["y_val"]),
    shift,
)

def begin():
    network = MLPNetwork(MLPConfig(**config), 6, seed=5)
    return Training(network, data, patience=100, max_epochs=18)

resumed = begin()
resumed.restore(folder / "state.npz")
resumed_history = resumed.train(18)
resumed.save(folder / "resumed.npz")
again_history = begin().train(18)
print(json.dumps([[row._asdict() for row in h] for h in (again_history, resumed_history)]))
"""


def test_another_process_trains_and_resumes_to_the_same_numbers(
    table: Table,
    data: TrainingData,
    straight: tuple[Training, list[EpochRecord]],
    tmp_path: Path,
) -> None:
    training = begin(data)
    training.train(6)
    training.save(tmp_path / "state.npz")
    np.savez(tmp_path / "table.npz", **table)
    (tmp_path / "config.json").write_text(json.dumps([vars(CONFIG), data.log_odds_shift]))
    # `-P`: the checkout's own folders must not answer a bare import.
    finished = subprocess.run(
        [sys.executable, "-P", "-c", OTHER_PROCESS, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    # JSON writes floats so that they are read back exactly.
    again, resumed = ([EpochRecord(**row) for row in rows] for rows in json.loads(finished.stdout))
    assert again == straight[1]
    assert resumed == straight[1][6:]
    training.restore(tmp_path / "resumed.npz")
    assert_same_state(training, straight[0])


def test_trainings_that_share_a_program_do_not_disturb_each_other(
    table: Table, data: TrainingData, straight: tuple[Training, list[EpochRecord]]
) -> None:
    ours = begin(data)
    other = begin(data, replace(CONFIG, hidden_layer_size=40, batch_size=16), seed=6)
    assert ours.network.program is other.network.program
    history = []
    for level in range(1, 19):
        history += ours.train(level)
        other.train(level)
        other.predict(table["X_val"])
    assert history == straight[1]
    assert_same_state(ours, straight[0])


def test_another_seed_gives_another_training(
    data: TrainingData, straight: tuple[Training, list[EpochRecord]]
) -> None:
    assert begin(data, seed=6).train(1)[0].loss != straight[1][0].loss


def test_predictions_are_those_of_the_best_epoch(table: Table, data: TrainingData) -> None:
    training = begin(data, replace(CONFIG, learning_rate=0.3))
    training.train(18)
    assert training.best_epoch < 18
    np.testing.assert_allclose(
        training.predict(table["X_val"]), training.best_val_probabilities, atol=1e-6
    )


def test_a_learning_rate_that_explodes_ends_the_training_and_keeps_its_best_weights(
    table: Table, data: TrainingData
) -> None:
    training = begin(data)
    training.train(3)
    best_epoch, best_weights = training.best_epoch, training.best_weights
    expected = training.predict(table["X_val"])
    training.network = MLPNetwork(replace(CONFIG, learning_rate=1e30), 6, seed=5)
    history = training.train(18)
    assert [row.epoch for row in history] == [4]
    assert not np.isfinite([history[0].loss, history[0].val_loss]).all()
    assert training.ending is Ending.DIVERGED
    assert training.best_epoch == best_epoch == 3
    assert training.best_weights is best_weights
    np.testing.assert_array_equal(training.predict(table["X_val"]), expected)
    assert training.train(18) == []


@pytest.mark.parametrize("rows", ["train", "validation"])
def test_not_a_number_among_the_features_ends_the_training_at_once(
    rows: str, table: Table, data: TrainingData
) -> None:
    X, y = ("X", "y") if rows == "train" else ("X_val", "y_val")
    broken = table[X].copy()
    broken[3, 2] = np.nan
    # Some processors' rectifier makes zero of what is not a number.
    config = replace(CONFIG, activation="tanh")
    training = begin(replace(data, **{rows: ResidentRows.place(broken, table[y])}), config)
    assert len(training.train(18)) == 1
    assert training.ending is Ending.DIVERGED
    assert training.best_epoch == 0
    assert training.best_val_loss == float("inf")
    assert np.isfinite(np.concatenate([w.ravel() for w in training.best_weights])).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("of_training", [True, False])
def test_a_loss_that_is_not_finite_is_a_divergence(
    value: float, of_training: bool, data: TrainingData
) -> None:
    finite, broken = [0.5, 0.4, 0.3, 0.2, 0.1], [0.5, 0.4, value, 0.2, 0.1]
    val_losses, losses = (finite, broken) if of_training else (broken, finite)
    training = scripted(data, val_losses, patience=1, losses=losses)
    assert len(training.train(5)) == 3
    # Also where patience is at its end, and where the validation loss is the best so far.
    assert training.ending is Ending.DIVERGED
    assert training.best_epoch == 2


@pytest.mark.parametrize("activation", ["relu", "tanh", "selu"])
def test_a_separable_table_is_learned(activation: str, table: Table, data: TrainingData) -> None:
    config = MLPConfig(num_layers=2, hidden_layer_size=16, activation=activation, batch_size=16)
    training = Training(MLPNetwork(config, 6, seed=0), data, patience=18, max_epochs=18)
    history = training.train(18)
    assert roc_auc_score(table["y_val"], training.predict(table["X_val"])) > 0.95
    assert history[-1].loss < 0.6 * history[0].loss
