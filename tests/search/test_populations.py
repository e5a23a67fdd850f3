"""Which rows are judged together, by protocol."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.table import Table, load_table, make_table
from evensweep.datasets.views import log_odds_shift
from evensweep.search.config import SweepConfig
from evensweep.search.intake import read_table
from evensweep.search.populations import (
    Population,
    holdout_check,
    new_preprocessor,
    populations_of,
    prepare_search,
)
from evensweep.search.preparing import write_views


def config(**raw: object) -> SweepConfig:
    return SweepConfig.from_mapping({"cross_validation": {"folds": 4}, **raw}, "the test")


@pytest.fixture(scope="module")
def table() -> Table:
    return load_table()


@pytest.fixture(scope="module")
def files(table: Table, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The views of the demonstration data as files, by name."""
    folder = tmp_path_factory.mktemp("views")
    return {path.stem: path for path in write_views(config(), table, folder)}


def judged_once(population: Population) -> None:
    out = np.concatenate([fold.out_of_fold for fold in population.folds])
    np.testing.assert_array_equal(np.sort(out), population.judged)
    for fold in population.folds:
        assert not set(fold.out_of_fold) & {*fold.fit, *fold.stop, *population.split.test}
        assert not set(population.fitted(fold)) & {*fold.out_of_fold, *population.split.test}


def test_holdout_has_one_population_for_all_views(table: Table) -> None:
    [population] = populations_of(config(), table)
    assert population.table is table
    assert population.samplers == {view: SamplerSpec(view) for view in ("undersampled", "smote")}
    np.testing.assert_array_equal(population.judged, population.split.development)
    assert population.reference_shift == 0
    judged_once(population)


def test_without_test_rows_every_row_is_predicted_out_of_fold(table: Table, tmp_path: Path) -> None:
    untested = config(split={"validation": 0.1, "test": 0})
    [population] = populations_of(untested, table)
    assert not len(population.split.test)
    np.testing.assert_array_equal(population.judged, np.arange(len(table.target)))
    judged_once(population)
    with pytest.raises(InputError, match=r"split\.test is 0, and the files hold test rows"):
        write_views(untested, table, tmp_path)


def test_balanced_first_has_a_balanced_population_a_view(table: Table) -> None:
    sweep = config(protocol="balanced_first", views=["undersampled", "smote", "weighted"])
    populations = populations_of(sweep, table)
    assert [p.name for p in populations] == ["undersampled", "smote", "weighted"]
    assert [p.samplers[p.name].sampler for p in populations] == ["natural", "natural", "weighted"]
    assert [p.first_fold for p in populations] == [0, 4, 8]
    assert [p.table.positive_rate for p in populations[:2]] == [0.5, 0.5]
    assert populations[2].table is table
    for population in populations:
        judged_once(population)
    view = prepare_search(sweep, populations[1]).views["smote"]
    assert view.log_odds_shift == pytest.approx(0, abs=1e-3)


def test_the_holdout_beside_it_is_the_holdout_protocols(table: Table) -> None:
    check = holdout_check(config(protocol="balanced_first"), table, ["smote"])
    [honest] = populations_of(config(), table)
    [fold] = check.folds
    np.testing.assert_array_equal(fold.out_of_fold, honest.split.test)
    np.testing.assert_array_equal(fold.fit, honest.split.train)
    assert check.samplers == {"smote": SamplerSpec("smote")}
    assert check.first_fold == 8  # after both views' folds


def test_arrays_that_share_their_judged_rows_are_one_population(files: dict[str, Path]) -> None:
    sweep = config(data={"arrays": {name: str(path) for name, path in files.items()}})
    assert (sweep.protocol, list(sweep.views)) == ("presplit", ["undersampled", "smote"])
    given = read_table(sweep)
    [population] = populations_of(sweep, given)
    np.testing.assert_array_equal(population.judged, population.split.validation)
    judged_once(population)
    assert population.given is not None
    # What a reference is fitted on is balanced, and what it predicts is not.
    rate = given.target[population.judged].mean()
    assert population.reference_shift == pytest.approx(log_odds_shift(rate, 0.5))


def test_arrays_give_the_search_the_rows_that_were_written(
    table: Table, files: dict[str, Path]
) -> None:
    sweep = config(data={"arrays": {name: str(path) for name, path in files.items()}})
    again = prepare_search(sweep, populations_of(sweep, read_table(sweep))[0])
    [population] = populations_of(config(), table)
    first = prepare_search(config(), population)
    for name, view in first.views.items():
        np.testing.assert_array_equal(view.X, again.views[name].X)
        np.testing.assert_array_equal(view.y, again.views[name].y)
        # Of the validation rows' shares, and not of the training rows' before they were balanced.
        assert again.views[name].log_odds_shift == pytest.approx(view.log_odds_shift, abs=0.01)
    np.testing.assert_array_equal(first.watched.X, again.watched.X)


def test_arrays_of_other_rows_are_populations_of_their_own(table: Table, tmp_path: Path) -> None:
    sweep = config(protocol="balanced_first", preprocessing={"indicators": False})
    written = write_views(sweep, table, tmp_path)
    given = config(data={"arrays": {path.stem: str(path) for path in written}})
    populations = populations_of(given, read_table(given))
    assert [p.name for p in populations] == ["undersampled", "smote"]
    assert [p.first_fold for p in populations] == [0, 4]
    for population in populations:
        judged_once(population)
        assert population.reference_shift == pytest.approx(0, abs=0.02)


def test_preprocessing_is_the_sweeps(table: Table) -> None:
    plain = config(preprocessing={"long_tails": False, "indicators": False})
    X = new_preprocessor(plain).fit(table.features).transform(table.features)
    assert X.shape[1] == len(table.features.columns)
    numbers = table.features.fillna(table.features.mean()).to_numpy()
    np.testing.assert_allclose(
        X, (numbers - numbers.mean(axis=0)) / numbers.std(axis=0), rtol=1e-4, atol=1e-4
    )
    as_they_are = config(
        preprocessing={"long_tails": False, "indicators": False, "standardised": False}
    )
    X = new_preprocessor(as_they_are).fit(table.features).transform(table.features)
    np.testing.assert_allclose(X, numbers, rtol=1e-6)


def test_too_few_validation_rows_are_told(files: dict[str, Path]) -> None:
    arrays = {"arrays": {"smote": str(files["smote"])}}
    sweep = config(data=arrays, cross_validation={"folds": 5000})
    with pytest.raises(InputError, match=r"5000 folds need at least 5000; give more validation"):
        read_table(sweep)


def test_more_contacts_than_rows_are_told(files: dict[str, Path]) -> None:
    sweep = config(
        data={"arrays": {"smote": str(files["smote"])}},
        decision={"by": "contacts", "contacts": 100_000},
    )
    with pytest.raises(InputError, match=r"decision\.contacts is 100,000, and the table has"):
        read_table(sweep)


def test_a_view_that_leaves_too_few_rows_of_the_table_is_told() -> None:
    rng = np.random.default_rng(0)
    far = pd.DataFrame({"x": rng.normal(size=400), "y": np.arange(400) < 40})
    far["x"] += 100 * far["y"]
    sweep = config(protocol="balanced_first", views=["CondensedNearestNeighbour"])
    with pytest.raises(InputError, match="rows of the view 'CondensedNearestNeighbour' belong to"):
        populations_of(sweep, make_table(far, target="y"))


def test_arrays_keep_their_values_and_one_switch_turns_no_other_on(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"X_{part}": 1e5 * rng.random((40, 2)) for part in ("train", "val", "test")}
    arrays |= {f"y_{part}": np.arange(40) % 2 for part in ("train", "val", "test")}
    np.savez(tmp_path / "a.npz", **arrays)
    data = {"arrays": {"a": str(tmp_path / "a.npz")}}
    sweep = config(data=data)
    prepared = prepare_search(sweep, populations_of(sweep, read_table(sweep))[0])
    np.testing.assert_allclose(prepared.views["a"].X, arrays["X_train"], rtol=1e-6)
    switched = config(data=data, preprocessing={"standardised": True}).preprocessing
    assert (switched.standardised, switched.long_tails, switched.indicators) == (True, False, False)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"data": {"arrays": {"a": "a.npz"}, "path": "b.csv"}}, "either path or arrays, not both"),
        ({"data": {"arrays": {"a": "a.npz"}, "target": "y"}}, "target goes with a table, and not"),
        ({"data": {"arrays": {"a": "a.npz"}, "drop": ["x"]}}, "drop goes with a table, and not"),
        ({"data": {"arrays": {"a": "a.npz"}}, "views": ["smote"]}, "arrays' views are a; leave"),
        ({"data": {"arrays": {"a/b": "a.npz"}}}, "'a/b' is no name for a view"),
        ({"data": {"arrays": {"a": "a.npz"}}, "protocol": "holdout"}, "'presplit' is for data.arr"),
        ({"protocol": "presplit"}, "'presplit' is for data.arrays"),
    ],
)  # fmt: skip
def test_settings_that_contradict_arrays_are_told(raw: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(**raw)
