"""What a job needs of this machine, in one folder: sweep file, data, modules and Evensweep."""

import importlib.util
import shlex
import shutil
import site
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from .datasets.errors import InputError
from .search.cluster_check import PACKAGE, PARTS
from .search.config import SweepConfig
from .search.plan import plan_trials

SWEEP = "sweep.yaml"
"""Name of the sweep file in the folder."""

_NOT_SHIPPED = shutil.ignore_patterns("__pycache__", ".*")


@dataclass(frozen=True)
class Shipment:
    """What goes into a job's folder.

    Attributes:
        data: Whether the table, or the views' files, are here and go along.
        package: Whether Evensweep goes along, for a cluster that has none or another.
        include: Further files and folders, which modules of the user's need.
    """

    data: bool = True
    package: bool = True
    include: tuple[Path, ...] = ()


def fill(folder: Path, config: SweepConfig, shipment: Shipment, limit: int) -> None:
    """Puts into a folder what a job needs.

    Args:
        folder: Empty.
        config: The sweep. Its files may be anywhere here; in the folder they stand beside the sweep
            file, and URIs are left as they are.
        shipment: What goes along.
        limit: Bytes that the folder may have.

    Raises:
        InputError: A file is missing, or there is too much.
    """
    mapping = config.to_mapping()
    if shipment.data:
        _ship_data(mapping["data"], folder)
    else:
        _expect_elsewhere(mapping["data"])
    for module, home in config.modules.items():
        _ship_module(module, Path(home), folder)
    mapping["module_folder"] = None  # the sweep file's own
    for path in shipment.include:
        _copy(path, folder / path.resolve().name)
    if shipment.package:
        _ship_package(folder)
    (folder / SWEEP).write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    sizes = {file: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    if sum(sizes.values()) > limit:
        largest = max(sizes, key=sizes.__getitem__)
        raise InputError(
            f"{largest.name} has {sizes[largest] / 1e6:,.0f} MB, and a job can bring along "
            f"{limit / 1e6:,.0f} MB in all; put it where the cluster reads it, at a URI or in a "
            "shared folder, and give that path with --remote-data"
        )


def entry_point(
    config: SweepConfig, run: str, *, python: str, whole: bool, options: Iterable[str]
) -> str:
    """The job's command, for the shell.

    Args:
        config: The sweep; a relative storage is in the home folder of the cluster's user, since the
            job's own folder goes when it ends.
        run: The run's name.
        python: The command of the cluster's Python, which may be several words.
        whole: Whether what only serves to go on with the run is packed with it, too.
        options: Further ones of ``evensweep run``.

    Raises:
        InputError: A quote is open in ``python``.
    """
    try:
        words = shlex.split(python)
    except ValueError as error:
        raise InputError(f"--python has an open quote, got {python}; close it") from error
    command = [*words, "-m", PACKAGE, "run", SWEEP, "--address", "auto", "--name", run]
    command += ["--pack", "all" if whole else "results", *options]
    storage = _storage_there(config)
    out = f"~/{shlex.quote(storage[2:])}" if storage.startswith("~/") else shlex.quote(storage)
    return f"{shlex.join(command)} --out {out}"


def describe(config: SweepConfig, run: str, table: Any | None) -> dict[str, str]:
    """What the dashboard shows with the job.

    Args:
        config: The sweep.
        run: The run's name.
        table: The table; None if it is on the cluster alone.
    """
    data, search = config.data, config.search
    remote = data.arrays.values() if data.arrays else [data.path]
    about = {
        "evensweep": distribution(PACKAGE).version,
        "run": run,
        "table": table.name if table is not None else ", ".join(map(str, remote)),
        "protocol": config.protocol,
        "views": ", ".join(config.views),
        "trials": str(len(plan_trials(config))),
        "scheduler": search.scheduler,
        "searcher": search.searcher,
        "trainable": config.trainable,
        "storage": _storage_there(config),
    }
    if table is not None:
        about["rows"] = f"{len(table.target):,}"
        about["features"] = str(len(table.schema.columns))
        about["positive"] = f"{table.positive_rate:.1%}"
    return about


def _storage_there(config: SweepConfig) -> str:
    """The storage on the cluster, where a relative one is in the user's home."""
    storage = str(config.storage)
    if "://" in storage or PurePosixPath(storage).is_absolute() or storage.startswith("~/"):
        return storage
    return f"~/{storage}"


def _ship_data(section: dict[str, Any], folder: Path) -> None:
    """Copies the data's files, and names the copies in the sweep file's section."""

    def shipped(source: str, name: str) -> str:
        if "://" in source:
            return source
        target = folder / "sweep-data" / name  # no name of a module
        target.parent.mkdir(exist_ok=True)
        _copy(Path(source), target)
        return target.relative_to(folder).as_posix()

    if section["path"] is not None:
        section["path"] = shipped(section["path"], Path(section["path"]).name)
    if section["arrays"] is not None:
        section["arrays"] = {
            view: shipped(file, f"{view}.npz") for view, file in section["arrays"].items()
        }


def _expect_elsewhere(section: dict[str, Any]) -> None:
    for source in (section["arrays"] or {"": section["path"]}).values():
        if source is None or ("://" not in source and not PurePosixPath(source).is_absolute()):
            raise InputError(
                f"--remote-data goes with the data's whole path on the cluster or its URI, got "
                f"{source or 'none'}; give it with --data"
            )


def _ship_module(module: str, home: Path, folder: Path) -> None:
    """Copies a module, which may be a package, unless it is an installed one."""
    installed = (*site.getsitepackages(), site.getusersitepackages())
    if home.resolve() in (Path(folder).resolve() for folder in installed):
        return
    package = home / module
    source = package if package.is_dir() else package.with_suffix(".py")
    _copy(source, folder / source.name)


def _ship_package(folder: Path) -> None:
    """Copies this Evensweep's files, wherever its folders are, and what says its version."""
    for part in ("", *PARTS):
        spec = importlib.util.find_spec(f"{PACKAGE}.{part}".rstrip("."))
        assert spec is not None
        assert spec.origin is not None
        home = Path(spec.origin).parent
        for file in _own_files(home):
            copy = folder / PACKAGE / part / file.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    installed = distribution(PACKAGE)
    about = folder / f"{PACKAGE}-{installed.version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(str(installed.read_text("METADATA")), encoding="utf-8")


def _own_files(folder: Path) -> Iterator[Path]:
    """The files of a package, without those of its subpackages, which may be anywhere."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.name != "__pycache__" and not (path / "__init__.py").exists():
            yield from _own_files(path)


def _copy(source: Path, target: Path) -> None:
    try:
        if source.is_dir():
            shutil.copytree(source, target, ignore=_NOT_SHIPPED)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        raise InputError(f"{source} can't be read ({error.strerror}); check the path") from error
