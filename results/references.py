"""Reference models on the same rows, so that a user sees whether the network is worth it."""

from typing import Any

import numpy as np
import pandas as pd

from ..datasets.preprocessing import Preprocessor

REFERENCES = ("majority", "logistic_regression", "gradient_boosting")


def make_reference(name: str, seed: int, categories: np.ndarray) -> Any:
    """An unfitted scikit-learn classifier with that library's default settings.

    Args:
        name: One of :data:`REFERENCES`.
        seed: Of gradient boosting's own validation split.
        categories: Which columns gradient boosting takes as categories, bool of shape (n_columns,).
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression

    if name == "majority":
        return DummyClassifier(strategy="prior")
    if name == "logistic_regression":
        return LogisticRegression(max_iter=2000)
    return HistGradientBoostingClassifier(categorical_features=categories, random_state=seed)


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
        features: Frame of shape (n_rows, n_features); columns of numbers are float64 with NaN for
            gaps, all others hold categories as text.
        target: int ndarray of shape (n_rows,), 0 or 1.
        fit: Row positions to fit on.
        predict: Row positions to predict.
        seed: Of the model.

    Returns:
        Probability of class 1, float64 of shape (n_predicted,).
    """
    # The network's own columns for the one, or the comparison would reward the preprocessing;
    # numbers as they are and categories as such for the other, which knows what to do with them.
    preprocessor = Preprocessor().fit(features.iloc[fit])
    as_network = name == "logistic_regression"
    give = preprocessor.transform if as_network else preprocessor.raw
    X_fit, X_predict = (give(features.iloc[rows]) for rows in (fit, predict))
    categories = preprocessor.is_category(X_fit.shape[1])
    model = make_reference(name, seed, categories).fit(X_fit, target[fit])
    return model.predict_proba(X_predict)[:, 1]
