"""Cross-validates the best trials in parallel, on the workers that searched."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import ray

from ..cluster.tasks import side_task
from ..datasets.errors import InputError
from ..datasets.preparation import transformed
from ..datasets.preprocessing import Preprocessor
from ..results.files import damaged, reading, replacing
from ..results.metrics import accuracy, log_loss
from ..results.objective import finite_or_none, load_metric
from ..results.records import TrialRecord
from ..results.run_directory import RunDirectory
from ..trainables.tune_adapter import (
    FoldModel,
    Lent,
    Report,
    SharedRows,
    SweepRows,
    TrialSpec,
)
from .config import SweepConfig
from .errors import SweepError
from .plan import child_seed
from .pool import TrainingPool
from .populations import Population, new_preprocessor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldFigures:
    """A row of ``cross_validation.parquet``; losses in nats a row, natural prior.

    ``metric`` is what the search compared by beside the loss, None where there is none.
    """

    trial: str
    view: str
    fold: int
    rows: int
    val_loss: float
    val_accuracy: float
    best_epoch: int
    seconds: float
    metric: float | None = None


@dataclass(frozen=True)
class FoldData:
    """References to what a fold's trainings read, and to the preprocessing fitted for them."""

    rows: SharedRows
    preprocessor: ray.ObjectRef


class Workers(NamedTuple):
    """Workers, what they read, and what the trainings of each fold read of it, by its number."""

    pool: TrainingPool
    rows: Lent[SweepRows]
    folds: Mapping[int, FoldData]


@dataclass(frozen=True)
class FoldResult:
    """A fold's training, as it is kept on disk.

    Attributes:
        model: The network and its out-of-fold predictions.
        best_epoch: From 1; 0 if the training diverged before a first finite epoch.
        seconds: Training time on the worker.
    """

    model: FoldModel
    best_epoch: int
    seconds: float


def prepare_folds(config: SweepConfig, populations: Sequence[Population]) -> dict[int, FoldData]:
    """Starts to fit preprocessing and balancing again in every fold, on its training part alone.

    One fold after another in one process that takes no slot from the trainings beside it; who gets
    a reference waits until its fold is there.

    Returns:
        What the trainings of each fold read, by the fold's number.
    """
    prepared: dict[int, FoldData] = {}
    latest = None
    for population in populations:
        shared = ray.put(population)
        names = list(population.samplers)
        for index in range(len(population.folds)):
            number = population.first_fold + index
            latest, watched, out_of_fold, *views = side_task(
                _prepare_fold, f"prepare fold {number}", returns=len(names) + 3
            ).remote(
                shared,
                index,
                child_seed(config.seed, "fold", index),
                new_preprocessor(config),
                latest,
            )
            rows = SharedRows(
                dict(zip(names, views, strict=True)), dict.fromkeys(names, watched), out_of_fold
            )
            prepared[number] = FoldData(rows, latest)
    return prepared


def check_folds(folds: Iterable[FoldData]) -> None:
    """Waits until every fold is prepared.

    Raises:
        InputError: A view can't balance a fold's rows.
    """
    try:
        ray.get([fold.preprocessor for fold in folds])
    except InputError as error:  # Ray's, which has the worker's traceback in its text
        raise error.cause from None  # type: ignore[attr-defined]


def cross_validate(
    config: SweepConfig,
    run: RunDirectory,
    populations: Sequence[Population],
    candidates: Sequence[TrialRecord],
    workers: Callable[[], Workers],
    on_fold: Callable[[FoldFigures], None],
) -> tuple[list[FoldFigures], dict[str, np.ndarray]]:
    """Trains every candidate on every fold; fold models already on disk are not trained again.

    Args:
        config: The sweep.
        run: Where each fold model and preprocessing is written as soon as it is there.
        populations: Whose folds to train on; each candidate trains on those of its view's.
        candidates: The trials to cross-validate.
        workers: Gives the workers and what they read; called if there is anything to train.
        on_fold: Called as each fold of a candidate is done, on another thread.

    Returns:
        The figures of all folds, and by candidate the out-of-fold probabilities of the positive
        class, float64 of shape (n_rows_of_its_population,), NaN for rows that are in no fold.
    """
    home = {view: population for population in populations for view in population.samplers}
    oof = {t.id: np.full(len(home[t.view].table.target), np.nan) for t in candidates}
    figures: list[FoldFigures] = []
    metric = load_metric(config.metric) if config.metric is not None else None

    def take(trial: TrialRecord, number: int, result: FoldResult) -> None:
        population = home[trial.view]
        index = number - population.first_fold
        rows, predicted = population.folds[index].out_of_fold, result.model.out_of_fold
        if predicted.shape != rows.shape:
            reason = f"it has predictions of {predicted.size} rows for a fold of {rows.size}"
            raise damaged(run.fold(trial.id, number), reason, fold_remedy(run))
        target = population.table.target[rows]
        oof[trial.id][rows] = predicted
        figures.append(
            FoldFigures(
                trial=trial.id,
                view=trial.view,
                fold=index,
                rows=len(rows),
                val_loss=log_loss(target, predicted),
                val_accuracy=accuracy(target, predicted),
                best_epoch=result.best_epoch,
                seconds=result.seconds,
                metric=finite_or_none(metric(target, predicted)) if metric is not None else None,
            )
        )
        on_fold(figures[-1])

    missing: dict[str, tuple[TrialRecord, int]] = {}
    for index in range(max(len(population.folds) for population in populations)):
        for trial in candidates:
            number = home[trial.view].first_fold + index
            if run.fold(trial.id, number).exists() and run.preprocessor(number).exists():
                take(trial, number, load_fold(run, trial.id, number))
            else:
                missing[f"{trial.id}-fold-{number:02d}"] = (trial, number)
    if missing:
        pool, rows, data = workers()
        source = _FoldSource(config, run, missing, data, take)
        pool.train(source, rows, max_failures=config.search.max_failures)
    figures.sort(key=lambda row: (row.view, row.trial, row.fold))
    return figures, oof


def figures_frame(figures: Sequence[FoldFigures]) -> pd.DataFrame:
    """The rows of ``cross_validation.parquet``."""
    return pd.DataFrame([asdict(row) for row in figures])


def load_fold(run: RunDirectory, trial: str, fold: int) -> FoldResult:
    """A fold model that :func:`cross_validate` wrote.

    Raises:
        InputError: It is missing or damaged.
    """
    path = run.fold(trial, fold)
    with reading(path, fold_remedy(run)), np.load(path, allow_pickle=False) as arrays:
        weights = [arrays[f"weight_{i}"] for i in range(len(arrays.files) - 5)]
        return FoldResult(
            model=FoldModel(
                weights=weights,
                log_odds_shift=float(arrays["log_odds_shift"]),
                out_of_fold=arrays["out_of_fold"],
                n_features=int(arrays["n_features"]),
            ),
            best_epoch=int(arrays["best_epoch"]),
            seconds=float(arrays["seconds"]),
        )


def fold_remedy(run: RunDirectory) -> str:
    """What to do where a file of a fold is missing or damaged."""
    return (
        f"delete what is left of it and {run.cross_validation.name}, and resume the run, which "
        "trains the fold again"
    )


class _FoldSource:
    """Gives every training of a fold once, and writes its model as soon as it is there."""

    def __init__(
        self,
        config: SweepConfig,
        run: RunDirectory,
        trainings: dict[str, tuple[TrialRecord, int]],
        data: Mapping[int, FoldData],
        take: Callable[[TrialRecord, int, FoldResult], None],
    ) -> None:
        self._max_epochs = config.search.max_epochs
        self._run = run
        self._trainings = trainings
        self._waiting = iter(trainings.items())
        self._data = data
        self._take = take

    def next(self) -> TrialSpec | None:
        for name, (trial, number) in self._waiting:
            return TrialSpec(
                trial=name,
                view=trial.view,
                seed=child_seed(trial.seed, "fold", number),
                hyperparameters=trial.config,
                level=self._max_epochs,
                fold=number,
            )
        return None

    def on_report(self, trial: str, report: Report) -> bool:
        assert report.fold_model is not None  # its only report is at its end
        record, number = self._trainings[trial]
        if not self._run.preprocessor(number).exists():
            with replacing(self._run.preprocessor(number)) as path:
                ray.get(self._data[number].preprocessor).save(path)
        result = FoldResult(report.fold_model, report.best_epoch, report.seconds)
        _save_fold(self._run, record.id, number, result)
        self._take(record, number, result)
        return False

    def on_error(self, trial: str, error: str) -> None:
        raise SweepError(f"the training of {trial} failed: {error}")


def _prepare_fold(
    population: Population,
    index: int,
    seed: int,
    preprocessor: Preprocessor,
    after: Any,  # what the fold before returns, so that they come one after another
) -> tuple[Any, ...]:
    fold, table = population.folds[index], population.table
    prepared = population.prepare(fold.fit, fold.stop, seed, preprocessor)
    return (
        prepared.preprocessor,
        prepared.watched,
        transformed(prepared.preprocessor, table.features, table.target, fold.out_of_fold).X,
        *(prepared.views[name] for name in population.samplers),
    )


def _save_fold(run: RunDirectory, trial: str, fold: int, result: FoldResult) -> None:
    arrays: dict[str, Any] = {f"weight_{i}": w for i, w in enumerate(result.model.weights)}
    with replacing(run.fold(trial, fold)) as path, path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            log_odds_shift=result.model.log_odds_shift,
            out_of_fold=result.model.out_of_fold,
            n_features=result.model.n_features,
            best_epoch=result.best_epoch,
            seconds=result.seconds,
            **arrays,
        )
