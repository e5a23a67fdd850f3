"""Finds the nodes of a cluster that can't take part in a sweep, before its first trial.

A task on every node says what is there (:mod:`.node_probe`), and the driver compares. Nodes that an
autoscaler adds later are not looked at.
"""

import contextlib
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import node_probe
from .session import ClusterError

_SECONDS = 120.0
"""Until a node counts as one that doesn't answer; TensorFlow's first import from a network disk
takes most of a minute."""

_NODE_GROUP = "ray.io/node-group"
"""Label of nodes that an autoscaler or KubeRay has started, and may start more of."""


class UnfitClusterError(ClusterError):
    """The sweep can't run on these nodes; the message is one sentence, with the remedies."""


@dataclass(frozen=True)
class Needs:
    """What a sweep needs of a cluster.

    Attributes:
        resources: What a trial occupies, as Ray names it: ``CPU``, ``GPU``.
        exact: Installed packages of which every node needs the driver's version.
        minor: Installed packages of which every node needs the driver's major and minor version.
        code: By a name for them, packages or modules whose files must be the driver's.
        module_folders: Where modules may be that aren't on the import path.
        storage: The run's folder, an absolute path or a URI, that every worker writes to.
        worker_memory: Free bytes that a worker needs.
        shared_rows: Bytes that are in the object store of every node that trains.
    """

    resources: Mapping[str, float]
    exact: Sequence[str]
    minor: Sequence[str]
    code: Mapping[str, Sequence[str]]
    module_folders: Sequence[str]
    storage: str
    worker_memory: int
    shared_rows: int


def check_nodes(needs: Needs, seconds: float = _SECONDS) -> None:
    """Asks every node of the open session what it has, all at once.

    A node that no work runs on but tasks without CPUs needs the software alone, and no storage or
    memory.

    Args:
        needs: What the sweep needs.
        seconds: How long to wait for answers.

    Raises:
        UnfitClusterError: Nodes are unfit or don't answer, or a trial fits on no node.
        OSError: The driver can't write to the storage.
    """
    import ray

    nodes = [node for node in ray.nodes() if node["Alive"]]
    _check_room(needs.resources, nodes)
    mine = node_probe.probe(
        "", [*needs.exact, *needs.minor], needs.code, needs.module_folders, None
    )
    if missing := [name for part in mine.values() for name, found in part.items() if not found]:
        raise UnfitClusterError(
            f"the driver's own Python, {sys.executable}, has no {', '.join(missing)}; install what "
            "Evensweep needs there"
        )
    with _meeting(needs.storage) as folder:
        reports = _ask(needs, nodes, folder, seconds)
        faults: dict[str, list[str]] = {}
        for node in nodes:
            for fault in _faults(needs, mine, node, reports[node["NodeID"]], folder):
                faults.setdefault(fault, []).append(_name(node))
    if faults:
        unfit = {name for names in faults.values() for name in names}
        told = "; ".join(
            f"{', '.join(names)} {'has' if len(names) == 1 else 'have'} {fault}"
            for fault, names in faults.items()
        )
        raise UnfitClusterError(
            f"{len(unfit)} of the cluster's {len(nodes)} nodes can't take part in the sweep: {told}"
        )


def _check_room(resources: Mapping[str, float], nodes: Sequence[Mapping[str, Any]]) -> None:
    """Checks that a trial fits on a node, or that nodes may come on which it does."""
    grows = any(_NODE_GROUP in node.get("Labels", {}) for node in nodes)
    if grows or any(_fits(resources, node) for node in nodes):
        return

    def has(node: Mapping[str, Any]) -> list[float]:
        return [node["Resources"].get(name, 0.0) for name in reversed([*resources])]

    largest = max(nodes, key=has)
    there = {name: largest["Resources"].get(name, 0.0) for name in resources}
    raise UnfitClusterError(
        f"a trial asks for {_listed(resources)}, and no node has that much: the largest, "
        f"{_name(largest)}, has {_listed(there)}; lower resources.cpus or resources.gpus, or add "
        "a larger node"
    )


def _fits(resources: Mapping[str, float], node: Mapping[str, Any]) -> bool:
    return all(node["Resources"].get(name, 0.0) >= much for name, much in resources.items())


def _works(needs: Needs, node: Mapping[str, Any]) -> bool:
    """Whether trials run on a node, or what else asks for a CPU."""
    return _fits(needs.resources, node) or node["Resources"].get("CPU", 0.0) >= 1


@contextlib.contextmanager
def _meeting(storage: str) -> Iterator[str]:
    """A new folder in the storage, in which the driver has written the folder's name."""
    from pyarrow import fs

    filesystem, path = fs.FileSystem.from_uri(storage)
    folder = f".preflight-{secrets.token_hex(8)}"
    filesystem.create_dir(f"{path}/{folder}")
    try:
        node_probe.write_text(storage, folder, node_probe.DRIVER, folder)
        yield folder
    finally:
        filesystem.delete_dir(f"{path}/{folder}")


def _ask(
    needs: Needs, nodes: Sequence[Mapping[str, Any]], folder: str, seconds: float
) -> dict[str, dict[str, Any] | Exception | None]:
    """What each node says, or why it can't; None if it doesn't answer in time."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    work = (needs.storage, folder, needs.worker_memory, needs.resources.get("GPU", 0) > 0)
    ray.cloudpickle.register_pickle_by_value(node_probe)
    try:
        # One task a process, so that TensorFlow's memory is free again. It asks for no resources,
        # which might be in use.
        probe = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(node_probe.probe)
        asked = {
            node["NodeID"]: probe.options(
                name="check the node",
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            ).remote(
                node["NodeID"],
                [*needs.exact, *needs.minor],
                needs.code,
                needs.module_folders,
                work if _works(needs, node) else None,
            )
            for node in nodes
        }
    finally:
        ray.cloudpickle.unregister_pickle_by_value(node_probe)
    _, silent = ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
    reports: dict[str, dict[str, Any] | Exception | None] = {}
    for node, reference in asked.items():
        if reference in silent:
            ray.cancel(reference, force=True)
            reports[node] = None
            continue
        try:
            reports[node] = ray.get(reference)
        except Exception as error:  # whatever keeps a node from running a task
            reports[node] = error
    return reports


def _faults(
    needs: Needs,
    mine: Mapping[str, Any],
    node: Mapping[str, Any],
    told: Mapping[str, Any] | Exception | None,
    folder: str,
) -> Iterator[str]:
    """What is wrong with a node and the remedy, for sentences that begin with *has* or *have*."""
    if told is None:
        yield "given no answer in time (see its log in the dashboard, or remove it)"
    elif isinstance(told, Exception):
        reason = str(getattr(told, "cause", None) or told).strip().partition("\n")[0]
        yield f"failed to run the check ({type(told).__name__}: {reason})"
    else:
        yield from _other_software(needs, mine, told)
        if _works(needs, node):
            yield from _lacks(needs, node, told, folder)


def _other_software(
    needs: Needs, mine: Mapping[str, Any], told: Mapping[str, Any]
) -> Iterator[str]:
    packages = []
    for name, wanted in mine["versions"].items():
        found, parts = told["versions"][name], None if name in needs.exact else 2
        if found is None:
            packages.append(f"no {name} {wanted}")
        elif found.split(".")[:parts] != str(wanted).split(".")[:parts]:
            packages.append(f"{name} {found} instead of {wanted}")
    if packages:
        yield f"{', '.join(packages)} (install the driver's)"
    for name, wanted in mine["code"].items():
        found = told["code"][name]
        if found is None:
            yield f"no {name} (install it there, or use evensweep submit, which ships it)"
        elif found[0] != wanted[0]:
            yield (
                f"another {name} than the driver, in {found[1]} (install the driver's, or use "
                "evensweep submit, which ships it)"
            )


def _lacks(
    needs: Needs, node: Mapping[str, Any], told: Mapping[str, Any], folder: str
) -> Iterator[str]:
    if told["storage"] or not _arrived(needs.storage, folder, node["NodeID"]):
        what = told["storage"] or f"written to {needs.storage} what the driver doesn't find there"
        yield f"{what} (mount the driver's, or choose a storage that all nodes share)"
    if told["memory"] < needs.worker_memory:
        yield (
            f"{_size(told['memory'])} of free memory, and a worker takes "
            f"{_size(needs.worker_memory)} (make room, or remove the node)"
        )
    if told["tensorflow"]:
        yield f"{told['tensorflow']} (mend it)"
    elif _fits(needs.resources, node) and told["gpus"] == 0:
        yield (
            "no GPU that TensorFlow sees (install the driver and tensorflow[and-cuda], or set "
            "resources.gpus to 0)"
        )
    store = node["Resources"].get("object_store_memory", 0.0)
    if store < needs.shared_rows:
        yield (
            f"an object store of {_size(store)}, and the views take {_size(needs.shared_rows)} "
            "(start Ray there with a larger --object-store-memory)"
        )


def _arrived(storage: str, folder: str, node: str) -> bool:
    try:
        return node_probe.read_text(storage, folder, node) == folder
    except OSError:
        return False


def _name(node: Mapping[str, Any]) -> str:
    """A node as the dashboard lists it: host, address and the beginning of its id."""
    host, address = node["NodeManagerHostname"], node["NodeManagerAddress"]
    known = "" if host == address else f"{address}, "
    return f"{host} ({known}node {node['NodeID'][:8]})"


def _listed(resources: Mapping[str, float]) -> str:
    return " and ".join(f"{much:g} {name}" for name, much in resources.items())


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
