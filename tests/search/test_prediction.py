"""Scores of a table are the model's, in the table's order, however large the pieces are."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from evensweep.datasets.errors import InputError
from evensweep.datasets.features import read_features
from evensweep.datasets.reading import read_chunks
from evensweep.datasets.schema import Column, ColumnKind, Schema
from evensweep.search import prediction
from evensweep.search.prediction import ranking, score_file

SCHEMA = Schema(
    columns=(Column("n", ColumnKind.NUMERIC), Column("job", ColumnKind.CATEGORICAL)),
    target="bought",
    positive="yes",
    negative="no",
    id_columns=("customer", "branch"),
)


def predict_proba(frame: pd.DataFrame) -> np.ndarray:
    features = read_features(frame, SCHEMA, "the table to score")
    bonus = features["job"].map({"007": 0.05, "x": 0.0}).fillna(-1).to_numpy(np.float64)
    positive = features["n"].to_numpy() / 100 + bonus
    return np.column_stack([1 - positive, positive])


MODEL: Any = SimpleNamespace(schema=SCHEMA, threshold=0.4, predict_proba=predict_proba)
TABLE = pd.DataFrame(
    {
        "customer": ["0009", "8", "7", "6", "5"],
        "n": [10, 50, 30, 50, 40],
        "job": ["007", "x", "x", "007", "007"],
    }
)
EXPECTED = pd.DataFrame(
    {
        "customer": TABLE["customer"],
        "probability": [0.15, 0.5, 0.3, 0.55, 0.45],
        "rank": [5, 2, 4, 1, 3],
        "decile": [9, 3, 7, 1, 5],
        "predicted": ["no", "yes", "no", "yes", "yes"],
    }
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(*arguments: Any, **options: Any) -> Any:
        return read_chunks(*arguments, **options, rows=2)

    monkeypatch.setattr(prediction, "read_chunks", small)


@pytest.mark.parametrize("source", ["csv", "parquet"])
@pytest.mark.parametrize("output", ["csv", "parquet"])
def test_every_row_is_scored_in_order(tmp_path: Path, source: str, output: str) -> None:
    path, scores = tmp_path / f"table.{source}", tmp_path / "new" / f"scores.{output}"
    TABLE.to_csv(path, index=False) if source == "csv" else TABLE.to_parquet(path)
    seen: list[int] = []
    assert score_file(MODEL, path, scores, on_rows=seen.append) == 5
    assert seen == [2, 2, 1]
    if output == "csv":
        found = pd.read_csv(scores, dtype={"customer": "str"})
    else:
        found = pd.read_parquet(scores)
    pd.testing.assert_frame_equal(found, EXPECTED, check_dtype=False)
    assert [p.name for p in scores.parent.iterdir()] == [scores.name]


def test_a_table_without_ids_has_scores_alone(tmp_path: Path) -> None:
    path, scores = tmp_path / "table.csv", tmp_path / "scores.csv"
    TABLE.drop(columns="customer").to_csv(path, index=False)
    score_file(MODEL, path, scores)
    expected = EXPECTED.drop(columns="customer")
    pd.testing.assert_frame_equal(pd.read_csv(scores), expected, check_dtype=False)


IDS = {
    "whole": pa.array([2**53 + 1, None, 3, 4, None], pa.int64()),
    "decimal": pa.array([Decimal("1.2"), Decimal("1.3"), None, Decimal("911.2"), None]),
    "dates": pa.array([None, None, date(2026, 11, 22), None, None], pa.date32()),
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("output", ["csv", "parquet"])
def test_a_parquet_files_ids_keep_their_type(tmp_path: Path, kind: str, output: str) -> None:
    path, scores = tmp_path / "table.parquet", tmp_path / f"scores.{output}"
    content = pa.Table.from_pandas(TABLE).replace_schema_metadata()
    parquet.write_table(content.append_column("branch", IDS[kind]), path)
    score_file(MODEL, path, scores)
    if output == "parquet":
        assert parquet.read_table(scores)["branch"].to_pylist() == IDS[kind].to_pylist()
        return
    written = pd.read_csv(scores, dtype="str", keep_default_na=False)["branch"].tolist()
    assert written == ["" if value is None else str(value) for value in IDS[kind].to_pylist()]


@pytest.mark.parametrize(("contacts", "called"), [(0, []), (1, [3]), (3, [1, 3, 4]), (9, range(5))])
def test_contacts_are_the_likeliest_rows(contacts: int, called: Any) -> None:
    probability = EXPECTED["probability"].to_numpy()
    predicted = ranking(MODEL, probability, contacts)["predicted"]
    assert np.flatnonzero(predicted == "yes").tolist() == list(called)


def test_rows_of_equal_probability_rank_in_their_order() -> None:
    ranks = ranking(MODEL, np.array([0.5, 0.9, 0.5, 0.5]))["rank"]
    assert ranks.tolist() == [2, 1, 3, 4]


def test_a_bad_row_is_told_by_its_number_and_nothing_is_written(tmp_path: Path) -> None:
    path, scores = tmp_path / "table.csv", tmp_path / "scores.csv"
    TABLE.astype({"n": object}).replace({"n": {40: "many"}}).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"column 'n' holds the text 'many' in row 5; mend it"):
        score_file(MODEL, path, scores)
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_an_output_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    TABLE.to_csv(path, index=False)
    with pytest.raises(InputError, match=r"can't be written .*; choose another -o"):
        score_file(MODEL, path, path / "scores.csv")
