"""Nothing that a model is judged on reaches it, whatever the view."""

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.demo import demonstration_table
from evensweep.datasets.views import NAMED_SAMPLERS, UNSAMPLED
from evensweep.search.config import SweepConfig
from evensweep.search.run import Run
from evensweep.search.sweep import Sweep

VIEWS = [*NAMED_SAMPLERS, *UNSAMPLED]


@pytest.fixture(scope="module")
def shuffled(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A sweep of rows whose target says nothing about them."""
    rng = np.random.default_rng(5)
    frame = demonstration_table(6000)
    target = frame.columns[-1]
    frame[target] = rng.permutation(frame[target].to_numpy())
    frame.insert(0, "noise", rng.normal(size=len(frame)))
    config = {
        "data": {"target": target},
        "views": VIEWS,
        "search": {"trials": 1, "max_epochs": 3, "grace_epochs": 3},
        "space": {"hidden_layer_size": {"choice": [32]}, "num_layers": {"choice": [2]}},
        "cross_validation": {"folds": 2, "top_k": 1},
        "storage": str(tmp_path_factory.mktemp("leaks")),
    }
    return Sweep(SweepConfig.from_mapping(config, "the leak test"), frame).run("shuffled")


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
