"""What is fitted on one part of the rows for a training: preprocessing and balanced views."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .preprocessing import Preprocessor
from .samplers import SamplerSpec
from .views import Rows, View, log_odds_shift, make_view


@dataclass(frozen=True)
class Prepared:
    """Everything a training reads, fitted on its training rows alone.

    Attributes:
        preprocessor: Fitted on the training rows.
        views: Balanced forms of the training rows, by name.
        watched: Rows that early stopping watches, in natural shares.
    """

    preprocessor: Preprocessor
    views: dict[str, View]
    watched: Rows


def prepare(
    features: pd.DataFrame,
    target: np.ndarray,
    *,
    fit: np.ndarray,
    watch: np.ndarray,
    samplers: Mapping[str, SamplerSpec],
    seed: int,
    preprocessor: Preprocessor | None = None,
) -> Prepared:
    """Fits preprocessing on some rows, balances them, and preprocesses the rows to watch.

    The search and every fold of the cross-validation prepare their rows here, so that none can fit
    anything on rows it is judged on.

    Args:
        features: Frame of shape (n_rows, n_features), the whole table.
        target: int ndarray of shape (n_rows,), 0 or 1.
        fit: Row positions to fit on.
        watch: Row positions that early stopping watches; disjoint from ``fit``.
        samplers: How each view to make balances, by the view's name.
        seed: Of the samplers.
        preprocessor: Not fitted yet; None takes one with the default settings.
    """
    preprocessor = (preprocessor or Preprocessor()).fit(features.iloc[fit])
    X = preprocessor.compact(features.iloc[fit])
    return Prepared(
        preprocessor=preprocessor,
        views={
            name: make_view(name, spec, X, target[fit], seed, preprocessor)
            for name, spec in samplers.items()
        },
        watched=transformed(preprocessor, features, target, watch),
    )


def prepare_given(
    features: pd.DataFrame,
    target: np.ndarray,
    train: Mapping[str, np.ndarray],
    watch: np.ndarray,
    preprocessor: Preprocessor,
) -> Prepared:
    """The same of rows that were balanced elsewhere: nothing is sampled.

    Networks predict their view's shares of the classes; what leads back to nature's is taken from
    the rows to watch.

    Args:
        features: Frame of shape (n_rows, n_features), the whole table.
        target: int ndarray of shape (n_rows,), 0 or 1.
        train: Row positions of each view to make.
        watch: Row positions that early stopping watches.
        preprocessor: Not fitted yet; is fitted on the first view's rows.
    """
    preprocessor.fit(features.iloc[next(iter(train.values()))])
    views = {}
    for name, positions in train.items():
        rows = transformed(preprocessor, features, target, positions)
        shift = log_odds_shift(float(target[watch].mean()), float(rows.y.mean()))
        views[name] = View(name, rows.X, rows.y, shift)
    return Prepared(preprocessor, views, transformed(preprocessor, features, target, watch))


def transformed(
    preprocessor: Preprocessor, features: pd.DataFrame, target: np.ndarray, rows: np.ndarray
) -> Rows:
    """Some rows of the table, preprocessed."""
    return Rows(
        preprocessor.transform(features.iloc[rows]),
        np.ascontiguousarray(target[rows], dtype=np.int32),
    )
