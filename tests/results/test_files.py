"""A file is the old one or the new one, whole, whatever happens in between."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel

from evensweep.datasets.errors import InputError
from evensweep.datasets.locations import Location
from evensweep.results.files import (
    exclusive,
    read_json,
    read_parquet,
    reading,
    replacing,
    write_json,
    write_parquet,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_at_the_end_of_the_block_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "half"
    assert names(path.parent) == ["file.txt"]


def test_folder_that_went_away_is_not_made_anew(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "run" / "states" / "file.txt", "content")
    assert names(tmp_path) == []


def test_error_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_folder_replaces_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").write_text("old")
    with replacing(path) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
        assert names(path) == ["old"]
    assert names(path) == ["new"]
    assert names(tmp_path) == ["model"]


def test_error_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            (temporary / "deep").mkdir(parents=True)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(path) == ["old"]
    assert names(tmp_path) == ["model"]


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "größe\n")
    assert (tmp_path / "t").read_bytes() == "größe\n".encode()


def test_json_comes_back_and_is_written_for_people(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True], "b": {"c": "ö"}}
    write_json(tmp_path / "j.json", value)
    assert read_json(tmp_path / "j.json") == value
    assert (tmp_path / "j.json").read_text().count("\n") > 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_refuses_what_it_cannot_hold_and_keeps_the_old_file(tmp_path: Path, value) -> None:
    write_json(tmp_path / "j.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "j.json", {"a": value})
    assert json.loads((tmp_path / "j.json").read_text()) == 1
    assert names(tmp_path) == ["j.json"]


def test_frame_is_written_whole(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    write_parquet(tmp_path / "sub" / "f.parquet", frame)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "sub" / "f.parquet"), frame)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["f.parquet"]


@pytest.mark.parametrize("read", [read_json, read_parquet])
@pytest.mark.parametrize("content", [b"", b"{", b"PAR1 and nothing"])
def test_damaged_file_is_named_in_one_sentence(tmp_path: Path, read, content) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"file is damaged \(.+\); delete it and resume the run$"):
        read(path)


@pytest.mark.parametrize("read", [read_json, read_parquet])
def test_missing_file_and_folder_in_its_place_are_told_apart(tmp_path: Path, read) -> None:
    with pytest.raises(InputError, match=r"file is missing; resume the run$"):
        read(tmp_path / "file")
    with pytest.raises(InputError, match=r"is damaged \(Is a directory\); delete it and resume"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone" / "file")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_storage_that_has_gone_is_no_damage(tmp_path: Path, number: int) -> None:
    with pytest.raises(OSError, match="gone"), reading(tmp_path / "file"):
        raise OSError(number, "gone")


def test_what_is_to_be_done_instead_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file is missing; copy it again$"):
        read_json(tmp_path / "file", remedy="copy it again")


class Fold(BaseModel):
    rows: int


@pytest.mark.parametrize("content", ['{"rows": "many"}', "[]", "{}", '{"rows": NaN}'])
def test_content_of_another_shape_is_damage(tmp_path: Path, content: str) -> None:
    (tmp_path / "j.json").write_text(content)
    with pytest.raises(InputError, match=r"j\.json is damaged \(.+\); delete it"):
        read_json(tmp_path / "j.json", Fold)


def test_keys_beyond_the_shape_are_kept(tmp_path: Path) -> None:
    write_json(tmp_path / "j.json", {"rows": 3, "view": "smote"})
    assert read_json(tmp_path / "j.json", Fold) == {"rows": 3, "view": "smote"}


def test_lock_keeps_a_second_process_out_and_ends_with_the_block(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from evensweep.results.files import exclusive
with exclusive(Path({str(tmp_path / "lock")!r})):
    pass
"""
    command = [sys.executable, "-c", code]
    with exclusive(tmp_path / "lock"):
        refused = subprocess.run(command, capture_output=True, text=True)
    assert "BlockingIOError" in refused.stderr
    subprocess.run(command, check=True)


def test_an_object_that_is_missing_is_told_with_the_remedy(s3_folder: Location) -> None:
    gone = s3_folder / "states" / "a.npz"
    with pytest.raises(InputError, match=r"a\.npz.* is missing; restore it$"):  # noqa: SIM117
        with reading(gone, "restore it"):
            gone.read_bytes()
