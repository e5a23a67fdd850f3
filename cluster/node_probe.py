"""What a node says of itself before a sweep: versions, code, storage, memory, TensorFlow and GPUs.

Nodes get this module by value, since they may have no Evensweep, or another. So it imports the
standard library alone, everything else where it is used, and takes and gives plain values.
"""

import hashlib
import importlib.util
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

DRIVER = "driver"
"""The driver's own file in the folder where driver and nodes meet."""


def probe(
    node: str,
    distributions: Sequence[str],
    code: Mapping[str, Sequence[str]],
    module_folders: Sequence[str],
    work: tuple[str, str, int, bool] | None,
) -> dict[str, Any]:
    """What the driver wants to know of the node that this runs on.

    Args:
        node: The node's id.
        distributions: Installed packages whose versions to tell.
        code: By a name for them, the packages or modules whose files to digest.
        module_folders: Where modules may be that aren't on the import path.
        work: Of a node that work will run on: the storage, the folder in it where driver and nodes
            meet, the free bytes without which TensorFlow isn't worth importing, and whether to look
            for GPUs.

    Returns:
        ``versions`` and ``code`` as :func:`versions` and :func:`digests` give them; where there
        will be work, also ``storage``, what is wrong with it or None, ``memory`` in bytes,
        ``tensorflow``, what is wrong with it or None, and ``gpus``, how many it sees, or None if
        nobody has looked.
    """
    told: dict[str, Any] = {
        "versions": versions(distributions),
        "code": digests(code, module_folders),
    }
    if work is not None:
        storage, folder, needed, look_for_gpus = work
        told["storage"] = meet(storage, folder, node)
        told["memory"] = free_memory()
        told["tensorflow"], told["gpus"] = None, None
        if told["memory"] >= needed and told["versions"].get("tensorflow"):
            told["tensorflow"], told["gpus"] = try_tensorflow(look_for_gpus)
    return told


def versions(distributions: Sequence[str]) -> dict[str, str | None]:
    """Python's version and those of installed packages; None for one that is missing."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def digests(
    code: Mapping[str, Sequence[str]], module_folders: Sequence[str] = ()
) -> dict[str, tuple[str, str] | None]:
    """A digest of the Python files of some code and where it is; None where it is missing.

    A version says little of code that is installed from a checkout or beside a sweep file.
    """
    return {name: _digest(modules, module_folders) for name, modules in code.items()}


def _digest(modules: Sequence[str], module_folders: Sequence[str]) -> tuple[str, str] | None:
    digest, places = hashlib.sha256(), []
    for module in modules:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):  # the package above it is missing or broken
            spec = None
        if spec is None:
            spec = PathFinder.find_spec(module, [*module_folders])
        if spec is None or spec.origin is None:
            return None
        origin = Path(spec.origin)
        # A package's own files: its subpackages may be in any other folder, and have their turn.
        package = spec.submodule_search_locations is not None
        for file in sorted(origin.parent.glob("*.py")) if package else [origin]:
            digest.update(f"{module}/{file.name}\0".encode())
            digest.update(file.read_bytes())
        places.append(str(origin.parent if package else origin))
    return digest.hexdigest(), places[0]


def meet(storage: str, folder: str, node: str) -> str | None:
    """Reads what the driver has written into a storage and writes the same back.

    Args:
        storage: An absolute path, or a URI that pyarrow knows, such as ``s3://bucket/prefix``.
        folder: The driver's folder in the storage; its name is what the driver has written.
        node: The name of the file to write.

    Returns:
        What is wrong, for a sentence that begins with *has*; None if all is well.
    """
    try:
        from pyarrow import fs

        filesystem, path = fs.FileSystem.from_uri(storage)
        try:
            told = read_text(storage, folder, DRIVER)
        except FileNotFoundError:
            if filesystem.get_file_info(path).type == fs.FileType.NotFound:
                return f"no {storage}"
            return f"a {storage} of its own, which is not the driver's"
        if told != folder:
            return f"a {storage} that gives other bytes than the driver has written"
        write_text(storage, folder, node, folder)
    except Exception as error:
        return f"no use of {storage} ({_first_line(error)})"
    return None


def read_text(storage: str, folder: str, name: str) -> str:
    """A small file in a folder of a storage, which is a path or a URI."""
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(storage)
    with filesystem.open_input_stream(f"{path}/{folder}/{name}") as stream:
        return str(stream.read().decode())


def write_text(storage: str, folder: str, name: str, text: str) -> None:
    """Writes a small file into a folder of a storage, which is a path or a URI."""
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(storage)
    with filesystem.open_output_stream(f"{path}/{folder}/{name}") as stream:
        stream.write(text.encode())


def free_memory() -> int:
    """Bytes of this machine, or of the container this runs in, that nobody uses."""
    from ray._private.utils import estimate_available_memory

    return int(estimate_available_memory())


def try_tensorflow(look_for_gpus: bool) -> tuple[str | None, int | None]:
    """Imports TensorFlow, which a version doesn't tell to work, and counts the GPUs it sees.

    Returns:
        What is wrong, for a sentence that begins with *has*, or None; and the number of GPUs, None
        if it has not looked.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Ray hides GPUs from a task that asks for none; one that asked might wait for others' work.
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        import tensorflow as tf

        return None, len(tf.config.list_physical_devices("GPU")) if look_for_gpus else None
    except Exception as error:
        return f"a TensorFlow that can't be imported ({_first_line(error)})", None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
