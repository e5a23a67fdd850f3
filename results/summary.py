"""``summary.json``: the headline of a run, computed from the run's other files."""

from typing import Any

import numpy as np
from sklearn.metrics import classification_report

from .contents import (
    read_average,
    read_dataset,
    read_ensemble,
    read_environment,
    read_folds,
    read_holdout,
    read_sweep,
    read_test,
    read_test_metric,
    read_trials,
)
from .decisions import decision_cost, decision_words, gains_table
from .files import write_json
from .leaderboard import cv_metrics
from .metrics import bootstrap_intervals, classification_metrics
from .objective import VAL_LOSS
from .records import TrialRecord, best_trials, views_of
from .references import REFERENCES
from .run_directory import RunDirectory


def write_summary(run: RunDirectory, status: str, error: str | None = None) -> dict[str, Any]:
    """Computes the summary from whatever stages are complete, and writes it.

    Args:
        run: The run.
        status: ``running``, ``complete`` or ``failed``.
        error: What made it fail.
    """
    summary = compute_summary(run, status)
    if error is not None:
        summary["error"] = error
    write_json(run.summary, summary)
    return summary


def compute_summary(run: RunDirectory, status: str) -> dict[str, Any]:
    """The contract of ``summary.json``; parts of stages that are not complete are left out.

    Raises:
        InputError: A file of the run is damaged.
    """
    sweep, environment = read_sweep(run), read_environment(run)
    summary: dict[str, Any] = {
        "run": run.name,
        "status": status,
        "protocol": sweep["protocol"],
        "seconds": round(sum(environment["stage_seconds"].values()), 3),
        "stage_seconds": environment["stage_seconds"],
    }
    if run.dataset.exists():
        dataset = read_dataset(run)
        keys = ("name", "rows", "features", "positive_rate", "fingerprint")
        summary["dataset"] = {key: dataset[key] for key in keys}
        if run.trials.exists():
            trials = read_trials(run)
            summary |= _search_part(run, sweep, environment, dataset, trials)
            summary["cost"] = _cost_part(run, sweep, environment, trials)
    if run.ensemble.exists():
        ensemble = read_ensemble(run)
        summary["ensemble"] = {
            key: ensemble[key]
            for key in ("members", "oof_log_loss", "oof_roc_auc", "oof_metric", "ranking")
            if key in ensemble
        }
        if run.test_predictions.exists():
            dataset = read_dataset(run)
            rows = dataset.get("natural_rows", dataset["rows"])  # older runs have the one alone
            summary |= _test_part(run, sweep, ensemble, rows)
        if run.holdout_predictions.exists():
            summary["holdout"] = _holdout_part(run, sweep["seed"])
    return summary


def _search_part(
    run: RunDirectory,
    sweep: dict[str, Any],
    environment: dict[str, Any],
    dataset: dict[str, Any],
    trials: list[TrialRecord],
) -> dict[str, Any]:
    searched = [trial for trial in trials if trial.stage == "search"]
    cross_validated = cv_metrics(read_folds(run)) if run.cross_validation.exists() else {}
    views: dict[str, Any] = {}
    stages: list[dict[str, Any]] = []
    for view in views_of(trials):
        baseline = next(t for t in trials if t.view == view and t.stage == "baseline")
        best = best_trials(trials, view, 1)[0]
        figures = {
            "baseline": (baseline.best_val_loss, baseline.best_val_accuracy),
            "search": (best.best_val_loss, best.best_val_accuracy),
            **_later_stages(run, view, best.id),
        }
        stages += [
            {"view": view, "stage": stage, "val_loss": loss, "val_accuracy": accuracy}
            for stage, (loss, accuracy) in figures.items()
        ]
        views[view] = {
            "train_rows": dataset["class_counts"]["views"][view]["rows"],
            "best_trial": best.id,
            "best_config": best.config,
            "baseline_val_loss": baseline.best_val_loss,
            "best_val_loss": best.best_val_loss,
            "best_val_accuracy": best.best_val_accuracy,
            "cv_val_loss": figures.get("cross_validation", (None,))[0],
        }
        if best.mode is not None:
            views[view] |= {
                "baseline_metric": baseline.best_metric,
                "best_metric": best.best_metric,
                "cv_metric": cross_validated.get(best.id),
            }
    return {
        "search": {
            "scheduler": sweep["search"]["scheduler"],
            "searcher": sweep["search"]["searcher"],
            "metric": sweep["search"].get("metric", VAL_LOSS),  # older runs knew no other
            "mode": trials[0].mode or "min",
            "trials": len(searched),
            "errored": sum(trial.status == "failed" for trial in searched),
            "diverged": sum(trial.status == "diverged" for trial in searched),
            "epochs": sum(trial.epochs for trial in searched),
            "seconds": environment["stage_seconds"].get("search", 0.0),
        },
        "views": views,
        "stages": stages,
    }


def _search_cost(trials: list[TrialRecord]) -> dict[str, Any]:
    return {
        "trainings": len(trials),
        "epochs": sum(trial.epochs for trial in trials),
        "seconds": round(sum(trial.seconds for trial in trials), 3),
    }


def _cost_part(
    run: RunDirectory,
    sweep: dict[str, Any],
    environment: dict[str, Any],
    trials: list[TrialRecord],
) -> dict[str, Any]:
    """Trainings, epochs and the workers' training seconds of the search and of k-fold, by view."""
    cost: dict[str, Any] = {
        "cpus": environment["cpus"],
        "cpus_per_training": sweep["resources"]["cpus"],
        "search": {
            view: _search_cost([trial for trial in trials if trial.view == view])
            for view in views_of(trials)
        },
    }
    if run.cross_validation.exists():
        folds = read_folds(run)
        cost["cross_validation"] = {
            str(view): {
                "trainings": len(rows),
                "epochs": None,  # beyond the best one they aren't kept
                "seconds": round(float(rows["seconds"].sum()), 3),
            }
            for view, rows in folds.groupby("view")
        }
    return cost


def _later_stages(
    run: RunDirectory, view: str, best_trial: str
) -> dict[str, tuple[float | None, float | None]]:
    """The view's averaged best trials on the validation rows, and its best trial's k-fold."""
    figures: dict[str, tuple[float | None, float | None]] = {}
    average = read_average(run, view)
    if average is not None:
        measured = classification_metrics(
            average["target"].to_numpy(), average["average"].to_numpy(), threshold=0.5
        )
        figures["ensemble"] = (measured["log_loss"], measured["accuracy"])
    if run.cross_validation.exists():
        folds = read_folds(run)
        folds = folds[folds["trial"] == best_trial]
        if len(folds):
            figures["cross_validation"] = (
                float(np.average(folds["val_loss"], weights=folds["rows"])),
                float(np.average(folds["val_accuracy"], weights=folds["rows"])),
            )
    return figures


def _test_part(
    run: RunDirectory, sweep: dict[str, Any], ensemble: dict[str, Any], n_rows: int
) -> dict[str, Any]:
    test = read_test(run)
    y = test["target"].to_numpy()
    thresholds = ensemble["thresholds"]
    decision = sweep.get("decision", {"by": "f1"})  # runs from before there was a choice
    measured = classification_metrics(y, test["ensemble"].to_numpy(), thresholds["ensemble"])
    measured["ci95"] = bootstrap_intervals(
        y, test["ensemble"].to_numpy(), thresholds["ensemble"], seed=sweep["seed"]
    )
    references = {
        name: classification_metrics(y, test[name].to_numpy(), thresholds[name])
        for name in REFERENCES
    }
    if run.test_metric.exists():
        by_metric = read_test_metric(run)
        measured["metric"] = by_metric["ensemble"]["value"]
        measured["ci95"]["metric"] = by_metric["ensemble"]["ci95"]
        for name, figures in references.items():
            figures["metric"] = by_metric[name]["value"]
            figures["metric_ci95"] = by_metric[name]["ci95"]
    return {
        "decision": {
            **decision,
            "words": decision_words(decision, n_rows),
            "cost": decision_cost(decision, measured["confusion_matrix"]),
        },
        "gains": gains_table(y, test["ensemble"].to_numpy()),
        "classification_report": classification_report(
            y,
            (test["ensemble"].to_numpy() >= thresholds["ensemble"]).astype(int),
            labels=[0, 1],
            target_names=["negative", "positive"],
            output_dict=True,
            zero_division=0,
        ),
        "test": measured,
        "references": references,
    }


def _holdout_part(run: RunDirectory, seed: int) -> dict[str, Any]:
    """What the ensemble's configurations reach, fitted anew by the ``holdout`` protocol.

    Calls are at a probability of one half, which nothing had to choose.
    """
    frame = read_holdout(run)
    y, probabilities = frame["target"].to_numpy(), frame["ensemble"].to_numpy()
    return {
        **classification_metrics(y, probabilities, threshold=0.5),
        "ci95": bootstrap_intervals(y, probabilities, 0.5, seed=seed),
        "majority_accuracy": float(max(y.mean(), 1 - y.mean())),
    }
