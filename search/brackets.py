"""The search's decisions: every view's brackets of rungs, side by side and apart."""

from collections.abc import Iterable, Mapping

from ..results.records import UNUSABLE, End, Progress, TrialRecord
from .asha import StoppingAsha
from .config import SearchConfig


class Brackets:
    """Lets the trials of a view's bracket compete among themselves only.

    Args:
        search: The search's settings; ``fifo`` trains every trial to its end.
        trials: All trials of the sweep, by id.
    """

    def __init__(self, search: SearchConfig, trials: Mapping[str, TrialRecord]) -> None:
        self._trials = trials
        self._competing = search.scheduler != "fifo"
        self._cores = {
            key: StoppingAsha(search.levels[key[1] :], search.reduction_factor)
            for key in sorted({(trial.view, trial.bracket) for trial in trials.values()})
        }

    def replay(self, events: Iterable[Progress | End]) -> None:
        """Rebuilds the rungs from the record of a run that is resumed."""
        for event in events:
            if isinstance(event, Progress):
                record = self._trials[event.trial]
                ended_by_itself = record.finished and record.status not in {"stopped", "failed"}
                ended_there = ended_by_itself and event.epochs == record.epochs
                ending = record.status if ended_there else None
                self.report(event.trial, event.rung, event.best_val_loss, ending)

    def report(self, trial: str, rung: int, loss: float | None, ending: str | None) -> bool:
        """Records what a trial reached, and says whether it trains on.

        Args:
            trial: Id of the trial.
            rung: The level it reached.
            loss: Its best validation loss; None stands for none that is finite.
            ending: Why it came to its end by itself, or None.
        """
        record = self._trials[trial]
        if not self._competing or record.stage == "baseline":
            return ending is None
        core = self._cores[record.view, record.bracket]
        if loss is None or ending in UNUSABLE:
            loss = float("inf")
        if ending is not None:
            core.finish(trial, rung, loss)
            return False
        return core.report(trial, rung, loss)
