"""The terminal tables show the summary's figures, and the answer says what they mean."""

import copy
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from evensweep.results.tables import (
    answer,
    closing,
    config_text,
    members_table,
    protocol_warning,
    ranking_note,
    scores_table,
    views_table,
)

CONFIG = {"num_layers": 3, "hidden_layer_size": 64, "activation": "relu", "learning_rate": 0.002}


def figures(roc_auc: float) -> dict[str, Any]:
    return {
        "rows": 1400,
        "roc_auc": roc_auc,
        "pr_auc": 0.7,
        "log_loss": 0.25,
        "accuracy": 0.9,
        "balanced_accuracy": 0.8,
        "f1": 0.6,
        "confusion_matrix": [[1100, 100], [50, 150]],
    }


SUMMARY: dict[str, Any] = {
    "protocol": "holdout",
    "views": {
        "smote": {"train_rows": 18_900, "best_trial": "smote-007", "best_config": CONFIG},
        "undersampled": {
            "train_rows": 3578,
            "best_trial": "undersampled-001",
            "best_config": CONFIG,
        },
    },
    "stages": [
        {"view": "smote", "stage": "baseline", "val_loss": 0.3111, "val_accuracy": 0.871},
        {"view": "smote", "stage": "search", "val_loss": 0.2222, "val_accuracy": 0.912},
        {"view": "undersampled", "stage": "search", "val_loss": 0.2333, "val_accuracy": 0.905},
    ],
    "ensemble": {
        "members": [
            {"trial": "smote-001", "view": "smote", "weight": 0.25},
            {"trial": "undersampled-004", "view": "undersampled", "weight": 0.75},
        ],
        "oof_log_loss": 0.2345,
        "oof_roc_auc": 0.9123,
    },
    "test": {
        **figures(0.91),
        "ci95": {
            name: [0.88, 0.94]
            for name in ("roc_auc", "pr_auc", "log_loss", "accuracy", "balanced_accuracy", "f1")
        },
    },
    "decision": {"by": "f1", "words": "with the best F1", "cost": None},
    "gains": [{"part": 1, "rows": 140, "positives": 82, "found": 0.41, "lift": 4.1}],
    "references": {
        "majority": {**figures(0.5), "log_loss": 0.44},
        "logistic_regression": {**figures(0.85), "log_loss": 0.3},
        "gradient_boosting": {**figures(0.9), "log_loss": 0.2},
    },
}


def lines(renderable: RenderableType, width: int = 140) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def line_of(table: list[str], start: str) -> str:
    return next(line for line in table if line.strip().startswith(start))


def test_views_stand_side_by_side_and_a_missing_stage_is_a_dash() -> None:
    table = lines(views_table(SUMMARY))
    assert line_of(table, "baseline").split() == ["baseline", "0.3111", "87.1%", "–"]
    assert line_of(table, "best trial").split()[2:] == ["0.2222", "91.2%", "0.2333", "90.5%"]
    assert line_of(table, "training rows").split()[2:] == ["18,900", "3,578"]


def test_members_come_heaviest_first() -> None:
    table = lines(members_table(SUMMARY))
    members = [line.split() for line in table if "%" in line]
    assert [(row[0], row[-1]) for row in members] == [
        ("undersampled-004", "75%"),
        ("smote-001", "25%"),
    ]
    assert "0.2345" in table[0]
    assert "0.9123" in table[0]


def test_best_figure_of_each_column_is_bold() -> None:
    console = Console(file=io.StringIO(), width=140, force_terminal=True, color_system="standard")
    console.print(scores_table(SUMMARY))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    bold = re.findall(r"\x1b\[1m *([\d.]+)\x1b", text)
    assert "0.9100" in bold  # the highest ROC-AUC
    assert "0.2000" in bold  # the lowest log loss
    for other in ("0.5000", "0.8500", "0.4400", "0.2500"):
        assert other in text
        assert other not in bold


def test_answer_counts_calls_and_finds_by_hand() -> None:
    text = answer(SUMMARY)
    assert "Of 1,400 test rows the ensemble calls 250 positive, and 150 of them are (60%" in text
    assert "finds 150 of the 200 positives (75%)" in text
    assert "in 91.0% of pairs" in text
    assert "highest holds 41% of the positives, 4.1 times as many" in text
    assert "cost" not in text


def test_answer_tells_what_mistakes_cost_where_they_have_a_price() -> None:
    summary = {**SUMMARY, "decision": {**SUMMARY["decision"], "by": "cost", "cost": 1500.5}}
    assert "Its mistakes cost 1,500.5." in answer(summary)


@pytest.mark.parametrize(
    ("boosting", "verdict"),
    [(0.80, "better than"), (0.88, "level with"), (0.92, "level with"), (0.97, "behind")],
)
def test_verdict_on_the_strongest_reference_follows_the_interval(
    boosting: float, verdict: str
) -> None:
    summary = copy.deepcopy(SUMMARY)
    for reference in summary["references"].values():
        reference["roc_auc"] = 0.5
    summary["references"]["gradient_boosting"]["roc_auc"] = boosting
    assert f"{verdict} gradient boosting ({boosting:.1%}), the strongest" in answer(summary)


def test_answer_of_a_model_that_calls_nobody() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["test"]["confusion_matrix"] = [[1200, 0], [200, 0]]
    assert "calls 0 positive, and 0 of them are (0%" in answer(summary)


def test_closing_says_how_to_go_on(tmp_path: Path) -> None:
    text = "\n".join(lines(closing(SUMMARY, Path("runs/r"))))
    assert "evensweep predict runs/r TABLE -o scores.csv" in text
    assert "runs/r/report.html" in text
    assert answer(SUMMARY)[:40] in text


def test_closing_of_a_run_without_test_rows_tells_so() -> None:
    summary = {key: SUMMARY[key] for key in ("protocol", "views", "stages", "ensemble")}
    text = "\n".join(lines(closing(summary, Path("runs/r"))))
    assert "0.2345" in text
    assert "No rows were kept for a test (split.test is 0)" in text
    assert "evensweep predict runs/r TABLE" in text


def test_configuration_in_words_leaves_out_what_is_zero() -> None:
    assert config_text(CONFIG) == "3×64 relu, lr 0.002"
    full = {**CONFIG, "dropout_rate": 0.1, "l2_strength": 0.0003}
    assert config_text(full) == "3×64 relu, lr 0.002, dropout 0.1, l2 0.0003"
    assert config_text({**CONFIG, "dropout_rate": 0.0}) == "3×64 relu, lr 0.002"
    embedded = {**CONFIG, "embedding": "periodic", "embedding_scale": 0.2146}
    assert config_text(embedded) == "3×64 relu, lr 0.002, periodic 0.21"
    assert config_text({**embedded, "embedding": "none"}) == "3×64 relu, lr 0.002"
    shared = {**embedded, "members": 16.0}
    assert config_text(shared) == "3×64 relu, lr 0.002, periodic 0.21, 16 members"
    assert config_text({**CONFIG, "members": 1}) == "3×64 relu, lr 0.002"
    of_a_user = {"units": 64, "rate": 0.12345, "kind": "wide"}
    assert config_text(of_a_user) == "units 64, rate 0.123, kind wide"


def words(renderable: RenderableType) -> str:
    return " ".join(" ".join(lines(renderable)).split())


def test_an_honest_protocol_needs_no_warning() -> None:
    assert protocol_warning(SUMMARY) is None
    assert ranking_note(SUMMARY) is None
    assert "that nothing was fitted on, read once" in words(scores_table(SUMMARY))


def test_a_table_balanced_first_is_told_with_the_honest_figures() -> None:
    summary = copy.deepcopy(SUMMARY)
    summary["protocol"] = "balanced_first"
    intervals = {"accuracy": [0.86, 0.88], "log_loss": [0.31, 0.35], "roc_auc": [0.7, 0.8]}
    honest = {"rows": 1409, "majority_accuracy": 0.841, "ci95": intervals}
    summary["holdout"] = {**figures(0.7654), "accuracy": 0.87, "log_loss": 0.3333, **honest}
    ranked = [{"view": "smote", "oof_log_loss": 0.25}, {"view": "natural", "oof_log_loss": 0.2701}]
    summary["ensemble"]["ranking"] = ranked
    shown = words(closing(summary, Path("runs/a")))
    assert "no promise for a new table" in shown
    assert (
        "on 1,409 rows in natural shares the same configurations (chosen with all rows in sight)"
        in shown
    )
    assert "an accuracy of 87.0% (95%: 86.0%–88.0%; always saying the commoner class: 84.1%)" in (
        shown
    )
    assert "a log loss of 0.3333 (0.310–0.350) and a ROC-AUC of 0.7654 (0.700–0.800)" in shown
    assert "rows of its own, by which it was ranked" in shown
    assert "smote 0.2500, natural 0.2701" in shown
    assert "rows of the balanced table" in words(scores_table(summary))


def test_rows_that_came_split_are_told() -> None:
    warning = protocol_warning({**SUMMARY, "protocol": "presplit"})
    assert warning is not None
    assert warning.startswith("The rows were split and balanced before this run saw them.")


def by_metric() -> dict[str, Any]:
    summary = copy.deepcopy(SUMMARY)
    summary["search"] = {"metric": "my_metric:profit", "mode": "max"}
    for figures_of in summary["views"].values():
        figures_of |= {"best_metric": 10.25, "cv_metric": None}
    summary["ensemble"]["oof_metric"] = 0.0321
    summary["test"]["metric"], summary["test"]["ci95"]["metric"] = 20.5, [-0.5, 20.75]
    for number, figures_of in enumerate(summary["references"].values()):
        figures_of |= {"metric": float(number), "metric_ci95": [0.0, 1.0]}
    summary["references"]["majority"]["metric"] = None
    return summary


def test_a_users_metric_stands_in_every_table() -> None:
    views = words(views_table(by_metric()))
    assert "best trial: profit" in views
    assert "10.2500" in views
    assert "Ensemble: profit 0.0321, log loss 0.2345" in words(members_table(by_metric()))
    scores = words(scores_table(by_metric()))
    assert "profit" in scores
    assert "20.5000" in scores
    assert "-.50–20.75" in scores
    assert "profit" not in words(scores_table(SUMMARY))


def test_populations_that_were_ranked_by_a_metric_say_so() -> None:
    summary = by_metric()
    summary["ensemble"]["ranking"] = [
        {"view": view, "oof_log_loss": 0.3, "oof_roc_auc": 0.8, "oof_metric": value}
        for view, value in (("smote", 1.5), ("undersampled", None))
    ]
    note = str(ranking_note(summary))
    assert "ranked (profit out of fold: smote 1.5000, undersampled –)" in note
