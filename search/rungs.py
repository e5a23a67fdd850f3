"""Rung levels: the epoch budgets at which trials are compared. Pure integer arithmetic."""


def rung_levels(grace_epochs: int, max_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """The levels r, rη, rη², … below R, and R itself (Li et al. 2020, ASHA, with s = 0).

    Counted with integers, because floating logarithms lose a level for R=243, η=3.

    Args:
        grace_epochs: r, the first level.
        max_epochs: R, the last level.
        reduction_factor: η, at least 2.

    Raises:
        ValueError: An argument is out of range.
    """
    if reduction_factor < 2:
        raise ValueError(f"reduction_factor must be at least 2, got {reduction_factor}")
    if not 1 <= grace_epochs <= max_epochs:
        raise ValueError(
            f"grace_epochs must be between 1 and max_epochs ({max_epochs}), got {grace_epochs}"
        )
    levels = []
    level = grace_epochs
    while level < max_epochs:
        levels.append(level)
        level *= reduction_factor
    return (*levels, max_epochs)
