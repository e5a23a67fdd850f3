"""The leaderboard: its columns, its order, what is kept of it, and how it shows."""

import io
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from evensweep.datasets.errors import InputError
from evensweep.results.leaderboard import (
    FIGURES,
    METRIC_FIGURES,
    cv_losses,
    cv_metrics,
    hyperparameters,
    leaderboard_frame,
    leaderboard_table,
    matching,
    ordered,
)
from evensweep.results.records import TrialRecord


def trial(name: str, loss: float | None, **given: Any) -> TrialRecord:
    fields: dict[str, Any] = {
        "view": name.partition("-")[0],
        "stage": "search",
        "seed": 1,
        "status": "completed",
        "config": {"num_layers": 2, "dropout_rate": 0.1, "activation": "relu"},
        "epochs": 9,
        "best_val_accuracy": None if loss is None else 1 - loss,
    }
    return TrialRecord(id=name, best_val_loss=loss, **{**fields, **given})


TRIALS = [
    trial("smote-000", 0.30, config={"num_layers": 3, "dropout_rate": 0.4, "activation": "tanh"}),
    trial("smote-001", 0.20, epochs=27),
    trial("under-000", None, status="failed", error="ValueError: no"),
    trial("under-001", 0.25, status="stopped", epochs=3),
    trial("under-002", None, status="waiting"),
]
BOARD = leaderboard_frame(TRIALS, {"smote-001": 0.21, "under-001": 0.24})


def names(frame: pd.DataFrame) -> list[str]:
    return frame["trial"].tolist()


def test_the_best_come_first_and_failures_last_and_trials_without_a_result_not_at_all() -> None:
    assert names(BOARD) == ["smote-001", "under-001", "smote-000", "under-000"]
    assert tuple(BOARD.columns[: len(FIGURES)]) == FIGURES
    assert hyperparameters(BOARD) == ["num_layers", "dropout_rate", "activation"]
    assert BOARD["cv_val_loss"].tolist()[:2] == [0.21, 0.24]
    assert BOARD["cv_val_loss"].isna().tolist() == [False, False, True, True]


def test_a_board_before_the_first_result_has_its_columns() -> None:
    empty = leaderboard_frame([trial("smote-000", None, status="waiting")], {})
    assert tuple(empty.columns) == FIGURES
    assert len(matching(empty, ["view=smote", "val_loss<1"])) == 0


def test_a_hyperparameter_may_have_a_figures_name() -> None:
    board = leaderboard_frame([trial("smote-000", 0.3, config={"epochs": 5, "units": 4})], {})
    assert board.loc[0, "epochs"] == 9
    assert hyperparameters(board) == ["config.epochs", "units"]


@pytest.mark.parametrize(
    ("column", "reverse", "expected"),
    [
        ("val_loss", False, ["smote-001", "under-001", "smote-000", "under-000"]),
        ("val_loss", True, ["smote-000", "under-001", "smote-001", "under-000"]),
        ("val_accuracy", False, ["smote-001", "under-001", "smote-000", "under-000"]),
        ("cv_val_loss", True, ["under-001", "smote-001", "smote-000", "under-000"]),
        ("epochs", False, ["under-001", "smote-000", "under-000", "smote-001"]),
        ("trial", True, ["under-001", "under-000", "smote-001", "smote-000"]),
        ("activation", True, ["smote-000", "smote-001", "under-000", "under-001"]),
    ],
)
def test_order(column: str, reverse: bool, expected: list[str]) -> None:
    assert names(ordered(BOARD, column, reverse)) == expected


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], ["smote-001", "under-001", "smote-000", "under-000"]),
        (["view=smote"], ["smote-001", "smote-000"]),
        (["view!=smote", "status=stopped"], ["under-001"]),
        (["epochs>=9", "dropout_rate < 0.4"], ["smote-001", "under-000"]),
        (["val_loss<=0.25"], ["smote-001", "under-001"]),
        (["val_loss>0.2"], ["under-001", "smote-000"]),
        (["num_layers=3"], ["smote-000"]),
        (["activation=selu"], []),
    ],
)
def test_conditions(conditions: list[str], expected: list[str]) -> None:
    assert names(matching(BOARD, conditions)) == expected


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("smote", "'smote' is no condition; write such as view=smote"),
        ("view=", "'view=' is no condition"),
        ("viw=smote", "no column 'viw'; did you mean 'view'"),
        ("zzz=1", "no column 'zzz'; its columns are trial, view"),
        ("epochs=many", "epochs holds numbers, and 'many' is none"),
        ("view<smote", "view holds words; compare with = or !="),
    ],
)
def test_an_unfit_condition_is_told(condition: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        matching(BOARD, [condition])


def test_an_unknown_column_to_sort_by_is_told() -> None:
    with pytest.raises(InputError, match="no column 'loss'; did you mean 'val_loss'"):
        ordered(BOARD, "loss")


def test_k_fold_losses_are_over_rows_and_not_over_folds() -> None:
    folds = pd.DataFrame(
        {"trial": ["a", "a", "b"], "rows": [300, 100, 50], "val_loss": [0.2, 0.4, 0.3]}
    )
    assert cv_losses(folds) == pytest.approx({"a": 0.25, "b": 0.3})


def test_the_table_shows_figures_errors_and_how_many_there_are() -> None:
    shown = io.StringIO()
    Console(file=shown, width=100).print(leaderboard_table(BOARD, 9))
    lines = shown.getvalue().splitlines()
    assert lines[0] == "Leaderboard: 4 of 9 trials"
    rows = {line.split()[0]: line.split() for line in lines[1:] if line.strip()}
    assert rows["smote-001"][1:5] == ["completed", "27", "0.2000", "0.2100"]
    assert rows["smote-000"][1:5] == ["completed", "9", "0.3000", "–"]
    assert rows["under-000"][3:] == ["–", "–", "ValueError:", "no"]


def test_a_metric_stands_beside_the_loss_and_gives_the_order() -> None:
    trials = [
        trial("smote-000", 0.30, mode="max", best_metric=0.7),
        trial("smote-001", 0.20, mode="max", best_metric=0.5),
        trial("smote-002", 0.10, mode="max", best_metric=None),
    ]
    board = leaderboard_frame(trials, {"smote-000": 0.31}, {"smote-000": 0.65})
    assert names(board) == ["smote-000", "smote-001", "smote-002"]
    assert board["metric"].tolist()[:2] == [0.7, 0.5]
    assert board["cv_metric"].tolist()[0] == 0.65
    assert hyperparameters(board) == ["num_layers", "dropout_rate", "activation"]
    assert names(ordered(board, reverse=True)) == ["smote-001", "smote-000", "smote-002"]
    assert names(ordered(board, "val_loss")) == ["smote-002", "smote-001", "smote-000"]
    kept = matching(board, ["metric>=0.5"])
    assert names(ordered(kept, "metric")) == ["smote-000", "smote-001"]
    low = [replace(t, mode="min") for t in trials]
    assert names(leaderboard_frame(low, {})) == ["smote-001", "smote-000", "smote-002"]
    shown = io.StringIO()
    Console(file=shown, width=110).print(leaderboard_table(board, 3))
    [line] = [line for line in shown.getvalue().splitlines() if "smote-000" in line]
    assert line.split()[3:7] == ["0.3000", "0.3100", "0.7000", "0.6500"]


def test_a_board_of_a_metric_has_its_columns_before_the_first_result() -> None:
    empty = leaderboard_frame([trial("smote-000", None, status="waiting", mode="max")], {})
    assert tuple(empty.columns) == (*FIGURES, *METRIC_FIGURES)


def test_k_fold_metrics_are_over_rows_where_there_are_any() -> None:
    folds = pd.DataFrame(
        {
            "trial": ["a", "a", "b", "b"],
            "rows": [300, 100, 50, 50],
            "metric": [0.2, 0.4, None, 0.9],  # not finite in a fold: no mean of the others
        }
    )
    assert cv_metrics(folds) == pytest.approx({"a": 0.25})
    assert cv_metrics(folds.drop(columns="metric")) == {}
