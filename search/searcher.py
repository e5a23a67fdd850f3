"""Feeds planned trials to Tune."""

from collections.abc import Iterable
from typing import Any

from ray.tune.search import Searcher

from ..results.records import TrialRecord


class PlannedSearcher(Searcher):
    """Suggests the planned trials in order.

    The plan is made before the search, so nothing here needs to survive a restart.
    """

    def __init__(self, trials: Iterable[TrialRecord]) -> None:
        super().__init__()
        self._waiting = iter(trials)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """The next trial's Tune configuration."""
        trial = next(self._waiting, None)
        if trial is None:
            return str(Searcher.FINISHED)
        return {
            "trial": trial.id,
            "view": trial.view,
            "seed": trial.seed,
            "hyperparameters": trial.config,
        }

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A plan does not learn from results."""

    def save(self, checkpoint_path: str) -> None:
        """A resumed sweep plans again, so there is nothing to save."""

    def restore(self, checkpoint_path: str) -> None:
        """See :meth:`save`."""
