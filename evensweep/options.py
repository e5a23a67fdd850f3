"""Options that commands share, and the configuration that they and a sweep file make."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .search.stage import StageName

if TYPE_CHECKING:
    from .datasets.locations import Location

Address = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT",
        help="A Ray cluster to run on. Default: RAY_ADDRESS, or else this machine.",
    ),
]
Cpus = Annotated[int | None, typer.Option(min=1, help="CPUs to use on this machine. Default: all.")]
SweepFile = Annotated[
    str | None,
    typer.Argument(metavar="[SWEEP.yaml|PRESET]", help="A sweep file, or a preset's name."),
]
Data = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH|VIEW=PATH",
        help="The table: CSV or Parquet. Or views that are split already: an .npz file each. "
        "A path, or a s3:// or gs:// URI.",
    ),
]
Target = Annotated[str | None, typer.Option(metavar="COL", help="Target column: name or position.")]
Positive = Annotated[
    str | None,
    typer.Option(metavar="LABEL", help="Label of the class to find. Default: the rarer."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Overrides a key; may be given again."),
]
Trainable = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        help="Your own builder of Keras models; give its space with --set or in the file.",
    ),
]
Published = Annotated[
    bool, typer.Option("--published", help="A preset's published protocol and settings.")
]
Name = Annotated[
    str | None, typer.Option(help="The run's name. Default: the sweep's, and the time.")
]
Until = Annotated[
    StageName | None,
    typer.Option(help="The last stage to do. Default: all of them."),
]
TensorBoard = Annotated[
    bool,
    typer.Option("--tensorboard", help="Write event files: epoch curves and hyperparameters."),
]
MLflow = Annotated[
    str | None,
    typer.Option(metavar="URI", help="An MLflow server that gets the run when it ends."),
]


def on_disk(path: Path) -> Path:
    """Refuses a URI, which would become a folder of that name."""
    if path.parts and path.parts[0].endswith(":"):
        raise typer.BadParameter("a folder of this machine is needed, and no URI")
    return path


def data_section(
    data: list[str] | None, target: str | None, positive: str | None
) -> dict[str, Any]:
    """What the options say of the section ``data``."""
    from .datasets.errors import InputError
    from .datasets.locations import parse_location

    options = {"target": target, "positive": positive}
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    arrays = {}
    for source in data or []:
        view, equals, file = source.partition("=")
        if not equals or "://" in view:  # one in a URI's query names no view
            view, file = "", source
        place = parse_location(file)
        if place.suffix == ".npz":
            arrays[view or name_after(place)] = file
        else:
            given["path"] = source
    if len(data or []) > 1 and (len(arrays) < len(data or []) or "path" in given):
        raise InputError("several --data must be .npz files of different views, each VIEW=PATH.npz")
    return given | ({"arrays": arrays} if arrays else {})


def configuration(
    sweep: str | None,
    given: dict[str, Any],
    settings: list[str],
    out: str | None = None,
    published: bool = False,
    trainable: str | None = None,
) -> Any:
    """The ``SweepConfig`` of a command.

    Args:
        sweep: A sweep file, or a preset's name; None takes the defaults.
        given: Keys of the section ``data`` that the options give.
        settings: Assignments of ``--set``.
        out: The storage; None takes the sweep's.
        published: Whether to take the preset's published protocol and settings.
        trainable: A user's builder; None takes the sweep's.

    Raises:
        InputError: One of them is unfit.
    """
    from .datasets.errors import InputError, nearest
    from .datasets.locations import parse_location
    from .presets import preset_paths
    from .search.config import SweepConfig
    from .search.raw_config import override, read_yaml

    known = preset_paths()
    raw: dict[str, Any] = {}
    if published and sweep not in known:
        raise InputError(f"--published goes with a preset: {', '.join(known)}")
    if published:
        from .presets.systems import published_settings

        raw = published_settings(str(sweep))
    elif sweep in known:
        raw = read_yaml(known[sweep])
    elif sweep is not None:
        place = parse_location(sweep)
        if place.suffix not in {".yaml", ".yml"} and not place.exists():
            hint = nearest(sweep, known) or f"; the presets are {', '.join(known)}"
            raise InputError(f"'{sweep}' is neither a sweep file nor a preset{hint}")
        raw = read_yaml(place)
    if given:
        section = raw.get("data") or {}
        if not isinstance(section, dict):
            raise InputError(f"{sweep}: data holds no keys; write it as data: {{path: …}}")
        if "arrays" in given:  # they bring their views, and their columns are ready
            raw = {**raw, "data": given}
            raw.pop("views", None)
        else:
            raw = {**raw, "data": {**section, **given}}
        if "name" not in raw and "path" in given:
            raw["name"] = name_after(parse_location(given["path"]))
        if "name" not in raw and "arrays" in given:
            raw["name"] = "-".join(given["arrays"])
    if trainable is not None:
        # A builder's space has no defaults, so what is set of it comes before the whole.
        of_space = [each for each in settings if each.startswith(("space=", "space."))]
        raw = override({**raw, "trainable": trainable}, of_space)
    config = SweepConfig.from_mapping(raw, sweep or "the command line")
    if settings:
        # On the whole configuration, so that one key of a default can be set alone.
        config = SweepConfig.from_mapping(override(config.to_mapping(), settings), "--set")
    return config.model_copy(update={"storage": parse_location(out)}) if out else config


def name_after(path: "Path | Location") -> str:
    """A run's name after a file's."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.stem)
    return kept.lstrip("._-") or "table"
