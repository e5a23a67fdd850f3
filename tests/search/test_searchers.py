"""TPE: what it learns from, what it never looks at, and that it learns."""

import math
from typing import Any

import numpy as np
import pytest

from evensweep.results.records import TrialRecord
from evensweep.search.searchers import TpeSearcher
from evensweep.search.space import parse_domain, sample

SPACE = {
    "layers": parse_domain({"int": [2, 5]}),
    "width": parse_domain({"int": [16, 128], "step": 16}),
    "activation": parse_domain({"choice": ["relu", "tanh", "selu"]}),
    "rate": parse_domain({"float": [1e-4, 1e-2], "log": True}),
    "dropout": parse_domain({"float": [0.0, 0.5], "step": 0.05}),
}
LEVELS = (2, 6, 18)


def loss(config: dict[str, Any]) -> float:
    """Lowest at tanh, 1e-3 and 96 units."""
    return (
        abs(math.log10(config["rate"]) + 3)
        + abs(config["width"] - 96) / 64
        + (config["activation"] != "tanh")
    )


def trained(
    number: int, epochs: int = 2, view: str = "smote", status: str = "paused", sign: float = 1.0
) -> TrialRecord:
    config = sample(SPACE, np.random.default_rng(number))
    history = [[e, 0.0, 0.5, sign * loss(config) + 1 / e, 0.5] for e in range(1, epochs + 1)]
    return TrialRecord(
        f"{view}-{number:03d}", view, "search", number, config,
        status=status, epochs=epochs, history=history,
    )  # fmt: skip


def new(seed: int) -> TrialRecord:
    return TrialRecord("smote-999", "smote", "search", seed, {})


def draws(known: list[TrialRecord], count: int = 40) -> list[dict[str, Any]]:
    return [TpeSearcher(SPACE, LEVELS).draw(new(seed), known) for seed in range(count)]


def mean_loss(configs: list[dict[str, Any]]) -> float:
    return float(np.mean([loss(config) for config in configs]))


RANDOM = [sample(SPACE, np.random.default_rng(seed)) for seed in range(400)]


def test_it_learns_from_trials_that_were_paused_or_stopped_early() -> None:
    known = [trained(i, status="stopped" if i % 2 else "paused") for i in range(60)]
    assert mean_loss(draws(known)) < 0.85 * mean_loss(RANDOM)


def test_it_believes_the_largest_budget_that_enough_have_reached() -> None:
    misleading = [trained(i, epochs=2, sign=-1.0) for i in range(60)]
    assert mean_loss(draws(misleading)) > mean_loss(RANDOM)
    few = [trained(i, epochs=18) for i in range(100, 105)]
    many = [trained(i, epochs=18) for i in range(100, 140)]
    assert mean_loss(draws(misleading + many)) < 0.8 * mean_loss(RANDOM)
    assert mean_loss(draws(misleading + few)) > mean_loss(RANDOM)


def test_values_are_of_the_space() -> None:
    for config in draws([trained(i) for i in range(30)]):
        assert list(config) == sorted(SPACE)
        assert config["layers"] in range(2, 6)
        assert config["width"] in range(16, 129, 16)
        assert config["activation"] in ("relu", "tanh", "selu")
        assert 1e-4 <= config["rate"] <= 1e-2
        assert config["dropout"] in [round(0.05 * i, 2) for i in range(11)]


def test_it_learns_nothing_from_another_view_or_its_baseline() -> None:
    known = [trained(i) for i in range(30)]
    others = [trained(i, view="undersampled", sign=-1.0) for i in range(60)]
    baseline = trained(77, sign=-5.0)
    baseline.stage = "baseline"
    assert draws(known + others + [baseline], 8) == draws(known, 8)


def test_the_first_trials_are_random() -> None:
    assert draws([trained(i) for i in range(5)]) == draws([])


def test_draws_depend_on_the_seed_and_what_is_known_alone() -> None:
    known = [trained(i) for i in range(30)]
    np.random.seed(1)
    first = draws(known, 8)
    np.random.seed(2)
    assert draws(known, 8) == first
    assert len({str(config) for config in first}) == 8


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_trials_that_diverged_or_failed_are_the_worst(status: str) -> None:
    known = [trained(i) for i in range(60)]
    for record in known:
        if record.config["activation"] == "tanh":
            record.status = status
    chosen = [config["activation"] for config in draws(known, 60)]
    assert chosen.count("tanh") < 15


def test_places_lead_back_to_their_values() -> None:
    for domain in SPACE.values():
        for seed in range(30):
            value = domain.sample(np.random.default_rng(seed))
            again = domain.at(domain.place(value))
            assert again == (pytest.approx(value) if isinstance(value, float) else value)
            assert type(again) is type(value)
