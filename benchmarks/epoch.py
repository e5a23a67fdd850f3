"""One training epoch with validation: the compiled program beside ``keras.Model.fit``.

    python benchmarks/epoch.py

On one thread, with the undersampled audiobooks' 3,578 rows' worth of random numbers, batch 128. The
two take turns, so that a machine's changing speed meets both; compare the ratios, not the times. A
first epoch compiles; the last network's finds its program compiled by the one before, as trials do.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from evensweep.trainables.mlp import MLPConfig, build_keras_model, initial_weights
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.training import Training, TrainingData

CONFIGS = {
    "2×64 relu": MLPConfig(2, 64, "relu"),
    "5×16 tanh": MLPConfig(5, 16, "tanh"),
    "5×128 selu": MLPConfig(5, 128, "selu"),
    "5×128 selu, dropout 0.2": MLPConfig(5, 128, "selu", dropout_rate=0.2),
}
ROWS, VALIDATION_ROWS, FEATURES = 3578, 447, 14


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15, help="timed epochs of each")
    arguments = parser.parse_args()
    import keras

    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS + VALIDATION_ROWS, FEATURES)).astype(np.float32)
    y = (X[:, 0] + rng.standard_normal(len(X)) > 0).astype(np.int32)
    data = TrainingData(
        ResidentRows.place(X[:ROWS], y[:ROWS]), ResidentRows.place(X[ROWS:], y[ROWS:]), 0.0
    )
    table = Table(title="One epoch with validation, milliseconds: median (minimum)")
    for heading in ("network", "keras.Model.fit", "compiled", "ratio", "first epoch: ratio"):
        table.add_column(heading, justify="right")
    for name, config in CONFIGS.items():
        training = Training(config, data, seed=0, patience=10**6, max_epochs=10**6)
        model = build_keras_model(config, FEATURES, initial_weights(config, FEATURES, seed=0))
        model.compile(
            keras.optimizers.Adam(config.learning_rate), "sparse_categorical_crossentropy"
        )

        def fit(model: "keras.Model" = model, config: MLPConfig = config) -> None:
            model.fit(
                X[:ROWS],
                y[:ROWS],
                batch_size=config.batch_size,
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
    Console(width=100).print(table)


def _milliseconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
