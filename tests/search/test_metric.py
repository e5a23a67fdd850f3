"""A search by a metric: who is promoted, what TPE learns, what the ensemble is made of."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evensweep.datasets.errors import InputError
from evensweep.results.metrics import log_loss
from evensweep.results.objective import MetricSpec
from evensweep.results.records import Progress, SearchRecord, Start, TrialRecord
from evensweep.results.references import REFERENCES
from evensweep.search.config import SweepConfig
from evensweep.search.plan import plan_trials
from evensweep.search.schedule import Schedule
from evensweep.search.searchers import TpeSearcher
from evensweep.search.selection import ranked, ranking, select_ensemble
from evensweep.search.space import parse_domain, sample
from evensweep.search.tryout import try_metric

EXAMPLES = str(Path(__file__).parents[2] / "docs" / "examples")
METRICS = str(Path(__file__).parents[1] / "results")


def config(**search: Any) -> SweepConfig:
    raw = {"views": ["smote"], "search": search, "module_folder": [EXAMPLES, METRICS]}
    return SweepConfig.from_mapping(raw, "test")


PROFIT = {"metric": "my_metric:profit", "mode": "max"}


@pytest.mark.parametrize(
    ("search", "spec"),
    [
        ({}, None),
        ({"metric": "val_loss", "mode": "min"}, None),
        ({"metric": "roc_auc"}, MetricSpec("roc_auc", "max")),
        ({"metric": "brier", "mode": "min"}, MetricSpec("brier", "min")),
        (PROFIT, MetricSpec("my_metric:profit", "max", EXAMPLES)),
        (PROFIT | {"mode": "min"}, MetricSpec("my_metric:profit", "min", EXAMPLES)),
    ],
)
def test_a_sweep_names_its_metric(search: dict[str, Any], spec: MetricSpec | None) -> None:
    assert config(**search).metric == spec
    modes = {trial.mode for trial in plan_trials(config(**search))}
    assert modes == {spec and spec.mode}


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"metric": "my_metric:profit"}, "search: mode must say whether 'my_metric:profit' is to"),
        ({"metric": "my_metric:"}, "search.metric: metric must be val_loss, roc_auc, pr_auc, bal"),
        ({"metric": "roc"}, "search.metric: there is no metric 'roc'; did you mean 'roc_auc'?"),
        ({"metric": "zzz"}, "search.metric: there is no metric 'zzz'; it must be val_loss, roc_"),
        ({"metric": "roc_auc", "mode": "min"}, "search: mode of roc_auc is max; leave it out"),
        ({"mode": "max"}, "search: mode of val_loss is min; leave it out"),
        ({"metric": "roc_auc", "mode": "high"}, "search.mode: input should be 'min' or 'max'"),
    ],
)
def test_an_unfit_metric_is_told(search: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as raised:
        config(**search)
    assert str(raised.value).startswith(f"test: {message}")


def test_a_metric_is_tried_before_the_search() -> None:
    y = np.repeat([0, 1], [80, 20])
    try_metric(config(**PROFIT), y)
    try_metric(config(metric="pr_auc"), y)
    try_metric(config(), y)
    for name, told in (
        ("failing", "failed with ZeroDivisionError"),
        ("nothing", "returned nothing"),
        ("undefined", "is nan for random probabilities; mend it"),
    ):
        with pytest.raises(InputError, match=f"the metric 'example_metrics:{name}' {told}"):
            try_metric(config(metric=f"example_metrics:{name}", mode="max"), y)


def progress(trial: str, level: int, loss: float | None, metric: float | None) -> Progress:
    return Progress(trial, level, level, 1, loss, 0.5, 0.0, [], None, best_metric=metric)


@pytest.mark.parametrize(("mode", "promoted"), [("max", 1), ("min", 0)])
def test_the_metric_decides_who_is_promoted_and_so_it_does_when_resumed(
    mode: str, promoted: int, tmp_path: Path
) -> None:
    sweep = config(metric="my_metric:profit", mode=mode, trials=3, max_epochs=9, grace_epochs=1)
    trials = [t for t in plan_trials(sweep) if t.stage == "search"]
    record = SearchRecord.open(tmp_path / "records" / "r.jsonl", trials)
    schedule = Schedule(sweep.search, record.trials)
    # The loss is best where the metric is not a number.
    figures = [(0.3, 0.1), (0.9, 0.7), (0.1, None)]
    for trial, (loss, metric) in zip(trials, figures, strict=True):
        assert schedule.next() == (trial.id, 1)
        record.add(Start(trial.id, {"units": 3}))
        record.add(progress(trial.id, 1, loss, metric))
        schedule.report(trial.id, trial.objective, None)
    assert schedule.next() == (trials[promoted].id, 3)

    again = SearchRecord.open(tmp_path / "records" / "r.jsonl", plan_trials(sweep)[1:])
    resumed = Schedule(sweep.search, again.trials)
    resumed.replay(again.replayed)
    assert resumed.next() == (trials[promoted].id, 3)
    assert [t.best_metric for t in again.trials.values()] == [0.1, 0.7, None]
    assert [t.measured for t in again.trials.values()] == [[(1, 0.1)], [(1, 0.7)], [(1, None)]]


SPACE = {"rate": parse_domain({"float": [1e-4, 1e-2], "log": True})}


def trained(number: int, mode: str) -> TrialRecord:
    """The metric is good at high rates, and the loss at low ones."""
    config = sample(SPACE, np.random.default_rng(number))
    good = float(np.log10(config["rate"]))
    metric = good if mode == "max" else -good
    history: list[list[float | None]] = [[e, 0.0, 0.5, 5 + good, 0.5] for e in (1, 2)]
    return TrialRecord(
        f"smote-{number:03d}", "smote", "search", number, config, status="paused", epochs=2,
        history=history, mode=mode, best_metric=metric, measured=[(2, metric)],
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["max", "min"])
def test_tpe_learns_from_the_metric(mode: str) -> None:
    known = [trained(i, mode) for i in range(60)]
    searcher = TpeSearcher(SPACE, (2, 6))
    drawn = [
        searcher.draw(TrialRecord("smote-999", "smote", "search", seed, {}), known)["rate"]
        for seed in range(40)
    ]
    assert np.mean(np.log10(drawn)) > -2.7  # random ones are at -3


RNG = np.random.default_rng(5)
Y = (RNG.random(400) < 0.2).astype(int)


def oof(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    fixed = {name: RNG.random(400) for name in REFERENCES}
    return pd.DataFrame({"target": Y, "fold": np.arange(400) % 4, **columns, **fixed})


def candidates(*names: str) -> list[TrialRecord]:
    return [TrialRecord(name, "smote", "search", 0, {}) for name in names]


def select(sweep: SweepConfig, columns: dict[str, np.ndarray]) -> dict[str, Any]:
    return select_ensemble(sweep, candidates(*columns), oof(columns), 400)[0]


def test_the_ensemble_is_selected_by_the_metric() -> None:
    sharp = np.clip(0.2 + 0.3 * (Y - 0.2) + RNG.normal(0, 0.1, 400), 0.01, 0.99)
    # In a better order, and worse as probabilities.
    columns = {"calibrated": sharp, "ordered": 0.9 + 0.05 * np.clip(sharp + 0.2 * Y, 0, 1)}
    folds = {"cross_validation": {"folds": 4}, "views": ["smote"]}
    plain = SweepConfig.from_mapping(folds, "test")
    by_auc = SweepConfig.from_mapping({**folds, "search": {"metric": "roc_auc"}}, "test")
    [member] = select(plain, columns)["members"]
    assert member["trial"] == "calibrated"
    content = select(by_auc, columns)
    assert content["path"][0] == "ordered"
    assert content["metric"] == "roc_auc"
    assert content["oof_metric"] == pytest.approx(content["oof_roc_auc"])
    assert len(content["path_metric"]) == len(content["path_losses"]) == 50
    assert content["path_losses"][0] == pytest.approx(log_loss(Y, columns["ordered"]))
    assert max(content["path_metric"]) == content["path_metric"][len(content["path"]) - 1]
    assert {"metric", "log_loss"} <= set(content["comparison"]["best trial"])
    assert "metric" not in select(plain, columns)


def test_populations_are_ranked_by_the_metric() -> None:
    contents = [
        {"members": [{"view": view}], "oof_log_loss": loss, "oof_roc_auc": 0.5, "oof_metric": value}
        for view, loss, value in (("a", 0.1, 1.0), ("b", 0.2, 3.0), ("c", 0.3, None))
    ]
    best = ranked(config(**PROFIT), contents)
    assert [row["view"] for row in ranking(best)] == ["b", "a", "c"]
    plain = ranked(config(), contents)
    assert [row["view"] for row in ranking(plain)] == ["a", "b", "c"]
