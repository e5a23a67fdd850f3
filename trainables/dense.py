"""A dense layer as one TensorFlow operation, where the processor has one."""

from typing import Any

from .runtime import EXECUTOR, tf

_ON_PROCESSOR = bool(EXECUTOR)
_FUSED_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


def dense(X: Any, kernel: Any, bias: Any, activation: str | None = None) -> Any:
    """``activation(X @ kernel + bias)`` in a graph.

    On a processor, bias and activation are applied while the product is still in its cache.

    Args:
        X: float32 tensor of shape (n_rows, n_in).
        kernel: float32 tensor of shape (n_in, n_out).
        bias: float32 tensor of shape (n_out,).
        activation: A name in ``tf.nn``; None is the identity.
    """
    fused = _FUSED_ACTIVATIONS.get(activation or "")
    if _ON_PROCESSOR:
        output = _fused(X, kernel, bias, ["BiasAdd", fused] if fused else ["BiasAdd"])
        if fused:
            return output
    else:
        output = tf.nn.bias_add(X @ kernel, bias)
    return getattr(tf.nn, activation)(output) if activation else output


def _fused(X: Any, kernel: Any, bias: Any, operations: list[str]) -> Any:
    # TensorFlow's optimiser makes this operation of three, but its passes cost more than a short
    # training gains. There is no Python function for it.
    value = tf.compat.v1.AttrValue
    names = value.ListValue(s=[name.encode() for name in operations])
    attributes = {
        "T": value(type=tf.float32.as_datatype_enum),
        "num_args": value(i=1),
        "fused_ops": value(list=names),
    }
    graph = tf.compat.v1.get_default_graph()
    operation = graph.create_op(
        "_FusedMatMul", [X, kernel, bias], [tf.float32], attrs=attributes, name="dense"
    )
    return operation.outputs[0]
