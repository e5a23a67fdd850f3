"""Files become frames, or one sentence that says why they can't."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError, nearest
from evensweep.datasets.reading import read_chunks, read_frame


@pytest.fixture
def write(tmp_path: Path):
    def _write(content: str | bytes, name: str = "table.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


PLAIN = pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", "y"]})


@pytest.mark.parametrize(
    "content",
    [
        "a,b,c\n1,0.5,x\n2,,y\n",
        "a,b,c\r\n1,0.5,x\r\n2,,y\r\n",
        "a,b,c\r1,0.5,x\r2,,y\r",
        "\ufeffa,b,c\n1,0.5,x\n2,,y\n",
        " a ,b, c\n1,0.5,x\n2,,y\n",
        "a,b,c\n\n1,0.5,x\n  \n2,,y\n\n",
        "a,b,c\n1,0.5,x\n2,,y",
        '"a","b","c"\n"1","0.5","x"\n2,,"y"\n',
        "a,b,c\n1,0.5,x,\n2,,y,\n",
    ],
    ids=[
        "plain", "windows", "old-mac", "bom", "spaces-in-header", "blank-lines", "no-last-newline",
        "quoted", "trailing-delimiter",
    ],
)  # fmt: skip
def test_odd_but_clear_files_give_the_same_frame(write, content: str) -> None:
    pd.testing.assert_frame_equal(read_frame(write(content)), PLAIN)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_other_delimiters(write, delimiter: str) -> None:
    path = write(PLAIN.to_csv(index=False, sep=delimiter))
    pd.testing.assert_frame_equal(read_frame(path, delimiter=delimiter), PLAIN)


def test_names_may_hold_delimiters_quotes_and_line_breaks(write) -> None:
    frame = read_frame(write('"a,b","c""d","e\nf"\n1,2,3\n4,5,6\n'))
    assert list(frame) == ["a,b", 'c"d', "e\nf"]
    assert frame.to_numpy().tolist() == [[1, 2, 3], [4, 5, 6]]


def test_first_line_of_numbers_is_data_and_columns_are_called_by_position(write) -> None:
    frame = read_frame(write("1,2.5,\n3,-4,1e3\n"))
    assert list(frame) == ["column_0", "column_1", "column_2"]
    assert frame.iloc[0].tolist()[:2] == [1, 2.5]
    assert len(frame) == 2


def test_header_can_be_forced_either_way(write) -> None:
    path = write("2019,2020\n1,2\n")
    assert list(read_frame(path)) == ["column_0", "column_1"]
    assert list(read_frame(path, header=True)) == ["2019", "2020"]
    texts = write("x,y\nu,v\n")
    assert len(read_frame(texts)) == 1
    assert len(read_frame(texts, header=False)) == 2


def test_parquet_keeps_the_columns_whatever_the_case_of_its_suffix(tmp_path: Path) -> None:
    for name in ("table.parquet", "TABLE.PARQUET"):
        PLAIN.to_parquet(tmp_path / name)
        pd.testing.assert_frame_equal(read_frame(tmp_path / name), PLAIN)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty"),
        ("a,b,c\n", "has a header but no rows"),
        ("\n\n1,2\n", "starts with an empty line"),
        ("  \n ,\n", "starts with an empty line"),
        ("a,b\n1,2\n1,2,3\n", "in line 3, saw 3"),
        ("a,b\n1,2,3\n1,2,3\n", "more cells in its first row than the 2 names"),
        ("a,b,a\n1,2,3\n", "several columns called 'a'"),
        (",a,b\n1,2,3\n", "no name for column 0"),
        ("a,,\n1,2,3\n", "no name for column 1"),
        ("a;b\n1;2\n", "semicolon-separated; set data.delimiter to ';'"),
        ("a\tb\n1\t2\n", "tab-separated"),
        ("a|b\n1|2\n", "bar-separated"),
        ('a,b\n1,"2\n', "is not a well-formed CSV"),
        ('"a,b\n1,2\n', "line 1: unexpected end of data"),
        (b"a,b\n1,\xe9\n", "not UTF-8 (byte 0xe9 at offset 6)"),
        (b"\xe9,b\n1,2\n", "not UTF-8 (byte 0xe9 at offset 0)"),
        (b"a,b\n1,2\x00\n", "holds NUL bytes"),
        ("a,b\n1,2\n".encode("utf-16-le"), "holds NUL bytes"),
        ("a,b\n1,2\n".encode("utf-16"), "not UTF-8"),
    ],
)
def test_unreadable_csv_is_named_in_one_sentence(write, content, sentence) -> None:
    path = write(content)
    with pytest.raises(InputError) as error:
        read_frame(path)
    assert sentence in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_nul_byte_far_inside_a_file_is_found(write) -> None:
    body = b"a,b\n" + b"1,2\n" * 600_000
    with pytest.raises(InputError, match="NUL"):
        read_frame(write(body + b"1,\x002\n"))


def test_missing_file_folder_and_broken_parquet(tmp_path: Path, write) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_frame(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no such file"):
        read_frame(write("a\n1\n") / "below-a-file.csv")
    with pytest.raises(InputError, match="can't be read"):
        read_frame(tmp_path / ("n" * 300 + ".csv"))
    with pytest.raises(InputError, match="is a folder"):
        read_frame(tmp_path)
    for content in (b"hello", b"PAR1" + b"x" * 50 + b"PAR1"):
        with pytest.raises(InputError, match="can't be read as Parquet"):
            read_frame(write(content, "table.parquet"))


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    PLAIN[:0].to_parquet(tmp_path / "none.parquet")
    with pytest.raises(InputError, match="no rows"):
        read_frame(tmp_path / "none.parquet")


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "\r"])
def test_delimiter_that_cannot_separate_cells_is_refused(write, delimiter: str) -> None:
    with pytest.raises(InputError, match="delimiter must be one character"):
        read_frame(write("a,b\n1,2\n"), delimiter=delimiter)


def test_nearest_ignores_case_and_stays_silent_about_strangers() -> None:
    assert nearest("Trails", ["seed", "trials"]) == "; did you mean 'trials'?"
    assert nearest("PURCHASED", ["Purchased_Again", "age"]) == "; did you mean 'Purchased_Again'?"
    assert nearest("xyz", ["trials", "seed"]) == ""
    assert nearest("x", []) == ""


class TestChunks:
    TABLE = pd.DataFrame(
        {"code": ["007", "8", "x", "10", "11"], "n": [1, 2, np.nan, 4, 5], "flag": [1, 0, 1, 1, 0]}
    )

    def test_pieces_are_the_whole_in_order(self, write) -> None:
        path = write(self.TABLE.to_csv(index=False))
        pieces = list(read_chunks(path, rows=2, texts={"code"}))
        assert [len(piece) for piece in pieces] == [2, 2, 1]
        assert [piece.index[0] for piece in pieces] == [0, 2, 4]
        pd.testing.assert_frame_equal(pd.concat(pieces), read_frame(path), check_dtype=False)
        assert pieces[0]["code"].tolist() == ["007", "8"]
        assert pieces[2]["code"].tolist() == ["11"]

    def test_parquet_pieces_are_the_whole_in_order(self, tmp_path: Path) -> None:
        path = tmp_path / "table.parquet"
        self.TABLE.to_parquet(path)
        pieces = list(read_chunks(path, rows=2))
        assert [piece.index[0] for piece in pieces] == [0, 2, 4]
        pd.testing.assert_frame_equal(pd.concat(pieces), read_frame(path), check_dtype=False)

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_some_columns_alone(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"table.{kind}"
        self.TABLE.to_parquet(path) if kind == "parquet" else self.TABLE.to_csv(path, index=False)
        pieces = list(read_chunks(path, columns=["flag", "code", "missing"], rows=3))
        assert [list(piece) for piece in pieces] == [["code", "flag"]] * 2

    def test_a_headerless_file_has_positions(self, write) -> None:
        [piece] = read_chunks(write("1,2\n3,4\n"))
        assert piece.to_dict("list") == {"column_0": [1, 3], "column_1": [2, 4]}

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("a,b\n", "has a header but no rows"),
            ("a,b\n1,2\n3,4\n5,6,7\n", "line 4"),
            ("a,b\n1,2,3\n", "first row"),
        ],
    )
    def test_a_bad_file_is_told_as_ever(self, write, content: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            list(read_chunks(write(content), rows=2))
