"""What the search makes small: losses, built-in metrics and a user's."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from evensweep.datasets.errors import InputError
from evensweep.results.metrics import (
    bootstrap_intervals,
    log_loss,
    metric_figures,
    metric_interval,
)
from evensweep.results.objective import BUILT_IN, MetricSpec, as_objective, load_metric

HERE = str(Path(__file__).parent)
EXAMPLES = str(Path(__file__).parents[2] / "docs" / "examples")
RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.2).astype(np.int32)
P = np.clip(RNG.normal(0.15 + 0.2 * Y, 0.1), 0.01, 0.99).round(3).astype(np.float32)


@pytest.mark.parametrize(
    ("mode", "loss", "metric", "objective"),
    [
        (None, 0.3, None, 0.3),
        (None, None, None, np.inf),
        (None, np.nan, None, np.inf),
        (None, -np.inf, None, np.inf),
        ("min", 0.3, 0.2, 0.2),
        ("max", 0.3, 0.2, -0.2),
        ("max", 0.3, np.inf, np.inf),
        ("max", 0.3, np.nan, np.inf),
        ("min", 0.3, None, np.inf),
    ],
)
def test_the_objective_is_low_where_the_figure_is_good(mode, loss, metric, objective) -> None:
    assert as_objective(mode, loss, metric) == objective


def built_in(name: str) -> float:
    return load_metric(MetricSpec(name, BUILT_IN[name]))(Y, P)


def test_built_in_metrics_are_the_fields() -> None:
    assert built_in("roc_auc") == pytest.approx(roc_auc_score(Y, P))
    assert built_in("brier") == pytest.approx(np.mean((P - Y) ** 2))


@pytest.mark.parametrize(
    ("name", "score"), [("f1", f1_score), ("balanced_accuracy", balanced_accuracy_score)]
)
def test_metrics_of_calls_are_those_of_their_best_threshold(name: str, score) -> None:
    best = max(score(Y, (threshold <= P).astype(int)) for threshold in np.unique(P))
    assert built_in(name) == pytest.approx(best)
    assert built_in(name) > score(Y, (P >= 0.5).astype(int))


@pytest.mark.parametrize("name", BUILT_IN)
def test_good_probabilities_are_better_than_others(name: str) -> None:
    metric, mode = load_metric(MetricSpec(name, BUILT_IN[name])), BUILT_IN[name]
    good, bad = (as_objective(mode, None, metric(Y, p)) for p in (P, RNG.random(len(Y))))
    assert good < bad


def own(name: str) -> MetricSpec:
    return MetricSpec(f"example_metrics:{name}", "max", HERE)


def test_the_example_counts_what_a_campaign_earns() -> None:
    profit = load_metric(MetricSpec("my_metric:profit", "max", EXAMPLES))
    y, p = np.array([1, 0, 0, 1]), np.array([0.9, 0.125, 0.1, 0.05])
    assert profit(y, p) == pytest.approx((8 - 1 - 1) / 4)


def test_a_users_metric_gets_arrays_of_its_own_in_the_documented_types() -> None:
    y, p = Y.copy(), P.copy()
    assert load_metric(own("spoiling"))(y, p) == len(Y)
    np.testing.assert_array_equal(y, Y)
    np.testing.assert_array_equal(p, P)


@pytest.mark.parametrize("name", ["whole", "of_numpy", "of_an_array"])
def test_any_number_will_do(name: str) -> None:
    value = load_metric(own(name))(Y, P)
    assert type(value) is float
    assert value == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("failing", "failed with ZeroDivisionError: division by zero; mend it"),
        ("nothing", "returned nothing; it must return a number"),
        ("several", "returned an object of type list; it must return a number"),
        ("text", "returned an object of type str; it must return a number"),
        ("truth", "returned an object of type bool; it must return a number"),
    ],
)
def test_what_a_metric_can_not_be_is_told(name: str, told: str) -> None:
    with pytest.raises(InputError) as raised:
        load_metric(own(name))(Y, P)
    assert str(raised.value) == f"the metric 'example_metrics:{name}' {told}"


@pytest.mark.parametrize(("name", "metric"), [("log_loss", log_loss), ("roc_auc", roc_auc_score)])
def test_intervals_are_drawn_from_the_rows_of_all_figures(name: str, metric) -> None:
    known = bootstrap_intervals(Y, P, 0.5, seed=4, resamples=200)[name]
    assert metric_interval(metric, Y, P, seed=4, resamples=200) == pytest.approx(known)


def test_a_metric_that_is_finite_nowhere_has_no_interval() -> None:
    figures = metric_figures(load_metric(own("undefined")), Y, {"majority": P}, seed=0)
    assert figures == {"majority": {"value": None, "ci95": None}}


def test_where_some_resamples_give_no_number_there_is_no_interval() -> None:
    def above(y: np.ndarray, p: np.ndarray) -> float:
        return float(p.mean()) if p.mean() > P.mean() else float("nan")

    assert metric_interval(above, Y, P, seed=0, resamples=200) is None
