"""The pool of workers, with trainings that do nothing but say where they were done."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray import tune

from evensweep.search.pool import TrainingPool
from evensweep.trainables.tune_adapter import REPORT, Report, TrialSpec


def spec(name: str, **behaviour: Any) -> TrialSpec:
    return TrialSpec(name, "smote", 0, behaviour)


def specs(names: str, **behaviour: Any) -> list[TrialSpec]:
    return [spec(name, **behaviour) for name in names]


class Listener:
    """Remembers what it is told; a trial trains until its report has an ending."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.reports: dict[str, list[Report]] = {}
        self.errors: list[tuple[str, str]] = []

    def on_start(self, trial: str) -> None:
        self.started.append(trial)

    def on_report(self, trial: str, report: Report) -> bool:
        self.reports.setdefault(trial, []).append(report)
        return report.ending is None

    def on_error(self, trial: str, error: str) -> None:
        self.errors.append((trial, error))

    @property
    def processes(self) -> set[tuple[int, float, bool]]:
        """Process id, its time of creation and whether it was warm, of each that trained."""
        return {row for rows in self.reports.values() for report in rows for row in report.history}


@pytest.fixture(scope="module")
def open_pool(
    ray_session: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., TrainingPool]:
    # Defined in here so that Ray sends its code: a worker can't import this file.
    class Synthetic(tune.Trainable):
        """Sleeps a moment a step, fails where it should, and reports the process it is in."""

        def setup(self, config: dict[str, Any]) -> None:
            self.warm = "tensorflow" in sys.modules
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.behaviour = new_config["hyperparameters"]
            self.rung = 0
            return True

        def step(self) -> dict[str, Any]:
            time.sleep(self.behaviour.get("sleep", 0.0))
            if attempts := self.behaviour.get("attempts"):
                with Path(attempts).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                if len(Path(attempts).read_text().splitlines()) <= self.behaviour["failures"]:
                    raise ValueError("this step can't be done")
            self.rung += 1
            done = self.rung == self.behaviour.get("steps", 2)
            where = (os.getpid(), psutil.Process().create_time(), self.warm)
            ending = "completed" if done else None
            return {REPORT: Report(self.rung, self.rung, 1, 0.5, 0.5, 0.1, [where], ending)}

    def opened(*, cpus: float = 1, max_failures: int = 0) -> TrainingPool:
        storage = tmp_path_factory.mktemp("pool") / "tune"
        return TrainingPool(Synthetic, storage, cpus=cpus, gpus=0, max_failures=max_failures)

    return opened


def wait_for_idle_workers() -> None:
    """Returns once two worker processes wait for work, as they do when a session has started."""

    @ray.remote(num_cpus=1)
    def meet() -> int:
        time.sleep(0.3)
        return os.getpid()

    deadline = time.monotonic() + 60
    while len(set(ray.get([meet.remote(), meet.remote()]))) < 2:
        assert time.monotonic() < deadline
    time.sleep(2)  # until Ray takes back the processes that it lent for these tasks


@pytest.fixture(scope="module")
def two_rounds(
    open_pool: Callable[..., TrainingPool],
) -> tuple[float, Sequence[Listener]]:
    """The time that a pool was opened, and what it told of two rounds of training."""
    wait_for_idle_workers()
    opened = time.time()
    starting, first, second = Listener(), Listener(), Listener()
    with open_pool() as pool:
        for _ in range(100):  # until the slower of the two workers has come
            pool.train(specs("wxyz", sleep=0.2), starting)
            if len(starting.processes) == 2:
                break
        pool.train(specs("abcd", sleep=0.2), first)
        time.sleep(1)  # in which Tune must not end the workers
        pool.train(specs("efg", sleep=0.2), second)
    return opened, (first, second)


def test_every_trial_is_trained_to_its_end(two_rounds: Any) -> None:
    _, (first, second) = two_rounds
    assert sorted(first.started) == list("abcd")
    assert sorted(second.started) == list("efg")
    for listener in (first, second):
        assert sorted(listener.reports) == sorted(listener.started)
        for reports in listener.reports.values():
            assert [(r.rung, r.ending) for r in reports] == [(1, None), (2, "completed")]
        assert listener.errors == []


def test_the_second_round_is_trained_in_the_processes_of_the_first(two_rounds: Any) -> None:
    _, (first, second) = two_rounds
    assert len(first.processes) == 2
    assert second.processes == first.processes


def test_workers_are_processes_that_waited_warm_before_the_pool_was_opened(two_rounds: Any) -> None:
    opened, (first, _) = two_rounds
    for _, created, warm in first.processes:
        assert created < opened
        assert warm


def test_one_slot_starts_trials_in_the_order_given(open_pool: Callable[..., TrainingPool]) -> None:
    listener = Listener()
    with open_pool(cpus=2) as pool:
        pool.train(iter(specs("hbzadxc")), listener)
        pool.train(specs("ba"), listener)
    assert listener.started == list("hbzadxcba")
    assert len(listener.processes) == 1


@pytest.mark.parametrize("method", ["on_start", "on_report"])
def test_what_a_listener_raises_is_raised_as_it_is(
    open_pool: Callable[..., TrainingPool], method: str
) -> None:
    error = OSError(28, "No space left on device")

    class Failing(Listener):
        pass

    def fail(self: Listener, *_: Any) -> bool:
        raise error

    setattr(Failing, method, fail)
    with open_pool() as pool, pytest.raises(OSError, match="No space left") as raised:
        pool.train(specs("abc"), Failing())
    assert raised.value is error


@pytest.fixture(scope="module")
def failing(
    open_pool: Callable[..., TrainingPool], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Listener, int]:
    """What a pool told of a trial that can't be done among others, and how often it was tried."""
    attempts = tmp_path_factory.mktemp("attempts") / "processes"
    listener = Listener()
    with open_pool(max_failures=1) as pool:
        bad = spec("bad", attempts=str(attempts), failures=100)
        pool.train([spec("a"), bad, spec("b"), spec("c")], listener)
    return listener, len(attempts.read_text().splitlines())


def test_a_failing_trial_is_tried_as_often_as_allowed_and_given_up_once(failing: Any) -> None:
    listener, attempts = failing
    assert attempts == 1 + 1
    assert [trial for trial, _ in listener.errors] == ["bad"]
    assert listener.started.count("bad") == 1


def test_a_failing_trial_leaves_the_others_alone(failing: Any) -> None:
    listener, _ = failing
    assert sorted(listener.reports) == list("abc")
    assert all(reports[-1].ending == "completed" for reports in listener.reports.values())


def test_a_failing_trials_error_is_told(failing: Any) -> None:
    listener, _ = failing
    assert listener.errors == [("bad", "ValueError: this step can't be done")]
