"""Input that nobody thought of: each is taken, or is told in a line and leaves nothing.

The suite tries the same few examples every time. EVENSWEEP_EXAMPLES tries as many others of each.
"""

import copy
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from command_line import CSV, Shell, call, contents, sentence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import Result

from evensweep.datasets.demo import demonstration_table
from evensweep.search.config import SweepConfig

EXAMPLES = int(os.environ.get("EVENSWEEP_EXAMPLES", "0"))


def examples(count: int) -> settings:
    """So many examples in the suite, which are the same every time."""
    return settings(
        max_examples=EXAMPLES or count,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


ODD = [
    None, "", " ", "x", "nan", "a.b:c", "../../x", "s3://", "\x00", "é\n", -1, 0, 1, 2, 0.5, 1e300,
    10**20, True, False, [], [[]], {}, {"a": 1}, {"int": [3, 1]}, {"sampler": "os:system"},
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(ODD).map(copy.deepcopy),  # for they are changed in their turn
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=5,
    ),
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a nested value has values; of lists only the first two."""
    yield place
    inner: Sequence[Any] = ()
    if isinstance(value, dict):
        inner = list(value)
    elif isinstance(value, list):
        inner = range(min(len(value), 2))
    for key in inner:
        yield from places(value[key], (*place, key))


def changed_value(data: st.DataObject, value: Any) -> Any:
    """A nested value with something else, or nothing, or more, in one to three places."""
    value = copy.deepcopy(value)
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from([p for p in places(value) if p] or [(0,)]))
        parent = value
        for key in parents:
            parent = parent[key]
        how = data.draw(st.sampled_from(["replace", "delete", "add"]))
        if how == "replace":
            parent[last] = data.draw(VALUES)
        elif how == "delete":
            del parent[last]
        elif isinstance(parent, dict):
            parent[data.draw(st.text(max_size=8))] = data.draw(VALUES)
        else:
            parent.insert(0, data.draw(VALUES))
        if not value:
            break
    return value


def changed_bytes(data: st.DataObject, content: bytes) -> bytes:
    """Bytes of which some were replaced, inserted, cut or said twice."""
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from([0, 1, 2, 10, 100, len(content)]))
        new = data.draw(
            st.sampled_from([b"", b"\x00", b"\xff\xfe", b'"', b",", b"\n", b"\r", b"nan", b"1e999"])
            | st.binary(max_size=20)
            | st.just(content[start : start + length] * 2)
        )
        content = content[:start] + new + content[start + length :]
    return content


def taken_or_told(result: Result) -> bool:
    """Whether a command did its work; if it did not, it said so in a line."""
    if result.exit_code == 0 and result.exception is None:
        return True
    sentence(result)
    return False


def run(shell: Shell, *arguments: object) -> None:
    """What ``evensweep run`` does of wrong input: nothing is begun, and nothing is left."""
    shell.started.clear()
    shutil.rmtree(shell.out, ignore_errors=True)
    if taken_or_told(call("run", *arguments, "--out", shell.out)):
        assert len(shell.started) == 1
    else:
        assert shell.started == []
        assert not shell.out.exists() or list(shell.out.iterdir()) == []


@examples(60)
@given(data=st.data())
def test_sweep_files(shell: Shell, data: st.DataObject) -> None:
    mapping = SweepConfig().to_mapping()
    given_keys = {key: mapping[key] for key in data.draw(st.sets(st.sampled_from([*mapping])))}
    path = shell.folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(changed_value(data, given_keys or mapping)), encoding="utf-8")
    run(shell, path)


@examples(40)
@given(data=st.data())
def test_texts_of_sweep_files(shell: Shell, data: st.DataObject) -> None:
    content = yaml.safe_dump(SweepConfig().to_mapping()).encode()
    path = shell.write(changed_bytes(data, content), "sweep.yaml")
    run(shell, path)


@examples(40)
@given(key=st.text(max_size=20), value=st.text(max_size=20), data=st.data())
def test_settings_of_the_command_line(
    shell: Shell, key: str, value: str, data: st.DataObject
) -> None:
    known = [
        ".".join(p) for p in places(SweepConfig().to_mapping()) if p and set(map(type, p)) == {str}
    ]
    key = data.draw(st.sampled_from(known) | st.just(key))
    run(shell, f"--set={key}={value}")


@examples(60)
@given(data=st.data())
def test_tables(shell: Shell, data: st.DataObject) -> None:
    table = shell.write(changed_bytes(data, CSV.encode()))
    run(shell, "--data", table)
    taken_or_told(call("describe", table))


CELLS = st.sampled_from(
    ["", "nan", "inf", "1", "-1e400", "yes", "no", "text", "2020-01-01", "9" * 400]
)


@examples(40)
@given(
    rows=st.lists(st.lists(CELLS, max_size=4), max_size=30),
    names=st.lists(st.text(max_size=5), max_size=4),
)
def test_tables_of_odd_cells(shell: Shell, rows: list[list[str]], names: list[str]) -> None:
    lines = [",".join(f'"{cell}"' for cell in row) for row in [names, *rows]]
    table = shell.write("\n".join(lines).encode("utf-8", "replace"))
    run(shell, "--data", table)


@pytest.fixture
def copied(root: Path, tmp_path: Path) -> Path:
    """A finished run to damage."""
    copy_of_it = tmp_path / "run"
    shutil.copytree(root, copy_of_it)
    return copy_of_it


READ_BACK = [
    "sweep.yaml", "environment.json", "dataset.json", "ensemble.json", "summary.json",
    "trials.parquet", "history.parquet", "cross_validation.parquet", "tune/records.jsonl",
    "predictions/validation.parquet", "predictions/out_of_fold.parquet",
    "predictions/test.parquet",
]  # fmt: skip
LOOKS = ["leaderboard", "show", "compare", "report"]


@examples(40)
@given(data=st.data())
def test_runs(copied: Path, root: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(READ_BACK))
    path = copied / name
    content = (root / name).read_bytes()
    try:
        path.write_bytes(damaged(data, path, content))
        before = contents(copied)
        look = data.draw(st.sampled_from(LOOKS))
        arguments = {"show": [copied, "undersampled-001"], "compare": [copied, root]}
        if not taken_or_told(call(look, *arguments.get(look, [copied]))):
            assert contents(copied) == before
    finally:
        path.write_bytes(content)


def damaged(data: st.DataObject, path: Path, content: bytes) -> bytes:
    """A file of a run with other content, of the same form or not."""
    if data.draw(st.booleans()):
        return changed_bytes(data, content)
    if path.suffix == ".parquet":
        return changed_table(data, pd.read_parquet(path)).to_parquet()
    if path.suffix == ".jsonl":
        lines = content.splitlines()
        number = data.draw(st.integers(0, len(lines) - 1))
        value = changed_value(data, json.loads(lines[number]))
        return b"\n".join([*lines[:number], json.dumps(value).encode(), *lines[number + 1 :], b""])
    value = yaml.safe_load(content) if path.suffix == ".yaml" else json.loads(content)
    return json.dumps(changed_value(data, value)).encode()


def changed_table(data: st.DataObject, frame: pd.DataFrame) -> pd.DataFrame:
    name = data.draw(st.sampled_from([*frame]))
    how = data.draw(st.sampled_from(["drop", "empty", "text", "number", "gap", "rows", "shuffle"]))
    if how == "drop":
        return frame.drop(columns=name)
    if how == "empty":
        return frame.head(0)
    if how == "rows":
        return frame.head(data.draw(st.integers(1, 5)))
    if how == "shuffle":
        return frame.sample(frac=1, random_state=0)
    values = {
        "text": "x",
        "number": data.draw(st.sampled_from([-1, 0.5, 1e300, 2**60])),
        "gap": None,
    }
    return frame.assign(**{name: values[how]})


@pytest.fixture
def model(root: Path, tmp_path: Path) -> Path:
    copy_of_it = tmp_path / "model"
    shutil.copytree(root / "model", copy_of_it)
    return copy_of_it


@examples(15)
@given(data=st.data())
def test_models(model: Path, root: Path, data: st.DataObject) -> None:
    files = sorted(path for path in model.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from([*files, *[model / "model.json"] * len(files)]))
    content = path.read_bytes()
    table, scores = model.parent / "new.csv", model.parent / "scores.csv"
    demonstration_table().head(5).to_csv(table, index=False)
    try:
        if path.suffix == ".json" and data.draw(st.booleans()):
            path.write_text(json.dumps(changed_value(data, json.loads(content))))
        else:
            path.write_bytes(changed_bytes(data, content))
        predicts(model, table, scores, rows=5)
    finally:
        path.write_bytes(content)


@examples(8)
@given(data=st.data())
def test_tables_to_predict(root: Path, tmp_path: Path, data: st.DataObject) -> None:
    rows = demonstration_table().head(8).to_csv(index=False).encode()
    table, scores = tmp_path / "new.csv", tmp_path / "scores.csv"
    table.write_bytes(changed_bytes(data, rows))
    predicts(root, table, scores)


def predicts(model: Path, table: Path, scores: Path, rows: int | None = None) -> None:
    """Scores are written whole, and are probabilities; or not at all."""
    scores.unlink(missing_ok=True)
    others = set(scores.parent.iterdir())
    if taken_or_told(call("predict", model, table, "-o", scores)):
        written = pd.read_csv(scores)
        assert rows is None or len(written) == rows
        assert written["probability"].between(0, 1).all()
        scores.unlink()
    assert set(scores.parent.iterdir()) == others
