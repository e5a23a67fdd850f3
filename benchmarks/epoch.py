"""One training epoch with validation: the compiled program beside ``keras.Model.fit``.

    python benchmarks/epoch.py

On one thread, with the undersampled audiobooks' 3,578 rows' worth of random numbers, batch 128. The
two take turns, so that a machine's changing speed meets both; compare the ratios, not the times. A
first epoch compiles; the last perceptron's finds its program compiled by the one before, as trials
do. Builders are user's models, here the functions below.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from evensweep.trainables.family import MLP, FamilySpec, load_family
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import Training, TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

_BUILDER = FamilySpec(f"{Path(__file__).stem}:build", str(Path(__file__).parent))
CONFIGS: dict[str, tuple[FamilySpec, dict[str, Any]]] = {
    "2×64 relu": (MLP, {"num_layers": 2, "hidden_layer_size": 64}),
    "5×16 tanh": (MLP, {"num_layers": 5, "hidden_layer_size": 16, "activation": "tanh"}),
    "5×128 selu": (MLP, {"num_layers": 5, "hidden_layer_size": 128, "activation": "selu"}),
    "5×128 selu, dropout 0.2": (
        MLP,
        {"num_layers": 5, "hidden_layer_size": 128, "activation": "selu", "dropout_rate": 0.2},
    ),
    "builder: 2×64 relu": (_BUILDER, {}),
    "builder: and batch normalization": (_BUILDER, {"normalise": True}),
    "builder: and dropout 0.2, L2": (_BUILDER, {"dropout_rate": 0.2, "l2_strength": 1e-3}),
}
ROWS, VALIDATION_ROWS, FEATURES, BATCH_SIZE = 3578, 447, 14, 128


def build(config: dict[str, Any], n_features: int) -> keras.Model:
    model = keras.Sequential([keras.Input((n_features,))])
    for _ in range(2):
        penalty = keras.regularizers.L2(config["l2_strength"]) if "l2_strength" in config else None
        model.add(keras.layers.Dense(64, activation="relu", kernel_regularizer=penalty))
        if config.get("normalise"):
            model.add(keras.layers.BatchNormalization())
        if "dropout_rate" in config:
            model.add(keras.layers.Dropout(config["dropout_rate"]))
    model.add(keras.layers.Dense(2, activation="softmax"))
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15, help="timed epochs of each")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS + VALIDATION_ROWS, FEATURES)).astype(np.float32)
    y = (X[:, 0] + rng.standard_normal(len(X)) > 0).astype(np.int32)
    data = TrainingData(
        ResidentRows.place(X[:ROWS], y[:ROWS]), ResidentRows.place(X[ROWS:], y[ROWS:]), 0.0
    )
    table = Table(title="One epoch with validation, milliseconds: median (minimum)")
    for heading in ("network", "keras.Model.fit", "compiled", "ratio", "first epoch: ratio"):
        table.add_column(heading, justify="right")
    for name, (family, config) in CONFIGS.items():
        network = load_family(family).network(config, FEATURES, seed=0)
        training = Training(network, data, patience=10**6, max_epochs=10**6)
        model = load_family(family).keras_model(config, FEATURES)
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")

        def fit(model: keras.Model = model) -> None:
            model.fit(
                X[:ROWS],
                y[:ROWS],
                batch_size=BATCH_SIZE,
                validation_data=(X[ROWS:], y[ROWS:]),
                verbose=0,
            )

        def compiled(training: Training = training) -> None:
            training.train(training.epoch + 1)

        first = _milliseconds(fit) / _milliseconds(compiled)
        times = np.array(
            [(_milliseconds(fit), _milliseconds(compiled)) for _ in range(arguments.epochs)]
        )
        (slow, fast), (slow_min, fast_min) = np.median(times, axis=0), times.min(axis=0)
        ratio = np.median(times[:, 0] / times[:, 1])
        table.add_row(
            name,
            f"{slow:.0f} ({slow_min:.0f})",
            f"{fast:.1f} ({fast_min:.1f})",
            f"{ratio:.1f}×",
            f"{first:.1f}×",
        )
    Console(width=110).print(table)


def _milliseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
