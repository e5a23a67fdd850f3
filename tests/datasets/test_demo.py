"""The demonstration table resembles the real one it stands in for, and never changes."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evensweep.datasets.demo import demonstration_table

DTYPES = {
    "customer_id": "int64",
    "book_len_total": "float64",
    "book_len_avg": "int64",
    "spent_total": "float64",
    "spent_avg": "float64",
    "left_review": "int64",
    "review_score": "float64",
    "minutes_listened": "float64",
    "completion_amt": "float64",
    "support_requests": "int64",
    "last_visited_minus_purchase_date": "int64",
    "purchased_again": "int64",
}
# Mean, standard deviation, median, 90% and 99% quantile of the real table's columns.
REAL = {
    "book_len_total": (1591, 504, 1620, 2160, 2160),
    "book_len_avg": (1679, 655, 1620, 2160, 3780),
    "spent_total": (7.10, 4.93, 5.95, 9.80, 19.73),
    "spent_avg": (7.54, 5.56, 6.07, 10.13, 25.60),
    "left_review": (0.161, 0.367, 0, 1, 1),
    "review_score": (8.91, 1.54, 10, 10, 10),
    "minutes_listened": (0.126, 0.241, 0, 0.46, 1),
    "completion_amt": (118.6, 268.7, 0, 531.36, 1166.4),
    "support_requests": (0.070, 0.472, 0, 0, 2),
    "last_visited_minus_purchase_date": (61.9, 88.2, 11, 210, 318),
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return demonstration_table()


def test_same_seed_gives_the_same_table(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(table, demonstration_table())
    assert not table.equals(demonstration_table(seed=21))


def test_csv_text_is_pinned(table: pd.DataFrame) -> None:
    text = table.to_csv(index=False, lineterminator="\n")
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest == "a8fcbca5c3a3434f6710c626a844fd168e190f658bdbbbd16c9f861e40951d3e"


def test_global_random_state_is_neither_used_nor_moved(table: pd.DataFrame) -> None:
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    pd.testing.assert_frame_equal(table, demonstration_table())
    assert (np.random.get_state()[1] == before).all()


def test_columns_and_dtypes_are_those_of_the_csv_file(table: pd.DataFrame, tmp_path) -> None:
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == DTYPES
    assert list(table) == list(DTYPES)
    table.to_csv(tmp_path / "demo.csv", index=False)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "demo.csv"), table)


@pytest.mark.parametrize("rows", [1, 10, 1000])
def test_any_number_of_rows(rows: int) -> None:
    small = demonstration_table(rows=rows)
    assert len(small) == rows
    assert {name: str(dtype) for name, dtype in small.dtypes.items()} == DTYPES


def test_ids_are_unique_and_shuffled(table: pd.DataFrame) -> None:
    assert len(table) == 14_000
    assert table["customer_id"].is_unique
    assert table["customer_id"].min() > 0
    assert abs(np.corrcoef(table["customer_id"], np.arange(len(table)))[0, 1]) < 0.05


def test_shares(table: pd.DataFrame) -> None:
    features = table.drop(columns=["customer_id", "purchased_again"])
    assert table["purchased_again"].mean() == pytest.approx(0.159, abs=0.005)
    assert table["review_score"].isna().mean() == pytest.approx(0.825, abs=0.01)
    assert features.duplicated().mean() == pytest.approx(0.27, abs=0.02)
    assert (table["minutes_listened"] == 0).mean() == pytest.approx(0.589, abs=0.02)
    assert (table["book_len_total"] != table["book_len_avg"]).mean() == pytest.approx(
        0.046, abs=0.005
    )


def test_scores_come_with_reviews(table: pd.DataFrame) -> None:
    reviewed, scored = table["left_review"] == 1, table["review_score"].notna()
    assert scored[reviewed].all()
    assert scored[~reviewed].mean() == pytest.approx(0.017, abs=0.003)
    assert table["review_score"].dropna().between(1, 10).all()


def test_several_books_and_a_completed_share_decide_the_target(table: pd.DataFrame) -> None:
    several = table["book_len_total"] != table["book_len_avg"]
    started = table["minutes_listened"] > 0
    assert (table.loc[several, "purchased_again"] == 1).all()
    assert (table.loc[started, "purchased_again"] == 0).all()
    undecided = table.loc[~several & ~started, "purchased_again"]
    assert undecided.mean() == pytest.approx(0.208, abs=0.015)


def test_money_is_in_cents(table: pd.DataFrame) -> None:
    for name in ("spent_total", "spent_avg"):
        assert (table[name] == table[name].round(2)).all()


@pytest.mark.parametrize("name", REAL)
def test_distribution_is_like_the_real_one(table: pd.DataFrame, name: str) -> None:
    mean, deviation, *quantiles = REAL[name]
    column = table[name]
    assert column.mean() == pytest.approx(mean, rel=0.10)
    assert column.std() == pytest.approx(deviation, rel=0.15)
    spread = 0.15 * np.array(quantiles) + 0.02 * deviation  # the second: days have a median of 11
    assert (np.abs(column.quantile([0.5, 0.9, 0.99]) - quantiles) <= spread).all()


def test_signal_is_as_strong_as_the_real_one(table: pd.DataFrame) -> None:
    features = table.drop(columns=["customer_id", "purchased_again"])
    X_train, X_test, y_train, y_test = train_test_split(
        features, table["purchased_again"], test_size=0.1, stratify=table["purchased_again"],
        random_state=0,
    )  # fmt: skip
    boosted = HistGradientBoostingClassifier(random_state=0)
    linear = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression())
    probability, linear_probability = (
        model.fit(X_train, y_train).predict_proba(X_test)[:, 1] for model in (boosted, linear)
    )
    assert roc_auc_score(y_test, probability) == pytest.approx(0.907, abs=0.02)
    assert average_precision_score(y_test, probability) == pytest.approx(0.747, abs=0.05)
    assert log_loss(y_test, probability) == pytest.approx(0.228, abs=0.025)
    assert roc_auc_score(y_test, linear_probability) < roc_auc_score(y_test, probability) - 0.01
    assert log_loss(y_test, linear_probability) > log_loss(y_test, probability) + 0.01
