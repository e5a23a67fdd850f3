"""Who looks at a run in object storage has a copy of what they look at, for as long as they do."""

import gc
import re
from pathlib import Path

import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.locations import Location
from evensweep.results.copies import fetch, open_run, publish
from evensweep.results.files import read_json
from evensweep.results.run_directory import RunDirectory

FILES = [
    "sweep.yaml", "summary.json", "trials.parquet", "predictions/test.parquet", "run.log",
    "report.html", "plots/roc.png", "model/model.json", "model/members/a.keras",
    "tune/records.jsonl", "tune/states/smote-000.npz", "folds/a.npz",
]  # fmt: skip


@pytest.fixture
def location(s3_folder: Location) -> Location:
    for name in FILES:
        (s3_folder / "run" / name).write_bytes(name.encode())
    return s3_folder / "run"


def names(run: RunDirectory) -> set[str]:
    paths = (path for path in run.root.rglob("*") if path.is_file())
    return {path.relative_to(run.root).as_posix() for path in paths}


def test_readers_get_what_they_read_and_more_when_they_ask(location: Location) -> None:
    run = open_run(str(location))
    assert (run.location, run.name) == (location, "run")
    looked_at = {
        "sweep.yaml", "summary.json", "trials.parquet", "predictions/test.parquet",
        "tune/records.jsonl",
    }  # fmt: skip
    assert names(run) == looked_at
    assert run.sweep.read_text() == "sweep.yaml"
    fetch(run, re.compile(r"model/.*"))
    assert names(run) == looked_at | {"model/model.json", "model/members/a.keras"}


def test_a_copy_goes_with_its_reader(location: Location) -> None:
    run = open_run(location)
    root = run.root
    assert root.is_dir()
    del run
    gc.collect()
    assert not root.exists()


def test_a_folder_is_opened_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("{}")
    run = open_run(str(tmp_path))
    assert run.root == run.location == tmp_path
    fetch(run, re.compile(".*"))
    publish(run, run.sweep)
    with pytest.raises(InputError, match="is no run directory"):
        open_run(tmp_path / "none")


def test_what_is_no_run_is_told_by_its_uri(s3_folder: Location) -> None:
    (s3_folder / "summary.json").write_bytes(b"{}")
    with pytest.raises(InputError, match=rf"^{re.escape(str(s3_folder))} is no run directory"):
        open_run(s3_folder)


def test_what_a_reader_writes_is_put_beside_the_rest(location: Location) -> None:
    run = open_run(location)
    run.plots.mkdir()
    (run.plots / "pr.png").write_bytes(b"picture")
    run.report.write_text("page")
    publish(run, run.plots, run.report)
    assert set(location.files()) == {*FILES, "plots/pr.png"}
    assert (location / "plots" / "pr.png").read_bytes() == b"picture"
    assert (location / "report.html").read_bytes() == b"page"


def test_a_file_is_deleted_in_the_copy_and_in_the_bucket(location: Location) -> None:
    run = open_run(location)
    run.delete(run.summary)
    run.delete(run.report)
    assert not run.summary.exists()
    assert set(location.files()) == set(FILES) - {"summary.json", "report.html"}


def test_errors_name_a_copys_files_where_the_run_is_kept(location: Location) -> None:
    run = open_run(location)
    run.dataset.write_text("{")
    with pytest.raises(InputError) as raised:
        read_json(run.dataset)
    told = RunDirectory.with_locations(str(raised.value))
    assert told.startswith(f"{location / 'dataset.json'} is damaged (")
    assert RunDirectory.with_locations(f"in {run.root}, too") == f"in {location}, too"
