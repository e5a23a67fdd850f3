"""What is shown while a sweep runs."""

import io
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from evensweep.results.records import SearchRecord
from evensweep.search import displays
from evensweep.search.config import SweepConfig
from evensweep.search.displays import (
    LiveDisplay,
    NotebookDisplay,
    PlainDisplay,
    default_display,
    display_for,
)
from evensweep.search.plan import plan_trials
from evensweep.search.progress import Display, EpochRate, ViewStatus


@pytest.fixture
def record(tmp_path: Path) -> SearchRecord:
    """Of two views with five trials and a baseline each, some under way."""
    config = SweepConfig.from_mapping({"search": {"trials": 5}}, "the test")
    record = SearchRecord.open(tmp_path / "records.jsonl", plan_trials(config))
    statuses = ("completed", "running", "paused", "failed", "waiting", "stopped")
    baseline = next(iter(record.trials.values()))
    of_view = [trial for trial in record.trials.values() if trial.view == baseline.view]
    for trial, status in zip(of_view, statuses, strict=True):
        trial.status, trial.config = status, baseline.config
        trial.epochs = 0 if status == "waiting" else 10
        if status not in {"waiting", "failed"}:
            trial.best_val_loss, trial.best_val_accuracy = 0.25, 0.9
    return record


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def views(record: SearchRecord) -> list[str]:
    return list(dict.fromkeys(trial.view for trial in record.trials.values()))


def a_console(**given: Any) -> Console:
    return Console(file=io.StringIO(), width=80, **given)


def test_every_trial_is_counted_once(record: SearchRecord) -> None:
    first = next(iter(record.trials.values())).view
    status = ViewStatus(record, first, started=0.0)
    counts = (status.waiting, status.running, status.paused, status.done, status.failed)
    assert sum(counts) == status.total == 6
    assert counts == (1, 1, 1, 2, 1)
    assert status.epochs == 50
    assert status.best_text.startswith("0.2500 (2×")


def test_the_rate_is_of_the_last_seconds() -> None:
    rate = EpochRate()
    assert rate.count(0, 0.0) is None
    assert rate.count(40, 10.0) == pytest.approx(4)
    assert rate.count(40, 11.0) == pytest.approx(40 / 11)
    for second in range(12, 60):
        latest = rate.count(40 + 2 * (second - 11), float(second))
    assert latest == pytest.approx(2)


def test_a_search_that_stands_still_has_no_rate() -> None:
    rate = EpochRate()
    assert [rate.count(7, float(second)) for second in range(100)] == [None] * 100


def test_a_terminal_shows_a_line_a_view_within_80_columns(record: SearchRecord) -> None:
    console = a_console(force_terminal=True)
    display = LiveDisplay(console)
    display.stage("Searching")
    display.search(record, views(record))
    console.print(display.draw())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", text(console)).splitlines()
    assert lines[0] == "● Searching …"
    assert lines[1].split() == [
        "view", "waiting", "running", "paused", "done", "failed", "best", "loss", "so", "far",
        "left",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:4]] == views(record)
    assert lines[2].split()[1:6] == ["1", "1", "1", "2", "1"]
    assert "0.2500 (2×64 relu)" in lines[2]
    assert lines[4].strip() == "50 epochs"


def test_complete_stages_leave_a_line_with_their_time() -> None:
    console = a_console(force_terminal=True)
    with LiveDisplay(console) as display:
        display.stage("Searching")
        display.stage("Testing")
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text(console))
    assert re.findall(r"✓ (\w+)  0:00", lines) == ["Searching", "Testing"]


def test_before_the_first_epoch_it_says_what_is_going_on(tmp_path: Path) -> None:
    plan = plan_trials(SweepConfig())
    display = LiveDisplay(console := a_console())
    display.stage("Searching")
    display.search(SearchRecord.open(tmp_path / "records.jsonl", plan), ["smote"])
    console.print(display.draw())
    assert "workers start; each imports TensorFlow once" in text(console)


def test_a_log_gets_plain_lines_now_and_then(
    record: SearchRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(displays.time, "monotonic", lambda: clock[0])
    display = PlainDisplay(console := a_console())
    display.stage("Searching")
    display.search(record, views(record)[:1])
    for _ in range(20):
        clock[0] += 1
        display.refresh()
    assert text(console).splitlines() == [
        "Searching …",
        f"  {views(record)[0]}: 1 trials waiting, 1 running, 1 paused, 2 done, 1 failed; "
        "best loss 0.2500 (2×64 relu); time left 0:08",
        "  50 epochs",
    ]


def test_a_notebook_gets_one_output_that_is_replaced(
    record: SearchRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[str] = []

    class Output:
        def update(self, page: str) -> None:
            pages[-1] = page

    def display_page(page: str, display_id: bool) -> Output:
        assert display_id
        pages.append(page)
        return Output()

    notebook = ModuleType("IPython.display")
    notebook.HTML = str  # type: ignore[attr-defined]
    notebook.display = display_page  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)

    with NotebookDisplay() as display:
        display.stage("Preparing <data>")
        display.stage("Searching")
        display.search(record, views(record))
        display._drawn = 0.0
        display.refresh()
        assert "✓" in pages[0]
        assert "Preparing &lt;data&gt;" in pages[0]
        assert "0.2500 (2×64 relu)" in pages[0]
        display.stage("Cross-validating")
        display.folds(4)
    assert len(pages) == 1
    assert pages[0].count("✓") == 3
    assert "●" not in pages[0]


def test_who_gets_which_display(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(display_for(a_console(force_terminal=True)), LiveDisplay)
    assert isinstance(display_for(a_console()), PlainDisplay)
    assert type(default_display()) is Display
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert isinstance(default_display(), NotebookDisplay)
