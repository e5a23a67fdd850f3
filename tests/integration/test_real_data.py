"""The preset on the real audiobooks table, with a small search."""

from pathlib import Path

import pytest

from evensweep.presets import preset_paths
from evensweep.search.config import SweepConfig
from evensweep.search.raw_config import override, read_yaml
from evensweep.search.sweep import Sweep


def test_the_ensemble_is_as_good_as_gradient_boosting(
    ray_session: None, audiobooks: Path, tmp_path: Path
) -> None:
    preset = read_yaml(preset_paths()["repeat-customers"])
    config = SweepConfig.from_mapping(
        override(
            preset,
            [
                f"data.path={audiobooks}",
                f"storage={tmp_path}",
                "views=[undersampled, smote]",
                "search.trials=3",
                "search.max_epochs=30",
                "cross_validation.folds=3",
                "cross_validation.top_k=1",
            ],
        ),
        "repeat-customers",
    )

    run = Sweep(config).run("real")

    summary = run.summary
    assert summary["status"] == "complete"
    assert summary["dataset"]["rows"] == 14_084
    assert summary["dataset"]["positive_rate"] == pytest.approx(0.1588, abs=1e-4)
    test, boosting = summary["test"], summary["references"]["gradient_boosting"]
    assert test["rows"] == 1409
    assert test["roc_auc"] >= boosting["roc_auc"] - 0.015
    assert test["pr_auc"] >= boosting["pr_auc"] - 0.03
    assert test["log_loss"] <= boosting["log_loss"] + 0.015
    # Views are ranked by natural-prior losses, so neither is off by its balancing.
    losses = [view["best_val_loss"] for view in summary["views"].values()]
    assert max(losses) - min(losses) < 0.03
    assert max(losses) < 0.25
