"""Sweep files that ship with the package, found by name, and the systems published for them."""

from importlib import resources
from pathlib import Path


def preset_paths() -> dict[str, Path]:
    """The presets' files, by name."""
    folder = Path(str(resources.files(__package__ or __name__)))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def preset_title(path: Path) -> str:
    """The preset's first line, which says what it answers."""
    return path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def published_path(name: str) -> Path:
    """The file that tells what was published, for a preset; see :mod:`.systems`."""
    return preset_paths()[name].parent / "published" / f"{name}.yaml"
