"""The protocol of public notebooks: the whole table is balanced first, and split afterwards.

It flatters. Synthetic rows lie between a row and its neighbours, some of which end up among the
test rows, and the shares of the classes are not those of the rows that a model will meet.
"""

from dataclasses import replace

import numpy as np

from .preprocessing import Preprocessor
from .samplers import SamplerSpec
from .table import Table
from .views import UNSAMPLED, resampled


def balance_table(table: Table, view: str, spec: SamplerSpec, seed: int) -> Table:
    """A table whose rows, all of them, are balanced as a view's training rows would be.

    Gaps are filled from all rows, numbers with their column's mean; an empty category stays one.
    The rows are shuffled.

    Args:
        table: The whole table.
        view: Its name.
        spec: How it balances.
        seed: The same seed and table give the same rows.

    Raises:
        InputError: The sampler can't balance these rows.
    """
    if spec.sampler in UNSAMPLED:
        return table
    preprocessor = Preprocessor(most_categories=None).fit(table.features)
    X = preprocessor.raw(table.features)
    X = np.where(np.isnan(X), np.nanmean(X, axis=0), X)
    X, y = resampled(view, spec, X, table.target, seed, preprocessor)
    order = np.random.default_rng(seed).permutation(len(y))
    features = preprocessor.as_features(X[order])[list(table.features.columns)]
    return replace(table, features=features, target=y[order].astype(np.int64))
