"""What is asked of a user's searcher, and what it is told of the trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..datasets.user_code import Role
from .space import AnyDomain, Scalar

SEARCHER = Role(
    "searcher",
    "'random', 'tpe' or 'module:Class' such as 'my_searcher:LocalSearch'",
    "class",
    "takes (space, seed) and has suggest(number, trials)",
)
"""Among a user's code."""


@dataclass(frozen=True)
class Observation:
    """What a searcher is told of another trial.

    Attributes:
        number: Of the trial in its view, from 0.
        config: Its hyperparameters, those of the space.
        epochs: Trained so far; what trials have reached compares fairly after as many epochs.
        loss: What the search makes small, so far: the validation loss in nats a row, or the
            negative of a metric of which more is better. Infinite where the trial diverged or
            failed; None before its first rung.
        finished: Whether it will not train on.
    """

    number: int
    config: Mapping[str, Scalar]
    epochs: int
    loss: float | None
    finished: bool


class Searcher(Protocol):
    """Chooses the configurations of one view's trials.

    A sweep file names the class, and every view gets one of its own. A run that is resumed makes it
    anew and tells it what the run's record has. So a suggestion has to be a function of the space,
    the seed and the arguments, and not of what an object remembers of earlier calls.

    Args:
        space: The search space: a domain for each hyperparameter. ``domain.sample(rng)`` draws from
            one, ``domain.at(place)`` is its value at a place from 0 to 1, on a logarithmic scale
            where it has one, and ``domain.place(value)`` leads back.
        seed: Another one for each view, and the same when the run is resumed.
    """

    def __init__(self, space: Mapping[str, AnyDomain], seed: int) -> None: ...

    def suggest(self, number: int, trials: Sequence[Observation]) -> Mapping[str, Scalar]:
        """The hyperparameters of a trial that starts, all of the space and each of its domain.

        Args:
            number: Of the trial in its view, from 0.
            trials: The view's trials that have started before, in the order of their numbers,
                whatever has become of them.
        """
        ...
