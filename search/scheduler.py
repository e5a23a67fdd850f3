"""The thin Tune scheduler over the pure decision core: one set of rungs a view."""

from collections.abc import Iterable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from ..results.records import UNUSABLE, End, Progress, TrialRecord
from .asha import StoppingAsha


class ViewScheduler(FIFOScheduler):
    """Lets every view's trials compete among themselves only, side by side in one experiment.

    Args:
        rungs: The decision core of each view; None trains every trial to its end.
        trials: All trials of the sweep, by id.
    """

    def __init__(
        self, rungs: dict[str, StoppingAsha] | None, trials: dict[str, TrialRecord]
    ) -> None:
        super().__init__()
        self._rungs = rungs
        self._trials = trials

    def replay(self, events: Iterable[Progress | End]) -> None:
        """Rebuilds the rungs from the record of a run that is resumed."""
        for event in events:
            if isinstance(event, Progress):
                record = self._trials[event.trial]
                ended_there = (
                    record.finished and record.status != "stopped" and event.epochs == record.epochs
                )
                ending = record.status if ended_there else None
                self._report(event.trial, event.rung, event.best_val_loss, ending)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Decides whether the trial trains on after a rung."""
        goes_on = self._report(
            trial.config["trial"], result["rung"], result["best_val_loss"], ending=None
        )
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Records a trial that ended by itself, or that this scheduler has just stopped."""
        if result.get("ending"):
            self._report(
                trial.config["trial"], result["rung"], result["best_val_loss"], result["ending"]
            )

    def _report(self, trial: str, rung: int, loss: float | None, ending: str | None) -> bool:
        record = self._trials[trial]
        if self._rungs is None or record.stage == "baseline":
            return True
        core = self._rungs[record.view]
        if loss is None or ending in UNUSABLE:
            loss = float("inf")
        if ending is not None:
            core.finish(trial, rung, loss)
            return False
        return core.report(trial, rung, loss)
