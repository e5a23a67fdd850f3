"""Sweeps of a user's own models: what their configuration needs, and what it fills in."""

from pathlib import Path
from typing import Any

import pytest
from simulation import started

from evensweep.datasets.errors import InputError
from evensweep.search.config import SweepConfig
from evensweep.search.space import parse_domain
from evensweep.search.sweep import create, reopen
from evensweep.trainables.family import MLP, FamilySpec

RAW: dict[str, Any] = {
    "trainable": "my_nets:build",
    "space": {"units": {"int": [8, 64], "step": 8}, "rate": {"float": [0, 0.5]}, "kind": "wide"},
    "search": {"trials": 2},
    "views": ["smote"],
}


def read(**raw: Any) -> SweepConfig:
    return SweepConfig.from_mapping({**RAW, **raw}, "test")


def problem(**raw: Any) -> str:
    with pytest.raises(InputError) as raised:
        read(**raw)
    return str(raised.value).removeprefix("test: ")


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    """A folder with a builder's module and a sweep file."""
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "my_nets.py").write_text("raise SystemExit")
    (folder / "sweep.yaml").write_text("trainable: my_nets:build\nspace: {units: 3}\n")
    return folder


@pytest.mark.parametrize(
    ("raw", "middle"),
    [
        ({"int": [2, 5]}, 4),
        ({"int": [16, 128], "step": 16}, 64),
        ({"int": [1, 100], "log": True}, 10),
        ({"float": [0.0, 0.5]}, 0.25),
        ({"float": [0.0, 0.5], "step": 0.15}, 0.15),
        ({"float": [1e-5, 1e-1], "log": True}, 1e-3),
        ({"float": [0.1, 0.1]}, 0.1),
        ({"choice": ["relu", "tanh"]}, "relu"),
        (True, True),
    ],
)
def test_the_middle_of_a_domain_is_one_of_its_values(raw: Any, middle: Any) -> None:
    found = parse_domain(raw).middle()
    assert found == middle
    assert type(found) is type(middle)


def test_the_baseline_is_the_middle_of_the_space_where_it_is_not_given() -> None:
    assert read().baseline_configuration == {"units": 32, "rate": 0.25, "kind": "wide"}
    partly = read(baseline={"rate": 0.1, "learning_rate": 0.01})
    expected = {"units": 32, "rate": 0.1, "kind": "wide", "learning_rate": 0.01}
    assert partly.baseline_configuration == expected
    assert read(**partly.to_mapping()).baseline_configuration == expected


def test_the_plan_has_a_builders_hyperparameters_and_no_others() -> None:
    baseline, *trials = started(read(training={"batch_size": 64}))
    assert baseline.config == {"batch_size": 64, "units": 32, "rate": 0.25, "kind": "wide"}
    assert len(trials) == 2
    assert all(set(trial.config) == set(baseline.config) for trial in trials)
    [own, _] = started(read(space={"batch_size": {"choice": [32]}}, search={"trials": 1}))
    assert own.config == {"batch_size": 32}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"trainable": "mpl"}, "trainable: trainable must be 'mlp' or 'module:function'"),
        ({"trainable": "a:b:c"}, "trainable: trainable must be 'mlp' or 'module:function'"),
        ({"trainable": 3}, "trainable: input should be a valid string"),
        ({"space": {}}, "space: "),
        ({"baseline": {"unit": 3}}, "baseline: the space has no hyperparameter 'unit'; did you"),
        ({"space": {"batch_size": {"int": [0, 8]}}}, "space.batch_size: "),
        ({"space": {"learning_rate": {"choice": ["1e-3"]}}}, "space.learning_rate must be a"),
    ],
)
def test_an_unfit_configuration_of_a_builder_is_told(raw: dict[str, Any], message: str) -> None:
    assert problem(**raw).startswith(message)


def test_the_space_must_be_given() -> None:
    raw = {"trainable": "my_nets:build"}
    for given in (raw, {**SweepConfig().to_mapping(), **raw}):
        with pytest.raises(InputError, match="space must be given with the trainable 'my_nets:bui"):
            SweepConfig.from_mapping(given, "test")


def test_the_module_is_found_beside_the_sweep_file(nets: Path) -> None:
    config = SweepConfig.from_yaml(nets / "sweep.yaml")
    assert config.family == FamilySpec("my_nets:build", str(nets))
    (nets / "sweep.yaml").write_text(
        "trainable: my_nets:build\nspace: {units: 3}\nmodule_folder: ../nets\n"
    )
    assert SweepConfig.from_yaml(nets / "sweep.yaml").family.module_folder == str(nets)
    assert SweepConfig().family == MLP


def test_a_run_knows_where_its_module_is(nets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(nets)
    config = read(storage=str(nets / "runs"))
    run = create(config, "one")
    monkeypatch.chdir("/")
    assert reopen(run.root)[1].family.module_folder == str(nets)
    (nets / "my_nets.py").unlink()
    with pytest.raises(InputError, match="there is no module 'my_nets'"):
        reopen(run.root)
    with pytest.raises(InputError, match="there is no module 'my_nets'"):
        create(config, "two")
    assert not (nets / "runs" / "two").exists()
