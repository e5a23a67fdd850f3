"""A sweep as a scikit-learn classifier."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from rich.console import Console
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from ..datasets.errors import InputError
from ..trainables.exported import PackedModel
from ..trainables.manifest import read_manifest
from .config import SweepConfig
from .displays import display_for
from .progress import Display
from .stage import StageName
from .sweep import Sweep

_KEYS = {
    "views": "views",
    "trainable": "trainable",
    "space": "space",
    "trials": "search.trials",
    "max_epochs": "search.max_epochs",
    "scheduler": "search.scheduler",
    "searcher": "search.searcher",
    "time_budget": "search.time_budget",
    "folds": "cross_validation.folds",
    "top_k": "cross_validation.top_k",
    "ensemble_rounds": "ensemble.rounds",
    "decision": "decision",
    "pos_label": "data.positive",
    "random_state": "seed",
    "storage": "storage",
    "name": "name",
}
"""The sweep file's key of each parameter that is one."""


class EvenSweepClassifier(ClassifierMixin, BaseEstimator):
    """The best neural classifier that a sweep finds for an imbalanced binary problem.

    ``fit`` balances the training rows in several ways, searches the hyperparameters of networks on
    all of these views with Ray Tune, cross-validates the best trials and builds an ensemble from
    them. All rows take part in that: keep test rows of your own, with ``train_test_split`` or
    :func:`sklearn.model_selection.cross_val_score`. Sample weights are not supported.

    X may be an array of numbers, or a DataFrame, whose columns may also hold truth values and
    categories; both may have gaps (NaN), which are imputed. y holds two classes of any kind.

    Fits run in the Ray session that is open, or each in one of its own, which takes seconds to
    start: open one around many fits with :func:`evensweep.session_for_sweeps`. A fit uses all CPUs
    of the session, so leave scikit-learn's ``n_jobs`` at 1.

    Args:
        views: How the training rows are balanced, a form each; see the sweep file's ``views``.
        trainable: ``mlp``, or ``module:function`` for Keras models of your own.
        space: Hyperparameters and what they are drawn from, as in a sweep file; None takes the
            default space.
        trials: Trials of every view; None takes 40, and with ``hyperband`` every bracket once.
        max_epochs: The full budget of a trial, in epochs.
        scheduler: ``asha``, ``asha_stopping``, ``hyperband``, ``median`` or ``fifo``.
        searcher: ``random``, ``tpe``, or ``module:Class`` of your own.
        time_budget: Seconds after which no trial is begun; None for no limit.
        folds: Of the cross-validation, and networks of every member of the ensemble.
        top_k: Trials of every view that are cross-validated.
        ensemble_rounds: Rounds of the greedy selection.
        decision: What ``predict`` calls positive. ``f1`` takes the threshold with the best F1 on
            out-of-fold rows; a mapping is the sweep file's section, such as ``{"by": "cost",
            "false_positive_cost": 1, "false_negative_cost": 8}``; a number is the threshold.
        pos_label: The class to find; None takes 1, true or yes where there is one, else the rarer.
        settings: Further keys of the sweep file, such as ``{"training": {"batch_size": 64}}``.
        random_state: The same int gives the same splits, views, configurations and initial
            weights. With more than one CPU, ``asha`` and ``tpe`` also depend on which trial is done
            first; with ``hyperband`` or ``fifo`` and ``random`` the predictions are the same, too.
        storage: Folder in which every fit keeps its run, whole with its report, a path or a URI;
            None keeps none.
            On a cluster it must be one that all nodes see.
        name: Runs are called after it and the time.
        address: Of a Ray cluster; None starts Ray on this machine, if no session is open.
        cpus: CPUs for a session that is started here; None takes all.
        verbose: Whether to show the progress.

    Attributes:
        classes_: The two classes, sorted; ndarray of shape (2,).
        n_features_in_: Columns of X in ``fit``.
        feature_names_in_: Their names, where all are text; ndarray of shape (n_features,).
        threshold_: Rows whose class to find is at least so probable are predicted as that class.
        summary_: The content of the run's ``summary.json``; its ``status`` is ``complete`` where
            there is a report, in ``storage``.
        leaderboard_: The trials, best first; see :meth:`evensweep.Run.leaderboard`.
        run_: The run in ``storage``, or None.
    """

    def __init__(
        self,
        *,
        views: Sequence[str] = ("undersampled", "smote"),
        trainable: str = "mlp",
        space: Mapping[str, Any] | None = None,
        trials: int | None = None,
        max_epochs: int = 100,
        scheduler: str = "asha",
        searcher: str = "random",
        time_budget: float | None = None,
        folds: int = 10,
        top_k: int = 10,
        ensemble_rounds: int = 50,
        decision: str | Mapping[str, Any] | float = "f1",
        pos_label: str | float | bool | None = None,
        settings: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
        storage: Path | str | None = None,
        name: str = "classifier",
        address: str | None = None,
        cpus: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.views = views
        self.trainable = trainable
        self.space = space
        self.trials = trials
        self.max_epochs = max_epochs
        self.scheduler = scheduler
        self.searcher = searcher
        self.time_budget = time_budget
        self.folds = folds
        self.top_k = top_k
        self.ensemble_rounds = ensemble_rounds
        self.decision = decision
        self.pos_label = pos_label
        self.settings = settings
        self.random_state = random_state
        self.storage = storage
        self.name = name
        self.address = address
        self.cpus = cpus
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn may expect: two classes, gaps allowed."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def fit(self, X: pd.DataFrame | ArrayLike, y: ArrayLike) -> Self:
        """Runs the sweep.

        Args:
            X: Array or DataFrame of shape (n_samples, n_features).
            y: Two classes, array-like of shape (n_samples,).

        Returns:
            The fitted classifier.

        Raises:
            InputError: A ``ValueError``: a parameter is unfit, or the rows are.
            SweepError: The sweep can't go on.
            ClusterError: Ray can't be started or reached.
        """
        rows, labels = self._validated(X, y)
        frame = self._frame(rows)
        target = _free_name(getattr(y, "name", None), frame.columns)
        with tempfile.TemporaryDirectory(prefix="evensweep-") as folder:
            config = self._configuration(target, Path(folder) if self.storage is None else None)
            try:
                sweep = Sweep(config, frame.assign(**{target: labels}))
            except InputError as error:
                n_rows, n_columns = frame.shape
                where = f"X of n_samples={n_rows}, n_features={n_columns}"
                raise InputError(f"{where}: {error}") from error
            run = sweep.run(
                f"{config.name}-{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}",
                address=self.address,
                cpus=self.cpus,
                display=display_for(Console()) if self.verbose else Display(),
                # Nobody sees the report of a run that isn't kept.
                until=StageName.TEST if self.storage is None else None,
            )
            folder_of_model = run.model_folder()
            self._model = PackedModel(folder_of_model, config.family)
            self.summary_ = run.summary
            self.leaderboard_ = run.leaderboard()
            self.run_ = None if self.storage is None else run
            threshold = read_manifest(folder_of_model)["threshold"]
        is_number = isinstance(self.decision, Real)
        self.threshold_ = float(self.decision) if is_number else threshold  # type: ignore[arg-type]
        self.classes_ = np.unique(labels)
        self._positive = int(self.classes_[1] == labels[sweep.table.target.argmax()])
        return self

    def predict_proba(self, X: pd.DataFrame | ArrayLike) -> np.ndarray:
        """Probabilities of the classes at their natural shares.

        Args:
            X: Array or DataFrame of shape (n_samples, n_features).

        Returns:
            float64 ndarray of shape (n_samples, 2), in the order of ``classes_``.

        Raises:
            NotFittedError: ``fit`` has not been called.
            InputError: A column is unfit.
        """
        check_is_fitted(self)
        if isinstance(X, pd.DataFrame):
            rows = validate_data(self, X, reset=False, skip_check_array=True)
        else:
            rows = validate_data(self, X, reset=False, ensure_all_finite="allow-nan")
        probabilities = self._model.model.predict_proba(self._frame(rows))
        return probabilities if self._positive else probabilities[:, ::-1]

    def predict(self, X: pd.DataFrame | ArrayLike) -> np.ndarray:
        """Classes, at the threshold ``threshold_``.

        Args:
            X: Array or DataFrame of shape (n_samples, n_features).

        Returns:
            ndarray of shape (n_samples,), of the values of ``classes_``.

        Raises:
            NotFittedError: ``fit`` has not been called.
            InputError: A column is unfit.
        """
        called = self.predict_proba(X)[:, self._positive] >= self.threshold_
        return self.classes_[np.where(called, self._positive, 1 - self._positive)]

    def _validated(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """The rows and their labels, as scikit-learn checks them; a DataFrame stays one.

        Raises:
            ValueError: They are unfit for any classifier, or for one of two classes.
        """
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, y, skip_check_array=True)
            y = column_or_1d(y, warn=True)
            check_consistent_length(X, y)
        else:
            X, y = validate_data(self, X, y, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise InputError(
                f"Only binary classification is supported. The type of the target is {kind}."
            )
        if (n_classes := len(np.unique(y))) < 2:
            noun = "class" if n_classes == 1 else "classes"
            raise InputError(f"y holds {n_classes} {noun}, and a classifier needs two; add rows")
        return X, y

    def _frame(self, X: Any) -> pd.DataFrame:
        """The rows as a frame whose columns are called alike in ``fit`` and later."""
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            names = [f"x{number}" for number in range(self.n_features_in_)]
        if isinstance(X, pd.DataFrame):
            return X.set_axis(names, axis="columns").reset_index(drop=True)
        return pd.DataFrame(X, columns=names)

    def _configuration(self, target: str, folder: Path | None) -> SweepConfig:
        """The sweep that the parameters describe; its runs are kept in ``storage``, or in a folder.

        Raises:
            InputError: A parameter is unfit.
        """
        values = self.get_params(deep=False)
        values |= {"random_state": _seed(self.random_state), "storage": folder or self.storage}
        if isinstance(self.decision, str):
            values["decision"] = {"by": self.decision}
        elif isinstance(self.decision, Real):
            values["decision"] = None
        settings = {} if self.settings is None else self.settings
        if not isinstance(settings, Mapping):
            raise InputError(f"settings must be a mapping of a sweep file's keys, got {settings!r}")
        raw = copy.deepcopy(dict(settings))
        for parameter, key in _KEYS.items():
            _put(raw, key, values[parameter], f"the parameter {parameter}")
        for key, value in {"target": target, "path": None, "arrays": None}.items():
            _put(raw, f"data.{key}", value, "X and y")
        # No columns are guessed to be ids: X has only what is to be learnt from.
        raw["data"] = {"id_columns": [], **raw["data"]}
        raw["split"] = {"test": 0, **raw.get("split", {})}
        return SweepConfig.from_mapping(raw, type(self).__name__)


def _put(raw: dict[str, Any], key: str, value: Any, source: str) -> None:
    """Puts a value that is not None at a key, which the settings must leave to its source."""
    *parents, leaf = key.split(".")
    section = raw
    for parent in parents:
        section = section.setdefault(parent, {})
        if not isinstance(section, dict):
            raise InputError(f"settings: '{parent}' must hold keys, got {section!r}")
    if leaf in section:
        raise InputError(f"settings: {key} comes from {source}; leave it out")
    if value is not None:
        section[leaf] = value.item() if isinstance(value, np.generic) else value


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _free_name(name: Any, taken: Iterable[str]) -> str:
    """A name for the target that no column has; its own, if it can be."""
    free, taken = name if isinstance(name, str) and name else "target", set(taken)
    while free in taken:
        free += "_"
    return free
