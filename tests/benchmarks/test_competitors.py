"""The competitors train Evensweep's family on its rows and measure the same loss."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from comparison.rows import benchmark_table, sweep_config, write_rows
from comparison.settings import QUICK
from comparison.tools import COMPETITORS, Task, command, environment
from competitors.job import Job, Outcome, Rows

from evensweep.datasets.preparation import prepare
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.splits import stratified_split
from evensweep.search.plan import child_seed

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
NEEDED = {"keras-tuner": "keras_tuner", "plain-ray-tune": "ray", "optuna": "optuna"}


@pytest.fixture
def rows() -> Rows:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 4)).astype(np.float32)
    y = (X[:, 0] + rng.standard_normal(300) > 0).astype(np.int32)
    return Rows(X[:200], y[:200], X[200:], y[200:], log_odds_shift=-1.5)


def test_rows_are_those_of_a_run(tmp_path: Path) -> None:
    table = benchmark_table(None)
    files = write_rows(table, None, 1, tmp_path)
    split = stratified_split(table.target, 0.1, 0.1, child_seed(1, "split"))
    expected = prepare(
        table.features,
        table.target,
        fit=split.train,
        watch=split.validation,
        samplers={"smote": SamplerSpec("smote")},
        seed=child_seed(1, "views"),
    )
    written = Rows.load(files["smote"])
    np.testing.assert_array_equal(written.X_train, expected.views["smote"].X)
    np.testing.assert_array_equal(written.y_train, expected.views["smote"].y)
    np.testing.assert_array_equal(written.X_val, expected.watched.X)
    np.testing.assert_array_equal(written.y_val, expected.watched.y)
    assert written.log_odds_shift == expected.views["smote"].log_odds_shift


def test_network_is_evensweeps_and_its_validation_loss_is_natural(rows: Rows) -> None:
    from evensweep.trainables import runtime  # noqa: F401 - sets TensorFlow up, before any use
    from evensweep.trainables.mlp import MLPConfig, build_keras_model, initial_weights

    import keras  # isort: skip
    from competitors.network import build_network  # isort: skip

    config = MLPConfig(2, 16, "tanh", dropout_rate=0.1, l2_strength=0.01)
    weights = initial_weights(config, 4, seed=0)
    network = build_network(vars(config), 4, rows.log_odds_shift)
    network.set_weights(weights)
    p = np.asarray(build_keras_model(config, 4, weights)(rows.X_val))[:, 1].astype(float)
    odds = p / (1 - p) * np.exp(rows.log_odds_shift)
    natural = odds / (1 + odds)
    expected = -np.log(np.where(rows.y_val == 1, natural, 1 - natural)).mean()
    loss = network.evaluate(rows.X_val, rows.y_val, batch_size=32, verbose=0)[0]
    assert loss == pytest.approx(expected, rel=1e-5)

    penalty = config.l2_strength * sum((kernel**2).sum() for kernel in weights[:-2:2])
    view_loss = -np.log(np.where(rows.y_val == 1, p, 1 - p)).mean()
    y_pred = network(rows.X_val, training=False)
    assert float(network.compute_loss(y=rows.y_val, y_pred=y_pred)) == pytest.approx(
        expected + penalty, rel=1e-5
    )
    keras.utils.set_random_seed(0)
    undropped = build_network({**vars(config), "dropout_rate": 0.0}, 4, rows.log_odds_shift)
    undropped.set_weights(weights)
    trained = undropped.train_on_batch(rows.X_val, rows.y_val)[0]
    assert trained == pytest.approx(view_loss + penalty, rel=1e-5)


def test_evensweep_gets_the_same_budget(tmp_path: Path) -> None:
    task = Task("evensweep", "smote", seed=2)
    words = command(task, QUICK, Path("t.csv"), tmp_path / "rows.npz", tmp_path)
    assert words[3:7] == ["run", "repeat-customers", "--data", "t.csv"]
    settings = {words[n + 1] for n, word in enumerate(words) if word == "--set"}
    assert settings == {
        "views=[smote]",
        "seed=2",
        "search.trials=17",
        "search.max_epochs=9",
        "search.grace_epochs=2",
        "search.brackets=3",
        "space.embedding=none",
        "space.embedding_scale=0.3",
    }
    assert words[-6:] == ["--until", "search", "--out", str(tmp_path), "--name", "run"]


def test_preset_trains_as_the_competitors_do() -> None:
    from competitors.job import BATCH_SIZE, PATIENCE, REDUCTION_FACTOR

    config = sweep_config(None, seed=0)
    assert (config.training.batch_size, config.training.patience) == (BATCH_SIZE, PATIENCE)
    assert config.search.reduction_factor == REDUCTION_FACTOR


@pytest.mark.minutes
@pytest.mark.parametrize("tool", COMPETITORS)
def test_competitor_searches_and_says_what_it_did(tool: str, tmp_path: Path, rows: Rows) -> None:
    pytest.importorskip(NEEDED[tool])
    rows.save(tmp_path / "rows.npz")
    job = Job(tmp_path / "rows.npz", 1, 2, 0, tmp_path, tmp_path / "outcome.json")
    subprocess.run(
        [sys.executable, "-m", COMPETITORS[tool], *job.to_arguments()],
        cwd=tmp_path,
        env=environment(BENCHMARKS),
        check=True,
        capture_output=True,
        timeout=240,
    )
    done = Outcome.read(job.output)
    # Keras Tuner's only bracket for one epoch is a single trial.
    trials = 1 if tool == "keras-tuner" else 2
    assert (done.trials, done.configurations, done.epochs, done.failed) == (
        trials,
        trials,
        trials,
        0,
    )
    assert 0 < done.best_val_loss < 10
