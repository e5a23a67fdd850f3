"""Cross-validates the best trials in parallel: one Ray task a configuration and fold."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
import ray

from ..cluster.tasks import task
from ..datasets.preparation import Prepared, Rows, prepare, transformed
from ..datasets.splits import Fold
from ..datasets.table import Table
from ..results.files import replacing
from ..results.metrics import accuracy, log_loss
from ..results.records import TrialRecord
from ..results.run_directory import RunDirectory
from ..trainables.folds import FoldOutcome, train_fold
from .config import SweepConfig
from .plan import child_seed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldFigures:
    """A row of ``cross_validation.parquet``; losses in nats a row, natural prior."""

    trial: str
    view: str
    fold: int
    rows: int
    val_loss: float
    val_accuracy: float
    best_epoch: int
    seconds: float


def cross_validate(
    config: SweepConfig,
    run: RunDirectory,
    table: Table,
    folds: Sequence[Fold],
    candidates: Sequence[TrialRecord],
    on_fold: Callable[[FoldFigures], None],
) -> tuple[list[FoldFigures], np.ndarray]:
    """Trains every candidate on every fold; fold models already on disk are not trained again.

    Preprocessing and balancing are fitted again inside each fold, on its training part alone.

    Args:
        config: The sweep.
        run: Where each fold model and preprocessing is written as soon as it is there.
        table: The whole table.
        folds: Of the development rows.
        candidates: The trials to cross-validate.
        on_fold: Called as each fold of a candidate is done.

    Returns:
        The figures of all folds, and the out-of-fold probabilities of the positive class, float64
        of shape (n_candidates, n_rows_of_the_table), NaN for rows that are in no fold.
    """
    table_ref = ray.put((table.features, table.target))
    oof = np.full((len(candidates), len(table.target)), np.nan)
    figures: list[FoldFigures] = []
    for number, trial_index, outcome in _outcomes(config, run, table_ref, folds, candidates):
        trial, rows = candidates[trial_index], folds[number].out_of_fold
        oof[trial_index, rows] = outcome.out_of_fold
        figures.append(
            FoldFigures(
                trial=trial.id,
                view=trial.view,
                fold=number,
                rows=len(rows),
                val_loss=log_loss(table.target[rows], outcome.out_of_fold),
                val_accuracy=accuracy(table.target[rows], outcome.out_of_fold),
                best_epoch=outcome.best_epoch,
                seconds=outcome.seconds,
            )
        )
        on_fold(figures[-1])
    figures.sort(key=lambda row: (row.view, row.trial, row.fold))
    return figures, oof


def figures_frame(figures: Sequence[FoldFigures]) -> pd.DataFrame:
    """The rows of ``cross_validation.parquet``."""
    return pd.DataFrame([asdict(row) for row in figures])


def load_fold(run: RunDirectory, trial: str, fold: int) -> FoldOutcome:
    """A fold model that :func:`cross_validate` wrote."""
    with np.load(run.fold(trial, fold), allow_pickle=False) as arrays:
        weights = [arrays[f"weight_{i}"] for i in range(len(arrays.files) - 5)]
        return FoldOutcome(
            weights=weights,
            log_odds_shift=float(arrays["log_odds_shift"]),
            out_of_fold=arrays["out_of_fold"],
            n_features=int(arrays["n_features"]),
            best_epoch=int(arrays["best_epoch"]),
            seconds=float(arrays["seconds"]),
        )


def _outcomes(
    config: SweepConfig,
    run: RunDirectory,
    table_ref: Any,
    folds: Sequence[Fold],
    candidates: Sequence[TrialRecord],
) -> Iterator[tuple[int, int, FoldOutcome]]:
    """(fold, candidate, outcome), those on disk first, then as their tasks finish."""
    missing: list[tuple[int, list[int]]] = []
    for number in range(len(folds)):
        undone = []
        for index, trial in enumerate(candidates):
            if run.fold(trial.id, number).exists() and run.preprocessor(number).exists():
                yield number, index, load_fold(run, trial.id, number)
            else:
                undone.append(index)
        if undone:
            missing.append((number, undone))

    cpus, gpus = config.resources.cpus, config.resources.gpus
    views = list(dict.fromkeys(trial.view for trial in candidates))
    running: dict[Any, tuple[int, int]] = {}
    preprocessors: dict[int, Any] = {}
    for number, undone in missing:
        preprocessors[number], watched, X_oof, *view_refs = task(
            _prepare_fold, f"prepare fold {number}", cpus=cpus, returns=len(views) + 3
        ).remote(table_ref, folds[number], views, child_seed(config.seed, "fold", number))
        by_name = dict(zip(views, view_refs, strict=True))
        for index in undone:
            trial = candidates[index]
            view = by_name[trial.view]
            training = task(train_fold, f"{trial.id} fold {number}", cpus=cpus, gpus=gpus).remote(
                trial.config,
                view,
                watched,
                X_oof,
                keys=(view.hex(), watched.hex()),
                seed=child_seed(trial.seed, "fold", number),
                patience=config.training.patience,
                max_epochs=config.search.max_epochs,
                family=config.family,
            )
            running[training] = (number, index)
    while running:
        [training], _ = ray.wait(list(running), num_returns=1)
        number, index = running.pop(training)
        if number in preprocessors:
            with replacing(run.preprocessor(number)) as path:
                ray.get(preprocessors.pop(number)).save(path)
        outcome = ray.get(training)
        _save_fold(run, candidates[index].id, number, outcome)
        yield number, index, outcome


def _prepare_fold(
    table: tuple[pd.DataFrame, np.ndarray], fold: Fold, views: Sequence[str], seed: int
) -> tuple[Any, ...]:
    features, target = table
    prepared: Prepared = prepare(
        features, target, fit=fold.fit, watch=fold.stop, views=views, seed=seed
    )
    out_of_fold: Rows = transformed(prepared.preprocessor, features, target, fold.out_of_fold)
    return (
        prepared.preprocessor,
        prepared.watched,
        out_of_fold.X,
        *(prepared.views[name] for name in views),
    )


def _save_fold(run: RunDirectory, trial: str, fold: int, outcome: FoldOutcome) -> None:
    arrays: dict[str, Any] = {f"weight_{i}": w for i, w in enumerate(outcome.weights)}
    with replacing(run.fold(trial, fold)) as path, path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            log_odds_shift=outcome.log_odds_shift,
            out_of_fold=outcome.out_of_fold,
            n_features=outcome.n_features,
            best_epoch=outcome.best_epoch,
            seconds=outcome.seconds,
            **arrays,
        )
