"""Competitions with pauses, against the papers' tables and decision by decision."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulation import by_level, simulate

from evensweep.search.competition import Competition
from evensweep.search.promotion import PromotionAsha, SuccessiveHalving
from evensweep.search.rungs import bracket_sizes, hyperband_levels

BOTH = pytest.mark.parametrize("kind", [PromotionAsha, SuccessiveHalving])


def steady(trial: str, level: int) -> float:
    """Trials in the order of their numbers, from the first epoch on."""
    return int(trial[1:]) + 1 / level


def table(max_epochs: int, factor: int) -> list[list[tuple[int, int]]]:
    """n_i and r_i of all brackets of Hyperband, as trials were trained."""
    levels = hyperband_levels(1, max_epochs, factor)
    rows = []
    for left_out, size in enumerate(bracket_sizes(len(levels), factor)):
        done = simulate(SuccessiveHalving(levels[left_out:], factor, size), steady)
        rows.append([(len(trials), level) for level, trials in by_level(done).items()])
    return rows


def test_hyperband_of_100_epochs() -> None:
    # n = ceil((s_max + 1) / (s + 1) · η^s), n_i = floor(n · η^-i), r_i = floor(R · η^(i-s)).
    assert table(100, 3) == [
        [(81, 1), (27, 3), (9, 11), (3, 33), (1, 100)],
        [(34, 3), (11, 11), (3, 33), (1, 100)],
        [(15, 11), (5, 33), (1, 100)],
        [(8, 33), (2, 100)],
        [(5, 100)],
    ]


def test_hyperband_of_81_and_1000_epochs() -> None:
    assert table(81, 3)[0] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert table(81, 3)[3:] == [[(8, 27), (2, 81)], [(5, 81)]]
    assert table(1000, 10) == [
        [(1000, 1), (100, 10), (10, 100), (1, 1000)],
        [(134, 10), (13, 100), (1, 1000)],
        [(20, 100), (2, 1000)],
        [(4, 1000)],
    ]


def test_hyperband_of_one_epoch() -> None:
    assert table(1, 3) == [[(1, 1)]]


@pytest.mark.parametrize(("size", "trained"), [(1, [1, 1, 1]), (2, [2, 1, 1]), (5, [5, 1, 1])])
def test_fewer_trials_than_a_bracket_still_train_one_to_the_end(size, trained) -> None:
    done = simulate(SuccessiveHalving((1, 3, 9), 3, size), steady)
    assert [len(trials) for trials in by_level(done).values()] == trained


@pytest.mark.parametrize("workers", [1, 2, 7, 100])
def test_the_best_of_a_rung_go_on_whatever_the_order_and_the_workers(workers: int) -> None:
    rng = random.Random(workers)
    done = simulate(
        SuccessiveHalving((1, 3, 9), 3, 27),
        lambda trial, level: (5 * int(trial[1:])) % 27,
        workers=workers,
        pick=lambda running: rng.randrange(len(running)),
    )
    ranked = sorted(range(27), key=lambda i: (5 * i) % 27)
    best = [[f"t{i:02d}" for i in sorted(ranked[:count])] for count in (27, 9, 3)]
    assert list(by_level(done).values()) == best


def test_nobody_leaves_a_rung_before_all_are_there() -> None:
    bracket = SuccessiveHalving((1, 3), 3, 3)
    for trial in "abc":
        bracket.hand_out(trial)
    bracket.report("b", 0.2, ended=False)
    bracket.report("a", 0.1, ended=False)
    assert bracket.next() is None
    assert bracket.eliminated == []
    bracket.report("c", 0.3, ended=False)
    assert bracket.next(prefer="c") == "a"
    assert sorted(bracket.eliminated) == ["b", "c"]


def test_a_trial_that_failed_blocks_no_rung_and_is_not_promoted() -> None:
    bracket = SuccessiveHalving((1, 3, 9), 3, 9)
    failing = {"t00": 1, "t01": 3}
    done = simulate(
        bracket,
        lambda trial, level: math.inf if failing.get(trial) == level else steady(trial, level),
        ends=lambda trial, level: failing.get(trial) == level,
    )
    assert by_level(done) == {
        1: [f"t{i:02d}" for i in range(9)],
        3: ["t01", "t02", "t03"],
        9: ["t02"],
    }


@BOTH
def test_trials_that_all_fail_end_the_competition(kind: type[Competition]) -> None:
    done = simulate(kind((1, 3), 3, 9), lambda *_: math.nan, ends=lambda *_: True)
    assert [level for _, level in done] == [1] * 9


def test_a_converged_trial_takes_its_place_without_training() -> None:
    bracket = SuccessiveHalving((1, 3, 9), 3, 9)
    done = simulate(bracket, steady, ends=lambda trial, level: trial == "t00")
    # The second best trains to 3, but the first stays ahead of it, and it is at its end already.
    assert by_level(done) == {1: [f"t{i:02d}" for i in range(9)], 3: ["t01", "t02"]}
    assert bracket.eliminated.count("t00") == 0


def test_asha_promotes_once_the_best_share_is_there() -> None:
    asha = PromotionAsha((1, 3, 9), 3, 6)
    done = simulate(asha, lambda trial, level: -int(trial[1:]) + 1 / level)
    # Of three, one is promoted; later and better ones follow, and the last has a rung for itself.
    assert done == [
        ("t00", 1), ("t01", 1), ("t02", 1), ("t02", 3), ("t03", 1), ("t03", 3),
        ("t04", 1), ("t04", 3), ("t04", 9), ("t05", 1), ("t05", 3), ("t05", 9),
    ]  # fmt: skip


def test_asha_lets_no_early_arrival_win_by_default() -> None:
    done = simulate(PromotionAsha((1, 3, 9), 3, 27), lambda trial, level: -int(trial[1:]))
    assert ("t00", 3) not in done
    assert ("t26", 9) in done


def test_asha_promotes_from_the_highest_rung_first() -> None:
    asha = PromotionAsha((1, 3, 9), 3, 12)
    for number in range(9):
        asha.hand_out(f"t{number:02d}")
    for number in range(9):
        asha.report(f"t{number:02d}", number, ended=False)
    for number in range(3):
        assert asha.next() == f"t{number:02d}"
        asha.hand_out(f"t{number:02d}")
    assert asha.next() is None
    for number in range(9, 12):
        asha.hand_out(f"t{number:02d}")
        asha.report(f"t{number:02d}", -number, ended=False)
    for number in range(3):
        asha.report(f"t{number:02d}", number, ended=False)
    assert asha.next() == "t00"
    assert asha.next(prefer="t11") == "t11"
    assert asha.next(prefer="t05") == "t00"


@pytest.mark.parametrize("size", [1, 2, 5])
def test_asha_of_a_few_trials_trains_the_best_to_its_end(size: int) -> None:
    done = simulate(PromotionAsha((1, 3, 9), 3, size), steady)
    assert [trial for trial, level in done if level > 1] == ["t00", "t00"]
    assert done[-1] == ("t00", 9)


@pytest.mark.parametrize("failing", range(7))
def test_asha_trains_the_next_best_on_when_those_on_top_failed(failing: int) -> None:
    fails = {(f"t{i:02d}", 9) for i in range(failing)}
    done = simulate(
        PromotionAsha((1, 3, 9), 3, 6),
        lambda *key: math.nan if key in fails else steady(*key),
        ends=lambda *key: key in fails,
    )
    # Those that fail at the end, one after another, and then the first that does not.
    assert [trial for trial, level in done if level == 9] == [
        f"t{i:02d}" for i in range(min(failing + 1, 6))
    ]


@BOTH
@given(st.data())
def test_any_search_ends_with_every_training_done_once(kind: type[Competition], data) -> None:
    size, factor = data.draw(st.integers(1, 20)), data.draw(st.integers(2, 4))
    levels = (1, factor, factor**2)
    loss = st.sampled_from([0.1, 0.2, 0.3, math.nan, math.inf])
    losses: dict[tuple[str, int], float] = {}
    ended: dict[tuple[str, int], bool] = {}
    done = simulate(
        kind(levels, factor, size),
        lambda *key: losses.setdefault(key, data.draw(loss)),
        workers=data.draw(st.integers(1, 5)),
        ends=lambda *key: ended.setdefault(key, data.draw(st.booleans())),
        pick=lambda running: data.draw(st.integers(0, len(running) - 1)),
    )
    assert len(done) == len(set(done))
    reached = by_level(done)
    assert len(reached[1]) == size
    for lower, upper in pairwise(levels):
        for trial in reached.get(upper, []):
            # It trained to the level below, to a finite loss, and had not ended there.
            assert trial in reached[lower]
            assert math.isfinite(losses[trial, lower])
            assert not ended.get((trial, lower))
        if kind is SuccessiveHalving:
            assert len(reached.get(upper, [])) <= max(1, size // (upper // levels[0]))
