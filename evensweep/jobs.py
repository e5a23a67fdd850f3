"""Commands for sweeps that a cluster runs as Ray jobs: submit, status, logs, stop, fetch, jobs."""

import json
import os
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .datasets.locations import Location
from .datasets.stores import LocationError
from .execution import FAILED, INTERRUPTED, WRONG_INPUT, clear_errors
from .options import (
    Data,
    MLflow,
    Name,
    Positive,
    Published,
    Settings,
    SweepFile,
    Target,
    TensorBoard,
    Trainable,
    Until,
    configuration,
    data_section,
    on_disk,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .cluster.jobs import Job, Jobs

app = typer.Typer()

_PANEL = "Sweeps on a cluster"
_HERE = "http://127.0.0.1:8265"


def _dashboard() -> str:
    """Where no address is given: ``RAY_ADDRESS``, unless it is that of a control store."""
    address = os.environ.get("RAY_ADDRESS", "")
    return address if address.startswith(("http://", "https://")) else _HERE


JobName = Annotated[str, typer.Argument(metavar="JOB", help="Its name, which is its run's.")]
Dashboard = Annotated[
    str,
    typer.Option(
        "--address",
        metavar="http://HOST:8265",
        envvar="RAY_API_SERVER_ADDRESS",
        default_factory=_dashboard,
        show_default=f"RAY_ADDRESS if http://…, or else {_HERE}",
        help="The cluster's dashboard.",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", help="Where the fetched run goes.", callback=on_disk
    ),
]


@app.command(rich_help_panel=_PANEL)
def submit(
    sweep: SweepFile = None,
    data: Data = None,
    target: Target = None,
    positive: Positive = None,
    settings: Settings = None,
    trainable: Trainable = None,
    published: Published = False,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Where the cluster keeps runs, the same for all nodes. Default: ~/runs there.",
        ),
    ] = None,
    name: Name = None,
    until: Until = None,
    tensorboard: TensorBoard = False,
    mlflow: MLflow = None,
    *,
    address: Dashboard,
    remote_data: Annotated[
        bool,
        typer.Option("--remote-data", help="The data's path is one of the cluster's; ship none."),
    ] = False,
    ship: Annotated[
        bool, typer.Option(help="Run this Evensweep there, or the one that the cluster has.")
    ] = True,
    include: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Ship another file or folder; may be given again."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Pass on this variable's value; may be given again."),
    ] = None,
    python: Annotated[
        str, typer.Option(metavar="COMMAND", help="The cluster's Python.")
    ] = "python",
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Fetch what only serves to go on, too.")
    ] = False,
    output: Output = Path("runs"),
    wait: Annotated[
        bool, typer.Option(help="Follow the job to its end and fetch the run, or return at once.")
    ] = True,
) -> None:
    """Runs a sweep on a cluster, as a Ray job, and fetches the run.

    Ctrl-C leaves the job running.
    """
    with clear_errors(), _cluster(address) as jobs:
        if out is not None:
            settings = [*(settings or []), f"storage={json.dumps(out)}"]
        given = data_section(data, target, positive)
        config = configuration(sweep, given, settings or [], None, published, trainable)
        from .cluster.jobs import UPLOAD_LIMIT
        from .cluster.session import ClusterError
        from .datasets.errors import InputError
        from .search.intake import read_table
        from .search.mlflow_log import refuse_password
        from .search.sweep import run_name
        from .submission import Shipment, describe, entry_point, fill

        job = run_name(config, name)
        if mlflow is not None:
            refuse_password(mlflow)  # which would stand in the job's command
        in_bucket = isinstance(config.storage, Location)
        if wait and not in_bucket and (output / job).exists():
            raise InputError(f"{output / job} exists already; choose another -o or --name")
        table = None if remote_data else read_table(config)
        variables = {variable: _value_of(variable) for variable in env or []}
        options = ["--until", until.value] if until else []
        options += ["--tensorboard"] if tensorboard else []
        options += ["--mlflow", mlflow] if mlflow else []
        with tempfile.TemporaryDirectory() as folder:
            shipment = Shipment(not remote_data, ship, tuple(include or ()))
            fill(Path(folder), config, shipment, UPLOAD_LIMIT)
            command = entry_point(config, job, python=python, whole=checkpoints, options=options)
            metadata = describe(config, job, table)
            jobs.submit(job, command, Path(folder), variables, metadata)
        typer.echo(f"job {job} is submitted to {jobs.address}")
        _echo_pairs(metadata)
        if not wait:
            _echo_pairs(_commands(job, address))
            return
        ended = _follow(jobs, job, address)
        code = 0
        try:
            root = _in_bucket(config.storage / job) if in_bucket else _results(jobs, ended, output)
            if root is not None:
                _announce(root)
        except (ClusterError, InputError) as error:
            code, remedy = WRONG_INPUT, _commands(job, address)["fetch"]
            typer.echo(f"evensweep: {error}; the run is fetched with: {remedy}", err=True)
        _exit_if_failed(ended)
        raise typer.Exit(code)


@app.command(rich_help_panel=_PANEL)
def status(job: JobName, address: Dashboard) -> None:
    """Shows what a job is and how far its search has come."""
    with clear_errors(), _cluster(address) as jobs:
        from .cluster.session import log_name

        known = jobs.get(job)
        typer.echo(f"job {job}: {known.status}{_duration(known)}")
        _echo_pairs(known.metadata)
        if known.status == "FAILED":
            typer.echo(f"it failed: {_reason(known)}")
        leaderboard = jobs.read(known, log_name(job, "leaderboard.txt"))
        if leaderboard is not None:
            # Made for the dashboard, which shows only such spaces as they are.
            typer.echo(b"".join(leaderboard).decode().replace("\u00a0", " "))


@app.command(rich_help_panel=_PANEL)
def logs(
    job: JobName,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends.")
    ] = False,
    *,
    address: Dashboard,
) -> None:
    """Prints what a job has printed; Ctrl-C leaves it running."""
    with clear_errors(), _cluster(address) as jobs:
        if follow:
            _exit_if_failed(_follow(jobs, job, address))
        else:
            typer.echo(jobs.log(job), nl=False)


@app.command(rich_help_panel=_PANEL)
def stop(job: JobName, address: Dashboard) -> None:
    """Stops a job; what its run has by then can be fetched."""
    with clear_errors(), _cluster(address) as jobs:
        before = jobs.get(job)
        if before.has_ended:
            typer.echo(f"job {job} has ended already: {before.status}")
            return
        after = jobs.stop(job)
        typer.echo(f"job {job}: {after.status}; what it has: {_commands(job, address)['fetch']}")


@app.command(rich_help_panel=_PANEL)
def fetch(
    job: JobName,
    output: Output = Path("runs"),
    *,
    address: Dashboard,
) -> None:
    """Fetches the run of a job that has ended, also of one that failed or was stopped."""
    with clear_errors(), _cluster(address) as jobs:
        from .datasets.errors import InputError

        known = jobs.get(job)
        if not known.has_ended:
            raise InputError(
                f"job {job} is {known.status} and packs its run when it ends; wait for it with "
                f"{_commands(job, address)['follow']}"
            )
        if "://" in (storage := known.metadata.get("storage", "")):
            raise InputError(
                f"the run of job {job} is in the bucket, {storage}, where every command reads it; "
                "it needs no fetching"
            )
        root = _results(jobs, known, output, although_here=True)
        if root is None:
            raise InputError(
                f"job {job} has left no run; {_commands(job, address)['log']} says what it did"
            )
        _announce(root)


@app.command(name="jobs", rich_help_panel=_PANEL)
def list_jobs(address: Dashboard) -> None:
    """Lists a cluster's sweeps that were submitted, the latest first."""
    with clear_errors(), _cluster(address) as jobs:
        from rich.table import Table

        from .results.tables import plain_console

        table = Table("job", "status", "table", "views", "trials", "started")
        for job in jobs.all():
            if "evensweep" in job.metadata:
                about = [job.metadata.get(key, "") for key in ("table", "views", "trials")]
                table.add_row(job.id, job.status, *about, _clock(job.started))
        plain_console().print(table)


@contextmanager
def _cluster(address: str) -> Iterator["Jobs"]:
    """The cluster's jobs; what goes wrong with the cluster is told like wrong input."""
    from .cluster.jobs import Jobs
    from .cluster.session import ClusterError
    from .datasets.errors import InputError

    try:
        yield Jobs(address)
    except ClusterError as error:
        raise InputError(str(error)) from None


def _follow(jobs: "Jobs", job: str, address: str) -> "Job":
    """Prints a job's log until it ends; whoever stops that learns how to go on."""
    try:
        return jobs.follow(job, lambda text: typer.echo(text, nl=False))
    except KeyboardInterrupt:
        typer.echo(f"\njob {job} goes on", err=True)
        _echo_pairs(_commands(job, address), err=True)
        raise typer.Exit(INTERRUPTED) from None


def _results(jobs: "Jobs", job: "Job", folder: Path, although_here: bool = False) -> Path | None:
    """Where a job's run is on this machine, fetched if need be; None if it has left none."""
    from .cluster.session import log_name
    from .search.packing import PACKAGE_FILE, Package, unpack

    about = b"".join(jobs.read(job, log_name(job.id, PACKAGE_FILE)) or ())
    if not about:  # a dashboard under load may give nothing of a file that is not there
        return None
    package = Package.from_json(about.decode())
    if package.stands_at_root() and not although_here:
        return Path(package.root)
    content = jobs.read(job, package.archive)
    if content is None:
        return None
    unpack(package, content, folder / package.run)
    return folder / package.run


def _in_bucket(root: Location) -> Location | None:
    """Where a run is; None if it has not begun. Not every machine may look into a bucket."""
    try:
        return root if (root / "sweep.yaml").exists() else None
    except LocationError:
        return root


def _announce(root: Path | Location) -> None:
    shown = shlex.quote(str(root))
    typer.echo(f"the run: {root}; look at it with: evensweep leaderboard {shown}")


def _exit_if_failed(job: "Job") -> None:
    if job.status != "SUCCEEDED":
        reason = "was stopped" if job.status == "STOPPED" else f"failed: {_reason(job)}"
        typer.echo(f"evensweep: job {job.id} {reason}", err=True)
        raise typer.Exit(FAILED)


def _reason(job: "Job") -> str:
    """Why a job failed, as its driver has told it, or else what Ray says."""
    lines = [line.strip() for line in job.message.splitlines() if line.strip()]
    told = [line.removeprefix("evensweep: ") for line in lines if line.startswith("evensweep: ")]
    return (told or lines or ["Ray doesn't say why"])[-1]


def _commands(job: str, address: str) -> dict[str, str]:
    """What to type next, by what it does."""
    there = "" if address == _HERE else f" --address {shlex.quote(address)}"
    return {
        "follow": f"evensweep logs {job} --follow{there}",
        "log": f"evensweep logs {job}{there}",
        "status": f"evensweep status {job}{there}",
        "stop": f"evensweep stop {job}{there}",
        "fetch": f"evensweep fetch {job}{there}",
    }


def _value_of(variable: str) -> str:
    from .datasets.errors import InputError

    if variable not in os.environ:
        raise InputError(f"the variable {variable} is not set here; set it, or leave out --env")
    return os.environ[variable]


def _echo_pairs(pairs: "Mapping[str, str]", err: bool = False) -> None:
    width = max(map(len, pairs))
    for key, value in pairs.items():
        typer.echo(f"  {key:<{width}}  {value}", err=err)


def _clock(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds else ""


def _duration(job: "Job") -> str:
    if job.started is None:
        return ""
    if job.ended is None:
        return f" since {_clock(job.started)}"
    return f", {_clock(job.started)} to {_clock(job.ended)}"
