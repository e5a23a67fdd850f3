"""Rung levels and brackets as literals."""

from collections import Counter
from fractions import Fraction
from itertools import islice
from math import ceil

import pytest

from evensweep.search.rungs import bracket_sizes, deal, rung_levels


@pytest.mark.parametrize(
    ("grace", "maximum", "factor", "levels"),
    [
        (1, 81, 3, (1, 3, 9, 27, 81)),
        (2, 100, 3, (2, 6, 18, 54, 100)),
        (1, 243, 3, (1, 3, 9, 27, 81, 243)),  # floating logarithms give 4.999… here
        (1, 1000, 10, (1, 10, 100, 1000)),
        (1, 125, 5, (1, 5, 25, 125)),
        (1, 1, 3, (1,)),
        (7, 7, 2, (7,)),
        (1, 2, 3, (1, 2)),
        (4, 5, 4, (4, 5)),
        (1, 64, 2, (1, 2, 4, 8, 16, 32, 64)),
    ],
)
def test_levels(grace: int, maximum: int, factor: int, levels: tuple[int, ...]) -> None:
    assert rung_levels(grace, maximum, factor) == levels


@pytest.mark.parametrize("factor", range(2, 12))
def test_powers_are_exact_for_every_factor(factor: int) -> None:
    for power in range(12):
        levels = rung_levels(1, factor**power, factor)
        assert levels == tuple(factor**k for k in range(power + 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 81, 1), "reduction_factor must be at least 2, got 1"),
        ((0, 81, 3), "grace_epochs must be between 1 and max_epochs (81), got 0"),
        ((82, 81, 3), "grace_epochs must be between 1 and max_epochs (81), got 82"),
        ((1, 0, 3), "grace_epochs must be between 1 and max_epochs (0), got 1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        rung_levels(*arguments)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("brackets", "factor", "sizes"),
    [
        (5, 3, (81, 34, 15, 8, 5)),  # the table of Li et al. 2018 for R = 81
        (4, 3, (27, 12, 6, 4)),
        (3, 3, (9, 5, 3)),
        (2, 3, (3, 2)),
        (1, 3, (1,)),
        (1, 2, (1,)),
        (4, 2, (8, 6, 4, 4)),
        (5, 4, (256, 80, 27, 10, 5)),
        (2, 10, (10, 2)),
    ],
)
def test_sizes_of_brackets(brackets: int, factor: int, sizes: tuple[int, ...]) -> None:
    assert bracket_sizes(brackets, factor) == sizes


def test_sizes_are_exact_where_floating_numbers_are_not() -> None:
    sizes = bracket_sizes(40, 3)
    assert sizes[0] == 3**39
    assert sizes[1] == ceil(Fraction(40 * 3**38, 39)) == 1_385_488_941_203_068_810
    assert sizes[-1] == 40


SIZES = [bracket_sizes(brackets, factor) for brackets in range(1, 6) for factor in (2, 3, 4)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_iteration_deals_exactly_the_sizes(sizes: tuple[int, ...]) -> None:
    dealt = deal(sizes)
    for _ in range(3):
        assert Counter(islice(dealt, sum(sizes))) == dict(enumerate(sizes))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_no_bracket_is_far_from_its_share(sizes: tuple[int, ...]) -> None:
    dealt = [0] * len(sizes)
    for number, bracket in enumerate(islice(deal(sizes), 2 * sum(sizes)), start=1):
        dealt[bracket] += 1
        shares = [number * size / sum(sizes) for size in sizes]
        off = [abs(share - count) for share, count in zip(shares, dealt, strict=True)]
        assert max(off) < 1.25


def test_first_trials_are_dealt_as_always() -> None:
    """A run of an older version resumes with the brackets it began with."""
    assert list(islice(deal((9, 5, 3)), 17)) == [0, 1, 0, 2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 0, 2, 1, 0]
    assert list(islice(deal((2, 2)), 6)) == [0, 1, 0, 1, 0, 1]
    assert list(islice(deal((1,)), 4)) == [0] * 4


def test_dealing_again_deals_the_same() -> None:
    sizes = bracket_sizes(5, 3)
    assert list(islice(deal(sizes), 500)) == list(islice(deal(list(sizes)), 500))
