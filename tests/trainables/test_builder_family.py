"""Trainings of a user's models: functions of configuration, data and seed; paused and resumed."""

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError
from evensweep.results.calibration import shift_log_odds
from evensweep.trainables.builder_family import BuilderFamily
from evensweep.trainables.exported import PackedModel, keras_files, load_network, score_exported
from evensweep.trainables.family import MLP, FamilySpec, load_family
from evensweep.trainables.history import EpochRecord
from evensweep.trainables.mlp_family import MLPFamily
from evensweep.trainables.probe import probe_builder
from evensweep.trainables.training import Training, TrainingData

HERE = str(Path(__file__).parent)
CONFIG = {"learning_rate": 3e-3, "batch_size": 48, "rate": 0.3}


def begin(data: TrainingData, function: str = "noisy", seed: int = 5, **config: Any) -> Training:
    family = BuilderFamily(f"example_builders:{function}", HERE)
    network = family.network(CONFIG | config, 6, seed)
    return Training(network, data, patience=100, max_epochs=9)


def assert_same_state(one: Training, other: Training) -> None:
    """Bit for bit."""
    for ours, theirs in zip(one.best_weights, other.best_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for name, ours in one._state.items():
        np.testing.assert_array_equal(ours, other._state[name], err_msg=name)


@pytest.fixture(scope="module")
def straight(data: TrainingData) -> tuple[Training, list[EpochRecord]]:
    training = begin(data)
    return training, training.train(9)


def test_families_are_named_as_sweeps_name_them() -> None:
    assert isinstance(load_family(MLP), MLPFamily)
    assert isinstance(load_family(FamilySpec("example_builders:plain", HERE)), BuilderFamily)


def test_a_fresh_training_goes_on_from_a_checkpoint(
    data: TrainingData, straight: tuple[Training, list[EpochRecord]], tmp_path: Path
) -> None:
    training, history = begin(data), []
    for level in (2, 5, 9):
        history += training.train(level)
        training.save(tmp_path / "state.npz")
        training = begin(data)
        training.restore(tmp_path / "state.npz")
    assert history == straight[1]
    assert_same_state(training, straight[0])


def test_a_checkpoint_is_plain_arrays(data: TrainingData, tmp_path: Path) -> None:
    training = begin(data, "normalised")
    training.train(2)
    training.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as arrays:
        assert {array.dtype.kind for array in arrays.values()} <= {"i", "u", "f", "U"}
        assert arrays["best_weight_0"].shape == (6,)


def test_trainings_that_share_a_program_do_not_disturb_each_other(
    table: dict[str, np.ndarray], data: TrainingData, straight: tuple[Training, list[EpochRecord]]
) -> None:
    ours, other = begin(data), begin(data, seed=6, rate=0.0, batch_size=16, learning_rate=0.1)
    assert ours.network.program is other.network.program  # type: ignore[attr-defined]
    history = []
    for level in range(1, 10):
        history += ours.train(level)
        other.train(level)
        other.predict(table["X_val"])
    assert history == straight[1]
    assert_same_state(ours, straight[0])


def test_the_seed_says_how_a_training_starts_and_nothing_else_does(data: TrainingData) -> None:
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].copy()
    first = begin(data, seed=6)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])
    random.seed(2)
    np.random.seed(2)
    again, other = begin(data, seed=6), begin(data, seed=7)
    assert_same_state(first, again)
    starts = [training.network.initial_state for training in (first, other)]
    assert any(not np.array_equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert first.train(1) == again.train(1) != other.train(1)


OTHER_PROCESS = """
import json, sys
from pathlib import Path
import numpy as np
import pandas as pd
from evensweep.trainables.family import FamilySpec, load_family
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import Training, TrainingData

folder, here = Path(sys.argv[1]), sys.argv[2]
table = np.load(folder / "table.npz")
config, shift = json.loads((folder / "config.json").read_text())
data = TrainingData(
    ResidentRows.place(table["X"], table["y"]),
    ResidentRows.place(table["X_val"], table["y_val"]),
    shift,
)

def begin():
    network = load_family(FamilySpec("example_builders:noisy", here)).network(config, 6, 5)
    return Training(network, data, patience=100, max_epochs=9)

resumed = begin()
resumed.restore(folder / "state.npz")
resumed_history = resumed.train(9)
resumed.save(folder / "resumed.npz")
print(json.dumps([begin().train(9), resumed_history]))
"""


def test_another_process_trains_and_resumes_to_the_same_numbers(
    table: dict[str, np.ndarray],
    data: TrainingData,
    straight: tuple[Training, list[EpochRecord]],
    tmp_path: Path,
) -> None:
    training = begin(data)
    training.train(4)
    training.save(tmp_path / "state.npz")
    np.savez(tmp_path / "table.npz", **table)
    (tmp_path / "config.json").write_text(json.dumps([CONFIG, data.log_odds_shift]))
    # `-P`: the checkout's own folders must not answer a bare import.
    finished = subprocess.run(
        [sys.executable, "-P", "-c", OTHER_PROCESS, str(tmp_path), HERE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    again, resumed = ([EpochRecord(*row) for row in rows] for rows in json.loads(finished.stdout))
    assert again == straight[1]
    assert resumed == straight[1][4:]
    training.restore(tmp_path / "resumed.npz")
    assert_same_state(training, straight[0])


def test_predictions_are_those_of_the_best_epoch(
    table: dict[str, np.ndarray], data: TrainingData
) -> None:
    training = begin(data, "normalised", learning_rate=0.3)
    training.train(9)
    assert training.best_epoch < 9
    np.testing.assert_allclose(
        training.predict(table["X_val"]), training.best_val_probabilities, atol=1e-6
    )


@pytest.mark.parametrize("function", ["noisy", "sigmoid", "skipping"])
def test_an_exported_network_predicts_what_the_training_predicts(
    function: str, table: dict[str, np.ndarray], data: TrainingData, tmp_path: Path
) -> None:
    training = begin(data, function)
    training.train(3)
    family = FamilySpec(f"example_builders:{function}", HERE)
    [content] = keras_files(CONFIG, [(6, training.best_weights)], family)
    path = tmp_path / "network.keras"
    path.write_bytes(content)
    probabilities = np.asarray(load_network(path)(table["X_val"], training=False))[:, -1]
    np.testing.assert_allclose(
        shift_log_odds(probabilities, data.log_odds_shift),
        training.predict(table["X_val"]),
        atol=1e-5,
    )


def test_a_probe_trains_and_exports() -> None:
    probe_builder(FamilySpec("example_builders:noisy", HERE), CONFIG, 6)


def test_a_probe_tells_what_could_not_be_exported() -> None:
    family = FamilySpec("example_builders:subclassed", HERE)
    with pytest.raises(InputError, match="register_keras_serializable"):
        probe_builder(family, CONFIG, 6)


@pytest.mark.parametrize("size", [0, -1, 2.5, True, "many"])
def test_a_batch_size_is_a_whole_number(size: Any) -> None:
    family = BuilderFamily("example_builders:plain", HERE)
    with pytest.raises(InputError, match="batch_size must be a whole number"):
        family.network({"batch_size": size}, 6, 0)


def test_scoring_tells_what_is_wrong_with_the_model_that_was_packed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "schema.txt").write_text("no model")
    packed = PackedModel(folder, FamilySpec("example_builders:plain", HERE))
    with pytest.raises(InputError, match=f"^{folder}/model.json is missing; delete the folder"):
        score_exported(packed, pd.DataFrame())


def test_random_numbers_that_no_seed_reaches_are_refused(data: TrainingData) -> None:
    with pytest.raises(InputError, match="SeedGenerator"):
        begin(data, "unseeded").train(1)
