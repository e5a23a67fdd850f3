"""Every scheduler with every searcher: the loss that a search finds, and the epochs it takes.

    python benchmarks/schedulers.py               # closed-form learning curves: a minute
    python benchmarks/schedulers.py --data T.csv  # real trainings on a table: half an hour

The real search with one worker, over ten seeds; figures are means with standard errors. What all
are measured against is random search that trains every trial to its full budget (fifo, random).
Early stopping is off, so that the schedulers alone save epochs. A loss is the best validation loss
that a search saw; the table's is of its undersampled view.
"""

import argparse
import math
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from evensweep.results.records import SearchRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.search.config import SweepConfig
from evensweep.search.experiment import run_search
from evensweep.search.plan import plan_trials
from evensweep.search.pool import Source
from evensweep.search.schedule import COMPETITIONS
from evensweep.trainables.tune_adapter import Report, TrialSpec

SEARCHERS = ("random", "tpe")
REFERENCE = ("fifo", "random")
Train = Callable[[TrialSpec, int], list[float]]
"""Trains a trial to a level and returns its validation loss after every epoch so far."""


class OneWorker:
    """A pool of one worker, in this process."""

    def __init__(self, train: Train, levels: tuple[int, ...]) -> None:
        self._train = train
        self._levels = levels
        self._epochs: dict[str, int] = {}

    def train(self, source: Source) -> None:
        """Trains what the source gives."""
        while spec := source.next():
            level = spec.level
            while source.on_report(spec.trial, self._report(spec, level)):
                level = next(later for later in self._levels if later > level)

    def _report(self, spec: TrialSpec, level: int) -> Report:
        losses = self._train(spec, level)
        known = self._epochs.get(spec.trial, 0)
        self._epochs[spec.trial] = level
        history: list[Any] = [
            (e, losses[e - 1], 0.5, losses[e - 1], 0.5) for e in range(known + 1, level + 1)
        ]
        best = int(np.argmin(losses))
        ending = "completed" if level == self._levels[-1] else None
        return Report(level, level, best + 1, losses[best], 0.5, 0.0, history, ending)


def closed_form(spec: TrialSpec, level: int) -> list[float]:
    """Curves that cross: a low learning rate is slow but good in the end; some luck, some noise."""
    config, rng = spec.hyperparameters, np.random.default_rng(spec.seed)
    rate = math.log10(config["learning_rate"])
    limit = (
        0.2
        + 0.02 * (rate + 2.8) ** 2
        + 0.02 * abs(config["dropout_rate"] - 0.2)
        + 0.01 * abs(config["hidden_layer_size"] - 96) / 96
        + 0.005 * abs(config["num_layers"] - 3)
        + {"relu": 0.0, "tanh": 0.004, "selu": 0.008}[config["activation"]]
        + rng.normal(0, 0.003)
    )
    speed = 0.6 + 0.25 * (rate + 3)
    noise = rng.normal(0, 0.002, level)
    return [float(limit + 0.4 * e**-speed + noise[e - 1]) for e in range(1, level + 1)]


class RealTrainings:
    """Trains on a table's undersampled view, in this process.

    Args:
        data: The table.
        seed: Of the split and the view.
        max_epochs: The full budget.
    """

    def __init__(self, data: Path, seed: int, max_epochs: int) -> None:
        from comparison.rows import benchmark_table, sweep_config

        from evensweep.search.populations import populations_of, prepare_search
        from evensweep.trainables.family import MLP, load_family
        from evensweep.trainables.program import ResidentRows
        from evensweep.trainables.training import TrainingData

        config = sweep_config(data, seed)
        [population] = populations_of(config, benchmark_table(data))
        prepared = prepare_search(config, population)
        view, watched = prepared.views["undersampled"], prepared.watched
        self._data = TrainingData(
            ResidentRows.place(view.X, view.y),
            ResidentRows.place(watched.X, watched.y),
            view.log_odds_shift,
        )
        self._family = load_family(MLP)
        self._max_epochs = max_epochs
        self._known: dict[str, tuple[Any, list[float]]] = {}

    def __call__(self, spec: TrialSpec, level: int) -> list[float]:
        from evensweep.trainables.training import Training

        if spec.trial not in self._known:
            network = self._family.network(spec.hyperparameters, self._data.n_features, spec.seed)
            patience = self._max_epochs
            training = Training(network, self._data, patience=patience, max_epochs=patience)
            self._known[spec.trial] = training, []
        training, losses = self._known[spec.trial]
        losses += [row.val_loss for row in training.train(level)]
        return losses + [math.inf] * (level - len(losses))


def search(
    scheduler: str,
    searcher: str,
    seed: int,
    trials: int | None,
    *,
    data: Path | None,
    max_epochs: int,
) -> tuple[float, int]:
    """The best loss of a search and the epochs it took."""
    settings: dict[str, Any] = {
        "scheduler": scheduler, "searcher": searcher, "max_epochs": max_epochs, "grace_epochs": 1,
        "trials": trials,
    }  # fmt: skip
    raw = {"views": ["undersampled"], "seed": seed, "search": settings}
    config = SweepConfig.from_mapping(raw, "schedulers")
    train = RealTrainings(data, seed, max_epochs) if data else closed_form
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder) / "run")
        # The baseline is no part of what is compared.
        planned = [trial for trial in plan_trials(config) if trial.stage == "search"]
        record = SearchRecord.open(run.search_records, planned)
        pool: Any = OneWorker(train, config.search.levels)
        run_search(config, run, record, pool, lambda: None)
    found = [t.best_val_loss for t in record.trials.values() if t.best_val_loss is not None]
    return min(found), sum(trial.epochs for trial in record.trials.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a table; without one, closed-form curves")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--schedulers", nargs="+", default=list(COMPETITIONS), help="default: all")
    parser.add_argument("--max-epochs", type=int, help="default: 100, and 27 with a table")
    arguments = parser.parse_args()
    max_epochs = arguments.max_epochs or (27 if arguments.data else 100)
    hyperband = SweepConfig.from_mapping(
        {"search": {"scheduler": "hyperband", "max_epochs": max_epochs, "grace_epochs": 1}}, "it"
    ).search
    epochs = sum(_epochs(hyperband.levels_of(b), size) for b, size in enumerate(hyperband.sizes))
    # The full-budget search is five times as long as Hyperband's, or a little less. ASHA's one
    # bracket cuts so early that it takes many more trials to use a fifth; by halving's arithmetic
    # these use a seventh, and its early promotions take the rest.
    full_budget = 5 * epochs // max_epochs
    many = 3 ** (len(hyperband.levels) - 1)
    asha = full_budget * max_epochs * many // (7 * _epochs(hyperband.levels, many))
    trials = {"hyperband": None, "asha": asha, "asha_stopping": asha}
    work = partial(search, data=arguments.data, max_epochs=max_epochs)
    grid = [
        (scheduler, searcher)
        for scheduler, searcher in product(COMPETITIONS, SEARCHERS)
        if scheduler in arguments.schedulers or (scheduler, searcher) == REFERENCE
    ]
    jobs = [
        (*pair, seed, trials.get(pair[0], full_budget))
        for pair in grid
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as executor:
        done = list(executor.map(work, *zip(*jobs, strict=True)))
    figures = np.array(done).reshape(len(grid), arguments.seeds, 2)
    reference = figures[grid.index(REFERENCE)]
    table = Table(title=f"At most {max_epochs} epochs a trial")
    headings = (
        "scheduler",
        "searcher",
        "trials",
        "best loss",
        "minus reference's",
        "epochs",
        "share",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for (scheduler, searcher), found in zip(grid, figures, strict=True):
        difference = found[:, 0] - reference[:, 0]
        table.add_row(
            scheduler,
            searcher,
            f"{trials.get(scheduler, full_budget) or hyperband.trial_count}",
            f"{found[:, 0].mean():.4f}",
            f"{difference.mean():+.4f} ± {_standard_error(difference):.4f}",
            f"{found[:, 1].mean():,.0f}",
            f"{found[:, 1].mean() / reference[:, 1].mean():.2f}",
        )
    Console(width=110).print(table)


def _epochs(levels: tuple[int, ...], size: int) -> int:
    """Epochs of a bracket of synchronous halving by thirds."""
    steps = np.diff([0, *levels])
    return int(sum(max(1, size // 3**i) * step for i, step in enumerate(steps)))


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


if __name__ == "__main__":
    main()
