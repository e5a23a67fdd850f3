"""Views by a user's sampler: what it is given, what it may return, and what is undone of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.balanced_first import balance_table
from evensweep.datasets.errors import InputError
from evensweep.datasets.preprocessing import Preprocessor
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.table import make_table
from evensweep.datasets.views import View, make_view

HERE = str(Path(__file__).parent)
RNG = np.random.default_rng(0)
Y = np.repeat([1, 0], [20, 80])
NUMBERS = pd.DataFrame(RNG.normal(size=(100, 3)), columns=list("abc"))
MIXED = NUMBERS[["a"]].assign(
    job=RNG.choice(["clerk", "nurse", "smith"], 100), city=RNG.choice(["Bonn", "Graz"], 100)
)


def own(name: str, **parameters: Any) -> SamplerSpec:
    return SamplerSpec(f"example_samplers:{name}", parameters, HERE)


def view(spec: SamplerSpec, features: pd.DataFrame = NUMBERS, seed: int = 1) -> View:
    preprocessor = Preprocessor().fit(features)
    return make_view("mine", spec, preprocessor.compact(features), Y, seed, preprocessor)


def test_a_sampler_gets_preprocessed_rows_as_float64_of_its_own() -> None:
    preprocessor = Preprocessor().fit(MIXED)
    X = preprocessor.compact(MIXED)
    before = X.copy()
    made = make_view("mine", own("Spoiling"), X, Y, 1, preprocessor)
    # An indicator a value of each category, beside the number.
    assert made.X.shape == (100, 1 + 3 + 2)
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("features", [NUMBERS, MIXED], ids=["numbers", "categories"])
def test_rows_are_what_the_sampler_returns(features: pd.DataFrame) -> None:
    made = view(own("Repeated", times=3), features)
    X = Preprocessor().fit(features).transform(features)
    np.testing.assert_allclose(made.X, np.concatenate([X, X[:20], X[:20]]), rtol=1e-6)
    assert made.y.tolist() == [*Y, *[1] * 40]
    assert (made.X.dtype, made.y.dtype, made.name) == (np.float32, np.int32, "mine")
    assert made.X.flags.c_contiguous


def test_the_correction_undoes_the_shares_that_came_out() -> None:
    shift = view(own("Repeated", times=3)).log_odds_shift
    assert shift == pytest.approx(np.log(20 / 80) - np.log(60 / 80))


def test_a_row_between_categories_gets_the_larger_share() -> None:
    made = view(own("Blended", share=0.7), MIXED)
    assert set(np.unique(made.X[:, 1:])) == {0, 1}
    np.testing.assert_array_equal(made.X[100:, 1:], made.X[:20, 1:])


def test_random_state_is_passed_to_those_who_take_it() -> None:
    first, again, other = (view(own("Jittered"), seed=seed).X for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert view(own("factory", seen=7), seed=7).X.shape == (100, 3)
    view(own("Repeated"), seed=8)


@pytest.mark.parametrize("name", ["KMeansSMOTE", "SMOTE"])
def test_imbalanced_learns_classes_go_by_their_path(name: str) -> None:
    spec = SamplerSpec(f"imblearn.over_sampling:{name}", {"k_neighbors": 2})
    features = NUMBERS + 10 * Y[:, None]
    made = view(spec, features)
    assert made.y.mean() == pytest.approx(0.5, abs=0.05)
    mixed = view(SamplerSpec("imblearn.over_sampling:SMOTE", {"k_neighbors": 2}), MIXED)
    assert set(np.unique(mixed.X[:, 1:])) == {0, 1}


def test_built_in_samplers_take_parameters_too() -> None:
    half = view(SamplerSpec("smote", {"sampling_strategy": 0.5, "k_neighbors": 2}), MIXED)
    assert np.bincount(half.y).tolist() == [80, 40]
    assert set(np.unique(half.X[:, 1:])) == {0, 1}
    assert len(view(SamplerSpec("NearMiss", {"version": 2})).y) == 40


def test_a_table_that_is_balanced_first_takes_a_users_sampler() -> None:
    table = make_table(MIXED.assign(y=Y), target="y")
    balanced = balance_table(table, "mine", own("Repeated", times=4), 0)
    assert np.bincount(balanced.target).tolist() == [80, 80]
    assert set(balanced.features["job"]) == {"clerk", "nurse", "smith"}


TOLD = {
    "Nothing": "returned nothing; fit_resample must return X and y",
    "Alone": "returned an object of type ndarray; fit_resample must return X and y",
    "Whole": "returned X of the type int64; it must hold floats",
    "Wider": "returned X of shape (100, 4); it must have the 3 columns that it was given",
    "Flat": "returned X of shape (300,); it must have the 3 columns",
    "Longer": "returned y of shape (101,) for 100 rows; it must have a class for each",
    "Labels": "returned classes other than 0 and 1",
    "Gaps": "returned NaN or infinity (first: row 5, column 2)",
    "Huge": "returned NaN or infinity (first: row 0, column 0)",
    "OneClass": "returned 20 rows without one of the classes; it must leave both",
    "Empty": "returned 0 rows without one of the classes",
    "Failing": "failed with KeyError: 'nothing'; mend it, or its parameters",
    "Unmakable": "can't be made (RuntimeError: no); mend it, or its parameters",
    "NoSampler": "is an object of type NoSampler, which has no fit_resample(X, y)",
}


@pytest.mark.parametrize("name", TOLD)
def test_what_no_network_can_be_trained_on_is_told(name: str) -> None:
    with pytest.raises(InputError) as raised:
        view(own(name))
    message = str(raised.value)
    assert message.startswith(f"the sampler 'example_samplers:{name}' of the view 'mine' ")
    assert TOLD[name] in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "spec",
    [
        own("Repeated", tims=3),
        SamplerSpec("smote", {"k_neighbours": 3}),
        SamplerSpec("imblearn.over_sampling:SMOTE", {"k_neighbours": 3}),
    ],
)
def test_a_parameter_that_a_sampler_lacks_is_told_with_the_nearest(spec: SamplerSpec) -> None:
    with pytest.raises(InputError, match=r"has no parameter '.*'; did you mean '(times|k_neigh)"):
        view(spec)


def test_an_unfit_value_of_a_parameter_is_told() -> None:
    with pytest.raises(InputError, match="the view 'mine' can't balance these rows"):
        view(SamplerSpec("smote", {"k_neighbors": -1}))
    with pytest.raises(InputError, match="the view 'mine' failed with InvalidParameterError: The"):
        view(SamplerSpec("imblearn.over_sampling:SMOTE", {"k_neighbors": -1}))
