"""A sweep: from a validated configuration to a finished run, and on from where one stopped."""

from __future__ import annotations

import gc
import importlib
import logging
import platform
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from ..cluster.session import Session, log_folder, ray_session
from ..datasets.errors import InputError
from ..datasets.locations import Location, parse_location
from ..datasets.table import Table
from ..results.contents import read_dataset, read_environment
from ..results.copies import open_run
from ..results.files import exclusive, write_bytes, write_json
from ..results.mirror import Mirror, create_run, discard_unused, working_copy
from ..results.run_directory import RunDirectory
from .config import SweepConfig
from .displays import default_display
from .intake import read_table
from .progress import Display, Together
from .run import Run
from .sections import RUN_NAME
from .stage import StageName
from .tracking import Tracking

log = logging.getLogger(__name__)

_PACKAGE = __name__.partition(".")[0]
_DRIVER_MODULES = (
    f"{_PACKAGE}.datasets.preparation",
    f"{_PACKAGE}.results.summary",
    f"{_PACKAGE}.search.stages",
    "imblearn.over_sampling",
    "imblearn.under_sampling",
)
"""What the driver needs before the search can start."""

_IDENTITY = re.compile(r"sweep\.yaml|dataset\.json|environment\.json")
"""What tells whether a run can be gone on with."""


class Sweep:
    """One search with its configuration.

    Args:
        config: What to search; None takes every default, which is the demonstration data's sweep.
        data: Rows to use instead of the table that the configuration names, with their target.

    Attributes:
        config: What to search.
        table: The rows as they are read: features, target, schema, and what was inferred.

    Raises:
        InputError: The table, or the configuration for this table, is unfit. Nothing is written.
    """

    def __init__(self, config: SweepConfig | None = None, data: pd.DataFrame | None = None) -> None:
        self.config = config or SweepConfig()
        self.table = read_table(self.config, data)

    @classmethod
    def from_yaml(cls, path: Path | Location | str, data: pd.DataFrame | None = None) -> Sweep:
        """The sweep that a file describes.

        Args:
            path: A YAML file, by its path or its URI; relative paths in it are taken from its
                folder.
            data: As for :class:`Sweep`.

        Raises:
            InputError: The file is no sweep file, or as for :class:`Sweep`.
        """
        return cls(SweepConfig.from_yaml(parse_location(path)), data)

    def run(
        self,
        name: str | None = None,
        *,
        address: str | None = None,
        cpus: int | None = None,
        display: Display | None = None,
        until: StageName | None = None,
        tensorboard: bool = False,
        mlflow: str | None = None,
    ) -> Run:
        """Runs every stage, and returns the finished run.

        Args:
            name: Of the run; None takes the sweep's name and the time.
            address: Of a Ray cluster; None starts Ray on this machine.
            cpus: CPUs for Ray on this machine; None takes all.
            display: Shows the progress, and is entered for that; None shows it in a notebook, and
                nowhere else.
            until: The last stage to do; None does all.
            tensorboard: Whether to write the search's event files for TensorBoard, as it goes.
            mlflow: Address of an MLflow tracking server that gets the run when it ends.

        Raises:
            InputError: The run directory can't be made, or no MLflow answers.
            SweepError: The sweep can't go on.
            ClusterError: Ray can't be started or reached.
        """
        tracking = Tracking(tensorboard, mlflow)
        tracking.check()
        with (
            created(self.config, name) as run,
            session_for_sweeps(address, cpus) as session,
            display or default_display() as shown,
        ):
            return execute(self.config, run, self.table, session, shown, until, tracking)


def session_for_sweeps(
    address: str | None = None, cpus: int | None = None
) -> AbstractContextManager[Session]:
    """A Ray session, which all sweeps, resumptions and fits inside it use.

    Starting Ray, and TensorFlow in its workers, takes seconds: open one session around many.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``; None takes the environment's
            ``RAY_ADDRESS``, and without one starts Ray on this machine, on the loopback only.
        cpus: CPUs for a session started here; None takes all.

    Returns:
        A context manager that gives the session, with its ``cpus`` and its ``dashboard`` address.
        A session that is open already is used as it is, and is left open.

    Raises:
        ClusterError: No session could be started or joined.
    """
    # The slow imports of driver and workers pass while it starts.

    def import_for_driver() -> None:
        # The collector would look again and again at a million objects, all of which stay.
        collects = gc.isenabled()
        gc.disable()
        try:
            for module in _DRIVER_MODULES:
                importlib.import_module(module)
        finally:
            if collects:
                gc.enable()

    return ray_session(
        address, cpus, preload=[f"{_PACKAGE}.search.worker_start"], meanwhile=import_for_driver
    )


def create(config: SweepConfig, name: str | None = None) -> RunDirectory:
    """Makes a run directory and writes the resolved configuration into it.

    Args:
        config: The sweep.
        name: Of the run; None takes the sweep's name and the time.

    Raises:
        InputError: The name is unfit, the directory exists or can't be written, or the builder's
            module is nowhere.
    """
    name = run_name(config, name)
    config = config.resolved()
    run = create_run(config.storage / name)
    write_bytes(run.location / run.sweep.name, config.to_yaml().encode())
    return run


def run_name(config: SweepConfig, name: str | None = None) -> str:
    """The name of a new run: the given one, or the sweep's and the time.

    Raises:
        InputError: The given one is unfit.
    """
    if name is not None and not re.fullmatch(RUN_NAME, name):
        raise InputError(
            f"{name!r} is no name for a run; use letters, digits, dots, dashes and underscores"
        )
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return name or f"{config.name}-{stamp}"


@contextmanager
def created(config: SweepConfig, name: str | None = None) -> Iterator[RunDirectory]:
    """A new run directory; it goes again if wrong input ends the run before its first stage.

    Args and errors are those of :func:`create`.
    """
    run = create(config, name)
    try:
        yield run
    except InputError:
        discard_unused(run)
        raise


def resume(
    root: Path | Location | str,
    data: pd.DataFrame | None = None,
    *,
    address: str | None = None,
    cpus: int | None = None,
    display: Display | None = None,
    until: StageName | None = None,
    tensorboard: bool = False,
    mlflow: str | None = None,
) -> Run:
    """Continues a run from its first stage that is not complete.

    Args:
        root: The run directory, by its path or its URI.
        data: The rows, if the run was started with a DataFrame.
        address: Of a Ray cluster; None starts Ray on this machine.
        cpus: CPUs for Ray on this machine; None takes all.
        display: Shows the progress, and is entered for that; None shows it in a notebook, and
            nowhere else.
        until: The last stage to do; None does all.
        tensorboard: As for :meth:`Sweep.run`; of a search that is complete they are written, too.
        mlflow: As for :meth:`Sweep.run`; what was logged of the run before is replaced.

    Raises:
        InputError: There is no run, its table has changed, its builder's module is gone, or no
            MLflow answers.
        SweepError: The sweep can't go on.
        ClusterError: Ray can't be started or reached.
    """
    tracking = Tracking(tensorboard, mlflow)
    tracking.check()
    run, config, table = reopen(root, data)
    with session_for_sweeps(address, cpus) as session, display or default_display() as shown:
        return execute(config, run, table, session, shown, until, tracking)


def reopen(
    root: Path | Location | str, data: pd.DataFrame | None = None
) -> tuple[RunDirectory, SweepConfig, Table]:
    """A run directory with its configuration and its table, checked to be the one it started with.

    Raises:
        InputError: There is no run, its table or seed has changed, or its builder's module is gone.
    """
    run = open_run(root, _IDENTITY)
    config = SweepConfig.from_yaml(run.sweep).resolved()
    table = read_table(config, data)
    if run.dataset.exists() and read_dataset(run)["fingerprint"] != table.fingerprint:
        raise InputError(
            f"{table.source} is not the table that {run.location} was started with (its "
            "fingerprint differs); restore the table, or start a new run"
        )
    if run.environment.exists() and (seed := read_environment(run)["seed"]) != config.seed:
        raise InputError(
            f"{run.location / run.sweep.name} has the seed {config.seed}, and the run was started "
            f"with {seed}; restore the seed, or start a new run"
        )
    return working_copy(run.location), config, table


def execute(
    config: SweepConfig,
    run: RunDirectory,
    table: Table,
    session: Session,
    display: Display,
    until: StageName | None = None,
    tracking: Tracking | None = None,
) -> Run:
    """Does the stages of a run that are not complete, inside an open Ray session.

    Raises:
        InputError: The session's nodes can't run the sweep, or another process works on the run.
        SweepError: The sweep can't go on.
    """
    from ..results.summary import write_summary
    from .cluster_check import check_cluster
    from .gauges import SearchGauges
    from .session_logs import SessionLogs
    from .stages import Stages
    from .uploads import Uploads

    if session.joined:
        display.stage("checking the nodes")
        check_cluster(config, run, table)
    with _alone(run), _mirrored(run) as mirror, _log_file(run.log):
        if not run.environment.exists():
            write_json(run.environment, _environment(config, session.cpus))
        write_summary(run, "running")
        tracking, logs = tracking or Tracking(), SessionLogs(run, log_folder())
        displays = [display, SearchGauges(run.name), logs, *tracking.displays(run)]
        if mirror is not None:
            displays.append(Uploads(mirror))
        try:
            Stages(config, run, table, Together(*displays), session).execute(until)
        except Exception as error:
            log.exception("the run failed")
            with suppress(OSError, InputError):  # a full disk, or one that has gone
                write_summary(run, "failed", error=str(error))
            raise
        logs.report()
        tracking.log(run)
    return Run.load(run.location)


def _environment(config: SweepConfig, cpus: float) -> dict[str, Any]:
    """What ``environment.json`` starts with."""
    packages = ["evensweep", "ray", "tensorflow", "keras", "scikit-learn", "imbalanced-learn"]
    return {
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in [*packages, "numpy", "pandas"]},
        },
        "platform": platform.platform(),
        "cpus": cpus,
        "seed": config.seed,
        "stage_seconds": {},
    }


@contextmanager
def _alone(run: RunDirectory) -> Iterator[None]:
    """Refuses to work on a run that another process works on."""
    try:
        run.root.mkdir(parents=True, exist_ok=True)  # a copy may have gone with another driver
        with exclusive(run.lock):
            yield
    except BlockingIOError as error:
        raise InputError(
            f"{run.location} is being run by another process; wait for it or stop it first"
        ) from error


def _mirrored(run: RunDirectory) -> AbstractContextManager[Mirror | None]:
    """Uploads the working copy of a run in object storage as long as the block lasts."""
    return Mirror(run) if isinstance(run.location, Location) else nullcontext()


class _RunLog(logging.FileHandler):
    """Keeps quiet when it can't write, so that a full disk's own error is the one that is seen."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        pass


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Sends the package's log records, and Ray's, to the run's log and not to the terminal."""
    handler = _RunLog(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in (_PACKAGE, "ray")]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    for logger, level in zip(loggers, (logging.INFO, logging.WARNING), strict=True):
        logger.handlers, logger.level, logger.propagate = [handler], level, False
    try:
        yield
    finally:
        handler.close()
        for logger, state in zip(loggers, before, strict=True):
            logger.handlers, logger.level, logger.propagate = state
