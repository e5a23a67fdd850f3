"""The ensemble: which candidates, with which weights, and what it is worth beside simpler ones."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..results.ensemble import (
    Choose,
    bagged_weights,
    best_average,
    cross_fitted_probabilities,
    select_greedily,
)
from ..results.metrics import classification_metrics
from ..results.records import TrialRecord
from ..results.references import REFERENCES
from .config import SweepConfig
from .decision import chosen_threshold
from .plan import child_seed


def select_ensemble(
    config: SweepConfig, candidates: Sequence[TrialRecord], oof: pd.DataFrame, n_rows: int
) -> tuple[dict[str, Any], np.ndarray]:
    """Selects the ensemble and the thresholds on out-of-fold predictions.

    Weights and thresholds that were chosen on all rows would flatter figures on these rows. The
    figures are of predictions whose weights never saw the row (cross-fitted).

    Args:
        config: The sweep.
        candidates: The trials that were cross-validated.
        oof: The content of ``predictions/out_of_fold.parquet``.
        n_rows: Of the whole table.

    Returns:
        The content of ``ensemble.json``, and the ensemble's cross-fitted probabilities, float64 of
        shape (n_development_rows,).
    """
    settings = config.ensemble
    y = oof["target"].to_numpy()
    probabilities = oof[[t.id for t in candidates]].to_numpy().T
    folds = [np.flatnonzero(oof["fold"] == n) for n in range(config.cross_validation.folds)]
    choose: dict[str, Choose] = {
        "ensemble": partial(
            bagged_weights,
            rounds=settings.rounds,
            sorted_start=settings.sorted_start,
            bags=settings.bags,
            seed=child_seed(config.seed, "ensemble"),
        ),
        "best trial": best_average(1),
        "average of the best two": best_average(2),
        "average of all candidates": best_average(len(candidates)),
    }
    honest = {
        name: cross_fitted_probabilities(probabilities, y, folds, how)
        for name, how in choose.items()
    }
    judged = {"ensemble": honest["ensemble"]}
    judged |= {name: oof[name].to_numpy() for name in REFERENCES}
    thresholds = {
        name: chosen_threshold(config.decision, y, p, n_rows) for name, p in judged.items()
    }
    # Always saying the commoner class is what this reference stands for.
    thresholds["majority"] = 0.5
    measured = {
        name: classification_metrics(y, p, thresholds["ensemble"]) for name, p in honest.items()
    }
    weights = choose["ensemble"](probabilities, y)
    path = select_greedily(probabilities, y, settings.rounds, settings.sorted_start)
    content = {
        "members": [
            {"trial": t.id, "view": t.view, "weight": float(weight)}
            for t, weight in zip(candidates, weights, strict=True)
            if weight > 0
        ],
        "bags": settings.bags,
        "oof_log_loss": measured["ensemble"]["log_loss"],
        "oof_roc_auc": measured["ensemble"]["roc_auc"],
        "oof_metrics": measured["ensemble"],
        "comparison": {
            name: {metric: figures[metric] for metric in ("log_loss", "roc_auc", "pr_auc")}
            for name, figures in measured.items()
        },
        "thresholds": thresholds,
        "path": [candidates[i].id for i in path.path],
        "path_losses": list(path.losses),
    }
    return content, honest["ensemble"]


def ranking(selections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The populations' ensembles by their own out-of-fold log losses, best first.

    Args:
        selections: Contents of ``ensemble.json`` as :func:`select_ensemble` gives them.
    """
    figures = [
        {
            "view": content["members"][0]["view"],
            "oof_log_loss": content["oof_log_loss"],
            "oof_roc_auc": content["oof_roc_auc"],
        }
        for content in selections
    ]
    return sorted(figures, key=lambda row: row["oof_log_loss"])
