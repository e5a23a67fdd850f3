"""Of a run that is damaged every command says so in a line, and changes nothing in it."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from command_line import call, changed, contents, sentence

from evensweep import InputError, load_run
from evensweep.search.run import Run

READERS = {
    "sweep.yaml": ["leaderboard", "show", "compare", "report"],
    "trials.parquet": ["leaderboard", "show", "report"],
    "history.parquet": ["show", "report"],
    "cross_validation.parquet": ["leaderboard", "show", "report"],
    "ensemble.json": ["show", "report"],
    "summary.json": ["compare", "report"],
    "dataset.json": ["compare", "report"],
    "predictions/test.parquet": ["compare", "report"],
    "environment.json": ["report"],
    "predictions/validation.parquet": ["report"],
    "predictions/out_of_fold.parquet": ["report"],
}
"""The commands that read a file, the fastest first."""


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """A copy of a finished run, without what no command here reads."""
    ignored = shutil.ignore_patterns("tune", "folds", "model", "plots", "run.log")
    return Path(shutil.copytree(root, tmp_path / "run", ignore=ignored))


def ask(command: str, run: Path, whole: Path) -> Any:
    arguments = {"show": [run, "smote-000"], "compare": [whole, run]}
    return call(command, *arguments.get(command, [run]))


def told(command: str, run: Path, whole: Path) -> str:
    """The line that a command says of a damaged run, which it leaves as it is."""
    before = contents(run.parent)
    message = sentence(ask(command, run, whole))
    assert contents(run.parent) == before
    return message


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "half": half,
    "folder": folder,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not what it was\n"),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "nested": lambda path: path.write_text("[" * 100_000),
    "missing": Path.unlink,
    "circle": circle,
}


SLOW = "predictions/out_of_fold.parquet"
"""Read when the other figures are drawn, so that two kinds of damage are enough."""
LATE = {"ensemble.json", "predictions/test.parquet"}
"""Files without which there is a report, of a run that is not that far."""
CASES = [
    (file, damage)
    for file in READERS
    for damage in DAMAGE
    if (file != SLOW or damage in {"half", "missing"})
    and (file not in LATE or damage not in {"missing", "circle"})
]


@pytest.mark.parametrize(("file", "damage"), CASES)
def test_damaged_file(file: str, damage: str, run: Path, root: Path) -> None:
    DAMAGE[damage](run / file)
    message = told("report", run, root)
    assert str(run) in message
    if file == "sweep.yaml":
        words = "it has no sweep.yaml|is not well-formed|is not UTF-8|holds no keys|is damaged"
    elif damage == "missing":
        words = f"{file} is missing; resume the run$"
    else:
        words = rf"{file} is damaged \(.+\); delete it and resume the run$"
    assert re.search(words, message)


def test_a_part_that_is_not_there_yet_is_no_damage(run: Path, root: Path) -> None:
    """A run under way has not all files."""
    for file in ("ensemble.json", "cross_validation.parquet", "trials.parquet", "history.parquet"):
        (run / file).unlink()
        assert ask("show", run, root).exit_code == ask("leaderboard", run, root).exit_code == 0


VALUES = {
    "summary.json": [
        (["seconds"], "long"),
        (["seconds"], ...),
        (["status"], "done"),
        (["test"], None),
        (["test", "threshold"], float("nan")),
        (["views", "smote", "best_val_loss"], "low"),
        (["dataset", "rows"], 1.5),
    ],
    "environment.json": [
        (["stage_seconds", "search"], -1),
        (["stage_seconds"], []),
        (["seed"], True),
        (["cpus"], float("inf")),
        (["versions", "ray"], None),
    ],
    "dataset.json": [
        (["rows"], 0),
        (["positive_rate"], 17),
        (["schema", "columns"], []),
        (["schema", "columns", 0, "kind"], "date"),
        (["schema", "columns", 1, "name"], "book_len_total"),
        (["class_counts", "views", "undersampled", "rows"], 0),
        (["gaps"], {"age": "many"}),
        (["notes"], "none"),
    ],
    "ensemble.json": [
        (["members"], []),
        (["members", 0, "weight"], 7),
        (["members", 0, "weight"], "1"),
        (["members", 0, "trial"], "smote-999"),
        (["members", 0, "view"], "natural"),
        (["thresholds", "ensemble"], 2),
        (["thresholds", "majority"], ...),
        (["path_losses"], []),
        (["path_losses", 0], 10**400),
        (["oof_log_loss"], None),
    ],
}


@pytest.mark.parametrize(
    ("file", "keys", "value"),
    [(file, keys, value) for file, cases in VALUES.items() for keys, value in cases],
)
def test_value_that_cannot_be(
    file: str, keys: list[str | int], value: Any, run: Path, root: Path
) -> None:
    changed(run / file, *keys, to=value)
    message = told(READERS[file][-1], run, root)
    assert re.search(rf"{file} is damaged \(.+\); delete it and resume the run$", message)


@pytest.mark.parametrize("text", ["[]", "null", "{}", "17", '"\\ud800"', "NaN", "{} {}"])
def test_json_of_another_kind(text: str, run: Path, root: Path) -> None:
    for file in VALUES:
        (run / file).write_text(text)
        assert f"{file} is damaged" in told(READERS[file][0], run, root)
        shutil.copy(root / file, run / file)


SWEEPS = {
    "another sweep's views": ({"views": ["natural"]}, "it names the view"),
    "one view less": (
        {"views": ["smote"]},
        "it names the views smote, and trials.parquet has others",
    ),
    "no views": ({"views": []}, "views: "),
    "a word for a seed": ({"seed": "seven"}, "seed: "),
    "no space": ({"space": None}, "space: "),
    "a choice of a number": ({"space": {"activation": {"choice": 3}}}, "space.activation"),
    "costs without costs": ({"decision": {"by": "cost"}}, "what belongs to 'by: cost' is missing"),
    "another protocol": ({"protocol": "guess"}, "protocol: "),
    "a list": ([1, 2], "holds no keys"),
    "nothing": ({}, None),
}


@pytest.mark.parametrize(("edit", "words"), SWEEPS.values(), ids=SWEEPS)
def test_sweep_file_that_was_edited(edit: Any, words: str | None, run: Path, root: Path) -> None:
    path = run / "sweep.yaml"
    sweep = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(sweep | edit if isinstance(edit, dict) else edit))
    if words is None:
        assert ask("leaderboard", run, root).exit_code == 0
        return
    for command in ("leaderboard", "report"):
        assert words in told(command, run, root)


COLUMNS = {
    "trials.parquet": [
        ("view", 5, ""), ("status", "dead", ""), ("stage", ..., ""), ("epochs", -1, ""),
        ("seed", 0.5, ""), ("best_val_loss", "low", ""), ("best_val_loss", None, "no baseline or"),
        ("best_val_accuracy", np.inf, ""), ("config.num_layers", [2, 3], ""),
    ],
    "history.parquet": [
        ("trial", ..., "it has no column 'trial'"), ("epoch", 0.5, "whole numbers"),
        ("loss", "x", "numbers"), ("val_loss", np.inf, "numbers"),
        ("search_seconds", "soon", "numbers"),
    ],
    "cross_validation.parquet": [
        ("trial", None, "text"), ("rows", 0, "whole numbers from 1"), ("fold", -1, "whole"),
        ("val_loss", ..., "it has no column 'val_loss'"), ("val_accuracy", "good", "numbers"),
        ("seconds", pd.Timestamp("2020-01-31"), "numbers"),
    ],
    "predictions/test.parquet": [
        ("target", 1, "0 and 1"), ("target", ..., "it has no column 'target'"),
        ("ensemble", 7.0, "0 to 1"), ("ensemble", None, "0 to 1"), ("majority", "x", "0 to 1"),
        ("row", -1, "whole numbers"),
    ],
    "predictions/validation.parquet": [
        ("target", 0.5, "0 and 1"), ("average.smote", -0.1, "0 to 1"), ("row", "x", "whole"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "column", "value", "words"),
    [(file, *case) for file, cases in COLUMNS.items() for case in cases],
)
def test_column_that_cannot_be(
    file: str, column: str, value: Any, words: str, run: Path, root: Path
) -> None:
    frame = pd.read_parquet(run / file)
    if value is ...:
        frame = frame.drop(columns=column)
    else:
        frame[column] = pd.Series([value] * len(frame), dtype=object).infer_objects()
    frame.to_parquet(run / file)
    message = told(READERS[file][0], run, root)
    assert re.search(rf"{file} is damaged \(.*{words}.*\); delete it and resume", message)


@pytest.mark.parametrize("file", COLUMNS)
def test_table_without_rows_or_columns(file: str, run: Path, root: Path) -> None:
    frame = pd.read_parquet(run / file)
    for emptied in (frame[:0], frame[[]]):
        emptied.to_parquet(run / file)
        assert f"{file} is damaged (" in told(READERS[file][0], run, root)


def test_column_of_a_member_is_missing(run: Path, root: Path) -> None:
    path = run / "predictions" / "out_of_fold.parquet"
    members = [
        member["trial"] for member in json.loads((run / "ensemble.json").read_text())["members"]
    ]
    if len(members) < 2:
        pytest.skip("the ensemble has one member, which is compared with none")
    pd.read_parquet(path).drop(columns=members[0]).to_parquet(path)
    assert f"(it has no column '{members[0]}')" in told("report", run, root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_may_not_be_read(run: Path, root: Path) -> None:
    (run / "trials.parquet").chmod(0)
    assert "can't be read (Permission denied); check its rights" in told("leaderboard", run, root)


def test_report_that_cannot_be_written(run: Path, root: Path) -> None:
    (run / "report.html").unlink()
    (run / "report.html").mkdir()
    result = ask("report", run, root)
    assert "report.html: Is a directory; check its rights, and what is there" in sentence(result)
    assert not [path.name for path in run.iterdir() if path.name.endswith(".tmp")]


def test_run_behind_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for command in ("leaderboard", "report", "resume", "compare"):
        assert "is no run directory" in sentence(call(command, tmp_path / "loop"))


def test_from_python_it_is_an_input_error(run: Path) -> None:
    opened: Run = load_run(str(run))
    for file, read in {
        "summary.json": lambda: opened.summary,
        "trials.parquet": lambda: opened.trials,
        "cross_validation.parquet": opened.leaderboard,
        "sweep.yaml": lambda: opened.config,
    }.items():
        folder(run / file)
        with pytest.raises(InputError, match=file):
            read()
