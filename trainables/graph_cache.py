"""Traced functions kept on disk, so that a machine traces a structure once.

Tracing makes hundreds of operations in Python, for every structure and worker; reading the graph
back takes a fraction of that. The workers of a sweep share what the first of them has traced, and
so do later sweeps. A file that is missing, damaged or of another version is replaced; a folder that
can't be written costs the time and nothing else.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..results.files import cache_folder, replacing
from .runtime import EXECUTOR, tf


def trace(function: Callable[..., Any], *signature: Any) -> Any:
    """The compiled function; called as such, it costs a fraction of ``tf.function``'s dispatch."""
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()


def trace_once(name: str, source: bytes, function: Callable[..., Any], *signature: Any) -> Any:
    """The compiled function, read from disk if it has been traced on this machine.

    Args:
        name: Of the function, unique within the source.
        source: All that the traced operations follow from, beside TensorFlow's version.
        function: Takes and returns tensors; variables enter as arguments, by their handles.
        signature: Of the function.
    """
    version = f"{name} {tf.__version__} {EXECUTOR} ".encode()
    path = _path(hashlib.sha256(version + source).hexdigest())
    if path is None:
        return trace(function, *signature)
    try:
        return _read(path, signature)
    except (OSError, ValueError, ImportError, AttributeError):
        traced = trace(function, *signature)
        with contextlib.suppress(OSError):
            _write(path, traced.graph)
        return traced


def _path(key: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / f"{key}.graph"


def _read(path: Path, signature: Sequence[Any]) -> Any:
    """The function in a file.

    Raises:
        OSError: There is none.
        ValueError: It is damaged.
        ImportError, AttributeError: This TensorFlow has no such door.
    """
    digest, _, rest = path.read_bytes().partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != digest:
        raise ValueError(f"{path} is damaged")
    header, _, content = rest.partition(b"\n")
    names = json.loads(header)
    # No public way leads there, so another TensorFlow may not have it.
    from tensorflow.python.eager import context

    graph = tf.compat.v1.GraphDef.FromString(content)
    for definition in graph.library.function:
        if not context.context().has_function(definition.signature.name):
            context.context().add_function_def(definition)

    def imported(*arguments: Any) -> Any:
        return tf.graph_util.import_graph_def(
            graph,
            input_map=dict(zip(names["inputs"], arguments, strict=True)),
            return_elements=names["outputs"],
            name="",
        )

    return trace(imported, *signature)


def _write(path: Path, graph: Any) -> None:
    definition = graph.as_graph_def()
    _rename_functions(definition, path.stem)
    header = {
        "inputs": [tensor.name for tensor in graph.inputs],
        "outputs": [tensor.name for tensor in graph.outputs],
    }
    rest = json.dumps(header).encode() + b"\n" + definition.SerializeToString()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)


def _rename_functions(graph: Any, prefix: str) -> None:
    """Names the bodies of loops after the file, since TensorFlow numbers them by process."""
    functions = graph.library.function
    known = sorted(f.signature.name for f in functions)
    names = {name: f"{prefix}_{i}" for i, name in enumerate(known)}
    for function in functions:
        function.signature.name = names[function.signature.name]
    for node in (*graph.node, *(node for f in functions for node in f.node_def)):
        for value in node.attr.values():
            if value.func.name in names:
                value.func.name = names[value.func.name]
