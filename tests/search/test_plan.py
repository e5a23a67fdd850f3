"""The plan depends on the configuration and the seed, and on nothing else."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, replace
from itertools import islice

import pytest
from simulation import started

from evensweep.results.records import TrialRecord
from evensweep.search.config import SweepConfig
from evensweep.search.plan import child_seed
from evensweep.search.rungs import deal
from evensweep.trainables.mlp import HYPERPARAMETERS

SCRIPT = """
import json, sys
from dataclasses import asdict
from evensweep.search.config import SweepConfig
from evensweep.search.plan import plan_trials, whole
from evensweep.search.searchers import searcher_for
config = SweepConfig.from_mapping(json.loads(sys.argv[1]), "test")
searcher, trials = searcher_for(config), plan_trials(config)
for trial in trials:
    trial.config = trial.config or whole(config, searcher.draw(trial, trials))
print(json.dumps([asdict(trial) for trial in trials]))
"""


def plan(trials: int = 5, **raw: object) -> list[TrialRecord]:
    return started(SweepConfig.from_mapping({**raw, "search": {"trials": trials}}, "test"))


def by_id(trials: list[TrialRecord]) -> dict[str, TrialRecord]:
    return {trial.id: trial for trial in trials}


def test_every_view_gets_a_baseline_and_its_trials_in_turn() -> None:
    ids = [trial.id for trial in plan(2)]
    assert ids == [
        "undersampled-baseline",
        "smote-baseline",
        "undersampled-000",
        "smote-000",
        "undersampled-001",
        "smote-001",
    ]
    stages = [(trial.stage, trial.view, trial.status) for trial in plan(1)]
    assert stages == [
        ("baseline", "undersampled", "waiting"),
        ("baseline", "smote", "waiting"),
        ("search", "undersampled", "waiting"),
        ("search", "smote", "waiting"),
    ]


def test_ids_and_seeds_are_unique() -> None:
    trials = plan(1200)
    assert len({trial.id for trial in trials}) == len(trials) == 2402
    assert len({trial.seed for trial in trials}) == len(trials)
    ids = [trial.id for trial in trials if trial.view == "smote" and trial.stage == "search"]
    assert ids == sorted(ids)


def test_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    assert plan(seed=7) == plan(seed=7)
    first, other = by_id(plan(seed=7)), by_id(plan(seed=8))
    assert first.keys() == other.keys()
    assert all(first[name].seed != other[name].seed for name in first)
    assert first["smote-000"].config != other["smote-000"].config


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_new_process_with_another_hash_seed_gives_the_same_plan(hash_seed: str) -> None:
    raw = {"seed": 11, "search": {"trials": 4}}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(raw)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == [asdict(trial) for trial in plan(4, seed=11)]


def test_plan_is_pinned() -> None:
    """A run of an older version resumes with the trials it began with."""
    first = by_id(plan(1))["smote-000"]
    assert first.seed == child_seed(0, "smote", 0)
    assert child_seed(0, "smote", 0) == 4016539650
    assert child_seed(0, "split") == 3770521055


def test_more_trials_leave_the_others_as_they_were() -> None:
    few, many = by_id(plan(3)), by_id(plan(900))
    assert {name: many[name] for name in few} == few


def test_another_view_leaves_the_others_as_they_were() -> None:
    both, one = by_id(plan(views=["undersampled", "smote"])), by_id(plan(views=["smote"]))
    assert {name: both[name] for name in one} == one
    turned = by_id(plan(views=["smote", "undersampled"]))
    assert turned == both


def test_views_get_configurations_of_their_own() -> None:
    trials = by_id(plan())
    pairs = [(f"smote-00{n}", f"undersampled-00{n}") for n in range(5)]
    assert all(trials[a].config != trials[b].config for a, b in pairs)


def test_configurations_hold_the_space_and_the_shared_settings() -> None:
    trials = plan(training={"batch_size": 32}, baseline={"num_layers": 1, "learning_rate": 0.01})
    for trial in trials:
        assert trial.config["batch_size"] == 32
        if trial.stage == "baseline":
            assert trial.config["num_layers"] == 1
            assert trial.config["learning_rate"] == 0.01
        else:
            assert trial.config.keys() >= SweepConfig().space.keys()
            assert 2 <= trial.config["num_layers"] <= 5


def test_batch_size_of_the_space_wins_over_the_shared_one() -> None:
    trials = plan(space={"batch_size": {"choice": [8]}})
    assert {t.config["batch_size"] for t in trials if t.stage == "search"} == {8}


def test_child_seeds_depend_on_every_key_and_its_place() -> None:
    keys = [
        (0,), (1,), (0, "a"), (0, "b"), (0, 1), (0, "a", 1), (0, 1, "a"), (1, "a"), (2**70, "a"),
    ]  # fmt: skip
    seeds = [child_seed(*key) for key in keys]  # type: ignore[arg-type]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seeds == [child_seed(*key) for key in keys]  # type: ignore[arg-type]


def test_configurations_are_whole_whatever_the_space_leaves_out() -> None:
    trials = plan(2, space={"num_layers": 3}, baseline={"learning_rate": 0.01})
    assert {tuple(sorted(trial.config)) for trial in trials} == {tuple(sorted(HYPERPARAMETERS))}
    baseline, *_, last = trials
    assert (baseline.config["learning_rate"], baseline.config["num_layers"]) == (0.01, 2)
    assert (last.config["num_layers"], last.config["batch_size"]) == (3, 128)


def bracketed(trials: int, brackets: int = 3) -> list[TrialRecord]:
    raw = {"search": {"trials": trials, "brackets": brackets}}
    return started(SweepConfig.from_mapping(raw, "test"))


def test_brackets_are_dealt_by_number_alike_in_every_view() -> None:
    for view in ("undersampled", "smote"):
        trials = [t for t in bracketed(17) if t.view == view and t.stage == "search"]
        assert [t.bracket for t in trials] == list(islice(deal((9, 5, 3)), 17))
        assert Counter(t.bracket for t in trials) == {0: 9, 1: 5, 2: 3}


def test_baselines_and_sweeps_of_one_bracket_are_in_the_first() -> None:
    assert {t.bracket for t in bracketed(9) if t.stage == "baseline"} == {0}
    assert {t.bracket for t in bracketed(9, brackets=1)} == {0}


def test_more_trials_leave_the_others_in_their_brackets() -> None:
    few, many = by_id(bracketed(11)), by_id(bracketed(400))
    assert {many[name].bracket for name in few} == {0, 1, 2}
    assert {name: many[name] for name in few} == few


def test_brackets_change_nothing_else_about_a_trial() -> None:
    one, three = bracketed(20, brackets=1), bracketed(20)
    assert [replace(trial, bracket=0) for trial in three] == one


def test_hyperband_fills_one_bracket_after_another_and_then_starts_anew() -> None:
    raw = {"scheduler": "hyperband", "max_epochs": 9, "grace_epochs": 1}
    whole = started(SweepConfig.from_mapping({"views": ["smote"], "search": raw}, "test"))
    assert [t.bracket for t in whole[1:]] == [0] * 9 + [1] * 5 + [2] * 3
    raw |= {"trials": 20}
    more = started(SweepConfig.from_mapping({"views": ["smote"], "search": raw}, "test"))
    assert [t.bracket for t in more[1:]] == [0] * 9 + [1] * 5 + [2] * 3 + [3] * 3
    raw |= {"brackets": 2}
    fewer = started(SweepConfig.from_mapping({"views": ["smote"], "search": raw}, "test"))
    assert [t.bracket for t in fewer[1:]] == [0] * 9 + [1] * 5 + [2] * 6
