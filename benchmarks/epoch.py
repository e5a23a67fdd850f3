"""One training epoch with validation: the compiled program beside ``keras.Model.fit``.

    python benchmarks/epoch.py

On one core, with the undersampled audiobooks' 3,578 rows' worth of random numbers, batch 128. The
two take turns, so that a machine's changing speed meets both; compare the ratios, not the times. A
turn is several epochs in one call, since a call of ``fit`` costs something of its own. A first
epoch compiles, with nothing kept from earlier. Builders are user's models, here the function below.

The floor is the network's matrix products alone, forward, backward and for validation, in the same
loop: what is left when everything else costs nothing.
"""

import argparse
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from evensweep.results.files import CACHE
from evensweep.trainables.family import MLP, FamilySpec, load_family
from evensweep.trainables.graph_cache import trace
from evensweep.trainables.program import ResidentRows
from evensweep.trainables.runtime import EXECUTOR, tf
from evensweep.trainables.training import Training, TrainingData

import keras  # isort: skip - after the runtime has set TensorFlow up

_BUILDER = FamilySpec(f"{Path(__file__).stem}:build", str(Path(__file__).parent))
CONFIGS: dict[str, tuple[FamilySpec, dict[str, Any]]] = {
    "2×64 relu": (MLP, {"num_layers": 2, "hidden_layer_size": 64}),
    "5×16 tanh": (MLP, {"num_layers": 5, "hidden_layer_size": 16, "activation": "tanh"}),
    "5×128 relu": (MLP, {"num_layers": 5, "hidden_layer_size": 128, "activation": "relu"}),
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
EPOCHS_A_TURN = 5


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
    parser.add_argument("--turns", type=int, default=15, help="of each, timed")
    arguments = parser.parse_args()
    _stay_on_one_core()
    os.environ[CACHE] = ""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS + VALIDATION_ROWS, FEATURES)).astype(np.float32)
    y = (X[:, 0] + rng.standard_normal(len(X)) > 0).astype(np.int32)
    data = TrainingData(
        ResidentRows.place(X[:ROWS], y[:ROWS]), ResidentRows.place(X[ROWS:], y[ROWS:]), 0.0
    )
    table = Table(title="One epoch with validation, milliseconds: median (minimum)")
    headings = ("network", "keras.Model.fit", "compiled", "ratio", "first epoch: ratio", "floor")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, (family, config) in CONFIGS.items():
        network = load_family(family).network(config, FEATURES, seed=0)
        training = Training(network, data, patience=10**6, max_epochs=10**6)
        model = load_family(family).keras_model(config, FEATURES)
        model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")

        def fit(epochs: int, model: keras.Model = model) -> None:
            model.fit(
                X[:ROWS],
                y[:ROWS],
                batch_size=BATCH_SIZE,
                epochs=epochs,
                validation_data=(X[ROWS:], y[ROWS:]),
                verbose=0,
            )

        def compiled(epochs: int, training: Training = training) -> None:
            training.train(training.epoch + epochs)

        def turn(epochs: int) -> tuple[float, float]:
            return _milliseconds(fit, epochs), _milliseconds(compiled, epochs)

        slow_first, fast_first = turn(1)
        first = slow_first / fast_first
        times = np.array([turn(EPOCHS_A_TURN) for _ in range(arguments.turns)]) / EPOCHS_A_TURN
        (slow, fast), (slow_min, fast_min) = np.median(times, axis=0), times.min(axis=0)
        ratio = np.median(times[:, 0] / times[:, 1])
        table.add_row(
            name,
            f"{slow:.0f} ({slow_min:.0f})",
            f"{fast:.1f} ({fast_min:.1f})",
            f"{ratio:.1f}×",
            f"{first:.1f}×",
            f"{_floor(config):.1f}" if family is MLP else "",
        )
    Console(width=110).print(table)


def _floor(config: dict[str, Any]) -> float:
    """Milliseconds of an epoch's matrix products alone; the minimum."""
    widths = [FEATURES, *[config["hidden_layer_size"]] * config["num_layers"], 2]
    kernels = [tf.random.normal(shape, stddev=0.01) for shape in pairwise(widths)]

    def products(X: Any, X_val: Any, *kernels: Any) -> Any:
        def batch(start: Any, total: Any) -> Any:
            # What goes into the first product changes, or they would all be done once.
            inputs = [X[start : start + BATCH_SIZE] + total]
            for kernel in kernels:
                inputs.append(inputs[-1] @ kernel)
            delta = inputs.pop()
            for kernel, rows in zip(reversed(kernels), reversed(inputs), strict=True):
                total += (tf.transpose(rows) @ delta)[0, 0]
                delta @= tf.transpose(kernel)
            return start + BATCH_SIZE, total

        _, total = tf.while_loop(lambda start, _: start < ROWS, batch, [0, 0.0])
        for kernel in kernels:
            X_val @= kernel
        return total + X_val[0, 0]

    shapes = ((None, FEATURES), (None, FEATURES), *(kernel.shape for kernel in kernels))
    with tf.experimental.function_executor_type(EXECUTOR):
        alone = trace(products, *(tf.TensorSpec(shape, tf.float32) for shape in shapes))
        X, X_val = tf.random.normal([ROWS, FEATURES]), tf.random.normal([VALIDATION_ROWS, FEATURES])
        return min(_milliseconds(lambda: alone(X, X_val, *kernels).numpy()) for _ in range(30))


def _stay_on_one_core() -> None:
    """Or the threads that TensorFlow and Keras have beside the one that trains use another."""
    if hasattr(os, "sched_setaffinity"):  # as Linux has
        core = {min(os.sched_getaffinity(0))}
        for thread in psutil.Process().threads():
            os.sched_setaffinity(thread.id, core)


def _milliseconds(work: Callable[..., None], *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
