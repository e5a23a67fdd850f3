"""Samplers of a view's rows: what is asked of one, and a user's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any, Protocol

import numpy as np

from .errors import InputError, nearest
from .user_code import Role, described, load_code, told

SAMPLER = Role(
    "sampler",
    "a built-in view's name or 'module:name' such as 'my_sampler:Jittered'",
    "class or function",
    "makes something with fit_resample(X, y)",
)
"""Among a user's code."""


class Sampler(Protocol):
    """Balances training rows: the part of imbalanced-learn's samplers that a view needs.

    A sweep file names a class or function that makes one. It is called with the view's parameters,
    and with ``random_state=``, an int, if it takes that: for the search's training rows, for those
    of every fold, and again when a run is resumed. The same ``random_state`` and rows have to give
    the same rows then.
    """

    def fit_resample(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on instead of these, in any number, order and shares of the classes.

        Predictions are corrected for the shares, so that they may be any but nothing of a class.

        Args:
            X: float64 ndarray of shape (n_rows, n_features), preprocessed, without gaps. A column
                of categories is one of 0 and 1 for each of its values.
            y: int64 ndarray of shape (n_rows,), 0 or 1.

        Returns:
            X, finite floats of shape (n_resampled, n_features) in the same columns, and y, 0 or 1,
            of shape (n_resampled,), with both classes. Where a row has shares of several values of
            a category, it gets that of the largest.
        """


@dataclass(frozen=True)
class SamplerSpec:
    """Names how a view balances, so that any process can do it.

    Attributes:
        sampler: One of :data:`~.views.VIEWS`, or a user's ``module:name``.
        parameters: Keyword arguments that the sampler is made with.
        module_folder: Where the user's module is; None where it can be imported without.
    """

    sampler: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    module_folder: str | None = None


def make_sampler(
    view: str, spec: SamplerSpec, maker: Callable[..., Any], seed: int, **settings: Any
) -> Sampler:
    """A sampler, not fitted.

    Args:
        view: What it is for.
        spec: Has its parameters.
        maker: The class or function that makes it.
        seed: Its ``random_state``, if it takes one.
        settings: Parameters beside the user's.

    Raises:
        InputError: It can't be made.
    """
    what = _called(view, spec)
    try:
        known = signature(maker).parameters
        takes_any = any(p.kind is Parameter.VAR_KEYWORD for p in known.values())
        for name in spec.parameters:
            if name not in known and not takes_any:
                raise InputError(f"{what} has no parameter '{name}'{nearest(name, known)}")
        if takes_any or "random_state" in known:
            settings["random_state"] = seed
        sampler = maker(**spec.parameters, **settings)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{what} can't be made ({told(error)}); mend it, or its parameters"
        ) from error
    if not callable(getattr(sampler, "fit_resample", None)):
        raise InputError(
            f"{what} is {described(sampler)}, which has no fit_resample(X, y); name one that has"
        )
    return sampler


def resample_own(
    view: str, spec: SamplerSpec, X: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and classes by a user's sampler, checked.

    Args:
        view: What it is for.
        spec: Names the sampler.
        X: float ndarray of shape (n_rows, n_features).
        y: int ndarray of shape (n_rows,), 0 or 1.
        seed: The sampler's ``random_state``, if it takes one.

    Raises:
        InputError: The sampler can't be imported or made, fails, or returns what no network can be
            trained on.
    """
    what = _called(view, spec)
    maker = load_code(SAMPLER, spec.sampler, spec.module_folder)
    sampler = make_sampler(view, spec, maker, seed)
    try:
        resampled = sampler.fit_resample(np.array(X, np.float64), np.array(y, np.int64))
    except Exception as error:
        raise InputError(f"{what} failed with {told(error)}; mend it, or its parameters") from error
    problem = _problem(resampled, X.shape[1])
    if problem is not None:
        raise InputError(f"{what} returned {problem}")
    X_view, y_view = resampled
    return np.asarray(X_view), np.asarray(y_view).astype(np.int64)


def _called(view: str, spec: SamplerSpec) -> str:
    return f"the sampler '{spec.sampler}' of the view '{view}'"


def _problem(resampled: Any, n_columns: int) -> str | None:
    """What is wrong with a sampler's result, or None."""
    if not isinstance(resampled, tuple | list) or len(resampled) != 2:
        return f"{described(resampled)}; fit_resample must return X and y"
    X, y = map(np.asarray, resampled)
    if X.dtype.kind != "f":
        return f"X of the type {X.dtype}; it must hold floats"
    if X.ndim != 2 or X.shape[1] != n_columns:
        return f"X of shape {X.shape}; it must have the {n_columns} columns that it was given"
    if y.shape != (len(X),):
        return f"y of shape {y.shape} for {len(X)} rows; it must have a class for each"
    if not np.isin(y, (0, 1)).all():
        return "classes other than 0 and 1; it must return those"
    unfit = np.argwhere(~(np.abs(X) <= np.finfo(np.float32).max))
    if len(unfit):
        return (
            f"NaN or infinity (first: row {unfit[0, 0]}, column {unfit[0, 1]}); all must be finite"
        )
    if len(np.unique(y)) < 2:
        return f"{len(X)} rows without one of the classes; it must leave both"
    return None
