"""What a job brings along: the folder is filled from here, and works without anything of here."""

import os
import site
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray_processes import bare_python

from evensweep.datasets.errors import InputError
from evensweep.search.config import SweepConfig
from evensweep.search.intake import read_table
from evensweep.submission import Shipment, describe, entry_point, fill

LIMIT = 10**8
BUILDER: dict[str, Any] = {"trainable": "models:build", "space": {"width": {"int": [8, 16]}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def config_of(raw: dict[str, Any]) -> SweepConfig:
    return SweepConfig.from_mapping(raw, "test")


def shipped_config(folder: Path) -> SweepConfig:
    """The configuration, as the job reads it."""
    return SweepConfig.from_yaml(folder / "sweep.yaml")


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_sweep_file_finds_the_shipped_table(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("a,b\n1,0\n")
    config = config_of(
        {"data": {"path": str(tmp_path / "customers.csv"), "target": "b"}, "seed": 3}
    )
    fill(folder, config, Shipment(package=False), LIMIT)

    assert names(folder) == {"sweep.yaml", "sweep-data/customers.csv"}
    read = shipped_config(folder)
    assert read.data.path is not None
    assert read.data.path.read_text() == "a,b\n1,0\n"
    assert (read.data.target, read.seed) == ("b", 3)


def test_views_that_are_split_already_are_shipped_each(folder: Path, tmp_path: Path) -> None:
    arrays = {}
    for view in ("smote", "natural"):
        (tmp_path / view).mkdir()
        (tmp_path / view / "arrays.npz").write_text(view)
        arrays[view] = str(tmp_path / view / "arrays.npz")
    fill(folder, config_of({"data": {"arrays": arrays}}), Shipment(package=False), LIMIT)
    read = shipped_config(folder).data.arrays
    assert read is not None
    assert {view: file.read_text() for view, file in read.items()} == {v: v for v in arrays}


def test_data_of_the_cluster_stays_there(folder: Path) -> None:
    fill(folder, config_of({"data": {"path": "/mnt/big.csv"}}), Shipment(False, False), LIMIT)
    assert names(folder) == {"sweep.yaml"}
    assert yaml.safe_load((folder / "sweep.yaml").read_text())["data"]["path"] == "/mnt/big.csv"
    with pytest.raises(InputError, match=r"whole path on the cluster or its URI, got big\.csv"):
        fill(folder, config_of({"data": {"path": "big.csv"}}), Shipment(False, False), LIMIT)
    with pytest.raises(InputError, match="got none; give it with --data"):
        fill(folder, config_of({}), Shipment(False, False), LIMIT)


def test_a_module_is_shipped_and_what_it_needs_if_that_is_said(
    folder: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "layers" / "__pycache__").mkdir(parents=True)
    (home / "layers" / "__pycache__" / "dense.pyc").touch()
    (home / "layers" / "dense.py").touch()
    (home / "models.py").write_text("def build(config, n_features): ...\n")
    config = config_of({**BUILDER, "module_folder": str(home)})
    fill(folder, config, Shipment(package=False, include=(home / "layers",)), LIMIT)

    assert names(folder) == {"sweep.yaml", "models.py", "layers/dense.py"}
    assert shipped_config(folder).family.module_folder == str(folder)


@pytest.mark.parametrize("through", ["installed", "link"])
def test_an_installed_module_is_not_shipped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    home = tmp_path / "installed"
    home.mkdir()
    (home / "models.py").touch()
    (tmp_path / "link").symlink_to(home)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(home)])
    config = config_of({**BUILDER, "module_folder": str(tmp_path / through)})
    fill(folder, config, Shipment(package=False), LIMIT)
    assert names(folder) == {"sweep.yaml"}


def test_the_outermost_package_of_a_module_is_shipped(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "home" / "our_models"
    package.mkdir(parents=True)
    for file in ("__init__.py", "wide.py", "parts.py"):
        (package / file).touch()
    config = config_of(
        {**BUILDER, "trainable": "our_models.wide:build", "module_folder": str(package.parent)}
    )
    fill(folder, config, Shipment(package=False), LIMIT)
    assert {"our_models/__init__.py", "our_models/wide.py", "our_models/parts.py"} < names(folder)


def test_too_much_is_refused_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(bytes(3_000_000))
    config = config_of({"data": {"path": str(tmp_path / "big.csv")}})
    with pytest.raises(InputError) as error:
        fill(folder, config, Shipment(package=False), limit=2_000_000)
    assert str(error.value) == (
        "big.csv has 3 MB, and a job can bring along 2 MB in all; put it where the cluster reads "
        "it, at a URI or in a shared folder, and give that path with --remote-data"
    )


def test_a_missing_file_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere can't be read \(No such file"):
        fill(folder, config_of({}), Shipment(package=False, include=(Path("nowhere"),)), LIMIT)


def test_the_shipped_package_works_where_there_is_none(folder: Path, tmp_path: Path) -> None:
    fill(folder, config_of({}), Shipment(), LIMIT)
    assert not any("__pycache__" in name or name.startswith("tests") for name in names(folder))

    python = bare_python(tmp_path / "bare")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(*arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *arguments],
            capture_output=True, text=True, cwd=tmp_path, env=environment | {"PYTHONPATH": path},
        )  # fmt: skip

    assert "No module named evensweep" in run("-m", "evensweep", "--version").stderr
    version = run("-m", "evensweep", "--version", path=str(folder))
    assert version.stdout == "evensweep 0.1.0\n"
    presets = run("-m", "evensweep", "presets", path=str(folder))
    assert "repeat-customers" in presets.stdout
    assert str(folder) in presets.stdout
    found = run("-c", "import evensweep.search.sweep as s; print(s.__file__)", path=str(folder))
    assert found.stdout == f"{folder / 'evensweep' / 'search' / 'sweep.py'}\n"
    assert (folder / "evensweep" / "results" / "templates").is_dir()


def test_the_command_is_that_of_a_run_on_the_cluster() -> None:
    def command(python: str = "python3", **raw: Any) -> str:
        return entry_point(
            config_of(raw), "mine", python=python, whole=False, options=["--until", "search"]
        )

    begin = (
        "python3 -m evensweep run sweep.yaml --address auto --name mine --pack results "
        "--until search --out "
    )
    assert command() == begin + "~/runs"
    assert command(storage="my runs; true") == begin + "~/'my runs; true'"
    assert command(storage="/mnt/our runs") == begin + "'/mnt/our runs'"
    several = command("conda run -n 'my env' python")
    assert several.startswith("conda run -n 'my env' python -m evensweep run sweep.yaml ")


def test_the_metadata_are_texts_that_tell_the_sweep() -> None:
    config = config_of({"search": {"trials": 3}, "storage": "/mnt/runs"})
    about = describe(config, "mine", read_table(config))
    assert all(isinstance(value, str) for value in about.values())
    assert about["run"] == "mine"
    assert about["table"] == "demonstration"
    assert about["views"] == "undersampled, smote"
    assert about["trials"] == "8"
    assert about["scheduler"] == "asha"
    assert about["storage"] == "/mnt/runs"
    assert describe(config_of({}), "mine", None)["storage"] == "~/runs"
    assert about["evensweep"] == "0.1.0"
    assert about["rows"].replace(",", "").isdecimal()
