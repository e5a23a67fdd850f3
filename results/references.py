"""Reference models on the same rows, so that a user sees whether the network is worth it."""

from typing import Any

import numpy as np
import pandas as pd

from ..datasets.preprocessing import Preprocessor

REFERENCES = ("majority", "logistic_regression", "gradient_boosting")


def make_reference(name: str, seed: int) -> Any:
    """An unfitted scikit-learn classifier with that library's default settings.

    Args:
        name: One of :data:`REFERENCES`.
        seed: Of gradient boosting's own validation split.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if name == "majority":
        return DummyClassifier(strategy="prior")
    if name == "logistic_regression":
        return LogisticRegression(max_iter=2000)
    return HistGradientBoostingClassifier(random_state=seed)


def reference_probabilities(
    name: str,
    features: pd.DataFrame,
    target: np.ndarray,
    fit: np.ndarray,
    predict: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Fits a reference on some rows and predicts others; runs as a Ray task.

    Args:
        name: One of :data:`REFERENCES`.
        features: float64 frame of shape (n_rows, n_features), NaN for gaps.
        target: int ndarray of shape (n_rows,), 0 or 1.
        fit: Row positions to fit on.
        predict: Row positions to predict.
        seed: Of the model.

    Returns:
        Probability of class 1, float64 of shape (n_predicted,).
    """
    X_fit, X_predict = (features.iloc[rows].to_numpy(np.float64) for rows in (fit, predict))
    if name == "logistic_regression":
        # The network's own columns, or the comparison would reward the preprocessing.
        preprocessor = Preprocessor().fit(features.iloc[fit])
        X_fit, X_predict = (preprocessor.transform(features.iloc[r]) for r in (fit, predict))
    model = make_reference(name, seed).fit(X_fit, target[fit])
    return model.predict_proba(X_predict)[:, 1]
