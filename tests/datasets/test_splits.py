"""Rows are split once, in natural shares, and no row is on two sides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evensweep.datasets.errors import InputError
from evensweep.datasets.splits import (
    Fold,
    Split,
    check_enough_rows,
    stratified_folds,
    stratified_split,
)


def target(positive: int, negative: int, seed: int = 0) -> np.ndarray:
    y = np.repeat([1, 0], [positive, negative])
    np.random.default_rng(seed).shuffle(y)
    return y


Y = target(160, 840)
DEFAULTS = {"validation": 0.1, "test": 0.1, "folds": 10, "stop_share": 0.1, "neighbours": 5}


def split(seed: int = 3) -> Split:
    return stratified_split(Y, 0.1, 0.1, seed)


def folds(seed: int = 3) -> list[Fold]:
    return stratified_folds(Y, split().development, 10, 0.1, seed)


class TestSplit:
    def test_every_row_is_in_exactly_one_part(self) -> None:
        parts = split()
        together = np.concatenate([parts.train, parts.validation, parts.test])
        np.testing.assert_array_equal(np.sort(together), np.arange(1000))

    def test_parts_have_the_asked_sizes_and_natural_shares(self) -> None:
        parts = split()
        sizes = [(len(rows), int(Y[rows].sum())) for rows in (parts.train, parts.validation)]
        assert sizes == [(800, 128), (100, 16)]
        assert (len(parts.test), int(Y[parts.test].sum())) == (100, 16)

    @settings(max_examples=30, deadline=None)
    @given(
        st.integers(30, 90),
        st.integers(100, 400),
        st.sampled_from([(0.1, 0.1), (0.2, 0.1), (0.15, 0.3), (0.1, 0)]),
        st.integers(0, 2**32 - 1),
    )
    def test_shares_are_natural_within_one_row(self, positive, negative, shares, seed) -> None:
        y = target(positive, negative)
        parts = stratified_split(y, *shares, seed)
        together = np.concatenate([parts.train, parts.validation, parts.test])
        np.testing.assert_array_equal(np.sort(together), np.arange(len(y)))
        for rows, share in zip((parts.validation, parts.test), shares, strict=True):
            assert abs(len(rows) - share * len(y)) <= 1
            assert abs(y[rows].sum() - len(rows) * y.mean()) <= 1

    def test_same_seed_gives_the_same_split_and_another_seed_another(self) -> None:
        first, again, other = split(3), split(3), split(4)
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(first, part), getattr(again, part))
            assert not np.array_equal(getattr(first, part), getattr(other, part))

    def test_rows_are_sorted_and_development_is_train_and_validation(self) -> None:
        parts = split()
        for rows in (parts.train, parts.validation, parts.test, parts.development):
            assert (np.diff(rows) > 0).all()
        assert set(parts.development) == set(parts.train) | set(parts.validation)

    def test_validation_share_is_of_all_rows_whatever_the_test_share(self) -> None:
        parts = stratified_split(Y, 0.2, 0.5, 0)
        assert [len(parts.train), len(parts.validation), len(parts.test)] == [300, 200, 500]


class TestFolds:
    def test_every_development_row_is_out_of_fold_exactly_once(self) -> None:
        out = np.concatenate([fold.out_of_fold for fold in folds()])
        np.testing.assert_array_equal(np.sort(out), split().development)

    def test_no_test_row_is_in_any_fold(self) -> None:
        test = split().test
        for fold in folds():
            for rows in (fold.fit, fold.stop, fold.out_of_fold):
                assert not np.intersect1d(rows, test).size

    def test_parts_of_a_fold_are_disjoint_and_are_all_development_rows(self) -> None:
        for fold in folds():
            together = np.concatenate([fold.fit, fold.stop, fold.out_of_fold])
            np.testing.assert_array_equal(np.sort(together), split().development)

    def test_every_part_has_natural_shares_within_one_row(self) -> None:
        for fold in folds():
            for rows in (fold.fit, fold.stop, fold.out_of_fold):
                assert abs(Y[rows].sum() - 0.16 * len(rows)) <= 1
            assert (len(fold.out_of_fold), len(fold.stop), len(fold.fit)) == (90, 81, 729)

    def test_rows_are_sorted(self) -> None:
        for fold in folds():
            for rows in (fold.fit, fold.stop, fold.out_of_fold):
                assert (np.diff(rows) > 0).all()

    def test_same_seed_gives_the_same_folds_and_another_seed_others(self) -> None:
        for first, again, other in zip(folds(3), folds(3), folds(4), strict=True):
            np.testing.assert_array_equal(first.fit, again.fit)
            np.testing.assert_array_equal(first.stop, again.stop)
            np.testing.assert_array_equal(first.out_of_fold, again.out_of_fold)
            assert not np.array_equal(first.out_of_fold, other.out_of_fold)


class TestEnoughRows:
    @pytest.mark.parametrize(
        ("change", "needed"),
        [
            ({}, 14),
            # One positive row in a tenth takes ten; ten folds of the rest take one row each.
            ({"folds": 0, "neighbours": 0}, 10),
            ({"folds": 2, "neighbours": 0, "stop_share": 0.5}, 10),
            ({"test": 0}, 12),
            ({"test": 0.05}, 20),
            ({"test": 0.0001}, 10_000),
            ({"test": 1e-9}, 1_000_000),
        ],
    )
    def test_message_says_how_many_are_needed(self, change, needed: int) -> None:
        with pytest.raises(InputError) as error:
            check_enough_rows(target(9, 300), **{**DEFAULTS, **change})
        assert f"need at least {needed};" in str(error.value)

    def test_limit_itself_is_enough_and_one_less_is_not(self) -> None:
        check_enough_rows(target(14, 400), **DEFAULTS)
        check_enough_rows(1 - target(14, 400), **DEFAULTS)
        with pytest.raises(InputError, match="only 13 of 413 rows belong to the rarer class"):
            check_enough_rows(target(13, 400), **DEFAULTS)

    def test_message_names_what_needs_the_rows(self) -> None:
        with pytest.raises(
            InputError, match="the split, 10 folds and oversampling with 5 neighbours"
        ):
            check_enough_rows(target(3, 50), **DEFAULTS)
        with pytest.raises(InputError, match="class of the target, and the split need at least"):
            check_enough_rows(target(3, 50), **{**DEFAULTS, "folds": 0, "neighbours": 0})

    @settings(max_examples=60, deadline=None)
    @given(
        positive=st.integers(5, 45),
        extra=st.integers(0, 60),
        validation=st.sampled_from([0.05, 0.1, 0.25]),
        test=st.sampled_from([0, 0.1, 0.2, 0.4]),
        n_folds=st.integers(2, 11),
        stop_share=st.sampled_from([0.1, 0.3, 0.5]),
        neighbours=st.sampled_from([0, 5]),
        seed=st.integers(0, 1000),
    )
    def test_what_passes_can_be_split_folded_and_oversampled(
        self, positive, extra, validation, test, n_folds, stop_share, neighbours, seed
    ) -> None:
        y = target(positive, positive + extra, seed)
        try:
            check_enough_rows(
                y,
                validation=validation,
                test=test,
                folds=n_folds,
                stop_share=stop_share,
                neighbours=neighbours,
            )
        except InputError:
            return
        parts = stratified_split(y, validation, test, seed)
        for rows in (parts.train, parts.validation, *([parts.test] if test else [])):
            assert 0 < y[rows].sum() < len(rows)
        assert y[parts.train].sum() > neighbours
        for fold in stratified_folds(y, parts.development, n_folds, stop_share, seed):
            assert y[fold.fit].sum() > neighbours
            for rows in (fold.fit, fold.stop, fold.out_of_fold):
                assert 0 < y[rows].sum() < len(rows)
