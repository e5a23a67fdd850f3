"""The house rules of the sources: who imports whom, how light the start is, how long a file is."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "datasets": set(),
    "cluster": set(),
    "results": {"datasets"},
    "trainables": {"datasets", "results"},
    "search": {"datasets", "results", "cluster", "trainables"},
}
HEAVY = {"tensorflow", "keras", "ray", "matplotlib", "pandas", "sklearn", "imblearn"}
PURE = [
    "search/rungs.py",
    "search/competition.py",
    "search/promotion.py",
    "search/stopping.py",
    "results/calibration.py",
    "results/ensemble.py",
]
SOURCES = sorted(p for folder in [*MAY_IMPORT, "evensweep"] for p in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(relative level, module) of every import in a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.level, alias.name) for alias in node.names)


def folders_imported(path: Path) -> set[str]:
    """Our other folders that a file of one of our folders imports."""
    depth = len(path.relative_to(ROOT).parts)
    return {module.split(".")[0] for level, module in imports(path) if level == depth}


def test_sources_are_found() -> None:
    assert len(SOURCES) > 30
    assert folders_imported(ROOT / "search" / "sweep.py") == {"cluster", "datasets", "results"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_of_ours_are_relative_and_go_the_allowed_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    absolute = {module.split(".")[0] for level, module in imports(path) if level == 0}
    assert not absolute & {"evensweep", *MAY_IMPORT}
    if folder in MAY_IMPORT:
        assert folders_imported(path) <= MAY_IMPORT[folder]


@pytest.mark.parametrize("file", PURE)
def test_algorithms_are_pure_modules(file: str) -> None:
    allowed = sys.stdlib_module_names | {"numpy"}
    foreign = {module.split(".")[0] for level, module in imports(ROOT / file) if level == 0}
    assert foreign <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file_is_short_and_called_after_what_it_holds(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.name not in {"utils.py", "helpers.py", "common.py", "misc.py"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_bare_except(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and n.type is None]


def loaded_by(code: str) -> set[str]:
    """Top-level modules loaded when a new process ends."""
    report = "\nimport sys\nprint('\\n' + ' '.join({m.split('.')[0] for m in sys.modules}))"
    ran = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_by("import evensweep; dir(evensweep)")
    assert "evensweep" in loaded
    assert not loaded & (HEAVY | {"numpy", "typer", "rich"})


def test_help_loads_nothing_heavy() -> None:
    code = """
from evensweep.cli import app
for arguments in (["--help"], ["run", "--help"], ["--version"], ["presets"]):
    app(arguments, standalone_mode=False)
"""
    loaded = loaded_by(code)
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"numpy"})


def test_public_names_are_there_and_others_are_not() -> None:
    import evensweep
    from evensweep.datasets.errors import InputError

    assert evensweep.InputError is InputError
    assert evensweep.SweepConfig().seed == 0
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = evensweep.Nonsense


def test_bare_import_does_not_find_our_folders() -> None:
    """Hugging Face's ``datasets``, for one, must be found where a user installed it."""
    import importlib.util

    for folder in MAY_IMPORT:
        found = importlib.util.find_spec(folder)
        assert found is None or not str(found.origin).startswith(str(ROOT / folder))
