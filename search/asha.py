"""Asynchronous successive halving over one set of rungs, as a pure decision core."""

import math
from bisect import bisect_left, insort
from collections.abc import Sequence


class StoppingAsha:
    """Decides at each rung whether a trial trains on (Li et al. 2020, in the stopping form).

    A trial that reaches a rung goes on if its loss is among the best 1/η of those that have reached
    the rung so far; else it stops for good. Nothing waits, so no worker idles.

    Args:
        levels: Rung levels in epochs, ascending; at the last one training ends by itself.
        reduction_factor: η, at least 2.
    """

    def __init__(self, levels: Sequence[int], reduction_factor: int) -> None:
        self.levels = tuple(levels)
        self.reduction_factor = reduction_factor
        self._losses: dict[int, dict[str, float]] = {level: {} for level in self.levels}
        self._sorted: dict[int, list[float]] = {level: [] for level in self.levels}

    def report(self, trial: str, epoch: int, loss: float) -> bool:
        """Records a trial's best loss at the rung ``epoch`` and says whether it trains on.

        Reporting the same trial again at the same rung, as a resumed sweep may, changes nothing.

        Args:
            trial: Id of the trial.
            epoch: One of :attr:`levels`.
            loss: Lower is better; NaN and infinity are worst.
        """
        self._record(trial, epoch, loss)
        rung = self._sorted[epoch]
        # At least one trial goes on, so the first to arrive is never stopped.
        survivors = max(1, len(rung) // self.reduction_factor)
        return math.isfinite(loss) and loss <= rung[survivors - 1]

    def finish(self, trial: str, epoch: int, loss: float) -> None:
        """Records a trial that ended by itself after ``epoch`` epochs.

        A converged trial would carry its best loss to every later rung, so that is where later
        arrivals must beat it.
        """
        for level in self.levels:
            if level >= epoch:
                self._record(trial, level, loss)

    def _record(self, trial: str, level: int, loss: float) -> None:
        losses, in_order = self._losses[level], self._sorted[level]
        if trial in losses:
            del in_order[bisect_left(in_order, losses[trial])]
        losses[trial] = loss if math.isfinite(loss) else math.inf
        insort(in_order, losses[trial])

    def losses_at(self, level: int) -> dict[str, float]:
        """The losses recorded at a rung, by trial."""
        return dict(self._losses[level])
