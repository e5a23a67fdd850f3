"""What a URI means, and what object storage does and says, on a server of the loopback."""

import time
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from pyarrow.fs import FileSystem

from evensweep.datasets.arrays import ARRAYS, read_arrays
from evensweep.datasets.errors import InputError
from evensweep.datasets.locations import Location, local_copy, local_output, parse_location
from evensweep.datasets.stores import (
    PARAMETERS,
    LocationError,
    MissingObjectError,
    file_system,
)
from evensweep.datasets.table import load_table

SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize("path", ["runs", "/runs/a", "a/b:c", "C:\\runs", "~/runs", "s3:/runs"])
def test_what_has_no_scheme_is_a_path(path: str) -> None:
    assert parse_location(path) == Path(path)
    assert parse_location(Path(path)) == Path(path)


def test_a_file_uri_is_the_path_that_it_names() -> None:
    assert parse_location("file:///runs/my%20run") == Path("/runs/my run")


URIS = {
    "s3://bucket": "bucket",
    "s3://bucket/": "bucket",
    "s3://bucket//runs/./mine/": "bucket/runs/mine",
    "s3://bucket/my%20runs/ü": "bucket/my runs/ü",
    "S3://bucket/date=2026-01-01/t.csv?region=eu-west-1": "bucket/date=2026-01-01/t.csv",
    "gs://anonymous@bucket/t.csv": "bucket/t.csv",
    "gs://bucket/t?endpoint_override=127.0.0.1:9000&scheme=http": "bucket/t",
}


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_a_bucket_and_a_place_in_it(uri: str) -> None:
    location = parse_location(uri)
    assert isinstance(location, Location)
    assert str(location.path) == URIS[uri]
    assert parse_location(str(location)) == location
    assert location.resolve() is location


def test_a_place_in_a_folder_keeps_how_it_is_reached() -> None:
    folder = parse_location("s3://bucket/runs?endpoint_override=http://127.0.0.1:9&region=x")
    assert isinstance(folder, Location)
    file = folder / "mine" / "table.csv"
    assert (file.name, file.stem, file.suffix) == ("table.csv", "table", ".csv")
    assert (
        str(file) == "s3://bucket/runs/mine/table.csv?endpoint_override=http://127.0.0.1:9&region=x"
    )
    assert file.parent.parent == folder
    assert str(file.relative_to(folder)) == "mine/table.csv"


WRONG = {
    "http://host/table.csv": "can't be used; give a path, or such as s3://",
    "s3a://bucket/x": "s3a://bucket/x can't be used",
    "file://host/x": "can't be used",
    "s3://": "names no bucket",
    "s3:///x": "names no bucket",
    "s3://bucket:80/x": "names no bucket",
    "s3://[::1/x": "malformed",
    "s3://bucket/x?region": "malformed",
    "s3://bucket/x?acl=public": "takes endpoint_override, region, scheme and no other parameters",
    "gs://bucket/x?region=eu": "takes endpoint_override, scheme and no other",
    "s3://bucket/x#part": "no other parameters",
    f"s3://AKIA:{SECRET}@bucket/x": "s3://bucket/x was given with credentials",
    f"s3://AKIA:{SECRET}/{SECRET}@bucket/x": "names no bucket",
    f"gs://{SECRET}@bucket/x": "given with credentials",
    f"s3://bucket/x?secret_key={SECRET}": "credentials are given in the environment",
    f"s3://bucket/x?endpoint_override=http://u:{SECRET}@host": "given with credentials",
    f"https://u:{SECRET}@host/x?token={SECRET}": "can't be used",
}


@pytest.mark.parametrize("uri", WRONG)
def test_another_uri_is_refused_in_a_sentence_that_tells_no_secret(uri: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_location(uri)
    assert WRONG[uri] in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("scheme", PARAMETERS)
def test_arrow_takes_the_uri_of_every_storage(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    given = "endpoint_override=http://127.0.0.1:9"
    location = parse_location(f"{scheme}://anonymous@bucket/my%20runs?{given}")
    assert isinstance(location, Location)
    _, path = FileSystem.from_uri(location.uri)
    assert path == "bucket/my runs"


def test_what_is_neither_a_path_nor_a_uri_is_not_repeated() -> None:
    with pytest.raises(InputError, match=r"^it must be a path or a URI, and not of type dict$"):
        parse_location({"password": SECRET})  # type: ignore[arg-type]


def store(uri: str) -> Any:
    location = parse_location(uri)
    assert isinstance(location, Location)
    return location.store


def test_the_environment_names_the_server_unless_the_uri_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    assert (store("s3://b").endpoint, store("s3://b").region) == (None, None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://general:1/")
    assert store("s3://b").endpoint == "general:1"
    assert store("s3://b").transport == "http"
    assert store("s3://b").region == "us-east-1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://special:2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert store("s3://b").endpoint == "special:2"
    assert store("s3://b").transport == "https"
    assert store("s3://b").region == "eu-west-1"
    given = store("s3://b?endpoint_override=own:3&scheme=http&region=auto")
    assert (given.endpoint, given.transport, given.region) == ("own:3", "http", "auto")
    assert store("gs://b").endpoint is None


def test_google_storage_is_set_up_as_the_uri_says() -> None:
    location = parse_location("gs://anonymous@b/x?endpoint_override=127.0.0.1:9&scheme=http")
    assert isinstance(location, Location)
    assert file_system(location.store, "b").type_name == "gcs"


def test_an_object_is_written_read_found_and_deleted(s3_folder: Location) -> None:
    file = s3_folder / "a" / "b.csv.gz"  # whose content is nobody's to compress
    assert not file.exists()
    with pytest.raises(MissingObjectError, match=r"b\.csv\.gz\?.*: no such file; check the URI"):
        file.read_bytes()
    file.write_bytes(b"one")
    file.write_bytes(bytearray(b"two"))
    assert (file.exists(), file.read_bytes(), file.read_text("ascii")) == (True, b"two", "two")
    assert not (s3_folder / "a").exists()  # which is a folder
    (s3_folder / "c").write_bytes(b"")
    assert (s3_folder / "c").read_bytes() == b""
    assert s3_folder.files() == ["a/b.csv.gz", "c"]
    assert (s3_folder / "none").files() == []
    file.delete()
    file.delete()
    assert s3_folder.files() == ["c"]


def test_a_name_that_leads_out_of_a_folder_is_not_listed(s3_folder: Location) -> None:
    (s3_folder / "in" / ".." / ".." / "out").write_bytes(b"x")
    assert s3_folder.files() == []


def test_large_files_travel_both_ways(s3_folder: Location, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(12 << 20)  # more than one part of an upload
    (tmp_path / "up").write_bytes(content)
    (s3_folder / "large").upload(tmp_path / "up")
    (s3_folder / "large").download(tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == content


def test_a_bucket_that_is_not_there_is_named(s3_folder: Location) -> None:
    other = Location(s3_folder.store, s3_folder.path.parent.parent / "no-such-bucket" / "run")
    with pytest.raises(LocationError, match=r"can't be written: there is no bucket 'no-such-buc"):
        (other / "file").write_bytes(b"x")


def test_a_server_that_is_not_there_is_told_soon() -> None:
    location = parse_location("s3://b/x?endpoint_override=http://127.0.0.1:1")
    assert isinstance(location, Location)
    started = time.monotonic()
    with pytest.raises(LocationError, match=r"no server answers at 127\.0\.0\.1:1; check the net"):
        location.read_bytes()
    assert time.monotonic() - started < 20


def test_denied_access_is_told(s3_folder: Location, s3_denies: None) -> None:
    with pytest.raises(LocationError, match="access is denied; check the credentials"):
        (s3_folder / "x").write_bytes(b"x")


def test_an_error_is_said_of_the_place_and_not_of_its_copy(s3_folder: Location) -> None:
    (s3_folder / "t.csv").write_bytes(b"a,b\n1,2,3\n")
    with pytest.raises(InputError) as raised:
        load_table(s3_folder / "t.csv")
    assert str(raised.value).startswith(f"{s3_folder / 't.csv'} has more cells in its first row")


def test_an_output_is_put_in_its_place_when_it_is_whole(s3_folder: Location) -> None:
    def write(content: str) -> None:
        with local_output(s3_folder / "o.csv") as path:
            path.write_text(content)
            if content == "half":
                raise InputError(f"{path} is not finished")

    with pytest.raises(InputError, match=r"^s3://bucket/.*/o\.csv\?\S+ is not finished$"):
        write("half")
    assert s3_folder.files() == []
    write("whole")
    with local_copy(s3_folder / "o.csv") as path:
        assert path.read_text() == "whole"


def test_tables_and_arrays_are_read_from_object_storage(
    s3_folder: Location, tmp_path: Path
) -> None:
    frame = pd.DataFrame({"age": range(30), "bought": [0, 0, 1] * 10})
    frame.to_parquet(tmp_path / "t.parquet")
    (s3_folder / "t.parquet").upload(tmp_path / "t.parquet")
    table = load_table(s3_folder / "t.parquet", target="bought")
    assert (table.name, table.source) == ("t", str(s3_folder / "t.parquet"))
    assert table.fingerprint == load_table(tmp_path / "t.parquet", target="bought").fingerprint

    arrays = {name: np.array([[0.0], [1.0]] if name[0] == "X" else [0, 1]) for name in ARRAYS}
    np.savez(tmp_path / "v.npz", **arrays)
    (s3_folder / "v.npz").upload(tmp_path / "v.npz")
    assert len(read_arrays({"natural": s3_folder / "v.npz"}).target) == 6


def test_a_folder_is_fetched_and_nothing_beside_it(s3_folder: Location, tmp_path: Path) -> None:
    for name in ("model/model.json", "model/members/a.keras"):
        (s3_folder / name).write_bytes(name.encode())
    bucket, *parts = s3_folder.path.parts
    boto3.client(
        "s3", endpoint_url=f"http://{s3_folder.store.endpoint}", region_name="us-east-1"
    ).put_object(Bucket=bucket, Key="/".join([*parts, "model/../evil.txt"]), Body=b"evil")
    with local_copy(s3_folder / "model") as copy:
        found = sorted(p.relative_to(copy.parent) for p in copy.parent.rglob("*") if p.is_file())
    assert found == [Path("model/members/a.keras"), Path("model/model.json")]
