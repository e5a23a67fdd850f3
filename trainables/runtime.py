"""Sets TensorFlow up for a worker process; imported before anything else touches TensorFlow."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _without_native_messages() -> Iterator[None]:
    """Drops what native code prints to the error stream, which no log level holds back.

    TensorFlow's import says so that a machine has no GPU, which tells a user nothing.
    """
    stream = os.dup(2)
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(stream, 2)
        os.close(sink)
        os.close(stream)


@contextmanager
def _without_keras() -> Iterator[None]:
    """Lets TensorFlow find no Keras while it is imported.

    TensorFlow imports Keras to fill optional registries, and Keras imports scikit-learn and
    matplotlib: more than half of the time. A search never needs them; who builds a Keras model
    imports Keras then.
    """
    if "keras" in sys.modules:
        yield
        return
    sys.modules["keras"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["keras"]


with _without_native_messages(), _without_keras():
    import tensorflow as tf

    _gpus = tf.config.list_physical_devices("GPU")

# A worker is one slot of the cluster: parallelism comes from workers, not from threads in them.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
# Grappler's heavy passes cost more than they save on graphs this small.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
# Workers share a GPU by fractions, so none may take its whole memory at once.
for _gpu in _gpus:
    tf.config.experimental.set_memory_growth(_gpu, True)

EXECUTOR = "" if _gpus else "SINGLE_THREADED_EXECUTOR"
"""What runs a compiled epoch's operations. In order on one thread costs less for each of them, but
a graph that is spread over processor and GPU needs TensorFlow's general executor."""

Tensor: TypeAlias = Any
"""A symbolic tensor; TensorFlow has no types of its own."""

__all__ = ["EXECUTOR", "Tensor", "tf"]
