"""A raw frame becomes features, a target and a schema, or a sentence that says what to mend."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.schema import Schema
from evensweep.datasets.table import Table, load_table, make_table, read_features

FRAME = pd.DataFrame(
    {
        "customer_id": [11, 12, 13, 14, 15, 16],
        "age": [20, 30, 40, 50, 60, 70],
        "spent": [1.5, None, 0.0, -2.5, 1e6, 3.0],
        "member": ["true", "False", " TRUE ", None, "false", "true"],
        "bought": [0, 0, 1, 0, 0, 1],
    }
)


def kinds(table: Table) -> dict[str, str]:
    return {column.name: str(column.kind) for column in table.schema.columns}


def with_column(values: list[object], **options: object) -> Table:
    frame = pd.DataFrame({"x": values, "age": range(len(values)), "y": [0, 1] * (len(values) // 2)})
    return make_table(frame, **options)  # type: ignore[arg-type]


class TestKinds:
    def test_numbers_booleans_and_gaps_become_floats(self) -> None:
        table = make_table(FRAME)
        assert kinds(table) == {"age": "numeric", "spent": "numeric", "member": "boolean"}
        assert set(map(str, table.features.dtypes)) == {"float64"}
        np.testing.assert_array_equal(table.features["spent"], [1.5, np.nan, 0, -2.5, 1e6, 3])
        np.testing.assert_array_equal(table.features["member"], [1, 0, 1, np.nan, 0, 1])

    @pytest.mark.parametrize(
        ("values", "kind", "numbers"),
        [
            ([True, False, True, True], "boolean", [1, 0, 1, 1]),
            (["TRUE", "false", None, "true"], "boolean", [1, 0, np.nan, 1]),
            ([True, None, False, True], "boolean", [1, np.nan, 0, 1]),
            (pd.array([True, None, False, True], "boolean"), "boolean", [1, np.nan, 0, 1]),
            (pd.array([1, None, 3, 4], "Int64"), "numeric", [1, np.nan, 3, 4]),
            ([1, 0, 1, 1], "numeric", [1, 0, 1, 1]),
            (["1", "2.5", None, " 3 "], "numeric", [1, 2.5, np.nan, 3]),
            ([10**25, 1, 2, 3], "numeric", [1e25, 1, 2, 3]),
            (np.array([1, 2, 3, 4], np.float32), "numeric", [1, 2, 3, 4]),
        ],
    )
    def test_column_is_read_by_its_values(self, values, kind: str, numbers: list[float]) -> None:
        table = with_column(values)
        assert kinds(table)["x"] == kind
        np.testing.assert_array_equal(table.features["x"], numbers)

    def test_texts_are_categories(self) -> None:
        table = with_column(["red", "blue", "red", None])
        assert kinds(table)["x"] == "categorical"
        assert table.features["x"].fillna("-").tolist() == ["red", "blue", "red", "-"]

    def test_the_fingerprint_knows_every_category(self) -> None:
        tables = [with_column(["red", "blue", "red", gap]) for gap in (None, "blue", "red")]
        assert len({table.fingerprint for table in tables}) == 3
        assert with_column(["red", "blue", "red", None]).fingerprint == tables[0].fingerprint

    def test_yes_and_no_are_booleans(self) -> None:
        table = with_column(["yes", "No", None, "yes"])
        assert kinds(table)["x"] == "boolean"
        np.testing.assert_array_equal(table.features["x"], [1, 0, np.nan, 1])

    def test_texts_that_are_almost_all_different_are_no_categories(self) -> None:
        frame = pd.DataFrame({"x": [f"text {i}" for i in range(60)], "y": [0, 1] * 30})
        with pytest.raises(InputError, match="column 'x' holds 60 different texts in 60 rows"):
            make_table(frame)

    @pytest.mark.parametrize("value", [pd.Timestamp("2020-01-01"), pd.Timedelta(3, "s")])
    def test_dates_are_no_numbers(self, value: object) -> None:
        with pytest.raises(InputError, match="column 'x' holds dates or durations"):
            with_column([value, value, None, value])

    @pytest.mark.parametrize("value", [[1, 2], {"a": 1}])
    def test_nested_values_are_refused_unless_left_out(self, value: object) -> None:
        with pytest.raises(InputError, match="column 'x' holds lists or other nested values"):
            with_column([value] * 4)
        assert kinds(with_column([value] * 4, drop=["x"])) == {"age": "numeric"}

    def test_text_among_numbers_is_named_with_its_row(self) -> None:
        with pytest.raises(
            InputError,
            match=r"numeric column 'x' holds the text 'n/k' in row 3 and in 1 more; mend it",
        ):
            with_column([1, 2, "n/k", 4, 5, "?"])

    @pytest.mark.parametrize("value", [np.inf, -np.inf, "inf", 1e39, -1e300])
    def test_value_that_float32_cannot_hold_is_named_with_its_row(self, value: object) -> None:
        with pytest.raises(InputError, match=r"column 'x' is infinite .* \(first: row 2\)"):
            with_column([1, value, 3, 4])

    def test_empty_column_is_refused_unless_left_out(self) -> None:
        with pytest.raises(InputError, match="column 'x' is empty in every row"):
            with_column([None] * 4)
        assert kinds(with_column([None] * 4, drop=["x"])) == {"age": "numeric"}


class TestColumns:
    @pytest.mark.parametrize("target", ["bought", 4, -1, "4", "-1"])
    def test_target_by_name_or_position(self, target: str | int) -> None:
        table = make_table(FRAME, target=target)
        assert table.schema.target == "bought"
        assert table.target.tolist() == [0, 0, 1, 0, 0, 1]
        assert table.target.dtype == np.int64

    @pytest.mark.parametrize("column", [0, "0"])
    def test_name_beats_position(self, column: str | int) -> None:
        frame = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6], "0": [0, 1, 1]})
        assert make_table(frame, target=column).schema.target == "0"
        assert make_table(frame, target=2).schema.target == "0"

    def test_columns_whose_names_are_numbers(self) -> None:
        table = make_table(pd.DataFrame({0: [1, 2], 1: [0, 1]}), target=1)
        assert table.schema.target == "1"
        assert table.schema.feature_names == ["0"]

    @pytest.mark.parametrize(
        ("target", "sentence"),
        [
            ("baught", "no column 'baught' (data.target); did you mean 'bought'?"),
            ("zzz", "its columns are customer_id, age, spent, member, bought"),
            (5, "no column at position 5 (data.target); positions go from 0 to 4"),
            (-6, "no column at position -6"),
        ],
    )
    def test_unknown_target_is_named(self, target: str | int, sentence: str) -> None:
        with pytest.raises(InputError) as error:
            make_table(FRAME, target=target)
        assert sentence in str(error.value)

    def test_last_column_with_two_values_is_the_inferred_target(self) -> None:
        table = make_table(FRAME)
        assert table.schema.target == "bought"
        assert "target: 'bought', the last column, which has two values" in table.notes
        with pytest.raises(InputError, match="'age' has 6 different values, not two"):
            make_table(FRAME[["bought", "age"]])

    def test_ids_are_inferred_from_name_and_uniqueness(self) -> None:
        frame = pd.DataFrame(
            {
                "ID": [1, 2, 3, 4],
                "user_id": [4, 3, 2, 1],
                "group_id": [1, 1, 2, 2],
                "paid": [5, 6, 7, 8],
                "y": [0, 1, 0, 1],
            }
        )
        table = make_table(frame)
        assert table.schema.id_columns == ("ID", "user_id")
        assert table.schema.feature_names == ["group_id", "paid"]
        assert sum("id column" in note for note in table.notes) == 2

    def test_given_ids_replace_the_inferred_ones(self) -> None:
        assert make_table(FRAME, id_columns=["age"]).schema.id_columns == ("age",)
        none = make_table(FRAME, id_columns=[])
        assert none.schema.id_columns == ()
        assert "customer_id" in none.schema.feature_names
        assert make_table(FRAME, id_columns=[0]).schema.id_columns == ("customer_id",)

    def test_dropped_columns_are_no_features(self) -> None:
        table = make_table(FRAME, drop=["age", 2])
        assert table.schema.feature_names == ["member"]
        assert table.schema.dropped == ("age", "spent")

    @pytest.mark.parametrize("option", ["drop", "id_columns"])
    def test_dropping_the_target_or_everything_is_refused(self, option: str) -> None:
        with pytest.raises(InputError, match="'bought' is also dropped"):
            make_table(FRAME, target="bought", **{option: ["bought"]})
        with pytest.raises(InputError, match="no feature column left"):
            make_table(FRAME, **{option: ["customer_id", "age", "spent", "member"]})

    def test_columns_of_equal_names_are_refused(self) -> None:
        for names in (["a", "a", "y"], [1, "1", "y"]):
            frame = pd.DataFrame([[1, 2, 0], [3, 4, 1]], columns=names)
            with pytest.raises(InputError, match=f"several columns called '{names[0]}'"):
                make_table(frame)


class TestTarget:
    @pytest.mark.parametrize(
        ("values", "label"),
        [
            ([0, 1, 1, 1], "1"),
            (["no", "yes", "yes", "yes"], "yes"),
            ([True, True, True, False], "True"),
            (["stay", "leave", "stay", "stay"], "leave"),
            ([2, 2, 7, 2], "7"),
        ],
    )
    def test_positive_label_is_inferred(self, values: list[object], label: str) -> None:
        table = make_table(pd.DataFrame({"x": range(4), "y": values}))
        assert table.schema.positive == label
        assert table.target.tolist() == [int(str(value) == label) for value in values]
        assert f"positive label: '{label}'" in table.notes

    @pytest.mark.parametrize("positive", ["1", 1, 1.0])
    @pytest.mark.parametrize("values", [[1, 0, 0, 1], [1.0, 0.0, 0.0, 1.0], ["1", "0", "0", "1"]])
    def test_given_positive_label_matches_text_integer_and_float(self, positive, values) -> None:
        table = make_table(pd.DataFrame({"x": range(4), "y": values}), positive=positive)
        assert table.target.tolist() == [1, 0, 0, 1]
        assert (table.schema.positive, table.schema.negative) == ("1", "0")

    def test_given_label_may_be_the_commoner_one(self) -> None:
        frame = pd.DataFrame({"x": range(4), "y": [1, 0, 0, 0]})
        table = make_table(frame, positive=0)
        assert table.target.tolist() == [0, 1, 1, 1]
        assert table.positive_rate == 0.75

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ([0, 1, 2, 1], "has 3 classes ('1', '0', '2') and needs exactly two"),
            ([1, 1, 1, 1], "has 1 class ('1') and needs exactly two"),
            ([0, 1, None, None], "is empty in 2 rows (first: row 3)"),
            (list("abcdefg"), "has 7 classes ('a', 'b', 'c', 'd', 'e', …)"),
        ],
    )
    def test_target_without_two_classes_is_refused(self, values, sentence: str) -> None:
        frame = pd.DataFrame({"x": range(len(values)), "y": values})
        with pytest.raises(InputError) as error:
            make_table(frame, target="y")
        assert sentence in str(error.value)

    def test_unknown_positive_label_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"no label '2' .*; its labels are '0' and '1'"):
            make_table(FRAME, positive=2)


class TestFingerprint:
    def test_is_stable(self) -> None:
        frame = pd.DataFrame({"x": [1.0, 2.0, None], "y": [0, 1, 0]})
        first = make_table(frame).fingerprint
        assert first == make_table(frame.copy()).fingerprint
        # A change here makes every run on disk refuse to resume.
        values = struct.pack("=3d", 1.0, 2.0, np.nan)
        written = b"x\0numeric\0" + values + b"y\x001\0" + bytes([0, 1, 0])
        assert first == hashlib.sha256(written).hexdigest()

    def test_does_not_depend_on_names_of_files_ids_or_notes(self) -> None:
        one = make_table(FRAME, name="a", source="b", target="bought", positive=1)
        other = make_table(FRAME.drop(columns="customer_id"))
        assert one.fingerprint == other.fingerprint

    @pytest.mark.parametrize(
        "change",
        [
            lambda f: f.iloc[::-1],
            lambda f: f.assign(age=[20, 30, 40, 50, 60, 71]),
            lambda f: f.assign(spent=f["spent"].fillna(0)),
            lambda f: f.assign(bought=[1, 0, 1, 0, 0, 1]),
            lambda f: f.rename(columns={"age": "years"}),
            lambda f: f[["customer_id", "spent", "age", "member", "bought"]],
            lambda f: f.iloc[:5],
            lambda f: f.drop(columns="age"),
            lambda f: f.rename(columns={"bought": "again"}),
        ],
    )
    def test_sees_every_change(self, change) -> None:
        assert make_table(FRAME).fingerprint != make_table(change(FRAME)).fingerprint

    def test_sees_which_label_is_positive(self) -> None:
        prints = {make_table(FRAME, positive=label).fingerprint for label in (0, 1)}
        assert len(prints) == 2

    def test_ignores_the_sign_of_zero_and_the_payload_of_nan(self) -> None:
        [odd_nan] = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_0123))
        assert np.isnan(odd_nan)
        y = [0, 1, 0]
        plain = pd.DataFrame({"x": np.array([0.0, np.nan, 1.0]), "y": y})
        odd = pd.DataFrame({"x": np.array([-0.0, odd_nan, 1.0]), "y": y})
        assert plain["x"].to_numpy().tobytes() != odd["x"].to_numpy().tobytes()
        assert make_table(plain).fingerprint == make_table(odd).fingerprint

    def test_is_the_same_from_csv_and_parquet(self, tmp_path: Path) -> None:
        FRAME.to_csv(tmp_path / "t.csv", index=False)
        FRAME.to_parquet(tmp_path / "t.parquet")
        prints = {load_table(tmp_path / name).fingerprint for name in ("t.csv", "t.parquet")}
        assert prints == {make_table(FRAME).fingerprint}


def test_load_table_without_a_path_is_the_demonstration_data() -> None:
    table = load_table()
    assert (table.name, table.source) == ("demonstration", "demonstration")
    assert table.schema.id_columns == ("customer_id",)
    assert table.schema.target == "purchased_again"
    assert len(table.features.columns) == 10
    assert table.positive_rate == pytest.approx(0.16, abs=0.01)


def test_headerless_file_works_with_positions(tmp_path: Path) -> None:
    path = tmp_path / "raw.csv"
    path.write_text("7,1.5,0\n8,2.5,1\n9,,0\n")
    table = load_table(path, target=2, drop=[0])
    assert table.schema.target == "column_2"
    assert table.schema.dropped == ("column_0",)
    np.testing.assert_array_equal(table.features["column_1"], [1.5, 2.5, np.nan])
    assert load_table(path, target=-1).schema.target == "column_2"


def test_duplicate_rows_are_those_whose_features_came_before() -> None:
    frame = pd.DataFrame({"a": [1, 1, 2, 1], "b": [None, None, 3, 4], "y": [0, 1, 0, 1]})
    assert make_table(frame).duplicate_rows == 1


def test_schema_survives_json() -> None:
    schema = make_table(FRAME, drop=["age"]).schema
    back = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert back == schema


class TestReadFeatures:
    """The same reading at prediction, when the table may look different."""

    schema = make_table(FRAME).schema

    def test_order_of_columns_and_extra_ones_do_not_matter(self) -> None:
        shuffled = FRAME[["bought", "member", "spent", "age"]].assign(extra="text")
        read = read_features(shuffled, self.schema, "new.csv")
        pd.testing.assert_frame_equal(read, make_table(FRAME).features)

    def test_columns_may_be_empty_or_have_another_type(self) -> None:
        frame = pd.DataFrame({"age": [None, None], "spent": ["3", None], "member": [1.0, 0.0]})
        read = read_features(frame, self.schema, "new.csv")
        np.testing.assert_array_equal(read["age"], [np.nan, np.nan])
        np.testing.assert_array_equal(read["spent"], [3, np.nan])
        np.testing.assert_array_equal(read["member"], [1, 0])

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"age": None}, "new.csv has no column 'age'"),
            ({"age": "old"}, "the numeric column 'age' holds the text 'old' in row 1"),
            ({"member": "maybe"}, "the boolean column 'member' holds the text 'maybe' in row 1"),
            ({"spent": np.inf}, "column 'spent' is infinite"),
        ],
    )
    def test_unfit_columns_are_named(self, change: dict[str, object], sentence: str) -> None:
        [(name, value)] = change.items()
        frame = FRAME.drop(columns=name) if value is None else FRAME.assign(**change)
        with pytest.raises(InputError) as error:
            read_features(frame, self.schema, "new.csv")
        assert sentence in str(error.value)
