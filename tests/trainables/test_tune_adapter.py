"""What a worker reports of a trial that is taken up again, and of a fold."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from evensweep.datasets.locations import Location, parse_location
from evensweep.datasets.views import Rows, View
from evensweep.results.objective import MetricSpec
from evensweep.trainables import tune_adapter
from evensweep.trainables.trial_states import StorageError, saved_probabilities, state_file
from evensweep.trainables.tune_adapter import (
    REPORT,
    SWEEP,
    Lent,
    Report,
    SharedRows,
    SweepRows,
    SweepTrainable,
    TrainingSettings,
    TrialSpec,
)

Work = Callable[[Callable[[TrialSpec], Any]], Any]

HYPERPARAMETERS = {
    "num_layers": 2,
    "hidden_layer_size": 8,
    "activation": "relu",
    "dropout_rate": 0.2,
    "learning_rate": 0.01,
    "batch_size": 48,
}
SPEC = TrialSpec("smote-000", "smote", 5, HYPERPARAMETERS, level=2)
OTHER = TrialSpec("smote-001", "smote", 6, HYPERPARAMETERS, level=2)
FOLD = TrialSpec("smote-000-fold-00", "smote", 9, HYPERPARAMETERS, level=8, fold=0)
LEVELS = (2, 4, 8)
SHIFT = -0.7


@pytest.fixture(scope="module")
def out_of_fold() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(31, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def shared(
    free_cluster: None, table: dict[str, np.ndarray], out_of_fold: np.ndarray
) -> dict[int | None, SharedRows]:
    view = ray.put(View("smote", table["X"], table["y"], SHIFT))
    watched = ray.put(Rows(table["X_val"], table["y_val"]))
    predicted = ray.put(out_of_fold)
    return {
        None: SharedRows({"smote": view}, {"smote": watched}),
        0: SharedRows({"smote": view}, {"smote": watched}, predicted),
    }


def runner(
    shared: dict[int | None, SharedRows], states: Path | Location, metric: MetricSpec | None = None
) -> Any:
    settings = TrainingSettings(LEVELS, 100, states, metric=metric)
    sweep = Lent(SweepRows(shared, settings))

    @ray.remote
    def run(work: Work) -> Any:
        def begin(spec: TrialSpec, after: SweepTrainable | None = None) -> SweepTrainable:
            config = {**asdict(spec), SWEEP: sweep}
            if after is not None:
                after.reset_config(config)
                return after
            trainable = SweepTrainable.__new__(SweepTrainable)
            trainable.setup(config)
            return trainable

        return work(begin)

    return lambda work: ray.get(run.remote(work))


@pytest.fixture
def on_worker(shared: dict[int | None, SharedRows], tmp_path: Path) -> Any:
    """Runs work on a worker; it gets a function that begins a trial, in a new trainable or not."""
    return runner(shared, tmp_path / "states")


def test_a_search_by_a_metric_is_told_that_of_the_best_weights(
    shared: dict[int | None, SharedRows], table: dict[str, np.ndarray], tmp_path: Path
) -> None:
    def work(begin: Any) -> list[tuple[float | None, np.ndarray]]:
        found = []
        for spec in (SPEC, FOLD):
            trainable = begin(spec)
            for _ in LEVELS if spec.fold is None else [8]:
                report = trainable.step()[REPORT]
                found.append((report.best_metric, trainable._training.best_val_probabilities))
        return found

    *searched, (of_fold, _) = runner(shared, tmp_path, MetricSpec("brier", "min"))(work)
    for metric, probabilities in searched:
        expected = np.mean((probabilities.astype(np.float64) - table["y_val"]) ** 2)
        assert metric == pytest.approx(expected)
    assert of_fold is None


def without_time(reports: Sequence[Report]) -> list[Report]:
    return [replace(report, seconds=0.0) for report in reports]


def test_a_step_trains_to_the_next_level(on_worker: Any) -> None:
    def work(begin: Any) -> list[Report]:
        trainable = begin(SPEC)
        return [trainable.step()[REPORT] for _ in LEVELS]

    reports = on_worker(work)
    assert [(r.rung, r.epochs, r.ending) for r in reports] == [
        (2, 2, None), (4, 4, None), (8, 8, "completed"),
    ]  # fmt: skip
    assert [[row.epoch for row in r.history] for r in reports] == [[1, 2], [3, 4], [5, 6, 7, 8]]
    losses = [row.val_loss for r in reports for row in r.history]
    assert [r.best_val_loss for r in reports] == [min(losses[:level]) for level in LEVELS]
    assert losses[reports[-1].best_epoch - 1] == min(losses)
    assert all(r.fold_model is None for r in reports)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_trial_that_is_at_its_level_reports_it_untrained_and_goes_on_as_unbroken(
    on_worker: Any, done: int
) -> None:
    level = LEVELS[done - 1]

    def work(begin: Any) -> tuple[list[Report], ...]:
        unbroken = begin(replace(SPEC, trial="unbroken"))
        whole = [unbroken.step()[REPORT] for _ in LEVELS]
        broken = begin(SPEC)
        before = [broken.step()[REPORT] for _ in range(done)]
        resumed = begin(replace(SPEC, level=level))
        train, resumed._training.train = resumed._training.train, None
        again = resumed.step()[REPORT]
        resumed._training.train = train
        return whole, before, [again], [resumed.step()[REPORT] for _ in LEVELS[done:]]

    whole, before, again, after = map(without_time, on_worker(work))
    assert before == whole[:done]
    assert again == whole[done - 1 : done]
    assert after == whole[done:]


def test_trials_that_take_turns_on_a_worker_train_as_they_would_alone(on_worker: Any) -> None:
    def work(begin: Any) -> tuple[list[Report], list[Report]]:
        alone = begin(replace(SPEC, trial="alone"))
        whole = [alone.step()[REPORT] for _ in LEVELS]
        trainable = begin(SPEC)
        turns = [trainable.step()[REPORT]]
        for level in LEVELS[1:]:
            begin(OTHER, trainable)
            trainable.step()
            begin(replace(SPEC, level=level), trainable)
            turns.append(trainable.step()[REPORT])
        return whole, turns

    whole, turns = map(without_time, on_worker(work))
    assert turns == whole


@pytest.mark.parametrize("left_out", [1, 2])
def test_a_bracket_may_leave_out_the_first_levels(on_worker: Any, left_out: int) -> None:
    def work(begin: Any) -> list[Report]:
        trainable = begin(replace(SPEC, level=LEVELS[left_out]))
        return [trainable.step()[REPORT] for _ in LEVELS[left_out:]]

    reports = on_worker(work)
    assert tuple(r.rung for r in reports) == LEVELS[left_out:]
    assert reports[-1].ending == "completed"


@pytest.fixture
def fold(on_worker: Any) -> Report:
    return on_worker(lambda begin: begin(FOLD).step()[REPORT])


def test_a_fold_trains_the_whole_budget_in_one_step(fold: Report, tmp_path: Path) -> None:
    assert (fold.rung, fold.epochs, fold.ending) == (8, 8, "completed")
    assert len(fold.history) == 8
    assert not list(tmp_path.rglob("*.npz"))


def test_a_fold_predicts_its_rows_by_the_network_it_gives(
    fold: Report, out_of_fold: np.ndarray
) -> None:
    model = fold.fold_model
    assert model is not None
    assert (model.n_features, model.log_odds_shift) == (6, SHIFT)
    assert [w.shape for w in model.weights] == [(6, 8), (8,), (8, 8), (8,), (8, 2), (2,)]
    *hidden, (kernel, bias) = zip(model.weights[::2], model.weights[1::2], strict=True)
    X = out_of_fold
    for hidden_kernel, hidden_bias in hidden:
        X = np.maximum(X @ hidden_kernel + hidden_bias, 0)
    logits = X @ kernel + bias
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1] - SHIFT))
    assert model.out_of_fold.dtype == np.float32
    np.testing.assert_allclose(model.out_of_fold, expected, rtol=1e-5)


def test_a_search_writes_a_state_at_every_rung(on_worker: Any, tmp_path: Path) -> None:
    def work(begin: Any) -> list[int]:
        trainable, epochs = begin(SPEC), []
        for _ in LEVELS:
            trainable.step()
            with np.load(state_file(tmp_path / "states", "smote-000", HYPERPARAMETERS)) as arrays:
                epochs.append(int(arrays["epoch"]))
        return epochs

    assert on_worker(work) == list(LEVELS)


@pytest.mark.parametrize("damage", [b"", b"PK and nothing", None])
def test_a_trial_with_a_damaged_state_trains_again(
    on_worker: Any, tmp_path: Path, damage: bytes | None
) -> None:
    def work(begin: Any) -> tuple[list[Any], list[Any]]:
        state = state_file(tmp_path / "states", "smote-000", HYPERPARAMETERS)
        trainable = begin(SPEC)
        history = list(trainable.step()[REPORT].history)
        state.write_bytes(state.read_bytes()[:900] if damage is None else damage)
        return history, list(begin(SPEC).step()[REPORT].history)

    first, again = on_worker(work)
    assert again == first


def test_a_state_that_cannot_be_read_or_written_is_an_error_of_the_storage(
    on_worker: Any, tmp_path: Path
) -> None:
    states = tmp_path / "states"

    def work(begin: Any) -> list[str]:
        trainable = begin(SPEC)
        states.write_text("a file where the folder should be")
        with pytest.raises(StorageError) as written:
            trainable.step()
        with pytest.raises(StorageError) as read:
            begin(SPEC)
        return [str(written.value), str(read.value)]

    state = state_file(states, "smote-000", HYPERPARAMETERS)
    written, read = on_worker(work)
    assert written.startswith(f"{state} can't be written (")
    assert read.startswith(f"{state} can't be read (")
    assert written.endswith("; make room or bring the storage back")


def test_a_state_that_is_further_than_the_record_is_trained_again_to_the_same(
    on_worker: Any, table: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """The reports of two steps were lost with a driver, so that each of them is wanted again."""

    def work(begin: Any) -> tuple[list[Report], list[Report]]:
        lost = begin(SPEC)
        whole = [lost.step()[REPORT] for _ in LEVELS]
        again = begin(SPEC)
        return whole, [again.step()[REPORT] for _ in LEVELS]

    whole, again = map(without_time, on_worker(work))
    assert again == whole
    state = state_file(tmp_path / "states", "smote-000", HYPERPARAMETERS)
    n_rows = len(table["y_val"])
    assert saved_probabilities(state, whole[-1].best_epoch + 1, n_rows) is None
    probabilities = saved_probabilities(state, whole[-1].best_epoch, n_rows)
    assert probabilities is not None
    assert probabilities.dtype == np.float64
    with pytest.raises(ValueError, match=f"predictions of {n_rows} rows and not of 3"):
        saved_probabilities(state, whole[-1].best_epoch, 3)


def test_a_trial_that_was_drawn_anew_leaves_the_state_of_its_former_self(on_worker: Any) -> None:
    def work(begin: Any) -> tuple[list[Report], list[Report]]:
        other = HYPERPARAMETERS | {"hidden_layer_size": 4}
        alone = begin(replace(SPEC, trial="alone", hyperparameters=other))
        begin(SPEC).step()
        drawn = begin(replace(SPEC, hyperparameters=other, level=4))
        return [alone.step()[REPORT] for _ in LEVELS], [drawn.step()[REPORT] for _ in LEVELS[1:]]

    alone, drawn = map(without_time, on_worker(work))
    assert drawn[0].history == [*alone[0].history, *alone[1].history]
    assert drawn[1:] == alone[2:]


def test_states_are_kept_in_object_storage_from_any_node(
    shared: dict[int | None, SharedRows], table: dict[str, np.ndarray], s3_folder: Location
) -> None:
    on_worker = runner(shared, s3_folder)
    # The session's workers may be older than the test server.
    credentials = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}

    def work(begin: Any) -> tuple[list[Report], list[Report]]:
        os.environ.update(credentials)
        unbroken = begin(replace(SPEC, trial="unbroken"))
        whole = [unbroken.step()[REPORT] for _ in LEVELS]
        begin(SPEC).step()
        return whole, [begin(replace(SPEC, level=level)).step()[REPORT] for level in LEVELS[1:]]

    whole, after = map(without_time, on_worker(work))
    assert after == whole[1:]
    state = state_file(s3_folder, "smote-000", HYPERPARAMETERS)
    assert state.name in s3_folder.files()
    assert saved_probabilities(state, whole[-1].best_epoch, len(table["y_val"])) is not None


def test_object_storage_that_is_gone_is_told_in_one_sentence(
    shared: dict[int | None, SharedRows],
) -> None:
    gone = parse_location("s3://anonymous@bucket/run?endpoint_override=http://127.0.0.1:1")

    def work(begin: Any) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tune_adapter, "_PATIENCE", 0.0)
            with pytest.raises(StorageError) as raised:
                begin(SPEC)
        return str(raised.value)

    told = runner(shared, gone)(work)
    assert told.endswith("no server answers at 127.0.0.1:1; check the network and the endpoint")
    assert len(told.splitlines()) == 1
