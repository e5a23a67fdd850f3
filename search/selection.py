"""The ensemble: which candidates, with which weights, and what it is worth beside simpler ones."""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np
import pandas as pd

from ..results.ensemble import (
    Choose,
    Objective,
    bagged_weights,
    best_average,
    cross_fitted_probabilities,
    mean_log_losses,
    select_greedily,
)
from ..results.metrics import classification_metrics, log_loss
from ..results.objective import MetricSpec, as_objective, finite_or_none, load_metric
from ..results.records import TrialRecord
from ..results.references import REFERENCES
from .config import SweepConfig
from .decision import chosen_threshold
from .plan import child_seed


def select_ensemble(
    config: SweepConfig, candidates: Sequence[TrialRecord], oof: pd.DataFrame, n_rows: int
) -> tuple[dict[str, Any], np.ndarray]:
    """Selects the ensemble and the thresholds on out-of-fold predictions.

    It is selected by what the search compared the trials by: the log loss, or the metric. Weights
    and thresholds that were chosen on all rows would flatter figures on these rows. The figures are
    of predictions whose weights never saw the row (cross-fitted).

    Args:
        config: The sweep.
        candidates: The trials that were cross-validated.
        oof: The content of ``predictions/out_of_fold.parquet``.
        n_rows: Of the whole table.

    Returns:
        The content of ``ensemble.json``, and the ensemble's cross-fitted probabilities, float64 of
        shape (n_development_rows,).
    """
    settings, metric = config.ensemble, config.metric
    objective = _objective(metric)
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
            objective=objective,
        ),
        "best trial": best_average(1, objective),
        "average of the best two": best_average(2, objective),
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
    path = select_greedily(probabilities, y, settings.rounds, settings.sorted_start, objective)
    sums = accumulate(probabilities[added] for added in path.added)
    content: dict[str, Any] = {
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
        "path_losses": [log_loss(y, total / size) for size, total in enumerate(sums, start=1)],
    }
    if metric is not None:
        measure = load_metric(metric)
        by_metric = {name: finite_or_none(measure(y, p)) for name, p in honest.items()}
        for name, value in by_metric.items():
            content["comparison"][name]["metric"] = value
        sign = -1 if metric.mode == "max" else 1
        content |= {
            "metric": metric.name,
            "oof_metric": by_metric["ensemble"],
            "path_metric": [finite_or_none(sign * value) for value in path.objectives],
        }
    return content, honest["ensemble"]


def ranked(config: SweepConfig, selections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The populations' ensembles by their own out-of-fold figures, best first.

    Args:
        config: The sweep.
        selections: Contents of ``ensemble.json`` as :func:`select_ensemble` gives them.
    """
    mode = config.search.direction
    return sorted(
        selections,
        key=lambda content: as_objective(mode, content["oof_log_loss"], content.get("oof_metric")),
    )


def ranking(selections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The headline of each, for who reads the best one's."""
    figures = ("oof_log_loss", "oof_roc_auc", "oof_metric")
    return [
        {"view": content["members"][0]["view"]}
        | {name: content[name] for name in figures if name in content}
        for content in selections
    ]


def _objective(metric: MetricSpec | None) -> Objective:
    if metric is None:
        return mean_log_losses
    measure = load_metric(metric)

    def objective(y: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        return np.array([as_objective(metric.mode, None, measure(y, p)) for p in probabilities])

    return objective
