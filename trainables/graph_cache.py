"""Traced functions kept on disk, so that a machine traces a structure once.

Tracing makes hundreds of operations in Python, for every structure and worker; reading back what
became of them takes a small part of that. The workers of a sweep share what the first of them has
traced, and so do later sweeps. A file that is missing, damaged or of another version is replaced; a
folder that can't be written costs the time and nothing else.
"""

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..results.files import cache_folder, replacing
from .runtime import EXECUTOR, tf

_FORMAT = Path(__file__).read_bytes()
"""What a file looks like follows from this one."""


def trace(function: Callable[..., Any], *signature: Any) -> Any:
    """The compiled function; called as such, it costs a fraction of ``tf.function``'s dispatch."""
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()


def trace_once(name: str, source: bytes, function: Callable[..., Any], *signature: Any) -> Any:
    """The compiled function, read from disk if it has been traced on this machine.

    Of what TensorFlow's Python makes when it traces, which takes megabytes, nothing is kept.

    Args:
        name: Of the function, unique within the source.
        source: All that the traced operations follow from, beside TensorFlow's version.
        function: Takes and returns tensors; variables enter as arguments, by their handles.
        signature: Of the function.

    Returns:
        Takes tensors and returns a sequence of tensors.
    """
    version = f"{name} {tf.__version__} {EXECUTOR} ".encode()
    key = hashlib.sha256(version + source + _FORMAT).hexdigest()
    folder = cache_folder()
    path = None if folder is None else folder / f"{key}.graph"
    definitions = _read(path) if path else None
    if definitions is None:
        definitions = _definitions(trace(function, *signature), key)
        if path:
            _write(path, definitions)
    try:
        return _callable(definitions)
    except (ImportError, AttributeError):  # another TensorFlow may not have this door
        return trace(function, *signature)


def _definitions(traced: Any, key: str) -> Any:
    """A traced function and those that it calls, the bodies of its loops, as a ``GraphDef``.

    They are named after the key, since TensorFlow numbers them by process; the function itself
    is the first.
    """
    graph = tf.compat.v1.GraphDef()
    functions = graph.library.function
    called = traced.graph.as_graph_def().library.function
    functions.extend([traced.function_def, *sorted(called, key=lambda f: f.signature.name)])
    names = {f.signature.name: f"{key}_{i}" for i, f in enumerate(functions)}
    for function in functions:
        function.signature.name = names[function.signature.name]
        for node in function.node_def:
            for value in node.attr.values():
                if value.func.name in names:
                    value.func.name = names[value.func.name]
    return graph


def _callable(definitions: Any) -> Callable[..., Sequence[Any]]:
    # No public way leads from a function's definition to a call of it.
    from tensorflow.python.eager import context

    runtime = context.context()
    for function in definitions.library.function:
        if not runtime.has_function(function.signature.name):
            runtime.add_function_def(function)
    signature = definitions.library.function[0].signature
    name, outputs, call = signature.name.encode(), len(signature.output_arg), runtime.call_function
    return lambda *tensors: call(name, list(tensors), outputs)


def _read(path: Path) -> Any | None:
    """The definitions in a file; None if it is missing or damaged."""
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    return tf.compat.v1.GraphDef.FromString(content)


def _write(path: Path, definitions: Any) -> None:
    content = definitions.SerializeToString()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
