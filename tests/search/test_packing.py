"""A run is packed into one file and unpacked as it was, or not at all."""

import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from evensweep.datasets.errors import InputError
from evensweep.results.files import write_json
from evensweep.results.run_directory import RunDirectory
from evensweep.search.packing import Package, pack, packed_at_the_end, unpack


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "storage" / "mine")
    for file in (run.fold("smote-001", 0), run.states / "smote-001.npz", run.model / "a.keras"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
    for text in (run.sweep, run.environment, run.search_records, run.lock, run.states / "a.npz"):
        text.write_text("text")
    write_json(run.summary, {"status": "running"})
    return run


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


RESULTS = {"sweep.yaml", "environment.json", "summary.json", "model/a.keras", "tune/records.jsonl"}
TO_GO_ON = {"folds/smote-001/fold-00.npz", "tune/states/smote-001.npz", "tune/states/a.npz"}


@pytest.mark.parametrize(("whole", "packed"), [(False, RESULTS), (True, RESULTS | TO_GO_ON)])
def test_what_is_packed_is_what_is_unpacked(
    run: RunDirectory, logs: Path, tmp_path: Path, whole: bool, packed: set[str]
) -> None:
    package = pack(run, logs, whole)
    assert files(logs) == {"evensweep-mine-results.json", "evensweep-mine-results.tar.gz"}
    assert Package.from_json((logs / "evensweep-mine-results.json").read_text()) == package
    assert package.stands_at_root()

    root = tmp_path / "fetched" / "runs" / "mine"
    unpack(package, [(logs / package.archive).read_bytes()], root)

    assert files(root) == packed
    assert all((root / file).read_bytes() == (run.root / file).read_bytes() for file in packed)


def test_a_run_that_went_on_is_another_than_was_packed(run: RunDirectory, logs: Path) -> None:
    package = pack(run, logs)
    write_json(run.summary, {"status": "complete"})
    assert not package.stands_at_root()
    assert not dataclasses.replace(package, root="/nowhere").stands_at_root()


def test_a_run_is_packed_however_it_ends(run: RunDirectory, logs: Path) -> None:
    def interrupted() -> None:
        with packed_at_the_end(run, logs, whole=False):
            write_json(run.summary, {"status": "interrupted"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    package = Package.from_json((logs / "evensweep-mine-results.json").read_text())
    assert package.stands_at_root()


def test_a_run_that_has_not_begun_is_not_packed(run: RunDirectory, logs: Path) -> None:
    run.environment.unlink()
    with packed_at_the_end(run, logs, whole=False):
        pass
    assert files(logs) == set()


def test_a_run_that_is_gone_and_nowhere_to_pack_are_no_errors(
    run: RunDirectory, logs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with packed_at_the_end(run, None, whole=False):
        pass
    with packed_at_the_end(RunDirectory(tmp_path / "gone"), logs, whole=False):
        pass
    assert files(logs) == set()
    with packed_at_the_end(run, tmp_path / "no" / "folder", whole=False):
        pass
    assert "the run can't be packed for evensweep fetch" in caplog.text


def test_damaged_bytes_leave_nothing(run: RunDirectory, logs: Path, tmp_path: Path) -> None:
    package = pack(run, logs)
    content = (logs / package.archive).read_bytes()
    with pytest.raises(InputError, match=r"arrived damaged .* fetch them again"):
        unpack(package, [content[:-1]], tmp_path / "fetched" / "mine")
    assert list((tmp_path / "fetched").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "link"), [("../outside.txt", ""), ("link", "/etc"), ("link", "../../outside")]
)
def test_an_archive_that_leads_elsewhere_is_refused(
    run: RunDirectory, logs: Path, tmp_path: Path, name: str, link: str
) -> None:
    package = pack(run, logs)
    with tarfile.open(logs / package.archive, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
        archive.addfile(member, io.BytesIO())
    content = (logs / package.archive).read_bytes()
    forged = dataclasses.replace(package, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match="unfit to unpack"):
        unpack(forged, [content], tmp_path / "fetched" / "mine")
    assert list((tmp_path / "fetched").iterdir()) == []


def test_nothing_is_overwritten(run: RunDirectory, logs: Path) -> None:
    package = pack(run, logs)
    with pytest.raises(InputError, match="exists already; choose another -o"):
        unpack(package, [(logs / package.archive).read_bytes()], run.root)
