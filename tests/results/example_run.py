"""A run's files as the stages write them, made up: what the tests of the report look at."""

import numpy as np
import pandas as pd
import yaml

from evensweep.results.files import write_json, write_parquet
from evensweep.results.records import TrialRecord, history_frame, trials_frame
from evensweep.results.references import REFERENCES

VIEWS = ("undersampled", "smote")
HOSTILE = "<b>x</b>"
CONFIG = {
    "batch_size": 128,
    "num_layers": 2,
    "hidden_layer_size": 16,
    "activation": "relu",
    "learning_rate": 0.001,
    "dropout_rate": 0.1,
    "l2_strength": 1e-4,
}
SPACE = {
    "num_layers": {"int": [2, 5]},
    "activation": {"choice": ["tanh", "relu"]},
    "learning_rate": {"float": [1e-4, 1e-2], "log": True},
}
DECISION = {"by": "cost", "false_positive_cost": 1.0, "false_negative_cost": 8.0, "contacts": None}


def trial(view, name, losses, *, status="stopped", stage="search", error=None, **config):
    """A trial with these validation losses; None is one that is not finite."""
    finite = [loss for loss in losses if loss is not None]
    return TrialRecord(
        id=f"{view}-{name}",
        view=view,
        stage=stage,
        seed=1,
        config=CONFIG | config if stage == "search" else {**CONFIG, "dropout_rate": None},
        status=status,
        rung=len(losses),
        epochs=len(losses),
        best_epoch=losses.index(min(finite)) + 1 if finite else 0,
        best_val_loss=min(finite, default=None),
        best_val_accuracy=0.9 if finite else None,
        seconds=1.5 * len(losses),
        error=error,
        history=[[n, 0.6 - n / 100, 0.8, loss, 0.9] for n, loss in enumerate(losses, start=1)],
        arrivals=[(len(losses), 10.0 * len(losses))],
    )


TRIALS = [
    t
    for view in VIEWS
    for t in (
        trial(view, "baseline", [0.4, 0.31], status="converged", stage="baseline"),
        trial(view, "000", [0.35, 0.3, 0.32], status="converged", activation="tanh"),
        trial(view, "001", [0.5, 0.45], learning_rate=0.004, num_layers=4),
        trial(view, "002", [0.7, None], status="diverged"),
        trial(view, "003", [], status="failed", error=f"no {HOSTILE} column"),
    )
]


def random_trials(per_view, views=VIEWS, seed=0):
    """As many trials as a large sweep has, each trained to one of the rungs 2, 6 and 18."""
    rng = np.random.default_rng(seed)
    trials = []
    for view in views:
        trials.append(trial(view, "baseline", [0.4] * 9, status="converged", stage="baseline"))
        for number in range(per_view):
            rate = float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-2))))
            epochs = int(rng.choice([2, 6, 18], p=[0.6, 0.3, 0.1]))
            floor = 0.2 + 0.3 * abs(np.log10(rate) + 3)
            losses = floor + rng.uniform(0.2, 0.4) / np.arange(1, epochs + 1)
            new = trial(
                view,
                f"{number:03d}",
                losses.round(4).tolist(),
                learning_rate=rate,
                num_layers=int(rng.integers(2, 6)),
                activation=str(rng.choice(["relu", "tanh"])),
                dropout_rate=float(rng.integers(0, 11) / 20),
            )
            new.arrivals = [(epochs, float(number + epochs))]
            trials.append(new)
    return trials


def write_prepared(run, views=VIEWS):
    """What a run has when it starts to search."""
    run.root.mkdir(parents=True)
    sweep = {
        "protocol": "holdout",
        "views": list(views),
        "space": SPACE,
        "search": {"scheduler": "asha", "searcher": "random"},
        "decision": DECISION,
        "resources": {"cpus": 1.0, "gpus": 0.0},
        "seed": 3,
    }
    run.sweep.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    write_json(
        run.environment,
        {
            "versions": {"python": "3.11.7", "ray": "2.60.0"},
            "platform": "Linux",
            "cpus": 2.0,
            "seed": 3,
            "stage_seconds": {"prepare": 0.5, "search": 3725.0},
        },
    )
    part = {"rows": 200, "positive": 40, "negative": 160}
    write_json(
        run.dataset,
        {
            "name": "shop",
            "source": "/data/shop.csv",
            "rows": 600,
            "features": 2,
            "positive_rate": 0.2,
            "fingerprint": "ab" * 32,
            "schema": {
                "columns": [{"name": HOSTILE, "kind": "numeric"}, {"name": "b", "kind": "boolean"}],
                "target": "bought",
                "positive": "yes",
                "negative": "no",
                "id_columns": ["customer"],
                "dropped": [],
            },
            "notes": [f"that {HOSTILE} is numeric"],
            "duplicate_feature_rows": 60,
            "gaps": {HOSTILE: 12},
            "class_counts": {
                "splits": dict.fromkeys(("train", "validation", "test"), part),
                "views": dict.fromkeys(views, part),
            },
        },
    )


def write_searched(run, trials=TRIALS):
    """What the search leaves."""
    rng = np.random.default_rng(0)
    y, rows = labels(rng), np.arange(200)
    views = dict.fromkeys(t.view for t in trials)
    averages = {f"average.{view}": probabilities(rng, y) for view in views}
    write_parquet(run.validation_predictions, pd.DataFrame({"row": rows, "target": y, **averages}))
    write_parquet(run.history, history_frame(trials))
    write_parquet(run.trials, trials_frame(trials))


def write_tested(run, members=tuple(f"{view}-000" for view in VIEWS)):
    """What cross-validation, selection and test leave."""
    rng = np.random.default_rng(1)
    folds = pd.DataFrame(
        [(t, t[:-4], f, 100, 0.31 + f / 100, 0.9, 3, 1.0) for t in members for f in range(3)],
        columns=[
            "trial", "view", "fold", "rows", "val_loss", "val_accuracy", "best_epoch", "seconds",
        ],
    )  # fmt: skip
    write_parquet(run.cross_validation, folds)
    weights = np.arange(1, len(members) + 1) / np.arange(1, len(members) + 1).sum()
    write_json(
        run.ensemble,
        {
            "members": [
                {"trial": member, "view": member[:-4], "weight": float(weight)}
                for member, weight in zip(members, weights, strict=True)
            ],
            "oof_log_loss": 0.305,
            "oof_roc_auc": 0.87,
            "bags": 20,
            "comparison": {
                "ensemble": {"log_loss": 0.305, "roc_auc": 0.87, "pr_auc": 0.6},
                "best trial": {"log_loss": 0.3111, "roc_auc": 0.8612, "pr_auc": 0.59},
            },
            "thresholds": {"ensemble": 0.3, **dict.fromkeys(REFERENCES, 0.4)},
            "path": [members[-1], members[0], members[-1], members[-1]],
            "path_losses": [0.32, 0.31, 0.308, 0.302, 0.303],
        },
    )
    y = labels(rng)
    out_of_fold = {member: probabilities(rng, y) for member in members}
    oof = pd.DataFrame({"row": np.arange(200), "target": y, **out_of_fold})
    write_parquet(run.oof_predictions, oof)
    y = labels(rng)
    predictions = {"ensemble": probabilities(rng, y)} | {
        name: probabilities(rng, y) for name in REFERENCES
    }
    predictions["majority"] = np.full(200, 0.2)
    frame = pd.DataFrame({"row": np.arange(200), "target": y, **predictions})
    write_parquet(run.test_predictions, frame)


def labels(rng):
    """Of 200 rows, 40 of them positive."""
    return rng.permutation(np.repeat([0, 1], [160, 40]))


def probabilities(rng, y):
    """Such as a model of some use gives."""
    return 1 / (1 + np.exp(-rng.normal(3.0 * y - 2.5, 1.5)))
