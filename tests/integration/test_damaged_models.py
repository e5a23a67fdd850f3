"""An exported model that is damaged, or a table that doesn't fit it, is told in a line."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest
from command_line import call, changed, contents, sentence
from typer.testing import Result

from evensweep import InputError, load_run
from evensweep.datasets.table import load_table
from evensweep.search import run as run_module
from evensweep.search.run import Run, open_model

FEATURES = load_table().features.head(30)


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Path:
    """What predict needs of a finished run."""
    copy = tmp_path / "run"
    shutil.copytree(root / "model", copy / "model")
    shutil.copy(root / "sweep.yaml", copy)
    return copy


def predict(run: Path, table: Path, *arguments: object) -> Result:
    return call("predict", run, table, "-o", run.parent / "scores.csv", *arguments)


def refused(run: Path) -> str:
    """The line that predict says of a damaged model; Python says the same."""
    table = run.parent / "table.csv"
    FEATURES.to_csv(table, index=False)
    before = contents(run.parent)
    message = sentence(predict(run, table))
    assert contents(run.parent) == before
    with pytest.raises(InputError) as raised:
        _ = load_run(str(run)).model
    assert message == f"evensweep: {raised.value}"
    return message


def repacked(path: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    """A zip file with other content."""
    with ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    change(content)
    with ZipFile(path, "w") as archive:
        for name, part in content.items():
            archive.writestr(name, part)


def config(path: Path, old: bytes, new: bytes) -> None:
    def change(content: dict[str, bytes]) -> None:
        name = "config.json" if path.suffix == ".keras" else "schema.json"
        assert old in content[name]
        content[name] = content[name].replace(old, new)

    repacked(path, change)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "folder": folder,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not what it was\n"),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "other zip": lambda path: repacked(path, dict.clear),
    "flipped bit": flipped,
    "arrays": lambda path: np.savez(path.open("wb"), weight_0=np.arange(3)),
}
NETWORK, STEPS = "members/*/fold-00.keras", "preprocessing/fold-00.skops"


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", [NETWORK, STEPS])
def test_file_of_a_model(file: str, damage: str, run: Path) -> None:
    path = next((run / "model").glob(file))
    DAMAGE[damage](path)
    message = refused(run)
    assert f"{path} is {'missing' if damage == 'missing' else 'damaged ('}" in message
    assert f"; delete the folder {run / 'model'} and resume the run, or copy it from" in message


INSIDE = {
    "settings of nothing": (NETWORK, b'"class_name": "Sequential"', b'"class_name": "Seqential"'),
    "another width": (NETWORK, b'"units": 2,', b'"units": 3,'),
    "an unknown class": (STEPS, b"StandardScaler", b"KBinsDiscretizer"),
    "a class that runs commands": (STEPS, b'"__class__": "Pipeline"', b'"__class__": "Popen"'),
    "another protocol": (STEPS, b'"protocol": ', b'"protocol": 9'),
}


@pytest.mark.parametrize(("file", "old", "new"), INSIDE.values(), ids=INSIDE)
def test_content_of_another_kind(file: str, old: bytes, new: bytes, run: Path) -> None:
    path = next((run / "model").glob(file))
    config(path, old, new)
    assert f"{path} is damaged (" in refused(run)


PARTS = {
    "a layer": (b'{"class_name": "Dense", "config": {"units": 3}', "a Dense and no model"),
    "an optimizer": (b'{"class_name": "Adam", "config": {}', "a Adam and no model"),
    "a stranger's layer": (b'{"class_name": "Own", "config": {}', "not Keras' own (theirs.Own)"),
    "a lambda": (b'{"class_name": "Lambda", "config": {}', "is damaged ("),
}


@pytest.mark.parametrize(("content", "words"), PARTS.values(), ids=PARTS)
def test_network_that_is_none(content: bytes, words: str, run: Path) -> None:
    module = {"Dense": "keras.layers", "Adam": "keras.optimizers", "Lambda": "keras.layers"}
    name = json.loads(content + b"}")["class_name"]
    whole = content + f', "module": "{module.get(name, "theirs")}"}}'.encode()
    path = next((run / "model").glob(NETWORK))
    repacked(path, lambda parts: parts.update({"config.json": whole}))
    assert words in refused(run)


def test_network_and_preprocessing_of_other_columns(run: Path) -> None:
    manifest = json.loads((run / "model" / "model.json").read_text())
    columns = manifest["schema"]["columns"]
    changed(run / "model" / "model.json", "schema", "columns", to=columns[1:])
    assert "fold-00.skops is damaged (its columns are not those of model.json)" in refused(run)


MANIFEST = [
    (["format"], 2, "holds a model of format 2, and this version reads format 1"),
    (["format"], ..., "format: is missing"),
    (["threshold"], "high", "threshold"),
    (["threshold"], float("nan"), "model.json is damaged"),
    (["members"], [], "members"),
    (["members", 0, "weight"], 3, "members.0.weight"),
    (["members", 0, "weight"], 0.0123, "the members' weights sum to"),
    (["members", 0, "networks"], [], "has 0 networks for 3 folds"),
    (["members", 0, "networks", 0, "file"], "../../x.keras", "members.0.networks.0.file"),
    (["members", 0, "networks", 0, "file"], "members/x.keras", "x.keras is missing"),
    (["members", 0, "networks", 0, "log_odds_shift"], 1e4, "log_odds_shift"),
    (["preprocessing"], ["preprocessing/fold-00.skops"], "networks for 1 folds"),
    (["preprocessing", 0], 7, "preprocessing.0"),
    (["schema", "columns", 0, "kind"], "date", "schema.columns.0.kind"),
    (["schema", "columns", 0, "kind"], "categorical", "its columns are not those of model.json"),
    (["schema", "positive"], None, "schema.positive"),
    (["schema", "id_columns"], {}, "schema.id_columns"),
    (["table", "delimiter"], "", "table.delimiter"),
    (["table"], None, "table"),
    (["balanced_table"], "no", "balanced_table"),
]


@pytest.mark.parametrize(("keys", "value", "words"), MANIFEST)
def test_value_in_a_manifest(keys: list[str | int], value: Any, words: str, run: Path) -> None:
    changed(run / "model" / "model.json", *keys, to=value)
    assert words in refused(run)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"format": 1}', "[" * 10_000])
def test_manifest_that_is_none(text: str, run: Path) -> None:
    (run / "model" / "model.json").write_text(text)
    assert "model.json is damaged (" in refused(run)


def test_model_that_is_not_there(run: Path) -> None:
    (run / "model" / "model.json").unlink()
    assert "has no exported model yet; resume the run first" in refused(run)
    shutil.rmtree(run / "model")
    assert "has no exported model yet; resume the run first" in refused(run)
    (run / "model").write_text("a file")
    assert "has no exported model yet" in refused(run)


@pytest.fixture(scope="module")
def opened(finished: Run) -> Any:
    return open_model(finished.directory.root)


@pytest.fixture
def scoring(opened: Any, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scores a table with a sound model, which is loaded once."""
    monkeypatch.setattr(run_module, "open_model", lambda folder: opened)
    monkeypatch.chdir(tmp_path)

    def score(table: bytes | str | pd.DataFrame, name: str = "t.csv", *arguments: object) -> Result:
        path = tmp_path / name
        if isinstance(table, pd.DataFrame) and path.suffix == ".parquet":
            table.to_parquet(path)
        else:
            text = table.to_csv(index=False) if isinstance(table, pd.DataFrame) else table
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return call("predict", root, path, *(arguments or ("-o", "scores.csv")))

    return score


CSV = FEATURES.to_csv(index=False)
FIRST, SECOND = FEATURES.columns[:2]


def with_cell(value: object) -> str:
    values = FEATURES[SECOND].astype(object).tolist()
    values[4] = value
    return FEATURES.assign(**{SECOND: values}).to_csv(index=False)


TABLES = {
    "a column less": (FEATURES.drop(columns=FIRST), f"has no column '{FIRST}'"),
    "another name": (CSV.replace(FIRST, FIRST.upper(), 1), f"did you mean '{FIRST.upper()}'?"),
    "text in numbers": (with_cell("n/k"), f"column '{SECOND}' holds the text 'n/k' in row 5"),
    "infinite": (with_cell("inf"), "is infinite (above 3.4e38) in 1 rows (first: row 5)"),
    "beyond all floats": (with_cell("9" * 400), "is infinite"),
    "number without end": (with_cell("9" * 5000), "row 5"),
    "empty": (b"", "t.csv is empty"),
    "header only": (FEATURES[:0], "has a header but no rows"),
    "semicolons": (CSV.replace(",", ";"), "or give evensweep predict --delimiter ';'"),
    "latin-1": ("größe\n1\n".encode("latin-1"), "is not UTF-8 (byte 0xf6"),
    "latin-1 below": (CSV.encode() + b"\xe9\n", "is not UTF-8 (byte 0xe9"),
    "nul": (CSV.encode() + b"\0\n", "holds NUL bytes"),
    "long line": (CSV + "1," * 40 + "\n", "is not a well-formed CSV"),
    "equal names": (CSV.replace(FIRST, SECOND, 1), f"several columns called '{SECOND}'"),
    "parquet under another name": (b"PAR1\xff\xfe", "is not UTF-8"),
}


@pytest.mark.parametrize(("table", "words"), TABLES.values(), ids=TABLES)
def test_table_to_score(table: Any, words: str, scoring: Any, tmp_path: Path) -> None:
    assert words in sentence(scoring(table))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


PARQUET = {
    "lists": (FEATURES.assign(**{FIRST: [[1, 2]] * 30}), "holds lists or other nested values"),
    "mappings": (FEATURES.assign(**{FIRST: [{"a": 1}] * 30}), "holds lists or other nested"),
    "dates": (FEATURES.assign(**{FIRST: pd.Timestamp("2020-01-31")}), "holds datetime64"),
    "durations": (FEATURES.assign(**{FIRST: pd.Timedelta("1h")}), "holds timedelta64"),
    "text": (FEATURES.assign(**{FIRST: "x"}), "holds the text 'x' in row 1 and in 29 more"),
    "bytes": (FEATURES.assign(**{FIRST: b"x"}), "holds the text"),
    "infinite": (FEATURES.assign(**{FIRST: np.inf}), "is infinite"),
    "no rows": (FEATURES[:0], "has a header but no rows"),
    "no columns": (FEATURES[[]], "no rows"),
    "no parquet": (CSV, "can't be read as Parquet"),
    "cut off": (b"PAR1" + bytes(100) + b"PAR1", "can't be read as Parquet"),
}


@pytest.mark.parametrize(("table", "words"), PARQUET.values(), ids=PARQUET)
def test_parquet_to_score(table: Any, words: str, scoring: Any, tmp_path: Path) -> None:
    assert words in sentence(scoring(table, "t.parquet"))
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_columns_of_one_name_in_parquet(scoring: Any, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    twice = pa.table([pa.array([1.0]), pa.array([2.0])], names=[FIRST, FIRST])
    parquet.write_table(twice, tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    assert f"several columns called '{FIRST}'" in sentence(scoring(content, "t.parquet"))


OUTPUTS = {
    "the table itself": (["-o", "t.csv"], "t.csv is the table that is to be scored"),
    "the table by another way": (["-o", "../{}/t.csv"], "is the table that is to be scored"),
    "a folder": (["-o", "."], "is a folder; name a file in it with -o"),
    "below a file": (["-o", "t.csv/scores.csv"], "can't be written ("),
    "too long": (["-o", "n" * 300], "can't be written (File name too long)"),
    "no delimiter": (["-o", "s.csv", "--delimiter", ""], "the delimiter must be one character"),
    "a word": (["-o", "s.csv", "--delimiter", "ab"], "the delimiter must be one character"),
    "no character of CSV": (["-o", "s.csv", "--delimiter", "é"], "one character of ASCII"),
}


@pytest.mark.parametrize(("arguments", "words"), OUTPUTS.values(), ids=OUTPUTS)
def test_output(arguments: list[str], words: str, scoring: Any, tmp_path: Path) -> None:
    given = [argument.format(tmp_path.name) for argument in arguments]
    assert words in sentence(scoring(CSV, "t.csv", *given))
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == CSV


def test_output_that_is_a_link_to_the_table(scoring: Any, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("t.csv")
    assert "is the table" in sentence(scoring(CSV, "t.csv", "-o", "link.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_where_one_may_not_write(scoring: Any, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "Permission denied" in sentence(scoring(CSV, "t.csv", "-o", "closed/scores.csv"))


def test_good_table_is_scored_into_a_folder_that_was_not_there(
    scoring: Any, tmp_path: Path
) -> None:
    """Without this every test above could pass because nothing ever is scored."""
    assert scoring(CSV, "t.csv", "-o", "new/scores.csv").exit_code == 0
    assert len(pd.read_csv(tmp_path / "new" / "scores.csv")) == len(FEATURES)
