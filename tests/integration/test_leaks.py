"""Nothing that a model is judged on reaches it, whatever the view."""

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.demo import demonstration_table
from evensweep.datasets.views import NAMED_SAMPLERS, UNSAMPLED
from evensweep.search.config import SweepConfig
from evensweep.search.populations import populations_of
from evensweep.search.run import Run
from evensweep.search.sweep import Sweep

VIEWS = [*NAMED_SAMPLERS, *UNSAMPLED]


def shuffled_table(rows: int) -> pd.DataFrame:
    """Rows whose target, the last column, says nothing about them."""
    rng = np.random.default_rng(5)
    frame = demonstration_table(rows)
    target = frame.columns[-1]
    frame[target] = rng.permutation(frame[target].to_numpy())
    frame.insert(0, "noise", rng.normal(size=len(frame)))
    return frame


@pytest.fixture(scope="module")
def shuffled(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A sweep of a target that says nothing, with all views."""
    config = {
        "views": VIEWS,
        "search": {"trials": 1, "max_epochs": 3, "grace_epochs": 3},
        "space": {"hidden_layer_size": {"choice": [32]}, "num_layers": {"choice": [2]}},
        "cross_validation": {"folds": 2, "top_k": 1},
        "storage": str(tmp_path_factory.mktemp("leaks")),
    }
    sweep = Sweep(SweepConfig.from_mapping(config, "the leak test"), shuffled_table(6000))
    return sweep.run("shuffled")


@pytest.mark.parametrize("view", VIEWS)
def test_rows_outside_a_views_training_are_ranked_at_random(shuffled: Run, view: str) -> None:
    from sklearn.metrics import roc_auc_score

    oof = pd.read_parquet(shuffled.directory.oof_predictions)
    [candidate] = [name for name in oof if str(name).startswith(f"{view}-")]
    # Of 5,400 rows of which a sixth are positive a chance ranking's area has a standard error of
    # 0.0105; sound code exceeds four of them with p = 0.0001.
    assert roc_auc_score(oof["target"], oof[candidate]) == pytest.approx(0.5, abs=0.042)


def test_the_ensemble_finds_nothing_in_the_test_rows(shuffled: Run) -> None:
    test = shuffled.summary["test"]
    assert test["roc_auc"] == pytest.approx(0.5, abs=0.13)  # four standard errors again
    # Nobody can do better than the class shares alone.
    assert test["log_loss"] > shuffled.summary["references"]["majority"]["log_loss"] - 0.01
    assert shuffled.summary["ensemble"]["oof_roc_auc"] == pytest.approx(0.5, abs=0.042)


@pytest.fixture(scope="module")
def balanced_first(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same with the table balanced before it is split."""
    config = {
        "protocol": "balanced_first",
        "search": {"trials": 1, "max_epochs": 30, "grace_epochs": 30},
        "space": {"hidden_layer_size": {"choice": [64]}, "learning_rate": {"choice": [0.005]}},
        "cross_validation": {"folds": 2, "top_k": 1},
        "storage": str(tmp_path_factory.mktemp("leaks")),
    }
    sweep = Sweep(SweepConfig.from_mapping(config, "the leak test"), shuffled_table(6000))
    return sweep.run("balanced")


def test_balancing_first_flatters_and_the_holdout_beside_it_does_not(balanced_first: Run) -> None:
    summary = balanced_first.summary
    # Rows that lie between others are told from the rest, on either side of the split.
    assert {m["view"] for m in summary["ensemble"]["members"]} == {"smote"}
    assert summary["test"]["roc_auc"] > 0.6
    assert summary["references"]["gradient_boosting"]["roc_auc"] > 0.6
    # Of 600 rows of which a sixth are positive the standard error is 0.032.
    assert summary["holdout"]["roc_auc"] == pytest.approx(0.5, abs=0.13)
    assert summary["test"]["roc_auc"] - summary["holdout"]["roc_auc"] > 0.1
    assert summary["holdout"]["rows"] == 600


def test_every_view_of_a_table_balanced_first_has_rows_of_its_own(balanced_first: Run) -> None:
    oof = pd.read_parquet(balanced_first.directory.oof_predictions)
    rows = oof.groupby("view")["target"].agg(["size", "mean"])
    assert rows["mean"].to_dict() == pytest.approx({"smote": 0.5, "undersampled": 0.5}, abs=0.01)
    assert rows.loc["smote", "size"] > 4 * rows.loc["undersampled", "size"]
    for view in ("smote", "undersampled"):
        [candidate] = [name for name in oof if str(name).startswith(f"{view}-")]
        assert (oof[candidate].notna() == (oof["view"] == view)).all()
    ranking = balanced_first.summary["ensemble"]["ranking"]
    assert [row["view"] for row in ranking] == ["smote", "undersampled"]
    assert ranking[0]["oof_log_loss"] < ranking[1]["oof_log_loss"]


def test_the_report_of_a_table_balanced_first_warns(balanced_first: Run) -> None:
    page = balanced_first.directory.report.read_text(encoding="utf-8")
    holdout = balanced_first.summary["holdout"]
    assert "no promise for a new table" in page
    assert f"a ROC-AUC of {holdout['roc_auc']:.4f}" in page
    assert "Every view has rows of its own" in page
    assert "read once" not in page
    assert "The ensemble ranks rows" not in page


def test_the_exported_model_of_a_table_balanced_first_is_the_tested_one(
    balanced_first: Run,
) -> None:
    test = pd.read_parquet(balanced_first.directory.test_predictions)
    assert set(test["view"]) == {"smote"}
    config = balanced_first.config
    populations = populations_of(config, Sweep(config, shuffled_table(6000)).table)
    [smote] = [population for population in populations if population.name == "smote"]
    np.testing.assert_array_equal(test["row"], smote.split.test)
    np.testing.assert_array_equal(test["target"], smote.table.target[smote.split.test])
    scored = balanced_first.model.predict_proba(smote.table.features.iloc[smote.split.test])
    np.testing.assert_allclose(scored[:, 1], test["ensemble"], atol=1e-6)
