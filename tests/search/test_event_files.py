"""TensorBoard's own reader finds what a search wrote."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from evensweep.results.records import SearchRecord, TrialRecord, history_frame, trials_frame
from evensweep.results.run_directory import RunDirectory
from evensweep.search.config import SweepConfig
from evensweep.search.event_files import EventFiles, write_finished
from evensweep.search.plan import plan_trials

FIRST = [[1, 0.6, 0.7, 0.5, 0.75], [2, 0.5, 0.8, 0.4, 0.85]]
LATER = [[3, 0.4, 0.9, None, 0.8], [4, 0.3, 0.9, 0.45, 0.8]]


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder)).Reload()


def scalars(events: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]


def hyperparameters(events: EventAccumulator) -> dict[str, object]:
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    return {
        name: value.string_value or value.number_value for name, value in started.hparams.items()
    }


@pytest.fixture
def record(tmp_path: Path) -> SearchRecord:
    config = SweepConfig.from_mapping({"search": {"trials": 1}}, "the test")
    return SearchRecord.open(tmp_path / "records.jsonl", plan_trials(config))


def advance(trial: TrialRecord, rows: list[list[float | None]], best: float) -> None:
    trial.history += rows
    trial.best_val_loss = best


def test_epochs_come_as_the_search_goes_on_and_none_twice(
    record: SearchRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evensweep.search.event_files._INTERVAL", -1.0)
    baseline, other, *_ = record.trials.values()
    folder = tmp_path / "tensorboard"
    files = EventFiles(folder)
    files.search(record, ["smote", "undersampled"])
    files.refresh()
    assert not folder.exists()
    advance(baseline, FIRST, 0.4)
    files.refresh()
    assert scalars(read(folder / baseline.id), "val_loss") == [(1, 0.5), (2, 0.4)]
    assert [path.name for path in folder.iterdir()] == [baseline.id]

    advance(baseline, LATER, 0.4)
    advance(other, FIRST, 0.4)
    files.refresh()
    files.refresh()
    files.stage("what comes next")
    events = read(folder / baseline.id)
    assert scalars(events, "loss") == [(1, 0.6), (2, 0.5), (3, 0.4), (4, 0.3)]
    assert scalars(events, "val_loss") == [(1, 0.5), (2, 0.4), (4, 0.45)]  # NaN is no point
    assert scalars(events, "best_val_loss") == [(2, 0.4), (4, 0.4)]
    written = hyperparameters(events)
    assert (written.pop("view"), len(written)) == (baseline.view, len(baseline.config))
    assert written == pytest.approx(baseline.config)
    assert scalars(read(folder / other.id), "accuracy") == [(1, 0.7), (2, 0.8)]


def test_a_search_that_goes_on_writes_everything_once(record: SearchRecord, tmp_path: Path) -> None:
    baseline = next(iter(record.trials.values()))
    advance(baseline, FIRST, 0.4)
    for _ in range(2):
        files = EventFiles(tmp_path / "tensorboard")
        files.search(record, [baseline.view])
        files.stage("what comes next")
    events = read(tmp_path / "tensorboard" / baseline.id)
    assert scalars(events, "loss") == [(1, 0.6), (2, 0.5)]


def test_a_complete_search_is_written_from_its_tables(record: SearchRecord, tmp_path: Path) -> None:
    baseline = next(iter(record.trials.values()))
    advance(baseline, FIRST + LATER, 0.4)
    run = RunDirectory(tmp_path)
    run.sweep.write_text(SweepConfig.from_mapping({"views": [baseline.view]}, "").to_yaml())
    trials_frame([baseline]).to_parquet(run.trials)
    history_frame([baseline]).to_parquet(run.history)
    write_finished(run)
    events = read(run.tensorboard / baseline.id)
    assert scalars(events, "val_loss") == [(1, 0.5), (2, 0.4), (4, 0.45)]
    assert hyperparameters(events)["activation"] == "relu"
