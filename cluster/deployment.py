"""The deployment templates' parameters: a model each, with types, defaults and help."""

import re
import shlex
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    model_validator,
)

_PACKAGE = __name__.partition(".")[0]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"it must be one line of printable characters, got {text!r}")
    return text


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"a quote is open, got {value!r}") from error


def _like(pattern: str, what: str) -> AfterValidator:
    """Lets texts pass that match a pattern as a whole; ``what`` they are is said to the others."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"it must be {what}, got {text!r}")
        return text

    return AfterValidator(check)


Text = Annotated[str, AfterValidator(_printable)]
Words = Annotated[tuple[Text, ...], BeforeValidator(_split)]
"""Words as a shell takes them apart; quotes keep blanks."""

Label = Annotated[
    str,
    _like(
        r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
        "at most 40 small letters, digits and dashes, from a letter to no dash",
    ),
]
"""A name that is one on EC2, on Compute Engine, in Kubernetes and in Slurm."""

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
Name = Annotated[str, _like(_NAME, "letters, digits, dots, dashes and underscores")]
OptionalName = Annotated[str, _like(f"({_NAME})?", "letters, digits, dots, dashes and underscores")]
Version = Annotated[str, _like(r"[0-9][A-Za-z0-9.!+]*", "a version such as 0.1.0")]
Image = Annotated[
    str, _like(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*", "an image such as REGISTRY/NAME:TAG")
]
ContextPath = Annotated[
    str, _like(r"([A-Za-z0-9_][A-Za-z0-9._+/-]*)?", "a path inside the build context")
]
KubernetesName = Annotated[
    str, _like(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?", "small letters, digits, dots and dashes")
]
Quantity = Annotated[str, _like(r"[0-9]+[KMGT]i?", "a quantity such as 16Gi")]

Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]


class Template(BaseModel):
    """The parameters of a template; a field's description is its help.

    Attributes:
        title: What the rendered file is, in a line.
        file: Its template, in ``templates/``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    title: ClassVar[str]
    file: ClassVar[str]

    @property
    def ray_version(self) -> str:
        """Ray's version here, which the cluster's must be."""
        return version("ray")


class Installing(Template):
    """Installs Evensweep."""

    version: Version = Field(
        default_factory=lambda: version(_PACKAGE),
        description="Evensweep's version. Default: this one.",
    )
    packages: Words = Field(
        default=(), description="More to install, such as 'tensorflow[and-cuda]'."
    )


class Growing(Template):
    """Has workers that come and go with the work."""

    max_workers: Count = Field(default=4, description="Workers at most.")
    min_workers: CountOrNone | None = Field(
        default=None, description="Workers that are always there. Default: as many as at most."
    )

    @model_validator(mode="after")
    def _order_workers(self) -> Self:
        if self.workers > self.max_workers:
            raise ValueError(
                f"min_workers must not be above max_workers, got {self.workers} and "
                f"{self.max_workers}"
            )
        return self

    @property
    def workers(self) -> int:
        """Workers that are there from the start."""
        return self.max_workers if self.min_workers is None else self.min_workers


class Autoscaled(Growing, Installing):
    """What both clouds' clusters have."""

    name: Label = Field(default="evensweep", description="The cluster's name.")
    spot: bool = Field(
        default=True, description="Whether workers are spot machines; the head never is."
    )
    idle_minutes: Annotated[float, Field(gt=0)] = Field(
        default=5, description="Minutes until an idle worker goes."
    )
    disk_gb: Annotated[int, Field(ge=20)] = Field(default=100, description="A node's disk.")
    internal_ips: bool = Field(
        default=False, description="Whether nodes have private addresses alone, as behind a VPN."
    )
    wheel: FilePath | None = Field(
        default=None, description="A wheel of Evensweep to install in place of the index's."
    )

    @property
    def wheel_on_node(self) -> str | None:
        """Where the wheel lies on a node."""
        return None if self.wheel is None else f"/home/ubuntu/{self.wheel.name}"

    @property
    def requirements(self) -> list[str]:
        """What pip installs on every node."""
        ours = self.wheel_on_node or f"evensweep=={self.version}"
        return [ours, f"ray[default,tune]=={self.ray_version}", *self.packages]


class Aws(Autoscaled):
    """Ray's cluster launcher on Amazon EC2."""

    title = "Ray's cluster launcher on Amazon EC2: a head on demand, spot workers"
    file = "aws.yaml.j2"

    ami: Annotated[
        str, _like(r"ami-[0-9a-f]{8,17}", "an image's id such as ami-0123456789abcdef0")
    ] = Field(
        description="The region's image of Ubuntu 24.04; docs/cluster.md has the command that "
        "finds it."
    )
    region: Name = Field(default="us-west-2", description="The region.")
    zones: Annotated[str, _like(r"([a-z0-9-]+(,[a-z0-9-]+)*)?", "zones with commas")] = Field(
        default="", description="Availability zones, with commas. Default: the region's."
    )
    head_type: Name = Field(default="m7i.large", description="The head's instance type.")
    worker_type: Name = Field(default="c7i.2xlarge", description="The workers' instance type.")
    head_profile: OptionalName = Field(
        default="", description="The head's instance profile. Default: one that Ray makes."
    )
    worker_profile: OptionalName = Field(
        default="", description="The workers' instance profile, which may use the storage."
    )
    security_group: Annotated[
        str, _like(r"(sg-[0-9a-f]{8,17})?", "a group's id such as sg-0123456789abcdef0")
    ] = Field(
        default="", description="Default: one that Ray makes, with SSH open to every address."
    )


class Gcp(Autoscaled):
    """Ray's cluster launcher on Google Compute Engine."""

    title = "Ray's cluster launcher on Google Compute Engine: a head on demand, spot workers"
    file = "gcp.yaml.j2"

    project: Annotated[str, _like(r"[a-z]([a-z0-9.:-]*[a-z0-9])?", "a project's id")] = Field(
        description="The project's id."
    )
    region: Name = Field(default="us-west1", description="The region.")
    zone: Name = Field(default="us-west1-a", description="The zone.")
    head_type: Name = Field(default="n2-standard-2", description="The head's machine type.")
    worker_type: Name = Field(default="n2-standard-8", description="The workers' machine type.")
    worker_cpus: Count = Field(default=8, description="CPUs of the workers' machine type.")
    worker_gpus: CountOrNone = Field(default=0, description="GPUs of the workers' machine type.")
    worker_account: Annotated[str, _like(r"([a-z0-9.-]+@[a-z0-9.-]+)?", "an account's address")] = (
        Field(default="", description="The workers' service account, which may use the storage.")
    )
    image: Annotated[str, _like(r"[A-Za-z0-9][A-Za-z0-9._/-]*", "an image's path")] = Field(
        default="projects/ubuntu-os-cloud/global/images/family/ubuntu-2404-lts-amd64",
        description="An image of Ubuntu 24.04.",
    )


class KubeRay(Growing):
    """A sweep as a RayJob."""

    title = "A sweep as a RayJob of KubeRay, with its own cluster that goes when it is done"
    file = "kuberay.yaml.j2"

    image: Image = Field(description="An image with Evensweep, such as the template docker makes.")
    name: Label = Field(default="evensweep", description="The job's name, and the run's.")
    namespace: Label = Field(default="default", description="The namespace.")
    sweep: FilePath | None = Field(
        default=None, description="A sweep file here, which travels in a ConfigMap."
    )
    arguments: Words = Field(
        default=(),
        description="More for evensweep run, such as '--data /storage/customers.csv'; with a sweep "
        "file of the image its path.",
    )
    storage: Text = Field(default="/storage/runs", description="Where runs are kept.")
    claim: KubernetesName = Field(
        default="evensweep",
        description="A volume claim that many nodes can write, mounted at /storage. Empty: none, "
        "since the storage is a URI.",
    )
    worker_cpus: Count = Field(default=4, description="A worker's CPUs.")
    worker_memory: Quantity = Field(default="16Gi", description="A worker's memory.")
    worker_gpus: CountOrNone = Field(default=0, description="A worker's GPUs, of NVIDIA's.")
    head_cpus: Count = Field(default=2, description="The head's CPUs.")
    head_memory: Quantity = Field(default="8Gi", description="The head's memory.")
    service_account: KubernetesName = Field(
        default="", description="The pods' service account, which may use the storage."
    )
    retries: CountOrNone = Field(
        default=2, description="New clusters that go on with the run after a failure."
    )
    keep_seconds: CountOrNone = Field(
        default=300, description="Seconds that the cluster stays when the sweep is done."
    )

    @property
    def sweep_text(self) -> str | None:
        """The sweep file's content."""
        if self.sweep is None:
            return None
        return self.sweep.read_text(encoding="utf-8").rstrip("\n") + "\n"


class Slurm(Template):
    """A sweep as a batch job."""

    title = "A sweep as a Slurm batch job, with one Ray node a Slurm node"
    file = "slurm.sh.j2"

    name: Label = Field(default="evensweep", description="The job's name.")
    nodes: Count = Field(default=2, description="Nodes.")
    cpus: Count = Field(default=16, description="CPUs of a node.")
    gpus: CountOrNone = Field(default=0, description="GPUs of a node.")
    memory: Annotated[str, _like(r"[0-9]+[KMGT]?", "a size such as 64G")] = Field(
        default="0", description="Memory of a node, such as 64G. 0: all of it."
    )
    time: Annotated[
        str,
        _like(
            r"[0-9]+(:[0-9]{2}){0,2}|[0-9]+-[0-9]+(:[0-9]{2}){0,2}",
            "minutes, hours:minutes:seconds or days-hours:minutes:seconds",
        ),
    ] = Field(default="08:00:00", description="The time limit, such as 08:00:00 or 2-00:00:00.")
    warning_seconds: Annotated[int, Field(ge=60)] = Field(
        default=300, description="Seconds before the time limit at which the sweep stops."
    )
    requeue: bool = Field(
        default=True, description="Whether the job queues again at the time limit, to go on."
    )
    partition: OptionalName = Field(default="", description="The partition.")
    account: OptionalName = Field(default="", description="The account.")
    venv: Text = Field(
        default=".venv", description="The environment with Evensweep, seen by every node."
    )
    storage: Text = Field(
        default="runs", description="Where runs are kept: a folder that every node sees, or a URI."
    )
    run: OptionalName = Field(
        default="", description="The run's name. Default: the job's name and number."
    )
    arguments: Words = Field(
        default=(), description="For evensweep run, such as 'sweep.yaml --set search.trials=200'."
    )


class Docker(Installing):
    """An image with Evensweep."""

    title = "An image with Evensweep, for KubeRay or one machine"
    file = "Dockerfile.j2"

    base: Image = Field(
        default="python:3.12.12-slim-bookworm", description="The base image: Debian with Python."
    )
    wheel: Annotated[
        str, _like(r"([A-Za-z0-9_][A-Za-z0-9._+/-]*\.whl)?", "a wheel inside the build context")
    ] = Field(
        default="", description="A wheel in the build context to install in place of the index's."
    )
    constraints: ContextPath = Field(
        default="", description="A file in the build context that pins versions."
    )
    content: ContextPath = Field(
        default="",
        description="A folder of the build context with sweep files, modules or tables, copied to "
        "/home/ray/content.",
    )

    @property
    def install(self) -> list[str]:
        """The command that installs Evensweep."""
        ours = f"/tmp/{Path(self.wheel).name}" if self.wheel else f"evensweep=={self.version}"
        pinned = ["-c", "/tmp/constraints.txt"] if self.constraints else []
        return ["pip", "install", "--no-cache-dir", *pinned, ours, *self.packages]


TEMPLATES: dict[str, type[Template]] = {
    "aws": Aws,
    "gcp": Gcp,
    "kuberay": KubeRay,
    "slurm": Slurm,
    "docker": Docker,
}
