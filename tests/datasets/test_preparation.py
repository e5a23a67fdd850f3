"""Nothing of a row that a model is judged on reaches what the model is fitted on."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.preparation import Prepared, prepare, transformed
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.splits import stratified_folds, stratified_split

ROWS = 300
NAMES = ["undersampled", "smote"]
SAMPLERS = {name: SamplerSpec(name) for name in NAMES}


@dataclass
class Case:
    """Rows to fit on, rows to watch, and all rows that neither may come from."""

    fit: np.ndarray
    watch: np.ndarray
    outside: np.ndarray


def frame(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "plain": rng.normal(size=ROWS),
            "skewed": np.exp(2 * rng.normal(size=ROWS)),
            "zeros": rng.poisson(1.0, ROWS).astype(float),
            "gaps": rng.normal(size=ROWS),
            "constant": np.full(ROWS, 3.0),
        }
    )
    table.loc[rng.random(ROWS) < 0.2, "gaps"] = np.nan
    return table


FEATURES = frame()
Y = np.random.default_rng(1).permutation(np.repeat([1, 0], [60, ROWS - 60]))
SPLIT = stratified_split(Y, 0.1, 0.1, 0)
FOLD = stratified_folds(Y, SPLIT.development, 10, 0.1, 0)[0]
OUTSIDE_FOLD = np.concatenate([FOLD.stop, FOLD.out_of_fold, SPLIT.test])
CASES = [
    pytest.param(
        Case(SPLIT.train, SPLIT.validation, np.concatenate([SPLIT.validation, SPLIT.test])),
        id="search",
    ),
    pytest.param(Case(FOLD.fit, FOLD.stop, OUTSIDE_FOLD), id="fold"),
]


def prepared(case: Case, features: pd.DataFrame = FEATURES, target: np.ndarray = Y) -> Prepared:
    return prepare(features, target, fit=case.fit, watch=case.watch, samplers=SAMPLERS, seed=5)


def wildly_changed(case: Case) -> list[tuple[pd.DataFrame, np.ndarray]]:
    """Tables whose rows outside the fitted ones are something else altogether."""
    huge, gone, flipped = FEATURES.copy(), FEATURES.copy(), Y.copy()
    huge.iloc[case.outside] = np.random.default_rng(9).normal(1e6, 1e5, (len(case.outside), 5))
    gone.iloc[case.outside] = np.nan
    flipped[case.outside] = 1 - flipped[case.outside]
    zero = FEATURES.copy()
    zero.iloc[case.outside] = 0.0
    return [(huge, Y), (gone, Y), (zero, Y), (FEATURES, flipped)]


@pytest.mark.parametrize("case", CASES)
class TestLeaks:
    def test_case_leaves_no_row_unused(self, case: Case) -> None:
        assert sorted([*case.fit, *case.outside]) == list(range(ROWS))

    def test_views_are_the_same_whatever_the_other_rows_hold(self, case: Case) -> None:
        reference = prepared(case)
        for features, target in wildly_changed(case):
            changed = prepared(case, features, target)
            for name in NAMES:
                np.testing.assert_array_equal(changed.views[name].X, reference.views[name].X)
                np.testing.assert_array_equal(changed.views[name].y, reference.views[name].y)
                shifts = [p.views[name].log_odds_shift for p in (changed, reference)]
                assert shifts[0] == shifts[1]

    def test_preprocessing_is_the_same_whatever_the_other_rows_hold(self, case: Case) -> None:
        expected = prepared(case).preprocessor.transform(FEATURES)
        for features, target in wildly_changed(case):
            actual = prepared(case, features, target).preprocessor.transform(FEATURES)
            np.testing.assert_array_equal(actual, expected)

    def test_views_do_depend_on_the_fitted_rows(self, case: Case) -> None:
        """Without this the two tests above could pass for a view of constants."""
        changed = FEATURES.copy()
        changed.iloc[case.fit[0], 0] += 1
        for name in NAMES:
            views = [prepared(case, f).views[name].X for f in (FEATURES, changed)]
            assert not np.array_equal(*views)

    @pytest.mark.parametrize("name", NAMES)
    def test_no_view_row_comes_near_rows_outside(self, case: Case, name: str) -> None:
        # All rows outside stand at 1000; a neighbour of one of them would be drawn towards it.
        features = FEATURES.assign(plain=FEATURES["plain"].clip(-3, 3))
        features.iloc[case.outside, 0] = 1000.0
        result = prepared(case, features)
        fitted = result.preprocessor.transform(features.iloc[case.fit])[:, 0]
        column = result.views[name].X[:, 0]
        assert result.watched.X[:, 0].min() > 100
        assert column.min() >= fitted.min()
        assert column.max() <= fitted.max() < 10

    def test_undersampled_rows_are_original_training_rows(self, case: Case) -> None:
        result = prepared(case)
        originals = result.preprocessor.transform(FEATURES.iloc[case.fit])
        labels = {tuple(row): label for row, label in zip(originals, Y[case.fit], strict=True)}
        assert len(labels) == len(case.fit)
        view = result.views["undersampled"]
        assert [labels[tuple(row)] for row in view.X] == view.y.tolist()

    def test_smote_starts_with_the_training_rows_as_they_are(self, case: Case) -> None:
        result = prepared(case)
        view, n = result.views["smote"], len(case.fit)
        originals = result.preprocessor.transform(FEATURES.iloc[case.fit])
        np.testing.assert_array_equal(view.X[:n], originals)
        np.testing.assert_array_equal(view.y[:n], Y[case.fit])
        assert np.bincount(view.y).tolist() == [np.sum(Y[case.fit] == 0)] * 2

    def test_watched_rows_are_original_rows_in_natural_shares(self, case: Case) -> None:
        result = prepared(case)
        assert len(result.watched.X) == len(case.watch)
        np.testing.assert_array_equal(result.watched.y, Y[case.watch])
        np.testing.assert_array_equal(
            result.watched.X, result.preprocessor.transform(FEATURES.iloc[case.watch])
        )
        assert abs(result.watched.y.sum() - 0.2 * len(case.watch)) <= 1

    def test_each_view_corrects_to_the_natural_share_of_the_fitted_rows(self, case: Case) -> None:
        rate = Y[case.fit].mean()
        for view in prepared(case).views.values():
            assert view.log_odds_shift == pytest.approx(np.log(rate / (1 - rate)))


def test_same_seed_gives_the_same_views_and_another_seed_others() -> None:
    case = CASES[0].values[0]
    again = prepare(FEATURES, Y, fit=case.fit, watch=case.watch, samplers=SAMPLERS, seed=5)
    other = prepare(FEATURES, Y, fit=case.fit, watch=case.watch, samplers=SAMPLERS, seed=6)
    for name in NAMES:
        np.testing.assert_array_equal(prepared(case).views[name].X, again.views[name].X)
        assert not np.array_equal(again.views[name].X, other.views[name].X)


def test_transformed_rows_are_what_a_training_reads() -> None:
    preprocessor = prepared(CASES[0].values[0]).preprocessor
    rows = transformed(preprocessor, FEATURES, Y.astype(np.int64), SPLIT.test)
    assert (rows.X.dtype, rows.y.dtype) == (np.float32, np.int32)
    assert rows.X.flags.c_contiguous
    assert rows.y.flags.c_contiguous
    np.testing.assert_array_equal(rows.y, Y[SPLIT.test])
