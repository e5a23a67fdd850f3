"""Balanced views: forms of the training rows with another class balance than nature's.

Workers import this file to read the shared rows, so it imports no sampler before one is used.
"""

import importlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .samplers import Sampler, SamplerSpec, make_sampler, resample_own
from .user_code import names_code

if TYPE_CHECKING:
    from .preprocessing import Preprocessor

SMOTE_NEIGHBOURS = 5
"""Of imbalanced-learn's samplers that interpolate, unless they are told otherwise."""


@dataclass(frozen=True)
class Rows:
    """Preprocessed rows: X float32 (n_rows, n_features), y int32 (n_rows,), both C-contiguous."""

    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class View:
    """Training rows after balancing.

    Attributes:
        name: ``undersampled``, ``smote``, ….
        X: float32 ndarray of shape (n_rows, n_features), C-contiguous.
        y: int32 ndarray of shape (n_rows,), 0 or 1.
        log_odds_shift: What must be added to a predicted log-odds to undo the balancing, since a
            model trained on a view predicts the view's class shares (see :func:`log_odds_shift`).
        class_weights: What a row's loss is multiplied by, by its class; 1 on average.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    log_odds_shift: float
    class_weights: tuple[float, float] = (1.0, 1.0)


def log_odds_shift(natural_rate: float, view_rate: float) -> float:
    """The constant that moves log-odds from a view's class prior to the natural one.

    Bayes' rule scales the odds by the ratio of the prior odds (Elkan, "The Foundations of
    Cost-Sensitive Learning", 2001, theorem 2; Saerens et al., 2002, equation 4).

    Args:
        natural_rate: Share of positives in nature, strictly between 0 and 1.
        view_rate: Share of positives in the view, strictly between 0 and 1.
    """

    def log_odds(rate: float) -> float:
        return float(np.log(rate) - np.log1p(-rate))

    return log_odds(natural_rate) - log_odds(view_rate)


NAMED_SAMPLERS = {
    "undersampled": "RandomUnderSampler",
    "smote": "SMOTE",
    "borderline_smote": "BorderlineSMOTE",
    "adasyn": "ADASYN",
    "smote_tomek": "SMOTETomek",
}
"""imbalanced-learn's samplers behind the views that have a name of their own."""

UNSAMPLED = ("weighted", "natural")
"""Views of the untouched rows: with both classes weighing the same in the loss, or as they are."""

SAMPLERS = {
    "imblearn.over_sampling": (
        "ADASYN", "BorderlineSMOTE", "KMeansSMOTE", "RandomOverSampler", "SMOTE", "SVMSMOTE",
    ),
    "imblearn.under_sampling": (
        "AllKNN", "ClusterCentroids", "CondensedNearestNeighbour", "EditedNearestNeighbours",
        "InstanceHardnessThreshold", "NearMiss", "NeighbourhoodCleaningRule", "OneSidedSelection",
        "RandomUnderSampler", "RepeatedEditedNearestNeighbours", "TomekLinks",
    ),
    "imblearn.combine": ("SMOTEENN", "SMOTETomek"),
}  # fmt: skip
"""Each sampler of imbalanced-learn makes a view of its name, too; by the module that has it."""

SURE = ("undersampled", "smote", *UNSAMPLED)
"""Views that any rows have which are enough for the sweep; others depend on how the rows lie."""

VIEWS = (*NAMED_SAMPLERS, *UNSAMPLED, *(name for names in SAMPLERS.values() for name in names))
"""Names of all views but those that a sweep gives to samplers with parameters, or a user's own."""


_AS_THEY_ARE = ("SMOTE", "RandomUnderSampler", "RandomOverSampler")
"""Samplers that take categories as codes."""


def make_view(
    name: str,
    spec: SamplerSpec,
    X: np.ndarray,
    y: np.ndarray,
    seed: int,
    preprocessor: "Preprocessor",
) -> View:
    """Balances training rows.

    Args:
        name: Of the view.
        spec: How it balances.
        X: float64 ndarray of shape (n_rows, n_compact), preprocessed to the compact form.
        y: int ndarray of shape (n_rows,), 0 or 1.
        seed: The same seed and rows give the same view.
        preprocessor: Says which columns are codes of categories, and expands them.

    Raises:
        InputError: The sampler can't balance these rows, or leaves none of a class.
    """
    X_view, y_view = X, y
    if spec.sampler not in UNSAMPLED:
        X_view, y_view = resampled(name, spec, X, y, seed, preprocessor)
    counts = np.bincount(y_view, minlength=2)
    if not counts.all():
        raise InputError(f"the view '{name}' leaves no rows of a class; take another view")
    weights = len(y_view) / (2 * counts) if spec.sampler == "weighted" else np.ones(2)
    weight_negative, weight_positive = counts * weights
    return View(
        name=name,
        X=preprocessor.expand(X_view),
        y=np.ascontiguousarray(y_view, dtype=np.int32),
        log_odds_shift=log_odds_shift(
            float(y.mean()), weight_positive / (weight_negative + weight_positive)
        ),
        class_weights=(float(weights[0]), float(weights[1])),
    )


def resampled(
    name: str,
    spec: SamplerSpec,
    X: np.ndarray,
    y: np.ndarray,
    seed: int,
    preprocessor: "Preprocessor",
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes after sampling, in the form of ``X``.

    Args and errors are those of :func:`make_view`; ``X`` may be :meth:`Preprocessor.raw`, without
    gaps, as well.
    """
    categories = preprocessor.is_category(X.shape[1])
    kind = NAMED_SAMPLERS.get(spec.sampler, spec.sampler)
    # SMOTE has a form that gives a synthetic row its neighbours' commonest category, and some draw
    # rows without looking at them. To all others categories are indicators, of which a synthetic
    # row has shares: it gets the largest one's.
    as_indicators = bool(categories.any()) and kind not in _AS_THEY_ARE
    rows = preprocessor.expand(X) if as_indicators else X
    with warnings.catch_warnings():
        # imbalanced-learn warns of scikit-learn internals that no user can act on.
        warnings.simplefilter("ignore", FutureWarning)
        if names_code(spec.sampler):
            X_view, y_view = resample_own(name, spec, rows, y, seed)
        else:
            sampler = _built_in(name, spec, kind, seed, categories)
            try:
                X_view, y_view = sampler.fit_resample(rows, y)
            except (ValueError, RuntimeError) as error:
                reason = str(error).partition("\n")[0].rstrip(".")
                raise InputError(
                    f"the view '{name}' can't balance these rows ({reason}); take another view"
                ) from error
    return preprocessor.collapse(X_view) if as_indicators else X_view, y_view


def _built_in(
    name: str, spec: SamplerSpec, kind: str, seed: int, categories: np.ndarray
) -> Sampler:
    """An unfitted sampler of imbalanced-learn, with its default settings where none are given."""
    module = importlib.import_module(next(m for m, names in SAMPLERS.items() if kind in names))
    if kind == "SMOTE" and categories.all():
        return make_sampler(name, spec, module.SMOTEN, seed)
    if kind == "SMOTE" and categories.any():
        codes = np.flatnonzero(categories).tolist()
        return make_sampler(name, spec, module.SMOTENC, seed, categorical_features=codes)
    return make_sampler(name, spec, getattr(module, kind), seed)


def neighbours_needed(names: Iterable[str]) -> int:
    """Minority rows that built-in views need beside the one they interpolate."""
    interpolating = {*SAMPLERS["imblearn.over_sampling"], *SAMPLERS["imblearn.combine"]}
    interpolating.remove("RandomOverSampler")
    samplers = {NAMED_SAMPLERS.get(name, name) for name in names}
    return SMOTE_NEIGHBOURS if samplers & interpolating else 0
