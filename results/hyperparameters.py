"""What the search's trials say of the hyperparameters: their values, and which of them matter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .records import UNUSABLE, TrialRecord

FEWEST_TRIALS = 20
"""Below so many trials of a view the importance of its hyperparameters is a guess."""

_FOLDS = 5
_TREES = 100
_REPEATS = 5


@dataclass(frozen=True)
class Hyperparameter:
    """The values that a view's trials had of one hyperparameter.

    Attributes:
        name: As in the sweep file.
        values: float64 ndarray of shape (n_trials,); of words, their numbers among ``words``. NaN
            where a trial has none.
        words: Its values in order, if they are no numbers; else empty.
        log: Whether its range is on a logarithmic scale.
    """

    name: str
    values: np.ndarray
    words: tuple[str, ...]
    log: bool

    @property
    def places(self) -> np.ndarray:
        """Where the values are between the lowest (0) and the highest (1), on its scale."""
        scaled = np.log(self.values) if self.log else self.values
        low, high = np.nanmin(scaled), np.nanmax(scaled)
        return (scaled - low) / (high - low)

    def label(self, value: float) -> str:
        """A value as a person would write it."""
        return self.words[round(value)] if self.words else f"{value:.3g}"


@dataclass(frozen=True)
class Configurations:
    """A view's trials as points of its space.

    Attributes:
        view: The view.
        trials: Their ids; the baseline and trials that diverged or failed are left out.
        losses: Best validation loss of each in nats a row, float64 ndarray of shape (n_trials,).
        epochs: That each has trained, int64 ndarray of the same shape.
        hyperparameters: Those of which the trials have more than one value.
    """

    view: str
    trials: tuple[str, ...]
    losses: np.ndarray
    epochs: np.ndarray
    hyperparameters: tuple[Hyperparameter, ...]


@dataclass(frozen=True)
class Importance:
    """How much of the order of the trials hangs on each hyperparameter.

    Attributes:
        names: Of the hyperparameters.
        shares: By how much R² falls without each, float64 ndarray of shape (n_hyperparameters,).
        errors: Standard deviation of that over the shufflings, of the same shape.
        explained: R² with all of them, on trials that the forest was not fitted on.
        trials: How many there were.
    """

    names: tuple[str, ...]
    shares: np.ndarray
    errors: np.ndarray
    explained: float
    trials: int


def compute_configurations(
    trials: Sequence[TrialRecord], view: str, space: Mapping[str, Any]
) -> Configurations:
    """A view's configurations and what each reached before it was stopped.

    Args:
        trials: All trials.
        view: The view.
        space: The sweep file's section of that name, which says what is on a logarithmic scale.
    """
    losses = {
        trial.id: trial.best_val_loss
        for trial in trials
        if trial.view == view and trial.stage == "search" and trial.status not in UNUSABLE
    }
    usable = [trial for trial in trials if losses.get(trial.id) is not None]
    names = dict.fromkeys(name for trial in usable for name in trial.config)
    found = (
        _hyperparameter(name, [trial.config.get(name) for trial in usable], space) for name in names
    )
    return Configurations(
        view,
        tuple(trial.id for trial in usable),
        np.array([losses[trial.id] for trial in usable], np.float64),
        np.array([trial.epochs for trial in usable], np.int64),
        tuple(each for each in found if len(np.unique(each.values[~np.isnan(each.values)])) > 1),
    )


def _hyperparameter(name: str, values: Sequence[Any], space: Mapping[str, Any]) -> Hyperparameter:
    domain = space.get(name)
    numbers = all(value is None or type(value) in (int, float) for value in values)
    words: tuple[str, ...] = ()
    if not numbers:
        known = dict.fromkeys(str(value) for value in values if value is not None)
        choices = domain.get("choice", ()) if isinstance(domain, Mapping) else ()
        ordered = [str(choice) for choice in choices if str(choice) in known]
        words = (*ordered, *sorted(set(known) - set(ordered)))
    positions = [
        np.nan if value is None else float(value) if numbers else words.index(str(value))
        for value in values
    ]
    log = isinstance(domain, Mapping) and bool(domain.get("log")) and np.nanmin(positions) > 0
    return Hyperparameter(name, np.array(positions, np.float64), words, bool(log))


def compute_importance(views: Sequence[Configurations], seed: int) -> Importance | None:
    """Permutation importance (Breiman, "Random Forests", Machine Learning 45, 2001).

    A random forest predicts each trial's rank in its view by validation loss; what counts is by how
    much its R² falls, on trials that it was not fitted on, when the values of one hyperparameter
    are shuffled among them.

    Args:
        views: All views, whose trials have the same hyperparameters; one view's few trials would
            say too little.
        seed: Of the forest, the folds and the shuffling.

    Returns:
        None for fewer than :data:`FEWEST_TRIALS` trials, or nothing that varies.
    """
    # Loading these takes a good part of a second, which only this figure needs.
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    names = list(dict.fromkeys(each.name for view in views for each in view.hyperparameters))
    ranks = np.concatenate([_ranks(view.losses) for view in views])
    if len(ranks) < FEWEST_TRIALS or not names:
        return None
    X = np.concatenate([_places(view, names) for view in views])
    rng = np.random.default_rng(seed)
    predicted = np.empty((1 + len(names) * _REPEATS, len(X)))
    for fit, judge in KFold(_FOLDS, shuffle=True, random_state=seed).split(X):
        forest = RandomForestRegressor(_TREES, random_state=seed).fit(X[fit], ranks[fit])
        shuffled = np.repeat(X[None, judge], len(predicted), axis=0)
        for number in range(1, len(predicted)):
            column = (number - 1) // _REPEATS
            shuffled[number, :, column] = rng.permutation(X[judge, column])
        predicted[:, judge] = forest.predict(shuffled.reshape(-1, X.shape[1])).reshape(
            len(predicted), -1
        )
    explained, *without = (float(r2_score(ranks, each)) for each in predicted)
    falls = explained - np.reshape(without, (len(names), _REPEATS))
    return Importance(tuple(names), falls.mean(axis=1), falls.std(axis=1), explained, len(ranks))


def _ranks(losses: np.ndarray) -> np.ndarray:
    """Places of losses in their order, from 0 for the lowest to 1."""
    return np.argsort(np.argsort(losses, kind="stable")) / max(len(losses) - 1, 1)


def _places(view: Configurations, names: Sequence[str]) -> np.ndarray:
    """A column a hyperparameter; what a trial has no value of lies beyond all values."""
    known = {each.name: each for each in view.hyperparameters}
    columns = [
        np.nan_to_num(known[name].places, nan=-1.0) if name in known else np.full(count, -1.0)
        for name in names
        for count in [len(view.trials)]
    ]
    return np.column_stack(columns)
