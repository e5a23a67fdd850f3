"""The Ray Tune trainable: one Tune step trains a trial to its next rung, or calls a function.

The driver imports this file to hand the class to Tune; TensorFlow is imported on the worker only.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np
import ray
from ray import tune

from ..datasets.locations import Location
from ..datasets.stores import patiently
from ..datasets.views import Rows, View
from ..results.objective import MetricSpec, finite_or_none, load_metric
from .family import MLP, FamilySpec, load_family
from .history import EpochRecord
from .trial_states import state_file, storage_error

if TYPE_CHECKING:
    from ..datasets.preparation import Prepared
    from .training import Training, TrainingData

log = logging.getLogger(__name__)

T = TypeVar("T")

REPORT = "report"
"""Key of the :class:`Report`, or of a call's :class:`Outcome`, in a Tune result."""

SWEEP = "sweep"
"""Key of the :class:`Lent` :class:`SweepRows` in a trial's Tune configuration."""

_PATIENCE = 15.0
"""Seconds for which object storage may be gone; a trial that fails for it is tried again, too."""

_RESIDENT_VIEWS = 4
"""Views a worker keeps in device memory, more only if a sweep has more: folds come one after
another, so that those of two folds are enough."""


class Lent(Generic[T]):
    """An object in the object store that trials' Tune configurations refer to.

    Tune copies configurations and keeps them for as long as it runs. All copies of this one are the
    same object, so that :meth:`release` lets go of what it refers to in all of them.

    Attributes:
        key: Tells one from another, on every machine.
    """

    def __init__(self, value: T) -> None:
        self._reference: ray.ObjectRef[T] | None = ray.put(value)
        self.key: str = self._reference.hex()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def get(self) -> T:
        """The object."""
        return ray.get(self._reference)

    def release(self) -> None:
        """Lets the object store free the object, once no worker reads it any more."""
        self._reference = None


@dataclass(frozen=True)
class TrialSpec:
    """What a worker trains; with :data:`SWEEP`, a trial's Tune configuration.

    Attributes:
        trial: Id of the trial.
        view: The view it trains on.
        seed: Of its weights, shuffling and dropout.
        hyperparameters: Of the family.
        level: The rung level in epochs to train to first; then, if it goes on, to the next.
        fold: The fold whose rows it trains on; None for the search's rows.
    """

    trial: str
    view: str
    seed: int
    hyperparameters: dict[str, Any]
    level: int
    fold: int | None = None


@dataclass(frozen=True)
class CallSpec:
    """A function that a worker calls; a trial's Tune configuration.

    Attributes:
        trial: Shown in the dashboard.
        call: The function and its arguments, of which references are resolved on the worker.
    """

    trial: str
    call: Lent[tuple[Any, ...]]


@dataclass(frozen=True)
class Outcome:
    """What became of a call.

    Attributes:
        value: What the function returned.
        error: What it raised.
    """

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class FoldModel:
    """A fold's network and its predictions.

    Attributes:
        weights: The best epoch's, in Keras' order.
        log_odds_shift: What its predictions were shifted by, to the natural prior.
        out_of_fold: Natural-prior probability of the positive class for the fold's out-of-fold
            rows, float32 of shape (n_out_of_fold,).
        n_features: Columns of the fold's feature matrix.
    """

    weights: list[np.ndarray]
    log_odds_shift: float
    out_of_fold: np.ndarray
    n_features: int


@dataclass(frozen=True)
class Report:
    """How far a training is: the figures of the step that led there.

    Attributes:
        rung: The level it trained to.
        epochs: Epochs trained in all; fewer than ``rung`` when it ended by itself.
        best_epoch: Epoch of the lowest validation loss, from 1.
        best_val_loss: In nats a row, natural prior; infinite before the first finite epoch.
        best_val_accuracy: At the same epoch.
        seconds: Time of the step on the worker.
        history: The epochs of the step.
        ending: Why the training came to its end by itself, or None.
        fold_model: At the end of a fold's training.
        best_metric: The search's metric at the best epoch, None where it has none or none that is
            finite.
    """

    rung: int
    epochs: int
    best_epoch: int
    best_val_loss: float
    best_val_accuracy: float
    seconds: float
    history: list[EpochRecord]
    ending: str | None
    fold_model: FoldModel | None = None
    best_metric: float | None = None


@dataclass(frozen=True)
class TrainingSettings:
    """What all trials of a sweep share.

    Attributes:
        levels: All rung levels in epochs, ascending; the last one is the full budget.
        patience: Epochs without a better validation loss before a training ends.
        states: Folder of the search's trials' states, which every worker can read and write.
        family: What they train.
        metric: What the search compares them by; None stands for the validation loss.
    """

    levels: tuple[int, ...]
    patience: int
    states: Path | Location
    family: FamilySpec = MLP
    metric: MetricSpec | None = None


@dataclass(frozen=True)
class SharedRows:
    """References to arrays that are in the object store once, however many trials read them.

    Attributes:
        views: Balanced training rows, by name.
        watched: Rows that early stopping watches, by the name of the view; views may share them.
        out_of_fold: Of a fold: float32 ndarray (n_out_of_fold, n_features) to predict at the end.
    """

    views: Mapping[str, ray.ObjectRef[View]]
    watched: Mapping[str, ray.ObjectRef[Rows]]
    out_of_fold: ray.ObjectRef[np.ndarray] | None = None

    @classmethod
    def put(cls, *prepared: Prepared) -> SharedRows:
        """Puts every view and the rows to watch into the object store."""
        views: dict[str, ray.ObjectRef[View]] = {}
        watched: dict[str, ray.ObjectRef[Rows]] = {}
        for part in prepared:
            views |= {name: ray.put(view) for name, view in part.views.items()}
            watched |= dict.fromkeys(part.views, ray.put(part.watched))
        return cls(views, watched)


@dataclass(frozen=True)
class SweepRows:
    """What the workers of a sweep read.

    Attributes:
        rows: The references, by fold; the search's under None.
        settings: What all trials share.
    """

    rows: Mapping[int | None, SharedRows]
    settings: TrainingSettings


class SweepTrainable(tune.Trainable):
    """Does what a :class:`TrialSpec` or :class:`CallSpec` says, one after another in one actor.

    A result holds a :class:`Report`. A trial of the search writes its state at every rung, and
    starts from it when it is there: after a pause, a failure or an interruption it goes on. If it
    is at its level already, what was written was not reported, and is reported now. If it is
    further, reports of several steps were lost with a driver, and it trains anew, to the same; so
    it does from a state that is damaged.
    """

    _level: int
    _state: Path | Location | None
    _call: Lent[tuple[Any, ...]] | None

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first trial."""
        self._sweep: str | None = None
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another trial in this actor; TensorFlow, programs and a sweep's rows stay."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Trains to the next rung level, or calls the function."""
        self.config: dict[str, Any] = {}  # or each result would bring it back, with what is lent
        return {REPORT: self._train() if self._call is None else _outcome(*self._call.get())}

    def _train(self) -> Report:
        started = time.perf_counter()
        training, spec = self._training, self._spec
        if training.epoch >= self._level or training.ending is not None:
            history = training.last_epochs
        else:
            history = training.train(self._level)
            self._save()
        ended = training.ending is not None
        report = Report(
            rung=self._level,
            epochs=training.epoch,
            best_epoch=training.best_epoch,
            best_val_loss=training.best_val_loss,
            best_val_accuracy=training.best_val_accuracy,
            seconds=time.perf_counter() - started,
            history=history,
            ending=str(training.ending) if ended else None,
            fold_model=self._fold_model() if ended and spec.fold is not None else None,
            best_metric=self._best_metric(),
        )
        levels = self._settings.levels
        self._level = next((level for level in levels if level > self._level), levels[-1])
        return report

    def _save(self) -> None:
        state = self._state
        if state is None:
            return
        try:
            patiently(lambda: self._training.save(state), _PATIENCE)
        except OSError as error:
            raise storage_error(f"{state} can't be written", error) from error

    def _begin(self, config: dict[str, Any]) -> None:
        self._call = config.get("call")
        if self._call is None:
            others = dict(config)
            self._enter(others.pop(SWEEP))
            self._begin_training(TrialSpec(**others))

    def _enter(self, sweep: Lent[SweepRows]) -> None:
        """Takes a sweep's references to the shared arrays, unless it has them."""
        if sweep.key == self._sweep:
            return
        self._shared = sweep.get()
        self._settings = self._shared.settings
        self._family = load_family(self._settings.family)
        metric = self._settings.metric
        self._metric = load_metric(metric) if metric is not None else None
        self._resident: OrderedDict[tuple[int | None, str], TrainingData] = OrderedDict()
        self._sweep = sweep.key

    def _begin_training(self, spec: TrialSpec) -> None:
        self._spec = spec
        self._level = spec.level
        self._training = self._new_training()
        self._state = None
        if spec.fold is None:
            self._state = state_file(self._settings.states, spec.trial, spec.hyperparameters)
            self._restore(self._state)

    def _restore(self, state: Path | Location) -> None:
        try:
            patiently(lambda: self._training.restore(state), _PATIENCE)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(f"{state} can't be read", error) from error
        except Exception as error:  # NumPy and its parsers raise a dozen types
            log.warning("%s is damaged (%s), and its trial trains anew", state, error)
            self._training = self._new_training()
            return
        if self._training.last_epochs[0].epoch > self._level:
            self._training = self._new_training()

    def _new_training(self) -> Training:
        from .training import Training

        data = self._data(self._spec.fold, self._spec.view)
        return Training(
            self._family.network(self._spec.hyperparameters, data.n_features, self._spec.seed),
            data,
            patience=self._settings.patience,
            max_epochs=self._settings.levels[-1],
        )

    def _data(self, fold: int | None, view: str) -> TrainingData:
        """Rows in this worker's device memory: placed once, shared by all trials that read them."""
        from .program import ResidentRows
        from .training import TrainingData

        if (fold, view) not in self._resident:
            shared = self._shared.rows[fold]
            rows, watched = ray.get([shared.views[view], shared.watched[view]])
            same = (
                data.validation
                for (f, v), data in self._resident.items()
                if f == fold and shared.watched[v] == shared.watched[view]
            )
            self._resident[fold, view] = TrainingData(
                train=ResidentRows.place(rows.X, rows.y, rows.class_weights),
                validation=next(same, None) or ResidentRows.place(watched.X, watched.y),
                log_odds_shift=rows.log_odds_shift,
            )
            while len(self._resident) > max(_RESIDENT_VIEWS, len(shared.views)):
                self._resident.popitem(last=False)
        self._resident.move_to_end((fold, view))
        return self._resident[fold, view]

    def _best_metric(self) -> float | None:
        training = self._training
        if self._metric is None or self._spec.fold is not None or not training.best_epoch:
            return None
        y = np.asarray(training.data.validation.y)
        return finite_or_none(self._metric(y, training.best_val_probabilities))

    def _fold_model(self) -> FoldModel:
        return FoldModel(
            weights=self._training.best_weights,
            log_odds_shift=self._training.data.log_odds_shift,
            out_of_fold=self._training.predict(
                ray.get(self._shared.rows[self._spec.fold].out_of_fold)
            ),
            n_features=self._training.data.n_features,
        )


def _outcome(function: Callable[..., Any], *arguments: Any) -> Outcome:
    values = [ray.get(a) if isinstance(a, ray.ObjectRef) else a for a in arguments]
    try:
        return Outcome(function(*values))
    except Exception as error:
        return Outcome(error=error)
