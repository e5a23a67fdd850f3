"""Runs a sweep on three nodes of one machine, of which two go and one comes.

    python cluster_run.py STORAGE SEED

Prints what became of it as JSON.
"""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from ray.cluster_utils import Cluster

from evensweep.results.records import SearchRecord
from evensweep.search.config import SweepConfig
from evensweep.search.cross_validation import FoldFigures
from evensweep.search.progress import Display
from evensweep.search.sweep import Sweep

SWEEP: dict[str, Any] = {
    "views": ["smote"],
    "search": {"scheduler": "hyperband", "trials": 9, "max_epochs": 18, "grace_epochs": 2},
    "space": {"hidden_layer_size": {"choice": [16, 32]}, "activation": "relu"},
    "cross_validation": {"folds": 3, "top_k": 2},
    "ensemble": {"rounds": 10},
    "seed": 7,
}


class Saboteur(Display):
    """Takes a node away at a random moment of the search and of the folds; then adds one."""

    def __init__(self, cluster: Cluster, nodes: list[Any], rng: random.Random) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.removed: list[str] = []
        self.added: list[subprocess.Popen[bytes]] = []
        self._reports = rng.randint(1, 8)
        self._folds = rng.randint(1, 3)
        self._rng = rng

    def search(self, record: SearchRecord, views: Sequence[str]) -> None:
        self._record = record

    def refresh(self) -> None:
        reached = sum(trial.epochs > 0 for trial in self._record.trials.values())
        if not self.removed and reached >= self._reports:
            self._remove("search")
            # A command, since Ray makes a node of this process on its main thread only.
            command = [Path(sys.executable).with_name("ray"), "start", "--block", "--num-cpus=1"]
            address = f"--address={self.cluster.address}"
            self.added.append(subprocess.Popen([*command, address], stdout=subprocess.DEVNULL))

    def fold_done(self, figures: FoldFigures) -> None:
        self._folds -= 1
        if self._folds == 0:
            self._remove("folds")

    def _remove(self, moment: str) -> None:
        node = self.nodes.pop(self._rng.randrange(len(self.nodes)))
        self.cluster.remove_node(node, allow_graceful=False)
        self.removed.append(moment)


def main() -> None:
    storage, seed = sys.argv[1], int(sys.argv[2])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    saboteur = Saboteur(cluster, nodes, random.Random(seed))
    try:
        config = SweepConfig.from_mapping({**SWEEP, "storage": storage}, "test")
        run = Sweep(config).run("run", address=cluster.address, display=saboteur)
        trials = pd.read_parquet(run.directory.trials)
        found = {
            "removed": saboteur.removed,
            "added": len(saboteur.added),
            "status": run.summary["status"],
            "trials": len(trials),
            "statuses": sorted(set(trials["status"])),
            "folds": len(pd.read_parquet(run.directory.cross_validation)),
        }
        print(json.dumps(found))
    finally:
        for process in saboteur.added:
            process.terminate()
            process.wait()
        cluster.shutdown()


if __name__ == "__main__":
    main()
