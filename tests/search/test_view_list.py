"""The list of views: samplers under a name of one's own beside the built-in views."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from evensweep.datasets.errors import InputError
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.table import load_table
from evensweep.search.config import SweepConfig
from evensweep.search.intake import read_table
from evensweep.search.plan import plan_trials
from evensweep.search.populations import holdout_check, populations_of, prepare_search
from evensweep.search.raw_config import override
from evensweep.search.sweep import create, reopen
from evensweep.search.tryout import try_samplers

CLUSTERED = {"kmeans": {"sampler": "imblearn.over_sampling:KMeansSMOTE", "k_neighbors": 3}}
FEW = {"few": {"sampler": "smote", "k_neighbors": 2}}


def config(*views: Any, **raw: Any) -> SweepConfig:
    return SweepConfig.from_mapping({"views": list(views), **raw}, "test")


def test_a_sampler_has_a_name_and_parameters() -> None:
    views = config("undersampled", CLUSTERED, FEW).views
    assert views == {
        "undersampled": SamplerSpec("undersampled"),
        "kmeans": SamplerSpec("imblearn.over_sampling:KMeansSMOTE", {"k_neighbors": 3}),
        "few": SamplerSpec("smote", {"k_neighbors": 2}),
    }


def test_what_is_written_is_the_list_again() -> None:
    first = config("undersampled", CLUSTERED, FEW)
    assert yaml.safe_load(first.to_yaml())["views"] == ["undersampled", CLUSTERED, FEW]
    assert SweepConfig.from_mapping(first.to_mapping(), "again") == first
    changed = override(first.to_mapping(), ["views=[{few: {sampler: smote, k_neighbors: 4}}]"])
    assert SweepConfig.from_mapping(changed, "--set").views["few"].parameters == {"k_neighbors": 4}


def test_trials_are_called_after_the_view() -> None:
    plan = plan_trials(config(CLUSTERED, search={"trials": 2}))
    assert [trial.id for trial in plan] == ["kmeans-baseline", "kmeans-000", "kmeans-001"]
    # A view's trials depend on its name alone.
    both = plan_trials(config("natural", CLUSTERED, search={"trials": 2}))
    assert [t.seed for t in both if t.view == "kmeans"] == [t.seed for t in plan]


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (["mine:Sampler"], "give 'mine:Sampler' a name, such as {mine: {sampler: 'mine:Sampler'}}"),
        ([{"a": "smote"}], "a view is the name of one, or a sampler under a name such as"),
        ([{"a": {"k_neighbors": 3}}], "a view is the name of one, or a sampler under a name"),
        ([{"a": {"sampler": 3}}], "a view is the name of one, or a sampler under a name"),
        ([{"a": {"sampler": "m:S"}, "b": {}}], "a view is the name of one, or a sampler"),
        ([3], "a view is the name of one, or a sampler under a name"),
        ([{"a/b": {"sampler": "m:S"}}], "'a/b' is no name for a view; use letters"),
        ([{"smote": {"sampler": "m:S"}}], "'smote' is the name of a built-in view; give"),
        ([{"nearmiss": {"sampler": "m:S"}}], "'nearmiss' is the name of a built-in view"),
        ([{"a": {"sampler": "m:"}}], "sampler must be a built-in view's name or 'module:name'"),
        ([{"a": {"sampler": "smoot"}}], "there is no view 'smoot'; did you mean 'smote'?"),
        ([{"a": {"sampler": "natural"}}], "a: 'natural' samples nothing; name it as a view alone"),
        (
            [{"a": {"sampler": "m:S", "random_state": 3}}],
            "a: random_state comes from the sweep's seed; leave it out",
        ),
        ([FEW, FEW], "a view stands twice"),
        (["smote", {"a": {"sampler": "SMOTE"}}], "a view stands twice"),
        ([{"a": {"sampler": "m:S"}}, {"A": {"sampler": "m:T"}}], "a view stands twice"),
    ],
)
def test_an_unfit_view_is_told(views: list[Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        config(*views)
    assert str(raised.value).startswith(f"test: views: {message}")


SAMPLER = """
import numpy as np

class Steady:
    def __init__(self, random_state):
        self.rng = np.random.default_rng(random_state)

    def fit_resample(self, X, y):
        rows = np.flatnonzero(y == 1)
        rows = np.concatenate([rows, self.rng.choice(np.flatnonzero(y == 0), len(rows))])
        return X[rows], y[rows]

class Unsteady(Steady):
    def __init__(self):
        self.rng = np.random.default_rng()
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep file with a sampler's module beside it."""
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "samplers_of_a_sweep.py").write_text(SAMPLER)
    views = [{"mine": {"sampler": "samplers_of_a_sweep:Steady"}}]
    raw = {"views": views, "storage": str(tmp_path / "runs"), "cross_validation": {"folds": 3}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(raw))
    return folder / "sweep.yaml"


def test_a_run_knows_where_its_samplers_are(sweep: Path) -> None:
    run = create(SweepConfig.from_yaml(sweep), "one")
    _, config, _ = reopen(run.root)
    assert config.samplers["mine"].module_folder == str(sweep.parent)
    (sweep.parent / "samplers_of_a_sweep.py").unlink()
    with pytest.raises(
        InputError, match="there is no module 'samplers_of_a_sweep' for the sampler"
    ):
        reopen(run.root)


@pytest.mark.usefixtures("forgotten_imports")
@pytest.mark.parametrize("protocol", ["holdout", "balanced_first"])
def test_a_population_is_sampled_by_a_users_sampler(sweep: Path, protocol: str) -> None:
    config = SweepConfig.from_yaml(sweep).model_copy(update={"protocol": protocol})
    table = read_table(config)
    [population] = populations_of(config, table)
    prepared = prepare_search(config, population)
    assert prepared.views["mine"].y.mean() == pytest.approx(0.5, abs=0.01)
    shift = prepared.views["mine"].log_odds_shift
    rate = table.positive_rate if protocol == "holdout" else 0.5
    assert shift == pytest.approx(np.log(rate / (1 - rate)), abs=0.02)
    try_samplers(config, table, [prepared])
    assert holdout_check(config, table, ["mine"]).samplers == config.samplers


@pytest.mark.usefixtures("forgotten_imports")
@pytest.mark.parametrize("protocol", ["holdout", "balanced_first"])
def test_a_sampler_that_heeds_no_seed_is_told(sweep: Path, protocol: str) -> None:
    sweep.write_text(sweep.read_text().replace(":Steady", ":Unsteady"))
    config = SweepConfig.from_yaml(sweep).model_copy(update={"protocol": protocol})
    table = load_table()
    prepared = [prepare_search(config, population) for population in populations_of(config, table)]
    with pytest.raises(InputError, match="of the view 'mine' gives other rows every time; draw"):
        try_samplers(config, table, prepared)
