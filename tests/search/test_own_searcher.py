"""A user's searcher: what it is told, what it may suggest, and that it can be made anew."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulation import started

from evensweep.datasets.errors import InputError
from evensweep.results.records import TrialRecord
from evensweep.search.config import SweepConfig
from evensweep.search.plan import plan_trials, whole
from evensweep.search.searcher_protocol import Observation
from evensweep.search.searchers import OwnSearcher, searcher_for
from evensweep.search.space import parse_domain
from evensweep.search.tryout import try_searcher

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HERE = str(Path(__file__).parent)
SPACE = {
    "units": parse_domain({"int": [8, 64], "step": 8}),
    "rate": parse_domain({"float": [1e-4, 1e-2], "log": True}),
    "kind": parse_domain({"choice": ["wide", "deep"]}),
}


def own(name: str, seed: int = 3) -> OwnSearcher:
    return OwnSearcher(f"example_searchers:{name}", HERE, SPACE, seed)


def local_search(seed: int = 3) -> OwnSearcher:
    return OwnSearcher("my_searcher:LocalSearch", str(EXAMPLES), SPACE, seed)


def trial(number: int, view: str = "smote", **given: Any) -> TrialRecord:
    return TrialRecord(f"{view}-{number:03d}", view, "search", 1, **{"config": {}, **given})


CONFIG = {"units": 16, "rate": 1e-3, "kind": "wide", "batch_size": 32}
KNOWN = [
    trial(0, config=CONFIG, status="paused", epochs=6, best_val_loss=0.3),
    trial(0, "other", config=CONFIG, status="paused", epochs=6, best_val_loss=0.2),
    replace(trial(9, config=CONFIG), stage="baseline", id="smote-baseline"),
    trial(1, config=CONFIG, status="diverged", epochs=3, best_val_loss=0.1),
    trial(2, config=CONFIG, status="running"),
    trial(3),
    trial(4),
]


def test_it_is_told_of_the_trials_of_its_view_that_have_started() -> None:
    searcher = own("Recording")
    assert searcher.draw(KNOWN[5], KNOWN) == {"units": 8, "rate": 1e-4, "kind": "deep"}
    [(number, told)] = searcher._searchers["smote"].calls  # type: ignore[attr-defined]
    config = {"units": 16, "rate": 1e-3, "kind": "wide"}
    assert number == 3
    assert told == [
        Observation(0, config, 6, 0.3, finished=False),
        Observation(1, config, 3, float("inf"), finished=True),
        Observation(2, config, 0, None, finished=False),
    ]


def test_every_view_has_a_searcher_and_a_seed_of_its_own() -> None:
    searcher = own("Recording")
    for view in ("smote", "other"):
        searcher.draw(trial(0, view), [trial(0, view)])
    made = searcher._searchers
    seeds = [made[view].seed for view in ("smote", "other")]  # type: ignore[attr-defined]
    assert len(set(seeds)) == 2
    again = own("Recording")
    again.draw(trial(0, "other"), [trial(0, "other")])
    assert again._searchers["other"].seed == seeds[1]  # type: ignore[attr-defined]
    assert made["smote"].space == SPACE  # type: ignore[attr-defined]


REFUSED = {
    "Failing": "failed with KeyError: 'x'",
    "Unmakable": "failed with TypeError: ",
    "Lists": "suggested an object of type list and no dict of hyperparameters",
    "Nothing": "suggested nothing and no dict of hyperparameters",
    "Missing": "left out 'rate'",
    "Unknown": "suggested a 'unit' that the space hasn't; did you mean 'units'?",
    "TooWide": "left the space: units must be a whole number from 8 to 64 in steps of 8, got 72",
    "BetweenSteps": "left the space: units must be a whole number from 8 to 64 in steps of 8, got",
    "Fraction": "left the space: units must be a whole number from 8 to 64 in steps of 8, got 8.0",
    "TooFast": "left the space: rate must be a number from 0.0001 to 0.01, got 0.5",
    "NotANumber": "left the space: rate must be a number from 0.0001 to 0.01, got nan",
    "NoChoice": "left the space: kind must be one of wide, deep, got 'flat'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_of_the_space_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(InputError) as raised:
        own(name).draw(trial(0), [trial(0)])
    message = str(raised.value)
    assert message.startswith(f"the searcher 'example_searchers:{name}' {REFUSED[name]}")
    assert message.endswith("(trial 0 of the view 'smote'); mend it, and resume the run")
    assert "\n" not in message


def test_numpys_values_become_pythons() -> None:
    config = own("Numpy").draw(trial(0), [trial(0)])
    assert config == {"units": 16, "rate": 1e-2, "kind": "deep"}
    assert [type(value) for value in config.values()] == [str, float, int]


def read(searcher: str, folder: str) -> SweepConfig:
    raw = {"search": {"searcher": searcher, "trials": 20}, "module_folder": folder}
    return SweepConfig.from_mapping(raw, "test")


def test_the_example_searches_around_the_best() -> None:
    config = read("my_searcher:LocalSearch", str(EXAMPLES))
    searcher, trials = searcher_for(config), [t for t in plan_trials(config) if t.view == "smote"]
    for record in trials[1:]:
        record.config = whole(config, searcher.draw(record, trials))
        # Best at a rate of 1e-3.
        loss = abs(np.log10(record.config["learning_rate"]) + 3)
        record.status, record.epochs, record.best_val_loss = "paused", 2, loss
    losses = [record.best_val_loss or 0 for record in trials[1:]]
    assert np.mean(losses[8:]) < np.mean(losses[:8])
    # One that is made anew suggests the same from the same record.
    again = searcher_for(config).draw(trials[15], trials[:16])
    assert whole(config, again) == trials[15].config


def test_a_search_starts_with_a_users_searcher() -> None:
    config = read("my_searcher:LocalSearch", str(EXAMPLES))
    first, again = started(config), started(config)
    assert [t.config for t in first] == [t.config for t in again]
    assert len({str(t.config) for t in first if t.stage == "search"}) == 40


@pytest.mark.parametrize(
    ("name", "told"),
    [("Remembering", "suggests something else for the same trial when it is made anew"),
     ("Unseeded", "suggests something else for the same trial when it is made anew"),
     ("Failing", "failed with KeyError: 'x'")],
)  # fmt: skip
def test_a_searcher_that_can_not_be_resumed_is_told(name: str, told: str) -> None:
    config = read(f"example_searchers:{name}", HERE)
    space = {"learning_rate": {"float": [1e-4, 1e-2]}}
    with pytest.raises(InputError, match=told):
        try_searcher(SweepConfig.from_mapping({**config.to_mapping(), "space": space}, "test"))


def test_sound_searchers_are_let_through() -> None:
    try_searcher(read("my_searcher:LocalSearch", str(EXAMPLES)))
    try_searcher(SweepConfig())


def test_a_searcher_without_a_class_is_told() -> None:
    with pytest.raises(InputError, match="has no class 'LocalSaerch'; did you mean 'LocalSearch'"):
        OwnSearcher("my_searcher:LocalSaerch", str(EXAMPLES), SPACE, 0)
