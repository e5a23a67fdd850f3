"""What parts of networks for tables earn their place: out-of-fold figures of one part at a time.

    python benchmarks/ablation.py --data audiobooks.csv --preset repeat-customers --seeds 2

For each variant and split seed, three networks are trained in 5 folds of the development rows, and
their predictions for rows they never saw are averaged. Test rows are not read. The paired gap to
the multilayer perceptron counts, as splits differ more than variants do. One process, one thread.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from candidates import Inputs, PiecewiseLinear, Quantile, RobustClip
from rich.console import Console
from rich.table import Table
from sklearn.metrics import log_loss, roc_auc_score

from evensweep import Sweep, SweepConfig
from evensweep.datasets.preprocessing import Preprocessor
from evensweep.presets import preset_paths
from evensweep.results.files import read_json
from evensweep.search.populations import Population, populations_of
from evensweep.search.raw_config import override, read_yaml
from evensweep.trainables.family import FamilySpec, load_family
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import Training, TrainingData

BASE = "multilayer perceptron"
MAX_EPOCHS, PATIENCE = 60, 5
NETWORKS = (
    {"num_layers": 2, "hidden_layer_size": 64, "dropout_rate": 0.2, "learning_rate": 1e-3},
    {"num_layers": 3, "hidden_layer_size": 128, "dropout_rate": 0.3, "learning_rate": 1e-3},
    {"num_layers": 2, "hidden_layer_size": 96, "dropout_rate": 0.1, "learning_rate": 2e-3},
)
"""Hyperparameters of the three networks, the same for every variant."""

PERIODIC = {"embedding": 0.3}

TABM = {"members": 16, "mini": False}

PLAIN = {"long_tails": False, "indicators": False}


@dataclass(frozen=True)
class Variant:
    """The multilayer perceptron with one part changed.

    ``inputs`` is fitted on a fold's preprocessed columns of numbers, ``preprocessing`` are settings
    of the preprocessor, ``settings`` are for the builder. ``copies`` are trained of each network.
    """

    builder: str = "perceptron"
    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Callable[[], Inputs] | None = None
    preprocessing: Mapping[str, bool] = field(default_factory=dict)
    copies: int = 1


VARIANTS = {
    BASE: Variant(),
    "three of each network": Variant(copies=3),
    "inputs: standardised only": Variant(preprocessing=PLAIN),
    "inputs: robust, clipped": Variant(inputs=RobustClip, preprocessing=PLAIN),
    "inputs: quantile to normal": Variant(inputs=Quantile),
    "inputs: piecewise linear, 8 bins": Variant(inputs=lambda: PiecewiseLinear(8)),
    "inputs: piecewise linear, 32 bins": Variant(inputs=lambda: PiecewiseLinear(32)),
    "layer normalisation": Variant(settings={"norm": "LayerNormalization"}),
    "batch normalisation": Variant(settings={"norm": "BatchNormalization"}),
    "skip connections": Variant(settings={"skips": True}),
    "residual blocks": Variant("residual", {"norm": True}),
    "residual blocks, not normalised": Variant("residual", {"norm": False}),
    "label smoothing 0.05": Variant(settings={"label_smoothing": 0.05}),
    "AdamW": Variant(settings={"weight_decay": 0.02}),
    "AdamW, cosine": Variant(settings={"weight_decay": 0.02, "cosine_steps": 20}),
    "embedding: linear": Variant(settings={"embedding": "linear"}),
    "embedding: periodic, scale 0.1": Variant(settings={"embedding": 0.1}),
    "embedding: periodic, scale 0.3": Variant(settings=PERIODIC),
    "embedding: periodic, scale 1": Variant(settings={"embedding": 1.0}),
    "periodic 0.3, skip connections": Variant(settings={**PERIODIC, "skips": True}),
    "periodic 0.3, residual blocks": Variant("residual", {**PERIODIC, "norm": True}),
    "periodic 0.3, not normalised": Variant("residual", {**PERIODIC, "norm": False}),
    "TabM, 16 members": Variant("members", TABM),
    "TabM, mini": Variant("members", {**TABM, "mini": True}),
    "TabM, mini, 8 members": Variant("members", {"members": 8, "mini": True}),
    "periodic 0.3, TabM": Variant("members", {**PERIODIC, **TABM}),
    "periodic 0.3, TabM, mini": Variant("members", {**PERIODIC, **TABM, "mini": True}),
}
"""``cosine_steps`` are epochs here, and steps where a builder sees them."""


def out_of_fold(population: Population, variant: Variant, batch_size: int, seed: int) -> np.ndarray:
    """Predictions of each network: float64 of shape (n_networks, n_development_rows)."""
    networks = [*NETWORKS] * variant.copies
    features, y = population.table.features, population.table.target
    family = load_family(FamilySpec(f"candidates:{variant.builder}", str(Path(__file__).parent)))
    predicted = np.full((len(networks), len(y)), np.nan)
    for number, fold in enumerate(population.folds):
        preprocessor = Preprocessor(**variant.preprocessing).fit(features.iloc[fold.fit])
        X = preprocessor.expand(preprocessor.compact(features))
        if variant.inputs is not None:
            compact = preprocessor.compact(features)
            numbers = compact[:, ~preprocessor.is_category(compact.shape[1])]
            inputs = variant.inputs()
            inputs.fit(numbers[fold.fit])
            parts = [inputs.transform(numbers), X[:, numbers.shape[1] :]]
            X = np.ascontiguousarray(np.concatenate(parts, axis=1), dtype=np.float32)
        labels = y.astype(np.int32)
        data = TrainingData(
            ResidentRows.place(X[fold.fit], labels[fold.fit]),
            ResidentRows.place(X[fold.stop], labels[fold.stop]),
            log_odds_shift=0.0,
        )
        for i, hyperparameters in enumerate(networks):
            settings = {**hyperparameters, **variant.settings, "batch_size": batch_size}
            if "cosine_steps" in settings:
                settings["cosine_steps"] *= -(-len(fold.fit) // batch_size)
            network = family.network(settings, data.n_features, 1000 * seed + 10 * number + i)
            training = Training(network, data, patience=PATIENCE, max_epochs=MAX_EPOCHS)
            training.train(MAX_EPOCHS)
            predicted[i, fold.out_of_fold] = training.predict(X[fold.out_of_fold])
    return predicted[:, population.split.development]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="table; default: the demonstration data")
    parser.add_argument("--preset", default="repeat-customers", help="whose columns and batches")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("ablation.json"), help="figures; those it has are kept"
    )
    arguments = parser.parse_args()

    raw = read_yaml(preset_paths()[arguments.preset])
    if arguments.data:
        raw["data"]["path"] = str(arguments.data.resolve())
    table = arguments.data.name if arguments.data else "demonstration"
    rows: list[dict[str, Any]] = read_json(arguments.out) if arguments.out.exists() else []
    done = {(row["table"], row["seed"], row["variant"]) for row in rows}
    for seed in range(arguments.seeds):
        settings = [f"seed={seed}", "cross_validation.folds=5"]
        config = SweepConfig.from_mapping(override(raw, settings), arguments.preset)
        [population] = populations_of(config, Sweep(config).table)
        y = population.table.target[population.split.development]
        for name in dict.fromkeys([BASE, *arguments.variants]):
            if (table, seed, name) in done:
                continue
            variant = VARIANTS[name]
            predicted = out_of_fold(population, variant, config.training.batch_size, seed)
            average = predicted.mean(axis=0)
            row = {
                "table": table,
                "seed": seed,
                "variant": name,
                "networks": float(np.mean([log_loss(y, p) for p in predicted])),
                "log_loss": float(log_loss(y, average)),
                "roc_auc": float(roc_auc_score(y, average)),
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
            arguments.out.write_text(json.dumps(rows, indent=2))
    show([row for row in rows if row["table"] == table])


def show(rows: list[dict[str, Any]]) -> None:
    """Prints figures, and gaps to the multilayer perceptron of the same seed."""
    seeds = len({row["seed"] for row in rows})
    table = Table(title=f"Out-of-fold figures, mean (gap ± standard deviation), {seeds} seeds")
    table.add_column("variant", no_wrap=True)
    metrics = {"networks": "log loss of one", "log_loss": "of all averaged", "roc_auc": "ROC-AUC"}
    for title in metrics.values():
        table.add_column(title, justify="right")
    bases = {row["seed"]: row for row in rows if row["variant"] == BASE}
    for name in dict.fromkeys(row["variant"] for row in rows):
        mine = [row for row in rows if row["variant"] == name]
        cells = []
        for metric in metrics:
            values = np.array([row[metric] for row in mine])
            gaps = values - np.array([bases[row["seed"]][metric] for row in mine])
            gap = "" if name == BASE else f" ({gaps.mean():+.4f} ± {gaps.std():.4f})"
            cells.append(f"{values.mean():.4f}{gap}")
        table.add_row(name, *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
