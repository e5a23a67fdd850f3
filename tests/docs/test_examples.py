"""The documentation's Python examples run as they are written."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from evensweep.datasets.demo import demonstration_table
from evensweep.search.config import SweepConfig

DOCS = Path(__file__).resolve().parents[2] / "docs"


def example(page: str, number: int = 0) -> str:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)[number]


@pytest.mark.minutes
def test_a_pipeline_with_the_classifier_is_cross_validated(ray_session: None) -> None:
    names: dict[str, Any] = {}
    exec(example("scikit-learn.md"), names)
    assert (names["scores"] > 0.6).all()
    assert len(names["probabilities"]) == 500
    assert names["pipeline"][-1].summary_["ensemble"]["oof_roc_auc"] > 0.6


def test_the_classifiers_parameters_make_a_sweep() -> None:
    from evensweep import EvenSweepClassifier

    model = eval(example("scikit-learn.md", 1), {"EvenSweepClassifier": EvenSweepClassifier})
    config = model._configuration("target", Path())
    assert isinstance(config, SweepConfig)
    assert (tuple(config.views), config.training.batch_size) == (("natural", "weighted"), 256)
    assert (config.search.brackets, config.search.time_budget) == (2, 600)
    assert config.decision.false_negative_cost == 8


@pytest.mark.minutes
def test_a_sweep_from_python(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = {
        "views": ["undersampled"],
        "search": {"trials": 1, "max_epochs": 2},
        "space": {"num_layers": 2, "hidden_layer_size": 16, "activation": "relu"},
        "cross_validation": {"folds": 2, "top_k": 1},
        "storage": str(tmp_path),
    }
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep))
    names: dict[str, Any] = {"frame": demonstration_table(20)}
    code = example("api.md").partition("EvenSweepClassifier(")[0]  # whose own example is above
    *statements, last = code.strip().splitlines()
    exec("\n".join(statements), names)
    probabilities = eval(last, names)
    assert isinstance(names["run"].leaderboard(), pd.DataFrame)
    assert names["run"].summary["test"]["rows"] == 1400
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
