"""The search's decisions: which trial trains next, over all views and brackets.

Every view has its own brackets, and a view's bracket its own competition, so that no view's losses
cut off another's trials. While one competition waits for a rung, the others' trials train.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from ..results.objective import as_objective
from ..results.records import UNUSABLE, End, Event, Progress, TrialRecord
from .competition import Competition
from .promotion import PromotionAsha, SuccessiveHalving
from .sections import SearchConfig
from .stopping import MedianStopping, Stopping, StoppingAsha

COMPETITIONS: dict[str, type[Competition]] = {
    "asha": PromotionAsha,
    "asha_stopping": StoppingAsha,
    "hyperband": SuccessiveHalving,
    "median": MedianStopping,
    "fifo": Stopping,
}
"""What each scheduler makes of a bracket's trials."""

_BASELINE = -1
"""Stands for a bracket, that of the view's baseline."""


class Schedule:
    """Hands trials out, and learns what became of them.

    It is a function of the events it is told, so that a resumed search decides from there on as the
    unbroken one would have.

    Args:
        search: The search's settings.
        trials: All trials of the sweep, by id, in the order in which they are to enter.
    """

    def __init__(self, search: SearchConfig, trials: Mapping[str, TrialRecord]) -> None:
        self._trials = trials
        by_view: dict[str, list[TrialRecord]] = {}
        for trial in trials.values():
            by_view.setdefault(trial.view, []).append(trial)
        self._views = {name: _View(search, planned) for name, planned in by_view.items()}
        self._latest: str | None = None

    def replay(self, events: Iterable[Event]) -> None:
        """Learns what a run that is resumed had recorded; a line may have been taken out of it."""
        for event in events:
            if isinstance(event, End) and event.status != "failed":
                continue
            view = self._view(event.trial)
            if event.trial not in view.competition(event.trial).running:
                view.hand_out(event.trial)
            if isinstance(event, Progress):
                mode = self._trials[event.trial].mode
                reached = as_objective(mode, event.best_val_loss, event.best_metric)
                self.report(event.trial, reached, event.ending)
            elif isinstance(event, End):
                self.fail(event.trial)
            else:
                self._latest = None

    @property
    def running(self) -> dict[str, int]:
        """Trials handed out and not heard of since, with the epochs they shall train to."""
        return {
            trial: competition.levels[rung]
            for view in self._views.values()
            for competition in view.competitions
            for trial, rung in competition.running.items()
        }

    def next(self) -> tuple[str, int] | None:
        """Hands out a trial with the epochs it shall train to, or nothing at the moment.

        First comes what was reported last, if it has earned to train on. Otherwise the view that
        has the fewest trials in training, and of such views the one that was handed out the fewest
        epochs: there a trial that has earned to train on, or else a new one.
        """
        latest, self._latest = self._latest, None
        if latest is not None:
            view = self._view(latest)
            if view.competition(latest).next(prefer=latest) == latest:
                return latest, view.hand_out(latest)
        for view in sorted(self._views.values(), key=lambda view: (view.busy, view.epochs)):
            trial = view.next()
            if trial is not None:
                return trial, view.hand_out(trial)
        return None

    def report(self, trial: str, objective: float, ending: str | None) -> None:
        """A trial reached the level it was handed out for, or came to its end by itself.

        Args:
            trial: Id of the trial.
            objective: What the search makes small, so far; infinite if there is none.
            ending: Why it came to its end by itself, or None.
        """
        if ending in UNUSABLE:
            objective = math.inf
        self._view(trial).competition(trial).report(trial, objective, ended=ending is not None)
        self._latest = trial

    def fail(self, trial: str) -> None:
        """A trial in training failed for good: it counts as worst, and nobody waits for it."""
        self.report(trial, math.inf, "failed")

    def eliminated(self) -> list[str]:
        """Trials that will not train on although they could, decided since the last call."""
        found = []
        for view in self._views.values():
            for competition in view.competitions:
                found += competition.eliminated
                competition.eliminated.clear()
        return found

    def _view(self, trial: str) -> "_View":
        return self._views[self._trials[trial].view]


class _View:
    """A view's competitions, and its trials that have not entered one yet.

    The baseline is no competitor: it trains to its end.
    """

    def __init__(self, search: SearchConfig, trials: Iterable[TrialRecord]) -> None:
        self._waiting = {trial.id: _key(trial) for trial in trials}
        self._keys = dict(self._waiting)
        self._competitions: dict[int, Competition] = {}
        for key, size in sorted(Counter(self._keys.values()).items()):
            kind = Stopping if key == _BASELINE else COMPETITIONS[search.scheduler]
            levels = search.levels if key == _BASELINE else search.levels_of(key)
            self._competitions[key] = kind(levels, search.reduction_factor, size)
        self.epochs = 0
        """Handed out so far."""

    @property
    def competitions(self) -> Iterable[Competition]:
        """The baseline's, and one a bracket, in the order of the brackets."""
        return self._competitions.values()

    @property
    def busy(self) -> int:
        """Trials in training."""
        return sum(len(competition.running) for competition in self.competitions)

    def competition(self, trial: str) -> Competition:
        """The competition of a trial."""
        return self._competitions[self._keys[trial]]

    def next(self) -> str | None:
        """A trial that has earned to train on, of the first bracket that has one, or a new one."""
        earned = (competition.next() for competition in self.competitions)
        return next(filter(None, earned), None) or next(iter(self._waiting), None)

    def hand_out(self, trial: str) -> int:
        """A trial goes into training; returns the epochs it shall train to."""
        self._waiting.pop(trial, None)
        competition = self.competition(trial)
        level = competition.hand_out(trial)
        self.epochs += level - max(filter(level.__gt__, competition.levels), default=0)
        return level


def _key(trial: TrialRecord) -> int:
    return _BASELINE if trial.stage == "baseline" else trial.bracket
