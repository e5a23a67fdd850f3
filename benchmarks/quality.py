"""Test figures over several split seeds, beside the references on the same rows.

    python benchmarks/quality.py --data audiobooks.csv --preset repeat-customers --seeds 5

Every seed is a whole sweep: its own split, trials, folds and ensemble. What counts is the paired
gap to gradient boosting, since splits differ more than models do. ``--tuned 60`` adds gradient
boosting after a random search of its own. Also writes a JSON file.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold, cross_val_predict

from evensweep import Sweep, SweepConfig
from evensweep.cluster.session import ray_session
from evensweep.datasets.preprocessing import Preprocessor
from evensweep.presets import preset_paths
from evensweep.results.metrics import classification_metrics
from evensweep.search.decision import chosen_threshold
from evensweep.search.populations import populations_of
from evensweep.search.raw_config import override, read_yaml

TUNED = "tuned boosting"
SPACE = {
    "learning_rate": loguniform(0.01, 0.3),
    "max_leaf_nodes": randint(4, 64),
    "min_samples_leaf": randint(5, 100),
    "l2_regularization": loguniform(1e-4, 10),
    "max_features": uniform(0.3, 0.7),
    "max_bins": [63, 127, 255],
}
"""Of tuned boosting; the number of trees is found by early stopping on a tenth of its rows."""
METRICS = ("roc_auc", "pr_auc", "log_loss", "ece", "accuracy", "f1")


def tuned_boosting(config: SweepConfig, sweep: Sweep, configurations: int) -> dict[str, float]:
    """Test figures of gradient boosting after a random search by 5-fold cross-validation.

    It gets the sweep's development rows and test rows; its threshold has the best F1 out of fold.
    """
    [population] = populations_of(config, sweep.table)
    fit, test, y = population.split.development, population.split.test, sweep.table.target
    features = Preprocessor().fit(sweep.table.features.iloc[fit])
    X = features.raw(sweep.table.features)
    folds = StratifiedKFold(5, shuffle=True, random_state=config.seed)
    search = RandomizedSearchCV(
        HistGradientBoostingClassifier(
            max_iter=1000,
            early_stopping=True,
            n_iter_no_change=20,
            categorical_features=features.is_category(X.shape[1]),
            random_state=config.seed,
        ),
        SPACE,
        n_iter=configurations,
        scoring="neg_log_loss",
        cv=folds,
        n_jobs=-1,
        random_state=config.seed,
    ).fit(X[fit], y[fit])
    best = search.best_estimator_
    out_of_fold = cross_val_predict(
        clone(best), X[fit], y[fit], cv=folds, method="predict_proba", n_jobs=-1
    )
    threshold = chosen_threshold(config.decision, y[fit], out_of_fold[:, 1], len(y))
    return classification_metrics(y[test], best.predict_proba(X[test])[:, 1], threshold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="table; default: the demonstration data")
    parser.add_argument("--preset", default="repeat-customers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tuned", type=int, default=0, help="configurations of tuned boosting")
    parser.add_argument("--set", dest="settings", action="append", default=[])
    parser.add_argument("--out", type=Path, default=Path("quality.json"))
    arguments = parser.parse_args()

    raw = read_yaml(preset_paths()[arguments.preset])
    if arguments.data:
        raw["data"]["path"] = str(arguments.data.resolve())
    rows = []
    with tempfile.TemporaryDirectory() as storage, ray_session():
        for seed in range(arguments.seeds):
            settings = [*arguments.settings, f"seed={seed}", f"storage={storage}"]
            whole = SweepConfig.from_mapping(raw, arguments.preset).to_mapping()
            config = SweepConfig.from_mapping(override(whole, settings), "--set")
            sweep = Sweep(config)
            summary = sweep.run(f"seed-{seed}").summary
            models = {"ensemble": summary["test"], **summary["references"]}
            if arguments.tuned:
                models[TUNED] = tuned_boosting(config, sweep, arguments.tuned)
            rows.append(
                {
                    "seed": seed,
                    "seconds": summary["seconds"],
                    "oof_log_loss": summary["ensemble"]["oof_log_loss"],
                    **{name: {m: figures[m] for m in METRICS} for name, figures in models.items()},
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    arguments.out.write_text(json.dumps({"settings": arguments.settings, "rows": rows}, indent=2))

    table = Table(title=f"Test figures, mean ± standard deviation over {len(rows)} split seeds")
    table.add_column("model", no_wrap=True)
    for metric in METRICS:
        table.add_column(metric, justify="right")
    for name in models:
        values = {m: np.array([row[name][m] for row in rows]) for m in METRICS}
        table.add_row(name, *(f"{v.mean():.4f} ± {v.std():.4f}" for v in values.values()))
    for other in ("gradient_boosting", *([TUNED] if arguments.tuned else [])):
        gaps = [np.array([row["ensemble"][m] - row[other][m] for row in rows]) for m in METRICS]
        table.add_row(f"ensemble − {other}", *(f"{g.mean():+.4f} ± {g.std():.4f}" for g in gaps))
    Console(width=124).print(table)


if __name__ == "__main__":
    main()
