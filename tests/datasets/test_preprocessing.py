"""Columns are filled, straightened, marked and standardised with what the training rows say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.encoders import SignedLog1p, ZeroIndicator
from evensweep.datasets.preprocessing import Preprocessor
from evensweep.datasets.schema import MOST_CATEGORIES

PLAIN = [1.0, 2.0, 3.0, 4.0, 5.0]


def fitted(**columns: list[float | None]) -> tuple[Preprocessor, np.ndarray]:
    frame = pd.DataFrame(columns, dtype=np.float64)
    preprocessor = Preprocessor().fit(frame)
    return preprocessor, preprocessor.transform(frame)


def standardised(values: list[float]) -> np.ndarray:
    array = np.array(values)
    return (array - array.mean()) / array.std()


class TestSignedLog:
    def test_skewed_columns_are_drawn_in_and_others_are_left(self) -> None:
        X = np.column_stack([[0.0, 1, 2, 3, 100], PLAIN])
        encoder = SignedLog1p().fit(X)
        assert encoder.skewed_.tolist() == [True, False]
        np.testing.assert_allclose(encoder.transform(X)[:, 0], np.log([1, 2, 3, 4, 101]))
        np.testing.assert_array_equal(encoder.transform(X)[:, 1], PLAIN)

    def test_negative_tails_keep_their_sign(self) -> None:
        X = np.array([[-100.0], [0], [-1], [-2], [-3]])
        np.testing.assert_allclose(SignedLog1p().fit_transform(X)[:, 0], -np.log([101, 1, 2, 3, 4]))

    def test_limit_is_a_skewness_of_one(self) -> None:
        # Of (a, 0, …, 0) with n zeros the skewness is (n - 1) / √n: 0.7 for 2, 1.15 for 3.
        for zeros, skewed in ((2, False), (3, True)):
            column = np.array([1.0, *[0.0] * zeros])
            deviations = column - column.mean()
            skewness = (deviations**3).mean() / column.std() ** 3
            assert skewness == pytest.approx((zeros - 1) / np.sqrt(zeros))
            tiny = column + 1e-9 * np.arange(len(column))  # more than two values
            assert SignedLog1p().fit(tiny[:, None]).skewed_.tolist() == [skewed]

    def test_two_values_are_an_indicator_and_stay_as_they_are(self) -> None:
        X = np.array([[7.0]] + [[0.0]] * 9)
        assert SignedLog1p().fit(X).skewed_.tolist() == [False]

    def test_constant_column_is_not_skewed(self) -> None:
        assert SignedLog1p().fit(np.full((5, 1), 3.0)).skewed_.tolist() == [False]


class TestZeroIndicator:
    def test_marks_columns_with_a_fifth_of_zeros(self) -> None:
        often, seldom = [0.0, 1, 2, 3, 4], [0.0, 1, 2, 3, 4, 5]
        assert ZeroIndicator().fit(np.array([often]).T).often_zero_.tolist() == [True]
        assert ZeroIndicator().fit(np.array([seldom]).T).often_zero_.tolist() == [False]

    def test_two_values_need_no_mark(self) -> None:
        assert ZeroIndicator().fit(np.array([[0.0], [1], [0], [1]])).often_zero_.tolist() == [False]

    def test_gap_is_no_zero(self) -> None:
        X = np.array([[0.0], [np.nan], [1], [2], [0]])
        assert ZeroIndicator().fit_transform(X)[:, 0].tolist() == [1, 0, 0, 0, 1]


class TestPreprocessor:
    def test_plain_columns_are_standardised_in_order(self) -> None:
        _, X = fitted(a=PLAIN, b=[5.0, 4.0, 3.0, 2.0, 1.5])
        assert X.shape == (5, 2)
        np.testing.assert_allclose(X[:, 0], standardised(PLAIN), rtol=1e-6)
        np.testing.assert_allclose(X[:, 1], standardised([5.0, 4.0, 3.0, 2.0, 1.5]), rtol=1e-6)

    def test_gaps_are_filled_with_the_training_mean_and_marked(self) -> None:
        preprocessor, X = fitted(a=[1.0, None, 3.0, 5.0], b=[1.0, 2.0, 3.0, 4.0])
        assert X.shape == (4, 3)
        np.testing.assert_allclose(X[:, 0], standardised([1, 3, 3, 5]), rtol=1e-6)
        np.testing.assert_allclose(X[:, 2], standardised([0, 1, 0, 0]), rtol=1e-6)
        # The mean of the training rows, 3, and not that of the rows being transformed.
        [later] = preprocessor.transform(pd.DataFrame({"a": [None], "b": [4.0]}, dtype=float))
        assert later[0] == pytest.approx(0, abs=1e-6)

    def test_indicators_are_only_for_columns_with_gaps_or_many_zeros(self) -> None:
        frame = pd.DataFrame(
            {
                "plain": np.arange(1.0, 11),
                "gaps": [None, *range(2, 11)],
                "zeros": [0.0, 0, 0, 1, 2, 3, 4, 5, 6, 7],
                "few_zeros": [0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
                "binary": [0.0, 1] * 5,
            },
            dtype=float,
        )
        X = Preprocessor().fit(frame).transform(frame)
        assert X.shape == (10, 5 + 2)
        np.testing.assert_allclose(X[:, 5], standardised([1] + [0] * 9), rtol=1e-6)
        np.testing.assert_allclose(X[:, 6], standardised([1] * 3 + [0] * 7), rtol=1e-6)

    def test_new_gaps_at_prediction_do_not_fail(self) -> None:
        preprocessor, _ = fitted(a=PLAIN, b=PLAIN)
        X = preprocessor.transform(pd.DataFrame({"a": [None, 1.0], "b": [None, None]}, dtype=float))
        assert X.shape == (2, 2)
        np.testing.assert_allclose(X[0], 0, atol=1e-6)

    def test_column_without_a_single_training_value_is_harmless(self) -> None:
        preprocessor, X = fitted(a=PLAIN, void=[None] * 5)
        assert np.isfinite(X).all()
        later = preprocessor.transform(pd.DataFrame({"a": [1.0], "void": [7.0]}))
        assert np.isfinite(later).all()
        assert later.shape[1] == X.shape[1]

    def test_constant_column_is_zero_and_not_nan(self) -> None:
        _, X = fitted(a=PLAIN, constant=[7.0] * 5, zero=[0.0] * 5)
        assert not np.isnan(X).any()
        np.testing.assert_array_equal(X[:, 1:], 0)

    @pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e6, 1e30])
    def test_values_are_finite_float32_of_unit_variance_at_any_scale(self, scale: float) -> None:
        values = (np.random.default_rng(0).normal(5, 1, 200) * scale).tolist()
        _, X = fitted(a=values, b=[None, *values[1:]])
        assert X.dtype == np.float32
        assert X.flags.c_contiguous
        assert np.isfinite(X).all()
        np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-4)
        np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-3)

    def test_transform_uses_nothing_of_the_rows_it_transforms(self) -> None:
        preprocessor, X = fitted(a=[1.0, None, 3.0, 5.0, 100.0], b=[0.0, 0, 0, 1, 2])
        frame = pd.DataFrame({"a": [1.0, 999.0], "b": [0.0, -5.0]})
        np.testing.assert_array_equal(preprocessor.transform(frame)[0], X[0])

    def test_saved_and_loaded_gives_the_same_numbers(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        frame = pd.DataFrame(
            {
                "a": rng.normal(size=50),
                "b": np.exp(3 * rng.normal(size=50)),
                "c": rng.integers(0, 3, 50).astype(float),
            }
        )
        frame.loc[::7, "a"] = np.nan
        preprocessor = Preprocessor().fit(frame)
        preprocessor.save(tmp_path / "p.skops")
        loaded = Preprocessor.load(tmp_path / "p.skops")
        later = frame.sample(frac=1, random_state=1) * 1.5
        for rows in (frame, later):
            np.testing.assert_array_equal(loaded.transform(rows), preprocessor.transform(rows))

    def test_file_that_holds_other_types_does_not_load(self, tmp_path: Path) -> None:
        from skops.io import dump
        from skops.io.exceptions import UntrustedTypesFoundException

        dump({"x": Path("anything")}, tmp_path / "p.skops")
        with pytest.raises((UntrustedTypesFoundException, TypeError)):
            Preprocessor.load(tmp_path / "p.skops")


def test_absurd_value_stays_small_enough_for_a_network() -> None:
    fitted = Preprocessor().fit(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}))
    [[up], [down]] = fitted.transform(pd.DataFrame({"a": [1e30, -1e30]}))
    assert (up, down) == (1e4, -1e4)


class TestCategories:
    frame = pd.DataFrame(
        {
            "job": ["clerk", "nurse", None, "clerk", "smith"],
            "amount": PLAIN,
            "city": ["Bonn", "Graz", "Bonn", "Bonn", "Graz"],
        }
    )

    def test_every_category_has_an_indicator_after_the_numbers(self) -> None:
        X = Preprocessor().fit(self.frame).transform(self.frame)
        assert X.dtype == np.float32
        np.testing.assert_allclose(X[:, 0], standardised(PLAIN), rtol=1e-6)
        # A gap is a category of its own, the first in the order of the alphabet.
        expected = [[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
        assert X[:, 1:5].tolist() == expected
        assert X[:, 5:].tolist() == [[1, 0], [0, 1], [1, 0], [1, 0], [0, 1]]

    def test_a_category_that_was_not_there_has_no_indicator(self) -> None:
        preprocessor = Preprocessor().fit(self.frame)
        later = pd.DataFrame({"amount": [3.0], "city": ["Wien"], "job": ["nurse"]})
        [row] = preprocessor.transform(later)
        assert row.tolist() == [0, 0, 0, 1, 0, 0, 0]
        [raw] = preprocessor.raw(later)
        np.testing.assert_array_equal(raw, [3.0, 2.0, np.nan])

    def test_the_rarest_of_many_share_one(self) -> None:
        names = [f"c{i:03d}" for i in range(MOST_CATEGORIES + 10)]
        values = [name for i, name in enumerate(names) for _ in range(1 if i % 2 else 3)]
        frame = pd.DataFrame({"job": values})
        X = Preprocessor().fit(frame).transform(frame)
        assert X.shape == (len(values), MOST_CATEGORIES)
        np.testing.assert_array_equal(X.sum(axis=1), 1)
        assert X[:, -1].sum() > 3

    def test_a_loaded_preprocessor_does_the_same(self, tmp_path: Path) -> None:
        preprocessor = Preprocessor().fit(self.frame)
        preprocessor.save(tmp_path / "p.skops")
        loaded = Preprocessor.load(tmp_path / "p.skops")
        np.testing.assert_array_equal(
            loaded.transform(self.frame), preprocessor.transform(self.frame)
        )

    def test_expanding_what_was_compacted_is_the_transformation(self) -> None:
        preprocessor = Preprocessor().fit(self.frame)
        compact = preprocessor.compact(self.frame)
        assert preprocessor.is_category(compact.shape[1]).tolist() == [False, True, True]
        expanded = preprocessor.expand(compact)
        np.testing.assert_array_equal(expanded, preprocessor.transform(self.frame))

    def test_collapsing_undoes_expanding_and_the_largest_share_counts(self) -> None:
        preprocessor = Preprocessor().fit(self.frame)
        compact = preprocessor.compact(self.frame)
        expanded = preprocessor.expand(compact)
        np.testing.assert_allclose(preprocessor.collapse(expanded), compact, rtol=1e-6)
        between = 0.7 * expanded[[0]] + 0.3 * expanded[[1]]
        [collapsed] = preprocessor.collapse(between)
        assert collapsed[0] == pytest.approx(0.7 * compact[0, 0] + 0.3 * compact[1, 0])
        np.testing.assert_array_equal(collapsed[1:], compact[0, 1:])

    def test_numbers_alone_collapse_to_themselves(self) -> None:
        numbers = self.frame[["amount"]]
        preprocessor = Preprocessor().fit(numbers)
        expanded = preprocessor.transform(numbers)
        np.testing.assert_array_equal(preprocessor.collapse(expanded), expanded)


def test_output_names_say_what_a_column_is() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "job": rng.choice(["cook", "smith"], 200),
            "amount": rng.poisson(1.0, 200).astype(float),
            "gaps": np.where(rng.random(200) < 0.3, np.nan, rng.normal(size=200)),
        }
    )
    preprocessor = Preprocessor().fit(frame)
    names = preprocessor.output_names()
    assert names == ["amount", "gaps", "gaps=missing", "amount=0", "job=cook", "job=smith"]
    X = dict(zip(names, preprocessor.transform(frame).T, strict=True))
    np.testing.assert_array_equal(X["job=smith"], frame["job"] == "smith")
    np.testing.assert_array_equal(X["gaps=missing"] > 0, frame["gaps"].isna())
    np.testing.assert_array_equal(X["amount=0"] > 0, frame["amount"] == 0)
    plain = Preprocessor(indicators=False).fit(frame)
    assert plain.output_names() == ["amount", "gaps", "job=cook", "job=smith"]
