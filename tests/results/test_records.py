"""The record tells the same after any interruption, and its tables keep every type."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from evensweep.results.files import read_parquet, write_parquet
from evensweep.results.objective import finite_or_none
from evensweep.results.records import (
    End,
    Progress,
    SearchRecord,
    Start,
    TrialRecord,
    best_trials,
    history_frame,
    trials_frame,
    trials_from_frame,
    views_of,
)


def plan() -> list[TrialRecord]:
    return [
        TrialRecord(id=f"smote-{n:03d}", view="smote", stage="search", seed=n, config={"lr": n})
        for n in range(3)
    ]


def progress(
    trial: int, rung: int, first: int = 1, loss: float | None = 0.5, ending: str | None = None
) -> Progress:
    history: list[list[float | None]] = [
        [epoch, 1 / epoch, 0.5, 2 / epoch, 0.6] for epoch in range(first, rung + 1)
    ]
    checkpoint = f"tune/{trial}"
    return Progress(
        f"smote-{trial:03d}", rung, rung, rung, loss, 0.8, rung * 0.1, history, ending, checkpoint
    )


EVENTS = [
    Start("smote-000"),
    progress(0, 2),
    Start("smote-001", {"lr": 0.5}),
    progress(1, 2, loss=None, ending="diverged"),
    Start("smote-000"),
    progress(0, 6, first=3, loss=0.4, ending="completed"),
    Start("smote-002"),
    progress(2, 2),
    Start("smote-002"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    record = SearchRecord.open(tmp_path / "tune" / "records.jsonl", plan())
    for event in EVENTS:
        record.add(event)
    return record.path


def test_a_record_whose_storage_went_away_does_not_go_on_elsewhere(
    path: Path, tmp_path: Path
) -> None:
    record = SearchRecord.open(path, plan())
    lines = path.read_text()
    path.parent.rename(tmp_path / "away")
    path.parent.mkdir()
    with pytest.raises(FileNotFoundError, match=r"records\.jsonl"):
        record.add(Start("smote-001"))
    assert list(path.parent.iterdir()) == []
    assert (tmp_path / "away" / path.name).read_text() == lines
    assert record.trials["smote-001"].status == "diverged"


def test_events_change_their_trial_only(path: Path) -> None:
    record = SearchRecord.read(path, plan())
    first, second, third = record.trials.values()
    assert (first.status, first.rung, first.epochs, first.best_val_loss) == ("completed", 6, 6, 0.4)
    assert (first.checkpoint, first.best_val_accuracy) == ("tune/0", 0.8)
    assert [row[0] for row in first.history] == [1, 2, 3, 4, 5, 6]
    assert (second.status, second.best_val_loss, second.finished) == ("diverged", None, True)
    assert (third.status, third.rung, third.finished) == ("running", 2, False)
    assert (first.config, second.config) == ({"lr": 0}, {"lr": 0.5})
    assert record.replayed == EVENTS
    assert record.finished == 2


def test_a_trial_pauses_at_a_rung_until_it_starts_again_or_ends(tmp_path: Path) -> None:
    record = SearchRecord.open(tmp_path / "records.jsonl", plan())
    trial = record.trials["smote-001"]
    seen = []
    for event in (
        Start("smote-001"), progress(1, 2), Start("smote-001"), progress(1, 6, first=3),
        End("smote-001", "failed", error="out of memory"),
    ):  # fmt: skip
        record.add(event)
        seen.append((trial.status, trial.epochs, record.finished))
    assert seen == [
        ("running", 0, 0), ("paused", 2, 0), ("running", 2, 0), ("paused", 6, 0), ("failed", 6, 1),
    ]  # fmt: skip
    assert (trial.error, trial.checkpoint) == ("out of memory", "tune/1")
    paused = SearchRecord.open(tmp_path / "others.jsonl", plan())
    paused.add(Start("smote-001"))
    paused.add(progress(1, 2))
    assert SearchRecord.open(paused.path, plan()).trials["smote-001"].status == "paused"


def test_replay_gives_the_trials_of_the_live_record(tmp_path: Path) -> None:
    live = SearchRecord.open(tmp_path / "records.jsonl", plan())
    for count, event in enumerate(EVENTS, start=1):
        live.add(event)
        replayed = SearchRecord.read(live.path, plan())
        assert replayed.trials == live.trials
        assert replayed.replayed == EVENTS[:count]


@pytest.mark.parametrize("torn", ['{"event": "pro', '{"event": "end"}', "\x00\x00", "{"])
def test_torn_last_line_is_ignored_and_cut_when_the_search_goes_on(path: Path, torn: str) -> None:
    whole = path.read_bytes()
    with path.open("a") as file:
        file.write(torn)
    expected = SearchRecord.read(path, plan()).trials
    assert path.read_bytes() == whole + torn.encode()

    record = SearchRecord.open(path, plan())
    assert path.read_bytes() == whole
    record.add(End("smote-002", "stopped"))
    lines = path.read_text().splitlines()
    assert [json.loads(line)["trial"] for line in lines][-1] == "smote-002"
    assert len(lines) == len(EVENTS) + 1
    assert expected["smote-000"].status == "completed"


def test_file_of_one_torn_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text('{"event": "progress", "tri')
    record = SearchRecord.open(path, plan())
    assert path.read_bytes() == b""
    assert record.replayed == []


def test_reading_leaves_the_file_alone_and_makes_none(path: Path, tmp_path: Path) -> None:
    before = path.read_bytes()
    SearchRecord.read(path, plan())
    assert path.read_bytes() == before
    missing = tmp_path / "none" / "records.jsonl"
    assert SearchRecord.read(missing, plan()).replayed == []
    assert not missing.parent.exists()


def test_history_of_a_trial_that_was_trained_again_is_not_doubled(path: Path) -> None:
    record = SearchRecord.open(path, plan())
    trial = record.trials["smote-002"]
    record.add(replace(progress(2, 2), at=3.0))
    record.add(replace(progress(2, 6, first=3), at=9.0))
    assert [row[0] for row in trial.history] == [1, 2, 3, 4, 5, 6]
    assert trial.arrivals == [(2, 3.0), (6, 9.0)]
    record.add(replace(progress(2, 6, first=1), at=20.0))
    assert [row[0] for row in trial.history] == [1, 2, 3, 4, 5, 6]
    assert trial.arrivals == [(6, 20.0)]
    assert record.seconds == SearchRecord.read(path, plan()).seconds == 20.0


def test_events_of_trials_outside_the_plan_are_passed_over(path: Path) -> None:
    record = SearchRecord.read(path, plan()[1:])
    assert set(record.trials) == {"smote-001", "smote-002"}
    assert {event.trial for event in record.replayed} == {"smote-001", "smote-002"}


def test_nan_never_enters_the_file(path: Path) -> None:
    before = path.read_bytes()
    record = SearchRecord.open(path, plan())
    with pytest.raises(ValueError, match="JSON"):
        record.add(progress(2, 3, loss=float("nan")))
    assert path.read_bytes() == before
    assert record.trials["smote-002"].rung == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_figures_that_are_not_finite_become_none(value: float) -> None:
    assert finite_or_none(value) is None
    assert finite_or_none(-1.5) == -1.5
    assert finite_or_none(0.0) == 0.0


class TestFrames:
    trials = (
        TrialRecord(
            id="a", view="smote", stage="search", seed=2**32 - 1, status="completed", rung=9,
            epochs=9, best_epoch=4, best_val_loss=0.25, best_val_accuracy=0.9, seconds=1.5,
            checkpoint="tune/a",
            config={"layers": 3, "rate": 0.5, "activation": "relu", "flag": True},
        ),
        TrialRecord(
            id="b", view="smote", stage="baseline", seed=0, status="failed", error="ValueError: x",
            config={"layers": 2, "rate": 1e-4, "activation": "selu", "flag": False},
        ),
    )  # fmt: skip

    def back(self, trials: tuple[TrialRecord, ...], tmp_path: Path) -> list[TrialRecord]:
        path = tmp_path / "trials.parquet"
        trials_frame(trials).to_parquet(path, index=False)
        return trials_from_frame(pd.read_parquet(path))

    def test_trials_come_back_with_their_types(self, tmp_path: Path) -> None:
        back = self.back(self.trials, tmp_path)
        assert back == list(self.trials)
        for before, after in zip(self.trials, back, strict=True):
            for name, value in before.config.items():
                assert type(after.config[name]) is type(value), name
            assert type(after.seed) is type(after.epochs) is int
        assert back[1].best_val_loss is None
        assert back[1].checkpoint is None

    def test_columns_that_are_empty_throughout_come_back_as_none(self, tmp_path: Path) -> None:
        [back] = self.back(self.trials[1:], tmp_path)
        assert back == self.trials[1]
        [back] = self.back(self.trials[:1], tmp_path)
        assert back.error is None

    def test_hyperparameter_that_a_trial_lacks_does_not_change_those_it_has(self, tmp_path) -> None:
        """The baseline sets fewer hyperparameters than the space."""
        bare = TrialRecord(id="c", view="smote", stage="baseline", seed=1, config={"layers": 2})
        full, back = self.back((self.trials[0], bare), tmp_path)
        assert full.config == self.trials[0].config
        assert back.config == bare.config

    def test_history_is_a_row_an_epoch(self) -> None:
        rows = [[1, 0.5, 0.6, None, 0.7], [2, 0.4, 0.6, 0.5, 0.7], [3, 0.3, 0.6, 0.4, 0.7]]
        trial = TrialRecord("a", "smote", "search", 0, {}, history=rows, arrivals=[(2, 7.5)])
        frame = history_frame([trial, TrialRecord("b", "smote", "search", 0, {})])
        assert list(frame) == [
            "trial", "view", "epoch", "loss", "accuracy", "val_loss", "val_accuracy",
            "search_seconds",
        ]  # fmt: skip
        assert frame.shape == (3, 8)
        assert frame.loc[0, ["trial", "epoch", "loss"]].tolist() == ["a", 1, 0.5]
        # The epochs of a step arrive together; records of older versions don't say when.
        assert frame["search_seconds"].fillna(-1).tolist() == [7.5, 7.5, -1]


def test_best_trials_are_the_sound_ones_of_the_search_on_one_view() -> None:
    def trial(name: str, loss: float | None, view="smote", stage="search", status="completed"):
        return TrialRecord(name, view, stage, 0, {}, best_val_loss=loss, status=status)

    trials = [
        trial("d", 0.3),
        trial("b", 0.2),
        trial("a", 0.3),
        trial("none", None),
        trial("burst", 0.1, status="diverged"),
        trial("broken", 0.1, status="failed"),
        trial("other", 0.1, view="undersampled"),
        trial("start", 0.1, stage="baseline"),
    ]
    assert [t.id for t in best_trials(trials, "smote", 2)] == ["b", "a"]
    assert [t.id for t in best_trials(trials, "smote", 10)] == ["b", "a", "d"]
    assert best_trials(trials, "adasyn", 3) == []


def test_best_trials_of_a_metric_are_those_it_says_whatever_their_loss() -> None:
    figures = {"a": (0.1, 0.5), "b": (0.9, 0.7), "c": (0.2, None), "d": (0.3, 0.7)}
    trials = [
        TrialRecord(name, "smote", "search", 0, {}, best_val_loss=loss, mode="max", best_metric=m)
        for name, (loss, m) in figures.items()
    ]
    assert [t.id for t in best_trials(trials, "smote", 4)] == ["b", "d", "a"]
    low = [replace(t, mode="min") for t in trials]
    assert [t.id for t in best_trials(low, "smote", 4)] == ["a", "b", "d"]
    burst = [replace(t, status="diverged") for t in trials]
    assert best_trials(burst, "smote", 4) == []


def test_a_metric_comes_back_from_the_table(tmp_path: Path) -> None:
    trials = [
        TrialRecord(
            "a", "smote", "search", 0, {}, mode="max", best_metric=0.5, measured=[(2, 0.5)]
        ),
        TrialRecord("b", "smote", "search", 0, {}, mode="max"),
    ]
    write_parquet(tmp_path / "trials.parquet", trials_frame(trials))
    back = trials_from_frame(read_parquet(tmp_path / "trials.parquet"))
    assert [(t.mode, t.best_metric) for t in back] == [("max", 0.5), ("max", None)]
    plain = trials_from_frame(trials_frame([TrialRecord("a", "smote", "search", 0, {})]))
    assert (plain[0].mode, plain[0].best_metric) == (None, None)


def test_a_step_that_is_trained_again_is_measured_again() -> None:
    record = SearchRecord(Path("none"), [TrialRecord("a", "smote", "search", 0, {}, mode="max")])
    steps = [(2, 1, 0.1), (6, 3, 0.2), (6, 3, 0.3)]
    for level, first, metric in steps:
        history = [[e, 0.5, 0.5, 0.5, 0.5] for e in range(first, level + 1)]
        record._apply(Progress("a", level, level, 1, 0.5, 0.5, 0.0, history, best_metric=metric))
    assert record.trials["a"].measured == [(2, 0.1), (6, 0.3)]
    assert record.trials["a"].best_metric == 0.3


def test_views_are_in_the_order_of_the_plan() -> None:
    views = ["smote", "undersampled", "smote", "adasyn"]
    assert views_of([TrialRecord(str(i), v, "search", 0, {}) for i, v in enumerate(views)]) == [
        "smote", "undersampled", "adasyn",
    ]  # fmt: skip


def test_whole_numbers_stay_whole_beside_trials_that_never_started(tmp_path: Path) -> None:
    started = TrialRecord("a", "smote", "search", 1, {"units": 3, "rate": 0.5, "deep": True})
    waiting = TrialRecord("b", "smote", "search", 2, {})
    write_parquet(tmp_path / "trials.parquet", trials_frame([started, waiting]))
    first, second = trials_from_frame(read_parquet(tmp_path / "trials.parquet"))
    assert first.config == started.config
    assert {name: type(value) for name, value in first.config.items()} == {
        "units": int, "rate": float, "deep": bool,
    }  # fmt: skip
    assert second.config == {}
