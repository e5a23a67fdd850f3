"""Rung levels as literals."""

import pytest

from evensweep.search.rungs import rung_levels


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
