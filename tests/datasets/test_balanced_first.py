"""The whole table balanced before it is split."""

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.balanced_first import balance_table
from evensweep.datasets.samplers import SamplerSpec
from evensweep.datasets.table import Table, make_table

ROWS = 300


@pytest.fixture(scope="module")
def table() -> Table:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "city": rng.choice(["Oslo", "Rome", "Bonn"], ROWS),
            "amount": rng.exponential(50, ROWS),
            "gaps": np.where(rng.random(ROWS) < 0.5, np.nan, rng.normal(size=ROWS)),
            "bought": np.arange(ROWS) % 5 == 0,
        }
    )
    frame.loc[::7, "city"] = None
    return make_table(frame, target="bought")


@pytest.mark.parametrize(("view", "rows"), [("undersampled", 120), ("smote", 480)])
def test_all_rows_are_balanced_and_stay_a_table(table: Table, view: str, rows: int) -> None:
    balanced = balance_table(table, view, SamplerSpec(view), 1)
    assert len(balanced.target) == len(balanced.features) == rows
    assert balanced.target.mean() == 0.5
    assert balanced.target.dtype == np.int64
    assert list(balanced.features.columns) == ["city", "amount", "gaps"]
    assert set(balanced.features["city"]) == {"Oslo", "Rome", "Bonn", ""}
    assert not balanced.features[["amount", "gaps"]].isna().any(axis=None)
    # Not sorted by class, as samplers leave them.
    assert 0.3 < balanced.target[: rows // 4].mean() < 0.7


def test_kept_rows_are_the_tables_own_with_gaps_filled(table: Table) -> None:
    balanced = balance_table(table, "undersampled", SamplerSpec("undersampled"), 1)
    filled = table.features.fillna({"city": "", "gaps": table.features["gaps"].mean()})
    known = set(filled.round(9).itertuples(index=False, name=None))
    assert set(balanced.features.round(9).itertuples(index=False, name=None)) <= known


def test_the_seed_decides(table: Table) -> None:
    first, again, other = (
        balance_table(table, "smote", SamplerSpec("smote"), seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first.features, again.features)
    assert not first.features.equals(other.features)


@pytest.mark.parametrize("view", ["natural", "weighted"])
def test_views_of_untouched_rows_leave_the_table(table: Table, view: str) -> None:
    assert balance_table(table, view, SamplerSpec(view), 1) is table


def test_rare_categories_stay_what_they_are() -> None:
    cities = [f"city {i % 60}" for i in range(1200)]
    many = make_table(pd.DataFrame({"city": cities, "y": np.arange(1200) % 4 == 0}), target="y")
    balanced = balance_table(many, "undersampled", SamplerSpec("undersampled"), 1)
    assert set(balanced.features["city"]) <= set(cities)
