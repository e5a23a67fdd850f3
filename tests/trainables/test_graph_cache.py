"""Traced programs on disk: another process reads what one has traced, and nothing else."""

import gc
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evensweep.trainables.graph_cache import trace_once
from evensweep.trainables.mlp import MLPConfig
from evensweep.trainables.mlp_family import MLPNetwork
from evensweep.trainables.program import MLPProgram, ResidentRows, mlp_program
from evensweep.trainables.runtime import tf

Structure = tuple[int, str, float]

SCALAR = tf.TensorSpec([], tf.float32)

STRUCTURES: list[Structure] = [
    (2, "relu", 0.25), (3, "relu", 0.25), (2, "relu", 0.0),
    (2, "tanh", 0.25), (3, "tanh", 0.25), (3, "tanh", 0.0),
]  # fmt: skip
"""Depth, activation and dropout rate."""

SCRIPT = """
import importlib.util, json, sys
path, data, *structures = sys.argv[1:]
spec = importlib.util.spec_from_file_location("graph_cache_tests", path)
tests = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tests)
import numpy as np
table = dict(np.load(data))
for structure in map(json.loads, structures):
    print(json.dumps(tests.figures(*structure, table)))
"""


def figures(
    num_layers: int, activation: str, rate: float, table: dict[str, np.ndarray]
) -> list[str]:
    """Losses of three epochs, and the weights after them, to the last bit."""
    config = MLPConfig(
        num_layers=num_layers,
        activation=activation,
        hidden_layer_size=8,
        dropout_rate=rate,
        l2_strength=1e-3,
        batch_size=48,
    )
    mlp_program.cache_clear()
    network = MLPNetwork(config, 6, seed=11)
    network.load(network.initial_state)
    train = ResidentRows.place(table["X"], table["y"])
    validation = ResidentRows.place(table["X_val"], table["y_val"])
    losses = []
    for _ in range(3):
        outcome = network.run_epoch(train, validation, log_odds_shift=-0.7)
        losses += [float(value).hex() for value in outcome[:4]]
    return [*losses, hashlib.sha256(network.program.weights().tobytes()).hexdigest()]


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one whenever an epoch is traced in this process."""
    traced: list[int] = []
    original = MLPProgram._train_and_validate

    def counted(self: MLPProgram, *tensors: Any) -> Any:
        traced.append(self.structure.num_layers)
        return original(self, *tensors)

    monkeypatch.setattr(MLPProgram, "_train_and_validate", counted)
    return traced


@pytest.fixture(scope="module")
def written(
    table: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[Structure, list[str]]]:
    """A folder that two processes wrote beside each other, and their figures.

    Each traced three structures, so that TensorFlow numbered the loops of both processes alike.
    """
    folder = tmp_path_factory.mktemp("written")
    data = tmp_path_factory.mktemp("table") / "table.npz"
    np.savez(data, **table)
    pairs = [STRUCTURES[:3], STRUCTURES[3:]]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, __file__, str(data), *map(json.dumps, pair)],
            env={**os.environ, "EVENSWEEP_CACHE": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for pair in pairs
    ]
    found = {}
    for process, pair in zip(running, pairs, strict=True):
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        found |= dict(zip(pair, map(json.loads, output.splitlines()), strict=True))
    return folder, found


def test_another_process_reads_what_was_traced_and_gets_the_same_bits(
    written: Any, table: Any, traces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = written
    monkeypatch.setenv("EVENSWEEP_CACHE", str(folder))
    assert {key: figures(*key, table) for key in STRUCTURES} == found
    assert traces == []


def test_what_is_read_computes_what_tracing_here_would(
    written: Any, table: Any, traces: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of loops' bodies, which a process counts up, don't mix."""
    _, found = written
    monkeypatch.setenv("EVENSWEEP_CACHE", "")
    assert {key: figures(*key, table) for key in STRUCTURES} == found
    assert traces == [depth for depth, *_ in STRUCTURES]
    assert len({losses[-1] for losses in found.values()}) == len(STRUCTURES)


def test_a_structure_has_a_file_of_its_own(written: Any) -> None:
    folder, _ = written
    assert len(list(folder.iterdir())) == len(STRUCTURES)
    assert all(path.suffix == ".graph" for path in folder.iterdir())


class Summing:
    """A small function with a loop, which counts how often it is traced."""

    def __init__(self, step: float = 1.0) -> None:
        self.traced = 0
        self._step = step

    def __call__(self, start: Any) -> Any:
        self.traced += 1
        return tuple(tf.while_loop(lambda x: x < 10, lambda x: [x + self._step], [start]))

    def result(self, name: str = "sum", source: bytes = b"") -> float:
        # A source for each test, as for each version of the package.
        source += os.environ["PYTEST_CURRENT_TEST"].encode()
        [total] = trace_once(name, source, self, SCALAR)(tf.constant(0.5))
        return float(total)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVENSWEEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_is_on_disk_is_not_traced(folder: Path) -> None:
    first, second = Summing(), Summing()
    assert first.result() == second.result() == 10.5
    assert (first.traced, second.traced) == (1, 0)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("other", [{"name": "other"}, {"source": b"other"}], ids=str)
def test_another_name_or_source_is_another_function(folder: Path, other: dict[str, Any]) -> None:
    assert Summing(1.0).result() == 10.5
    assert Summing(4.0).result(**other) == 12.5
    assert Summing(1.0).result() == 10.5
    assert Summing(9.0).result(**other) == 12.5
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(lambda content: content[:20], id="truncated in the header"),
        pytest.param(lambda content: content[:-1], id="a byte short"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: bytes(range(256)) * 20, id="garbage"),
        pytest.param(lambda content: b"\x00" * len(content), id="zeros"),
        pytest.param(lambda content: content[:-1] + bytes([content[-1] ^ 1]), id="a bit changed"),
        pytest.param(lambda content: b"{}\n" + content.partition(b"\n")[2], id="no digest"),
        pytest.param(lambda content: b"3\n" + content.partition(b"\n")[2], id="another header"),
    ],
)
def test_a_damaged_file_is_replaced(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    Summing().result()
    [path] = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    mending, reading = Summing(), Summing()
    assert mending.result() == reading.result() == 10.5
    assert (mending.traced, reading.traced) == (1, 0)
    assert list(folder.iterdir()) == [path]


def test_what_was_traced_is_not_kept_in_python(folder: Path) -> None:
    """Python's graphs take megabytes; TensorFlow's own definitions do the work."""

    def graphs() -> int:
        gc.collect()
        return sum(isinstance(o, tf.Graph) for o in gc.get_objects())

    Summing().result("first")
    before = graphs()
    called = [trace_once(f"sum {i}", b"kept", Summing(), SCALAR) for i in range(3)]
    assert [float(*call(tf.constant(0.5))) for call in called] == [10.5] * 3
    assert graphs() == before


def test_a_tensorflow_that_calls_no_definitions_traces(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_door(definitions: Any) -> None:
        raise AttributeError("call_function")

    monkeypatch.setattr("evensweep.trainables.graph_cache._callable", no_door)
    assert Summing().result() == 10.5


def test_a_folder_that_is_not_there_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = folder / "a" / "b"
    monkeypatch.setenv("EVENSWEEP_CACHE", str(deep))
    assert Summing().result() == 10.5
    assert len(list(deep.iterdir())) == 1


@pytest.mark.parametrize("below", ["", "cache"])
def test_a_folder_that_can_t_be_written_costs_nothing_but_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    monkeypatch.setenv("EVENSWEEP_CACHE", str(file / below))
    for _ in range(2):
        summing = Summing()
        assert summing.result() == 10.5
        assert summing.traced == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "in the way"


def test_an_empty_folder_name_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENSWEEP_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        summing = Summing()
        assert summing.result() == 10.5
        assert summing.traced == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("variable", "below"), [("XDG_CACHE_HOME", "evensweep"), ("HOME", ".cache/evensweep")]
)
def test_files_are_in_the_users_cache_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, below: str
) -> None:
    for name in ("EVENSWEEP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    Summing().result()
    assert [path.parent for path in tmp_path.rglob("*.graph")] == [tmp_path / below]
