"""Rung levels, the epoch budgets at which trials are compared, and brackets of them.

Pure integer arithmetic: floating logarithms lose a level for R=243, η=3.
"""

from collections.abc import Iterator, Sequence
from itertools import count


def rung_levels(grace_epochs: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """The levels r, rη, rη², … below R, and R itself (Li et al. 2020, ASHA, with s = 0).

    Args:
        grace_epochs: r, the first level.
        max_epochs: R, the last level.
        reduction_factor: η, at least 2.

    Raises:
        ValueError: An argument is out of range.
    """
    _check(grace_epochs, max_epochs, reduction_factor)
    levels = []
    level = grace_epochs
    while level < max_epochs:
        levels.append(level)
        level *= reduction_factor
    return (*levels, max_epochs)


def hyperband_levels(grace_epochs: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """The levels R · η^-s, …, R/η², R/η, R, rounded down, from the first that is at least r on.

    There are s_max + 1 = floor(log_η(R/r)) + 1 of them (Li et al. 2018, algorithm 1, which has
    r = 1); bracket s starts at the (s+1)-th from the end.

    Args:
        grace_epochs: r, the smallest budget.
        max_epochs: R, the largest.
        reduction_factor: η, at least 2.

    Raises:
        ValueError: An argument is out of range.
    """
    _check(grace_epochs, max_epochs, reduction_factor)
    levels = [max_epochs]
    while (level := max_epochs // reduction_factor ** len(levels)) >= grace_epochs:
        levels.append(level)
    return tuple(reversed(levels))


def bracket_sizes(brackets: int, reduction_factor: int) -> tuple[int, ...]:
    """Trials of each bracket in one iteration of Hyperband, the most aggressive bracket first.

    ``n_s = ceil((s_max + 1) / (s + 1) · η^s)`` for s = s_max, …, 0 (Li et al. 2018, algorithm 1):
    every bracket gets about the same epochs. (Table 1 of the paper, for R = 81 and η = 3, rounds
    otherwise than its algorithm: 81, 27, 9, 6, 5 instead of 81, 34, 15, 8, 5.)

    Args:
        brackets: s_max + 1, at least 1.
        reduction_factor: η, at least 2.
    """
    return tuple(-(-brackets * reduction_factor**s // (s + 1)) for s in reversed(range(brackets)))


def deal(sizes: Sequence[int]) -> Iterator[int]:
    """Brackets for trial 0, 1, 2, …, without end, in the proportions of ``sizes``.

    Each trial goes to the bracket that is furthest behind its share, counting half of the trial it
    would get (Webster's, or Sainte-Laguë's, method), so that every prefix is close to the
    proportions; ties go to the first.
    """
    dealt = [0] * len(sizes)
    while True:
        bracket = min(range(len(sizes)), key=lambda b: ((2 * dealt[b] + 1) / sizes[b], b))
        dealt[bracket] += 1
        yield bracket


def in_turn(sizes: Sequence[int]) -> Iterator[int]:
    """Numbers of brackets for trial 0, 1, 2, …: one bracket filled after another, without end.

    Bracket number i has the size ``sizes[i % len(sizes)]``: one iteration of Hyperband follows
    another.
    """
    for number in count():
        yield from [number] * sizes[number % len(sizes)]


def _check(grace_epochs: int, max_epochs: int, reduction_factor: int) -> None:
    if reduction_factor < 2:
        raise ValueError(f"reduction_factor must be at least 2, got {reduction_factor}")
    if not 1 <= grace_epochs <= max_epochs:
        raise ValueError(
            f"grace_epochs must be between 1 and max_epochs ({max_epochs}), got {grace_epochs}"
        )
