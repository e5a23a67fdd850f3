"""What keeps the sources from executing what they read, and secrets from what they write."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["cluster", "datasets", "evensweep", "results", "search", "trainables"]
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

UNSAFE_MODULES = {"pickle", "_pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
"""Loading with them executes what the file says."""

UNSAFE_CALLS = {
    "eval", "exec", "__import__", "os.system", "os.popen", "torch.load", "pandas.read_pickle",
    "yaml.full_load", "yaml.unsafe_load", "yaml.load_all",
    "keras.config.enable_unsafe_deserialization",
}  # fmt: skip

ALLOWED_IMPORTS = {
    "datasets/user_code.py": "the modules that a sweep file names as the user's own code",
    "datasets/views.py": "imbalanced-learn's, from a table of its samplers",
    "search/displays.py": "IPython's, a constant",
    "search/sweep.py": "our own, constants",
    "evensweep/__init__.py": "our own, from a table of the public names",
}
"""Where modules are imported by a name that is computed, and whose name that is."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.AST) -> dict[str, str]:
    """The full name of everything that a file imports, by the name it has there."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names | {"np": "numpy", "pd": "pandas"}


def safe_loaders(tree: ast.AST) -> set[str]:
    """YAML's safe loaders, and classes of the file that only refuse more."""
    safe, names = {"yaml.SafeLoader", "yaml.CSafeLoader"}, imported(tree)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {c.name: {names.get(name, name) for name in map(ast.unparse, c.bases)} for c in classes}
    # The composer makes nodes of events and executes nothing.
    return safe | {
        name for name, of in bases.items() if of & safe and of <= safe | {"yaml.composer.Composer"}
    }


def problems(source: str) -> Iterator[str]:
    """What in a source can execute what it reads, a line each."""
    tree = ast.parse(source)
    names = imported(tree)
    for module in set(names.values()):
        if module.split(".")[0] in UNSAFE_MODULES:
            yield f"imports {module}"
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        first, dot, rest = ast.unparse(call.func).partition(".")
        function = names.get(first, first) + dot + rest
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        loader = given.get("Loader") or (ast.unparse(call.args[1]) if call.args[1:] else None)
        if function in UNSAFE_CALLS or function.endswith((".read_pickle", ".to_pickle")):
            yield f"calls {function}"
        elif function == "yaml.load" and loader not in safe_loaders(tree):
            yield "yaml.load without a safe loader"
        elif function == "numpy.load" and given.get("allow_pickle") != "False":
            yield "numpy.load that doesn't refuse pickles"
        elif function.endswith("load_model") and given.get("safe_mode") != "True":
            yield "load_model without its safe mode"
        elif function == "skops.io.load" and "trusted" not in given:
            yield "skops' load without a list of trusted types"
        elif given.get("shell") == "True":
            yield "a shell"
        if given.get("allow_pickle", "False") != "False":
            yield "allow_pickle"
        if function.endswith("import_module") and first in names:
            yield "imports by a computed name"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_sources_execute_nothing_that_they_read(path: Path) -> None:
    found = set(problems(path.read_text(encoding="utf-8")))
    if name(path) in ALLOWED_IMPORTS:
        assert "imports by a computed name" in found, "it needs no exception any more"
        found.discard("imports by a computed name")
    assert found == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "def f():\n    import cloudpickle as c",
        "eval('1')",
        "exec(text)",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, yaml.Loader)",
        "import yaml\nclass L(yaml.Loader): pass\nyaml.load(text, Loader=L)",
        "from yaml import unsafe_load\nunsafe_load(text)",
        "import numpy as np\nnp.load(path)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "from numpy import load\nload(path, allow_pickle=allow)",
        "import numpy as np\nnp.savez(path, allow_pickle=True)",
        "import pandas as pd\npd.read_pickle(path)",
        "frame.to_pickle(path)",
        "import torch\ntorch.load(path)",
        "import keras\nkeras.saving.load_model(path)",
        "import keras\nkeras.saving.load_model(path, safe_mode=False)",
        "from skops.io import load\nload(path)",
        "import subprocess\nsubprocess.run(line, shell=True)",
        "import os\nos.system(line)",
        "from importlib import import_module\nimport_module(name)",
        "import importlib\nimportlib.import_module(name)",
        "__import__(name)",
    ],
)
def test_what_would_execute_is_found(source: str) -> None:
    assert list(problems(source))


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.load(file)",
        "import yaml\nyaml.safe_load(text)",
        "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)",
        "import yaml\nclass L(yaml.SafeLoader): pass\nyaml.load(text, L)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import keras\nkeras.saving.load_model(path, safe_mode=True)",
        "from skops.io import load\nload(path, trusted=[])",
        "model.load(path)",
    ],
)
def test_what_is_safe_passes(source: str) -> None:
    assert list(problems(source)) == []
