"""The stages of a run, each of which leaves its files whole before the next one starts."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..cluster.session import Session
from ..datasets.errors import InputError
from ..datasets.preparation import Prepared
from ..datasets.table import Table
from ..datasets.user_code import names_code
from ..datasets.views import SURE
from ..results.columns import Columns
from ..results.contents import (
    read_dataset,
    read_ensemble,
    read_environment,
    read_out_of_fold,
    read_trials,
)
from ..results.files import damaged, reading, write_json, write_parquet
from ..results.records import SearchRecord, TrialRecord, best_trials, history_frame, trials_frame
from ..results.references import REFERENCES
from ..results.run_directory import RunDirectory
from ..results.summary import write_summary
from ..trainables.exported import PackedModel, score_exported
from ..trainables.manifest import MANIFEST
from ..trainables.trial_states import saved_probabilities
from ..trainables.tune_adapter import SharedRows
from .config import SweepConfig
from .cross_validation import (
    Workers,
    check_folds,
    cross_validate,
    figures_frame,
    prepare_folds,
)
from .errors import SweepError
from .experiment import lend_rows, open_pool, run_search
from .export import export_model
from .feed import Call
from .measuring import measure_test
from .plan import plan_trials
from .pool import TrainingPool
from .populations import (
    Population,
    class_counts,
    holdout_check,
    populations_of,
    prepare_search,
    split_counts,
)
from .progress import Display
from .reference_calls import reference_calls
from .selection import ranked, ranking, select_ensemble
from .stage import Stage, StageName
from .tryout import try_samplers, try_search

log = logging.getLogger(__name__)


class Stages:
    """The work of a run, from the table to the report.

    Args:
        config: The sweep.
        run: Where everything is written.
        table: The whole table.
        display: Is told what goes on.
        session: Whose workers do the work.
    """

    def __init__(
        self,
        config: SweepConfig,
        run: RunDirectory,
        table: Table,
        display: Display,
        session: Session,
    ) -> None:
        self.config = config
        self.run = run
        self.table = table
        self.display = display
        self.session = session
        self._workers: Workers | None = None
        self._until: StageName | None = None

    def all(self) -> list[Stage]:
        """The stages in order; without test rows there is no test."""
        run = self.run
        searched = (run.validation_predictions, run.history, run.trials)
        validated = (run.oof_predictions, run.cross_validation)
        tested = [run.test_predictions]
        if self.config.protocol == "balanced_first":
            tested.append(run.holdout_predictions)
        if names_code(self.config.search.metric):
            tested.append(run.test_metric)
        test = Stage(StageName.TEST, "testing once", tuple(tested), self._test)
        return [
            Stage(StageName.PREPARE, "preparing the data", (run.dataset,), self._prepare),
            Stage(StageName.SEARCH, "searching", searched, self._search),
            Stage(StageName.CROSS_VALIDATION, "cross-validating", validated, self._cross_validate),
            Stage(StageName.ENSEMBLE, "selecting the ensemble", (run.ensemble,), self._select),
            Stage(StageName.EXPORT, "exporting the model", (run.model / MANIFEST,), self._export),
            *([test] if self.config.split.test else []),
            Stage(StageName.REPORT, "writing the report", (run.report,), self._report),
        ]

    def execute(self, until: StageName | None = None) -> dict[str, Any]:
        """Does every stage that is not complete yet, and returns the summary.

        Args:
            until: The last stage to do; None does all.

        Raises:
            SweepError: A stage can't be done; what the earlier ones wrote stays.
        """
        self._until = until
        order = list(StageName)
        try:
            for stage in self.all():
                if until is not None and order.index(stage.name) > order.index(until):
                    return write_summary(self.run, "running")
                if stage.complete:
                    log.info("%s: complete already", stage.name)
                else:
                    self._do(stage)
        finally:
            self._release_rows()
        return write_summary(self.run, "complete")

    def _do(self, stage: Stage) -> None:
        self.display.stage(stage.title)
        log.info("%s: starts", stage.name)
        started = time.perf_counter()
        try:
            stage.work()
        except BaseException:
            with suppress(OSError, InputError):  # what ended the stage is what is to be told
                self._add_seconds(stage.name, time.perf_counter() - started)
            raise
        self._add_seconds(stage.name, time.perf_counter() - started)
        write_summary(self.run, "running")
        log.info("%s: complete", stage.name)

    @cached_property
    def populations(self) -> list[Population]:
        """The rows that are judged together, checked to be the same in every session of a run."""
        populations = populations_of(self.config, self.table)
        if self.run.dataset.exists():
            known = read_dataset(self.run)["class_counts"]["splits"]
            if known != split_counts(populations):
                raise InputError(
                    f"{self.run.sweep} splits the table otherwise than {self.run.dataset.name} "
                    "says that it was split; restore the sweep file that the run was started with"
                )
        return populations

    @cached_property
    def prepared(self) -> list[Prepared]:
        """The search's views and validation rows of each population."""
        return [prepare_search(self.config, population) for population in self.populations]

    def _prepare(self) -> None:
        table = self.table
        try_samplers(self.config, table, self.prepared)
        views = {
            name: class_counts(view.y)
            for prepared in self.prepared
            for name, view in prepared.views.items()
        }
        gaps = table.features.isna().sum()
        write_json(
            self.run.dataset,
            {
                "name": table.name,
                "source": table.source,
                "rows": len(table.target),
                "features": len(table.schema.columns),
                "positive_rate": table.positive_rate,
                "fingerprint": table.fingerprint,
                "schema": table.schema.to_json(),
                "notes": list(table.notes),
                "duplicate_feature_rows": table.duplicate_rows,
                "natural_rows": table.natural_rows,
                "gaps": {str(name): int(count) for name, count in gaps.items() if count},
                "class_counts": {"splits": split_counts(self.populations), "views": views},
            },
        )

    @cached_property
    def _pool(self) -> TrainingPool:
        return open_pool(self.config, self.session)

    def _open_workers(self) -> Workers:
        """The workers with the rows of the search and the cross-validation, lent at first call."""
        if self._workers is None:
            # Fold data is prepared beside the search, unless this session ends with the search.
            folds = (
                prepare_folds(self.config, self.populations)
                if self._until is not StageName.SEARCH
                else {}
            )
            rows: dict[int | None, SharedRows] = {n: fold.rows for n, fold in folds.items()}
            if not self.run.trials.exists():
                rows[None] = SharedRows.put(*self.prepared)
            self._workers = Workers(self._pool, lend_rows(self.config, self.run, rows), folds)
            if not set(self.config.views) <= set(SURE):
                check_folds(folds.values())  # now, and not when the search has taken its hours
        return self._workers

    def _release_rows(self) -> None:
        if self._workers is not None:
            self._workers.rows.release()
            self._workers = None

    def _search(self) -> None:
        record = SearchRecord.open(self.run.search_records, plan_trials(self.config))
        self.display.search(record, tuple(self.config.views))
        if record.finished < len(record.trials):
            if self.run.trials.exists():  # another file of the search's is missing
                lost = f"restore it, or delete {self.run.trials} to search on"
                raise damaged(self.run.search_records, "trials have no end in it", lost)
            if record.finished == 0:
                try_search(self.config, self.prepared[0], self._pool)
            pool, rows, _ = self._open_workers()
            # A session that was killed has not told how long it took, but when its figures came.
            told = read_environment(self.run)["stage_seconds"].get(StageName.SEARCH, 0.0)
            spent = max(told, record.seconds)
            run_search(self.config, self.run, record, pool, rows, self.display.refresh, spent)
        trials = list(record.trials.values())
        for view in self.config.views:
            if not best_trials(trials, view, 1):
                errors = [t.error for t in trials if t.view == view and t.error]
                reason = f"; the first error: {errors[0]}" if errors else "; all of them diverged"
                figure = "loss" if self.config.metric is None else "loss and metric"
                raise SweepError(f"no trial of the view '{view}' gave a finite {figure}{reason}")
        write_parquet(self.run.validation_predictions, self._validation_predictions(trials))
        write_parquet(self.run.history, history_frame(trials))
        write_parquet(self.run.trials, trials_frame(trials))

    def _validation_predictions(self, trials: list[TrialRecord]) -> pd.DataFrame:
        """Probabilities of each view's best trials, and their plain average, a column each."""
        again = ", ".join(map(str, (self.run.tune, self.run.folds, self.run.cross_validation)))
        lost = f"restore it, or delete {again} to search again"
        frames = []
        for population in self.populations:
            rows = population.split.validation
            columns = self._rows(population, rows)
            for view in population.samplers:
                best = best_trials(trials, view, self.config.cross_validation.top_k)
                for trial in best:
                    if trial.checkpoint is not None:
                        state = self.run.location / trial.checkpoint
                        with reading(state, lost):
                            probabilities = saved_probabilities(state, trial.best_epoch, len(rows))
                        if probabilities is not None:
                            columns[trial.id] = probabilities
                available = [columns[trial.id] for trial in best if trial.id in columns]
                if available:
                    columns[f"average.{view}"] = np.mean(available, axis=0)
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def _rows(self, population: Population, rows: np.ndarray) -> dict[str, Any]:
        """The first columns of a file of predictions: whose rows they are, and their targets."""
        columns: dict[str, Any] = {"row": rows, "target": population.table.target[rows]}
        if len(self.populations) > 1:
            columns["view"] = population.name
        return columns

    def _candidates(self) -> list[TrialRecord]:
        trials, top_k = read_trials(self.run), self.config.cross_validation.top_k
        return [t for view in self.config.views for t in best_trials(trials, view, top_k)]

    def _cross_validate(self) -> None:
        candidates = self._candidates()
        folds = self.config.cross_validation.folds
        self.display.folds(len(candidates) * folds)
        figures, oof = cross_validate(
            self.config,
            self.run,
            self.populations,
            candidates,
            self._open_workers,
            self.display.fold_done,
        )
        self._release_rows()
        frames = [self._oof_frame(population, candidates, oof) for population in self.populations]
        write_parquet(self.run.oof_predictions, pd.concat(frames, ignore_index=True))
        write_parquet(self.run.cross_validation, figures_frame(figures))

    def _oof_frame(
        self,
        population: Population,
        candidates: Sequence[TrialRecord],
        oof: Mapping[str, np.ndarray],
    ) -> pd.DataFrame:
        """Out-of-fold probabilities of a population's candidates and of the references."""
        folds, rows = population.folds, population.judged
        predictions = self._pool.call(reference_calls(self.config, population, folds))
        columns = self._rows(population, rows)
        columns["fold"] = np.empty(len(rows), np.int64)
        for number, fold in enumerate(folds):
            columns["fold"][np.searchsorted(rows, fold.out_of_fold)] = number
        columns |= {t.id: oof[t.id][rows] for t in candidates if t.view in population.samplers}
        for name in REFERENCES:
            predicted = np.empty(len(population.table.target))
            for fold in folds:
                predicted[fold.out_of_fold] = predictions.pop(0)
            columns[name] = predicted[rows]
        return pd.DataFrame(columns)

    def _select(self) -> None:
        oof = read_out_of_fold(self.run, ())
        selections = []
        for population in self.populations:
            candidates = [t for t in self._candidates() if t.view in population.samplers]
            own = (oof["view"] == population.name) if "view" in oof else oof["row"] >= 0
            with reading(self.run.oof_predictions):
                judged = [*(trial.id for trial in candidates), *REFERENCES]
                Columns(counts=["fold"], labels=["target"], shares=judged)(oof[own])
            content, oof.loc[own, "ensemble"] = select_ensemble(
                self.config, candidates, oof[own], self.table.natural_rows
            )
            selections.append(content)
        # Rows of different populations can't be judged together: each is by its own.
        best, *others = ranked(self.config, selections)
        if others:
            best["ranking"] = ranking([best, *others])
        write_parquet(self.run.oof_predictions, oof)
        write_json(self.run.ensemble, best)

    @property
    def _chosen(self) -> Population:
        """The population that the ensemble's members are of."""
        view = read_ensemble(self.run)["members"][0]["view"]
        return next(p for p in self.populations if view in p.samplers)

    def _export(self) -> None:
        export_model(self.config, self.run, self._chosen, read_trials(self.run), self._pool)

    def _test(self) -> None:
        """Scores the test rows, for the first and only time, with the model a user gets."""
        population = self._chosen
        rows = population.split.test
        features = population.table.features.iloc[rows]
        model = PackedModel(self.run.model, self.config.family)
        scoring = Call("test the exported model", score_exported, (model, features))
        references = reference_calls(self.config, population, [population.whole])
        columns = self._rows(population, rows)
        names = ["ensemble", *REFERENCES]
        columns |= dict(zip(names, self._pool.call([scoring, *references]), strict=True))
        if self.config.protocol == "balanced_first":
            write_parquet(self.run.holdout_predictions, self._holdout_frame())
        measure_test(self.config, self.run, columns)
        # One that was asked for during the run is not the one that ends it.
        self.run.delete(self.run.report)
        write_parquet(self.run.test_predictions, pd.DataFrame(columns))

    def _holdout_frame(self) -> pd.DataFrame:
        """What the ensemble's configurations, fitted anew, say of rows kept from the fit."""
        members = read_ensemble(self.run)["members"]
        weights = {member["trial"]: member["weight"] for member in members}
        trials = [trial for trial in self._candidates() if trial.id in weights]
        check = holdout_check(self.config, self.table, {trial.view for trial in trials})

        def workers() -> Workers:
            folds = prepare_folds(self.config, [check])
            rows: dict[int | None, SharedRows] = {n: fold.rows for n, fold in folds.items()}
            self._workers = Workers(self._pool, lend_rows(self.config, self.run, rows), folds)
            return self._workers

        self.display.folds(len(trials))
        _, predicted = cross_validate(
            self.config, self.run, [check], trials, workers, self.display.fold_done
        )
        rows = check.split.test
        mean = sum(weights[trial] * predicted[trial][rows] for trial in predicted)
        columns = {"row": rows, "target": self.table.target[rows]}
        return pd.DataFrame({**columns, "ensemble": np.minimum(mean, 1.0)})

    def _report(self) -> None:
        # matplotlib is needed here only.
        from ..results.report import write_report

        write_report(self.run, write_summary(self.run, "running"), read_trials(self.run))

    def _add_seconds(self, stage: str, seconds: float) -> None:
        environment = read_environment(self.run)
        known = environment["stage_seconds"]
        known[stage] = round(known.get(stage, 0.0) + seconds, 3)
        write_json(self.run.environment, environment)
