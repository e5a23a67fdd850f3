"""One class knows where everything of a run is."""

from pathlib import Path

import pytest

from evensweep.datasets.errors import InputError
from evensweep.results.run_directory import RunDirectory


def test_layout_is_the_one_that_users_are_told(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r")
    relative = {
        path.relative_to(run.root).as_posix()
        for path in vars(run).values()
        if path != run.root
    }  # fmt: skip
    assert relative >= {
        "sweep.yaml", "environment.json", "dataset.json", "trials.parquet", "history.parquet",
        "cross_validation.parquet", "predictions", "ensemble.json", "model", "summary.json",
        "report.html", "plots", "tune",
    }  # fmt: skip
    assert run.fold("smote-001", 3).relative_to(run.root).as_posix() == (
        "folds/smote-001/fold-03.npz"
    )
    assert run.preprocessor(11).name == "preprocessing-11.skops"
    assert run.name == "r"


def test_created_run_is_an_empty_folder_and_exists_only_once(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "r"
    assert list(RunDirectory.create(root).root.iterdir()) == []
    with pytest.raises(InputError, match=r"exists already; choose another --name, .* resume"):
        RunDirectory.create(root)


def test_run_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file" / "r", tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match=r"can't be written .* choose another --out"):
            RunDirectory.create(root)


def test_only_a_folder_with_a_sweep_opens(tmp_path: Path) -> None:
    for root in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match=r"no run directory \(it has no sweep.yaml\)"):
            RunDirectory.open(root)
    (tmp_path / "sweep.yaml").write_text("{}")
    assert RunDirectory.open(tmp_path).sweep == tmp_path / "sweep.yaml"


def test_relative_root_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunDirectory.create(Path("r")).root == tmp_path.resolve() / "r"
