"""Measurements add up in a file, and become ratios and tables, with literal numbers."""

import io
import json
from pathlib import Path

import pytest
from comparison.figures import Spread, tool_figures
from comparison.measurements import Measurement, Section, Store
from comparison.page import page, terminal_tables
from comparison.settings import QUICK
from comparison.tools import Task, in_turns
from rich.console import Console

SETTINGS = QUICK.to_mapping() | {"table": "customers", "fingerprint": "f", "rows": 14000}
MACHINE = {
    "CPU": "Model X",
    "cores": "2",
    "memory": "8 GiB",
    "system": "Linux",
    "Python": "3.11.9",
    "keras": "3.15.1",
}


def measurement(
    tool: str, seed: int, wall: float, cpu: float, turn: str = "", **others: float
) -> Measurement:
    figures = {"trials": 23, "configurations": 23, "epochs": 120, "best_val_loss": 0.25} | others
    turn = turn or f"turn {seed}"
    return Measurement(tool, "smote", seed, turn, wall, cpu, 500_000_000, **figures)  # type: ignore[arg-type]


MEASUREMENTS = (
    measurement("optuna", 0, 30, 60, best_val_loss=0.2412),
    measurement("evensweep", 0, 10, 20),
    measurement("evensweep", 1, 20, 20),
    measurement("optuna", 1, 30, 50, best_val_loss=0.2612),
    measurement("optuna", 2, 100, 500, best_val_loss=0.2512),
)


def test_ratio_is_the_median_of_the_turns_that_both_have() -> None:
    own, optuna = tool_figures(MEASUREMENTS, "smote")
    assert (own.tool, own.runs, own.wall_ratio, own.cpu_ratio) == ("evensweep", 2, 1, 1)
    # Turn 0: 3 and 3; turn 1: 1.5 and 2.5; Evensweep has no turn 2.
    assert optuna.wall_ratio == pytest.approx(2.25)
    assert optuna.cpu_ratio == pytest.approx(2.75)
    assert optuna.wall_seconds == Spread(30, 30, 100)
    assert optuna.best_val_loss == Spread(0.2512, 0.2412, 0.2612)


def test_ratio_needs_evensweep_of_the_same_turn() -> None:
    (optuna,) = tool_figures(MEASUREMENTS[:1], "smote")
    assert optuna.wall_ratio is None
    later = measurement("evensweep", 0, 5, 10, turn="an hour later")
    _, optuna = tool_figures([MEASUREMENTS[0], later], "smote")
    assert optuna.wall_ratio is None
    assert tool_figures(MEASUREMENTS, "undersampled") == []


def test_file_keeps_every_measurement_and_tells_sections_apart(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.json"
    for one in MEASUREMENTS[:2]:
        store = Store(path)
        store.put(store.section(SETTINGS, MACHINE).added(one))
    other = Store(path)
    other.put(other.section(SETTINGS, MACHINE | {"cores": "64"}).added(MEASUREMENTS[2]))

    first, second = Store(path).sections
    assert first.measurements == MEASUREMENTS[:2]
    assert second.measurements == MEASUREMENTS[2:3]
    assert len(json.loads(path.read_text())["sections"]) == 2


def test_a_task_is_measured_once_and_evensweep_in_every_turn() -> None:
    section = Section(SETTINGS, MACHINE, MEASUREMENTS)
    own = measurement("evensweep", 1, 15, 20, turn="later")
    again = measurement("optuna", 1, 25, 40, turn="later")
    begun = section.added(own)
    assert begun.measurements == (*MEASUREMENTS, own)
    # What was measured beside the earlier one of Optuna alone goes with it.
    done = begun.added(again)
    assert done.measurements == (*MEASUREMENTS[:2], MEASUREMENTS[4], own, again)
    beside = measurement("keras-tuner", 1, 60, 60)
    kept = section.added(beside).added(own).added(again).measurements
    assert kept == (*MEASUREMENTS[:3], MEASUREMENTS[4], beside, own, again)

    left = section.added(beside).without([Task("optuna", "smote", seed) for seed in range(3)])
    assert left.measurements == (MEASUREMENTS[2], beside)


def test_a_turn_begins_with_evensweep() -> None:
    tasks = [Task(tool, "smote", seed) for seed in (0, 1) for tool in ("optuna", "keras-tuner")]
    first, second = in_turns(tasks[:3])
    assert first == [Task("evensweep", "smote", 0), *tasks[:2]]
    assert second == [Task("evensweep", "smote", 1), tasks[2]]


def test_page_has_settings_machine_and_cells() -> None:
    hyperband = measurement("keras-tuner", 0, 55, 44, configurations=17, failed=1)
    text = page([Section(SETTINGS, MACHINE, (*MEASUREMENTS, hyperband))])
    assert "## The quick form: `make benchmark QUICK=1`" in text
    assert "customers, 14,000 rows" in text
    assert "Model X, 2 cores, 8 GiB, Linux, Python 3.11.9; keras 3.15.1." in text
    assert "**smote: at most 9 epochs a trial, 17 configurations**" in text
    assert "undersampled: at most" not in text
    optuna = "| optuna | 3 | 30 (30–100) | 60 (50–500) | 500 | 23 | 120 | 0.2512 (0.2412–0.2612) "
    assert f"{optuna}| 2.25× | 2.75× |" in text
    assert (
        "| keras-tuner | 1 | 55 | 44 | 500 | 23, 17 different, 1 failed | 120 | 0.2500 | 5.50× "
        "| 2.20× |" in text
    )
    assert "<!--" not in text


def test_page_has_the_ratios_over_the_turns_of_all_machines() -> None:
    on_another = (
        measurement("evensweep", 0, 5, 10, best_val_loss=0.2500),
        measurement("optuna", 0, 20, 30, best_val_loss=0.2490),
    )
    sections = [
        Section(SETTINGS, MACHINE, MEASUREMENTS),
        Section(SETTINGS, MACHINE | {"cores": "64"}, on_another),
    ]
    [before, _] = page(sections).split("## The quick form", maxsplit=1)
    assert "## Ratios over all turns: `make benchmark QUICK=1`" in before
    # The ratios are 3, 1.5 and 4; 3, 2.5 and 3; the losses differ by -0.0088, 0.0112 and -0.0010.
    assert (
        "| optuna | 3 | 3.00× (1.50×–4.00×) | 3.00× (2.50×–3.00×) | -0.0010 (-0.0088–+0.0112) |"
        in before
    )
    assert "| evensweep |" not in before


def test_terminal_shows_the_same_cells() -> None:
    console = Console(width=150, record=True, file=io.StringIO())
    for table in terminal_tables(Section(SETTINGS, MACHINE, MEASUREMENTS)):
        console.print(table)
    text = console.export_text()
    assert "smote: at most 9 epochs a trial, 17 configurations" in text
    assert "0.2512 (0.2412–0.2612)" in text
    assert "2.25×" in text
