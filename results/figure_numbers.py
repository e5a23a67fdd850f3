"""The numbers behind the report's figures, as tables to draw them anew from."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd


def points(data: Any, **constants: object) -> pd.DataFrame:
    """What a ``compute_…`` function gave, a row a point.

    Args:
        data: A dataclass whose ndarrays have one length; these are the columns.
        constants: Columns before them that have one value.
    """
    arrays = {f.name: getattr(data, f.name) for f in fields(data)}
    columns = {name: value for name, value in arrays.items() if isinstance(value, np.ndarray)}
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({**{name: [value] * rows for name, value in constants.items()}, **columns})


def points_by_model(curves: Mapping[str, Any]) -> pd.DataFrame:
    """The points of several models' curves, one model after another."""
    return together(points(curve, model=model) for model, curve in curves.items())


def together(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables below one another; none at all give an empty one."""
    known = list(frames)
    return pd.concat(known, ignore_index=True) if known else pd.DataFrame()
