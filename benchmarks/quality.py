"""Test figures over several split seeds, beside the references on the same rows.

    python benchmarks/quality.py --data audiobooks.csv --preset repeat-customers --seeds 5

Every seed is a whole sweep: its own split, trials, folds and ensemble. What counts is the paired
gap to gradient boosting, since splits differ more than models do. Also writes a JSON file.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from evensweep import Sweep, SweepConfig
from evensweep.cluster.session import ray_session
from evensweep.presets import preset_paths
from evensweep.search.config import override, read_yaml

METRICS = ("roc_auc", "pr_auc", "log_loss", "ece", "accuracy", "f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="table; default: the demonstration data")
    parser.add_argument("--preset", default="repeat-customers")
    parser.add_argument("--seeds", type=int, default=5)
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
            summary = Sweep(config).run(f"seed-{seed}").summary
            models = {"ensemble": summary["test"], **summary["references"]}
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
    for name in ("ensemble", "majority", "logistic_regression", "gradient_boosting"):
        values = {m: np.array([row[name][m] for row in rows]) for m in METRICS}
        table.add_row(name, *(f"{v.mean():.4f} ± {v.std():.4f}" for v in values.values()))
    gaps = [
        np.array([row["ensemble"][m] - row["gradient_boosting"][m] for row in rows])
        for m in METRICS
    ]
    table.add_row("ensemble − boosting", *(f"{g.mean():+.4f} ± {g.std():.4f}" for g in gaps))
    Console(width=124).print(table)


if __name__ == "__main__":
    main()
