"""Checks the nodes of a cluster for two sweeps, and prints what is wrong for each as JSON.

    python preflight_run.py ADDRESS STORAGE PID

The process, a node's raylet, is stopped before the last check, as if its node hung.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import ray

from evensweep.cluster.preflight import Needs, UnfitClusterError, check_nodes
from evensweep.cluster.session import ray_session
from evensweep.search.cluster_check import PACKAGE, PARTS

NEEDS = Needs(
    resources={"CPU": 1.0},
    exact=["ray"],
    minor=["tensorflow", "scikit-learn"],
    code={PACKAGE: (PACKAGE, *(f"{PACKAGE}.{part}" for part in PARTS))},
    module_folders=(),
    storage="",
    worker_memory=800_000_000,
    shared_rows=1_000_000,
)


def told(needs: Needs, seconds: float = 100) -> str:
    try:
        check_nodes(needs, seconds)
    except UnfitClusterError as error:
        return str(error)
    return ""


def main() -> None:
    address, storage, raylet = sys.argv[1:]
    needs = dataclasses.replace(NEEDS, storage=storage)
    demanding = {"resources": {"CPU": 1.0, "GPU": 0.5}, "shared_rows": 10**12}
    with ray_session(address):
        nodes = {node["NodeID"][:8]: node["Resources"] for node in ray.nodes()}
        found = {
            "nodes": nodes,
            "demanding": told(dataclasses.replace(needs, **demanding)),
        }
        os.kill(int(raylet), signal.SIGSTOP)
        # So much that none tries TensorFlow, which would take its time.
        found["hanging"] = told(dataclasses.replace(needs, worker_memory=10**15), seconds=8)
    found["left"] = [path.name for path in Path(storage).iterdir()]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
