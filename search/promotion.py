"""Competitions in which trials pause at rungs until they are promoted."""

from collections.abc import Sequence

from .competition import Competition


class PromotionAsha(Competition):
    """Asynchronous successive halving (Li et al. 2020, algorithm 2).

    A trial pauses at its rung. Whenever a worker is free, the best trial among the best 1/η of its
    rung, of the highest rung where there is one, trains on. So no early arrival wins by default,
    and no worker waits for others.

    The paper's stream of new configurations never ends; here it does. When nothing else is left to
    do, the best trial of the highest rung trains on, so that a search of a few trials, or one in
    which those on top failed, too, trains one to its end.
    """

    def next(self, prefer: str | None = None) -> str | None:
        """See :meth:`Competition.next`."""
        trial = super().next(prefer)
        if trial is not None or self.running or self._entered < self.size:
            return trial
        for here in reversed(self._rungs):
            if waiting := here.paused(len(here)):
                return None if waiting[0] in self._ended else waiting[0]
        return None

    def _earned(self, rung: int) -> list[str]:
        here = self._rungs[rung]
        return here.paused(len(here) // self.reduction_factor)


class SuccessiveHalving(Competition):
    """One bracket of Hyperband: synchronous successive halving (Li et al. 2018, algorithm 1).

    Of the n trials of a bracket, floor(n · η^-i) train to the level r_i, at least one. Trials pause
    at a rung until all that train to it are there; the best of them go on, and the others stop. A
    trial that failed or diverged has arrived as the worst.
    """

    def __init__(self, levels: Sequence[int], reduction_factor: int, size: int) -> None:
        super().__init__(levels, reduction_factor, size)
        self.sizes = tuple(max(1, size // reduction_factor**i) for i in range(len(self.levels)))
        """n_i: how many trials train to each level."""
        self._expected = [size] + [0] * (len(self.levels) - 1)

    def _arrive(self, trial: str, rung: int, loss: float) -> None:
        super()._arrive(trial, rung, loss)
        # Trials are on their way to one rung at a time, the one that is open.
        here = self._rungs[rung]
        if len(here) < self._expected[rung] or rung == len(self.levels) - 1:
            return
        best = here.best(self.sizes[rung + 1])
        self._expected[rung + 1] = len(best)
        for other in here.trials():
            if other not in best:
                self._eliminate(other)

    def _earned(self, rung: int) -> list[str]:
        return self._rungs[rung].paused(self._expected[rung + 1])
