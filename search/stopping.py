"""Competitions that decide at once: a trial that reaches a rung trains on, or stops for good."""

import math
from collections.abc import Sequence

from .competition import Competition, Rung


class Stopping(Competition):
    """Decides as a trial arrives at a rung. This base lets every trial train to its end."""

    def __init__(self, levels: Sequence[int], reduction_factor: int, size: int) -> None:
        super().__init__(levels, reduction_factor, size)
        # Dictionaries, as sets that keep the order.
        self._survivors: list[dict[str, None]] = [{} for _ in self.levels]

    def hand_out(self, trial: str) -> int:
        """See :meth:`Competition.hand_out`."""
        if trial in self._reached:
            del self._survivors[self._reached[trial]][trial]
        return super().hand_out(trial)

    def report(self, trial: str, loss: float, *, ended: bool) -> None:
        """See :meth:`Competition.report`."""
        super().report(trial, loss, ended=ended)
        reached = self._reached[trial]
        loss = self._rungs[reached].loss(trial)
        if ended:
            # It would carry its best loss to every later rung: there later arrivals must beat it.
            for later in range(reached + 1, len(self.levels)):
                self._arrive(trial, later, loss)
        elif math.isfinite(loss) and self._survives(self._rungs[reached], loss):
            self._survivors[reached][trial] = None
        else:
            self._eliminate(trial)

    def _earned(self, rung: int) -> list[str]:
        return list(self._survivors[rung])

    def _survives(self, rung: Rung, loss: float) -> bool:
        """Whether a trial that has just arrived with a finite loss trains on."""
        return True


class StoppingAsha(Stopping):
    """Asynchronous successive halving in the stopping form (after Li et al. 2020).

    A trial goes on if its loss is among the best 1/η of those that have reached the rung so far,
    itself included. No trial is ever paused, at the price that early arrivals go on too easily.
    """

    def _survives(self, rung: Rung, loss: float) -> bool:
        # At least one trial goes on, so the first to arrive is never stopped.
        return loss <= rung.loss_of_rank(max(1, len(rung) // self.reduction_factor) - 1)


class MedianStopping(Stopping):
    """The median stopping rule (Golovin et al. 2017), on best losses.

    A trial goes on if its best loss is in the better half of those that have reached the rung so
    far, itself included. The first few are never stopped.
    """

    grace_trials = 5

    def _survives(self, rung: Rung, loss: float) -> bool:
        return len(rung) <= self.grace_trials or loss <= rung.loss_of_rank((len(rung) - 1) // 2)
