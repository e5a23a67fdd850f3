"""Rows that were split elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensweep.datasets.arrays import ARRAYS, read_arrays, write_arrays
from evensweep.datasets.errors import InputError

Arrays = dict[str, Any]


def arrays(train: int = 40, seed: int = 0, judged_seed: int = 1) -> Arrays:
    """Six arrays of three columns; all but training rows depend on ``judged_seed`` alone."""
    made: Arrays = {}
    for part, rows, part_seed in (
        ("train", train, seed), ("val", 20, judged_seed), ("test", 30, judged_seed + 1),
    ):  # fmt: skip
        rng = np.random.default_rng(part_seed)
        made[f"X_{part}"] = rng.normal(size=(rows, 3))
        made[f"y_{part}"] = np.arange(rows) % (2 if part == "train" else 5) == 0
    return made


def save(path: Path, content: Arrays) -> Path:
    np.savez(path, **content)
    return path


def test_views_with_equal_validation_and_test_rows_share_them(tmp_path: Path) -> None:
    one, other = arrays(40, seed=3), arrays(60, seed=4)
    table = read_arrays({"a": save(tmp_path / "a.npz", one), "b": save(tmp_path / "b.npz", other)})
    assert table.given is not None
    a, b = table.given["a"], table.given["b"]
    assert len(table.target) == 40 + 20 + 30 + 60
    np.testing.assert_array_equal(a.validation, b.validation)
    np.testing.assert_array_equal(a.test, b.test)
    for split, content in ((a, one), (b, other)):
        for part, rows in (("train", split.train), ("val", split.validation), ("test", split.test)):
            np.testing.assert_array_equal(table.features.iloc[rows], content[f"X_{part}"])
            np.testing.assert_array_equal(table.target[rows], content[f"y_{part}"])
    assert table.positive_rate == 0.2
    assert table.schema.feature_names == ["column_0", "column_1", "column_2"]


def test_views_with_other_validation_rows_have_their_own(tmp_path: Path) -> None:
    files = {
        name: save(tmp_path / f"{name}.npz", arrays(judged_seed=seed))
        for name, seed in (("a", 1), ("b", 5))
    }
    table = read_arrays(files)
    assert table.given is not None
    assert not set(table.given["a"].validation) & set(table.given["b"].validation)
    assert len(table.target) == 2 * (40 + 20 + 30)


def test_names_and_rows_survive_writing(tmp_path: Path) -> None:
    written = arrays()
    write_arrays(tmp_path / "a.npz", ["x", "y=1", "z"], written)
    table = read_arrays({"a": tmp_path / "a.npz"})
    assert list(table.features) == ["x", "y=1", "z"]
    assert table.name == "a"
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        assert {*ARRAYS, "columns"} == set(file.files)


def test_a_table_knows_its_split_by_its_fingerprint(tmp_path: Path) -> None:
    content = arrays()
    moved = {**content}
    for name in "Xy":  # the same rows in the same order, with one fewer for training
        moved[f"{name}_train"] = content[f"{name}_train"][:-1]
        last = content[f"{name}_train"][-1:]
        moved[f"{name}_val"] = np.concatenate([last, content[f"{name}_val"]])
    one = read_arrays({"a": save(tmp_path / "a.npz", content)})
    other = read_arrays({"a": save(tmp_path / "b.npz", moved)})
    np.testing.assert_array_equal(one.features, other.features)
    assert one.fingerprint != other.fingerprint


def test_copies_of_training_rows_are_counted(tmp_path: Path) -> None:
    content = arrays()
    assert read_arrays({"a": save(tmp_path / "a.npz", content)}).duplicate_rows == 0
    content["X_test"][:4] = content["X_train"][:4]
    table = read_arrays({"a": save(tmp_path / "b.npz", content)})
    assert (table.duplicate_rows, table.natural_rows) == (4, 50)
    content["X_val"][:3] = content["X_train"][0]  # a copy counts as often as it is judged
    assert read_arrays({"a": save(tmp_path / "c.npz", content)}).duplicate_rows == 7


def changed(**changes: Any) -> Arrays:
    return {name: value for name, value in {**arrays(), **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(X_val=None, y_val=None), "lacks X_val, y_val; it needs the six arrays"),
        (changed(X_val=np.zeros((20, 4))), "different numbers of columns"),
        (changed(X_val=np.zeros(20)), r"X_val must hold numbers in rows and columns, got \(20,\)"),
        (changed(X_val=np.full((20, 3), np.nan)), "X_val holds nan in row 1, column 1; fill gaps"),
        (changed(X_test=np.full((30, 3), 2e6)), r"X_test holds 2e\+06 in row 1, column 1"),
        (changed(y_train=np.zeros(40)), "y_train must hold both 0 and 1"),
        (changed(y_train=np.arange(40) % 3), "y_train must hold both 0 and 1"),
        (changed(y_test=np.arange(29) % 2), "X_test has 30 rows and y_test 29 values"),
        (changed(y_val=np.array([object()] * 20)), "is no .npz file of plain arrays"),
        (changed(columns=np.array(["a", "b"])), "columns must name each column of the X"),
        (changed(columns=np.array(["a", "b", "a"])), "columns must name each column of the X"),
        (changed(columns=np.array("abc")), "columns must name each column of the X"),
    ],
)
def test_unfit_arrays_are_told(tmp_path: Path, content: Arrays, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_arrays({"a": save(tmp_path / "a.npz", content)})


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_arrays({"a": tmp_path / "a.npz"})
    for content in (b"", b"a,b\n1,2\n", b"PK\x03\x04 cut"):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.npz"):
            read_arrays({"a": tmp_path / "a.npz"})
    np.save(tmp_path / "b.npz.npy", np.zeros(3))
    (tmp_path / "b.npz.npy").rename(tmp_path / "b.npz")
    with pytest.raises(InputError, match=r"b\.npz is no \.npz file"):
        read_arrays({"a": tmp_path / "b.npz"})


def test_views_of_other_columns_are_told(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", ["x", "y", "z"], arrays())
    write_arrays(tmp_path / "b.npz", ["x", "z", "y"], arrays())
    with pytest.raises(InputError, match=r"b\.npz has other columns than .*a\.npz"):
        read_arrays({"a": tmp_path / "a.npz", "b": tmp_path / "b.npz"})


def test_a_damaged_file_is_told_whatever_is_damaged(tmp_path: Path) -> None:
    write_arrays(tmp_path / "a.npz", ["x", "y", "z"], arrays())
    content = (tmp_path / "a.npz").read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(len(content), size=200):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            read_arrays({"a": tmp_path / "b.npz"})
        except InputError:
            refused += 1
    assert refused > 100  # the rest is in bytes that nothing reads
