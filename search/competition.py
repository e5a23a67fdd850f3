"""Trials that compete at rungs: what every algorithm of stopping and promotion shares.

Pure decisions, without Ray, files or clocks. Whoever trains asks :meth:`Competition.next` for a
trial that has earned to train on, hands it out, and reports what it reached.
"""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence


class Rung:
    """The losses of the trials that have reached one level; equal losses rank by trials' ids."""

    def __init__(self) -> None:
        self._losses: dict[str, float] = {}
        self._ranked: list[tuple[float, str]] = []
        # Those who have not left for the next rung, apart, so that no query looks at all trials.
        self._paused: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._losses)

    def add(self, trial: str, loss: float) -> None:
        """A trial arrives."""
        self._losses[trial] = loss
        insort(self._ranked, (loss, trial))
        insort(self._paused, (loss, trial))

    def leave(self, trial: str) -> None:
        """A trial goes on to the next rung; its loss stays."""
        del self._paused[bisect_left(self._paused, (self._losses[trial], trial))]

    def loss(self, trial: str) -> float:
        """The loss that a trial arrived with."""
        return self._losses[trial]

    def loss_of_rank(self, rank: int) -> float:
        """The loss of the trial that so many are better than."""
        return self._ranked[rank][0]

    def best(self, count: int) -> list[str]:
        """So many of the best trials, best first, without those whose loss is infinite."""
        return [trial for loss, trial in self._ranked[:count] if math.isfinite(loss)]

    def paused(self, count: int) -> list[str]:
        """Those of so many best trials that have not left, as :meth:`best` gives them."""
        if not count:
            return []
        among = self._paused[: bisect_right(self._paused, self._ranked[count - 1])]
        return [trial for loss, trial in among if math.isfinite(loss)]

    def trials(self) -> list[str]:
        """All trials, in the order of their arrival."""
        return list(self._losses)


class Competition:
    """One bracket's trials and rungs; algorithms say who has earned to leave a rung.

    Args:
        levels: Rung levels in epochs, ascending; at the last one training ends.
        reduction_factor: η, at least 2.
        size: How many trials will enter.

    Attributes:
        eliminated: Trials that will not train on although they could, in the order in which that
            was decided; those who learn of it take them out.
        running: The rung that each trial in training is on its way to, by trial.
    """

    def __init__(self, levels: Sequence[int], reduction_factor: int, size: int) -> None:
        self.levels = tuple(levels)
        self.reduction_factor = reduction_factor
        self.size = size
        self.eliminated: list[str] = []
        self.running: dict[str, int] = {}
        self._rungs = [Rung() for _ in self.levels]
        self._reached: dict[str, int] = {}
        self._entered = 0
        self._ended: set[str] = set()

    def next(self, prefer: str | None = None) -> str | None:
        """A trial that has earned to train on: of the highest rung, and there the best.

        Args:
            prefer: Comes first if it is one of them, since its worker holds it already.
        """
        earned = [t for rung in reversed(range(len(self.levels) - 1)) for t in self._earned(rung)]
        return prefer if prefer in earned else next(iter(earned), None)

    def hand_out(self, trial: str) -> int:
        """A trial enters, or goes on to the next rung; returns that rung's level."""
        rung = self._reached.get(trial, -1)
        if rung >= 0:
            self._rungs[rung].leave(trial)
        else:
            self._entered += 1
        self.running[trial] = rung + 1
        return self.levels[rung + 1]

    def report(self, trial: str, loss: float, *, ended: bool) -> None:
        """A trial in training reached its rung, or came to its end by itself.

        Args:
            trial: Id of the trial.
            loss: The best so far, lower is better; NaN and infinity are worst and never promoted.
            ended: Whether it can't train on: converged, diverged, failed, or at the end of its
                budget.
        """
        rung = self.running.pop(trial)
        if ended:
            self._ended.add(trial)
        self._arrive(trial, rung, loss if math.isfinite(loss) else math.inf)
        self._carry()

    def _carry(self) -> None:
        """Moves trials that ended by themselves up to where they have earned to be."""
        for rung, here in enumerate(self._rungs[:-1]):
            for trial in self._earned(rung):
                if trial in self._ended:
                    here.leave(trial)
                    self._arrive(trial, rung + 1, here.loss(trial))

    def _arrive(self, trial: str, rung: int, loss: float) -> None:
        self._reached[trial] = rung
        self._rungs[rung].add(trial, loss)

    def _earned(self, rung: int) -> list[str]:
        """Trials that may leave a rung for the next and have not, best first."""
        raise NotImplementedError

    def _eliminate(self, trial: str) -> None:
        if trial not in self._ended:
            self.eliminated.append(trial)
