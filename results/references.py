"""Reference models on the same rows, so that a user sees whether the network is worth it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ..datasets.preprocessing import Preprocessor

REFERENCES = ("majority", "logistic_regression", "gradient_boosting")


def reference_probabilities(
    name: str,
    features: pd.DataFrame,
    target: np.ndarray,
    fit: np.ndarray,
    predict: np.ndarray,
    preprocessor: Preprocessor,
    seed: int,
    log_odds_shift: float = 0.0,
) -> np.ndarray:
    """Fits a reference on some rows and predicts others; runs as a Ray task.

    References are scikit-learn's classifiers with that library's default settings.

    Args:
        name: One of :data:`REFERENCES`.
        features: Frame of shape (n_rows, n_features); columns of numbers are float64 with NaN for
            gaps, all others hold categories as text.
        target: int ndarray of shape (n_rows,), 0 or 1.
        fit: Row positions to fit on.
        predict: Row positions to predict.
        preprocessor: The networks', not fitted yet.
        seed: Of gradient boosting's own validation split.
        log_odds_shift: Undoes a balancing of the rows to fit on; see
            :class:`~evensweep.datasets.views.View`.

    Returns:
        Probability of class 1, float64 of shape (n_predicted,).
    """
    from scipy.special import expit, logit
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    preprocessor.fit(features.iloc[fit])
    if name == "gradient_boosting":  # it knows what to do with gaps and categories as they are
        give = preprocessor.raw
        categories = preprocessor.is_category(features.shape[1])
        model = HistGradientBoostingClassifier(categorical_features=categories, random_state=seed)
    else:  # the network's own columns, or the comparison would reward the preprocessing
        give = preprocessor.transform
        majority = name == "majority"
        model = DummyClassifier(strategy="prior") if majority else LogisticRegression(max_iter=2000)
    model.fit(give(features.iloc[fit]), target[fit])
    probabilities = model.predict_proba(give(features.iloc[predict]))[:, 1]
    return expit(logit(probabilities) + log_odds_shift)
