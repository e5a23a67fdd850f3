"""The pool of workers, with trainings that do nothing but say where they were done."""

import os
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import ray
from ray import tune
from ray.util.state import list_actors, list_tasks

from evensweep.datasets.errors import InputError
from evensweep.datasets.reading import check_file
from evensweep.search.feed import Call, Calls
from evensweep.search.pool import TrainingPool
from evensweep.trainables.tune_adapter import REPORT, Report, SweepTrainable, TrialSpec


def spec(name: str, **behaviour: Any) -> TrialSpec:
    return TrialSpec(name, "smote", 0, behaviour, level=1)


def specs(names: str, **behaviour: Any) -> list[TrialSpec]:
    return [spec(name, **behaviour) for name in names]


def pairs(names: str, folder: Path) -> list[TrialSpec]:
    """Trials of which every two wait for each other, so that two processes must train them."""
    return [
        spec(name, arrived=str(folder / name), awaited=str(folder / names[i ^ 1]))
        for i, name in enumerate(names)
    ]


class Trials:
    """Gives trials in order and remembers what it is told; each trains until it has an ending."""

    def __init__(self, given: Iterable[TrialSpec]) -> None:
        self._given = iter(given)
        self.started: list[str] = []
        self.reports: dict[str, list[Report]] = {}
        self.errors: list[tuple[str, str]] = []

    def next(self) -> TrialSpec | None:
        for given in self._given:
            self.started.append(given.trial)
            return given
        return None

    def on_report(self, trial: str, report: Report) -> bool:
        self.reports.setdefault(trial, []).append(report)
        return report.ending is None

    def on_error(self, trial: str, error: str) -> None:
        self.errors.append((trial, error))

    @property
    def processes(self) -> set[tuple[int, float]]:
        """Process id and its time of creation, of each that trained."""
        return {row for rows in self.reports.values() for report in rows for row in report.history}


@pytest.fixture(scope="module")
def open_pool(
    free_cluster: None,
) -> Callable[..., TrainingPool]:
    # Defined in here so that Ray sends its code: a worker can't import this file.
    class Synthetic(tune.Trainable):
        """Waits for another or fails where it should, and reports the process it is in."""

        def setup(self, config: dict[str, Any]) -> None:
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.behaviour = new_config["hyperparameters"]
            self.rung = 0
            return True

        def step(self) -> dict[str, Any]:
            if arrived := self.behaviour.get("arrived"):
                Path(arrived).touch()
                awaited = Path(self.behaviour["awaited"])
                while not awaited.exists():
                    time.sleep(0.02)
            if attempts := self.behaviour.get("attempts"):
                with Path(attempts).open("a") as file:
                    file.write(f"{os.getpid()}\n")
                if len(Path(attempts).read_text().splitlines()) <= self.behaviour["failures"]:
                    raise ValueError("this step can't be done")
            self.rung += 1
            done = self.rung == self.behaviour.get("steps", 2)
            where = (os.getpid(), psutil.Process().create_time())
            ending = "completed" if done else None
            return {REPORT: Report(self.rung, self.rung, 1, 0.5, 0.5, 0.1, [where], ending)}

    def opened(*, cpus: float = 1) -> TrainingPool:
        return TrainingPool(Synthetic, cpus=cpus, gpus=0)

    return opened


@pytest.fixture(scope="module")
def two_rounds(
    open_pool: Callable[..., TrainingPool], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trials, Trials]:
    """What a pool told of two rounds of training."""
    folder = tmp_path_factory.mktemp("met")
    first, second = Trials(pairs("abcd", folder)), Trials(pairs("efgh", folder))
    with open_pool() as pool:
        pool.train(first, max_failures=0)
        time.sleep(1)  # in which Tune must not end the workers
        pool.train(second, max_failures=0)
    return first, second


def wait_for_tasks(wanted: set[str]) -> set[str]:
    """The names of all tasks of the session, as soon as these are among them."""
    session = ray.get_runtime_context().gcs_address  # there may be others on this machine
    deadline = time.monotonic() + 30  # workers tell Ray of their tasks now and then
    while not wanted <= (names := {task.name for task in list_tasks(session, limit=10_000)}):
        assert time.monotonic() < deadline, wanted - names
        time.sleep(0.2)
    return names


def test_every_trial_is_trained_to_its_end(two_rounds: Any) -> None:
    first, second = two_rounds
    assert sorted(first.started) == list("abcd")
    assert sorted(second.started) == list("efgh")
    for trials in (first, second):
        assert sorted(trials.reports) == sorted(trials.started)
        for reports in trials.reports.values():
            assert [(r.rung, r.ending) for r in reports] == [(1, None), (2, "completed")]
        assert trials.errors == []


def test_the_second_round_is_trained_in_the_processes_of_the_first(two_rounds: Any) -> None:
    first, second = two_rounds
    assert len(first.processes) == 2
    assert second.processes == first.processes


WAITED = """
import sys, time
from urllib.request import urlopen
import psutil
from ray._private import worker
from evensweep.cluster import dashboard
from evensweep.cluster.session import log_folder
from evensweep.search.feed import Call
from evensweep.search.pool import TrainingPool
from evensweep.search.sweep import session_for_sweeps
from evensweep.trainables.tune_adapter import SweepTrainable

def idle():
    for process in psutil.Process().children(recursive=True):
        try:
            if process.cmdline()[:1] == ["ray::IDLE"]:
                yield process.pid
        except psutil.Error:
            continue

def process_and_warm():
    import os, sys
    return os.getpid(), "tensorflow" in sys.modules

known = []
wait_for_it = dashboard.address
dashboard.address = lambda: known.append(worker._global_node.webui_url) or wait_for_it()

with session_for_sweeps(cpus=2) as session:
    assert known == ["starting"], f"Ray waited for its dashboard at {known}"
    assert urlopen(session.dashboard).status == 200
    deadline = time.monotonic() + 100
    while len(waiting := set(idle())) < 2:
        assert time.monotonic() < deadline, f"only {waiting} wait"
        time.sleep(0.1)
    with TrainingPool(SweepTrainable, cpus=1, gpus=0) as pool:
        workers = pool.call([Call(name, process_and_warm, ()) for name in "abcd"])
    assert any(process in waiting for process, _ in workers), (waiting, workers)
    assert all(warm for _, warm in workers), workers
    logs = [path for path in log_folder().rglob("*") if path.is_file()]
assert len(logs) > 5
assert not [path for path in logs if b"a marked secret" in path.read_bytes()]
"""


def test_workers_are_processes_that_waited_warm_before_the_pool_was_opened() -> None:
    """In a session of its own, whose first pool it is; and Ray is told nothing of its secrets."""
    secrets = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "a marked secret"}
    ran = subprocess.run(
        [sys.executable, "-c", WAITED], capture_output=True, text=True, env=os.environ | secrets
    )
    assert ran.returncode == 0, ran.stderr


def test_the_dashboard_names_workers_and_what_they_train(two_rounds: Any) -> None:
    session = ray.get_runtime_context().gcs_address  # there may be others on this machine
    assert "TrialWorker" in {actor.class_name for actor in list_actors(session)}
    first, _ = two_rounds
    wait_for_tasks({f"{trial} train" for trial in first.reports})


def test_after_many_trials_tasks_carry_their_views_name_alone(
    open_pool: Callable[..., TrainingPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of tasks are labels of Ray's metrics, which would grow with every trial."""
    monkeypatch.setattr("evensweep.search.pool._NAMED_TRIALS", 2)
    trials = [TrialSpec(f"many-{i}", "all rows", 0, {}, level=1) for i in range(4)]
    with open_pool(cpus=2) as pool:
        pool.train(Trials(trials), max_failures=0)
    names = wait_for_tasks({"many-0 train", "many-1 train", "all rows train"})
    assert not names & {"many-2 train", "many-3 train"}


def test_one_slot_starts_trials_in_the_order_given(open_pool: Callable[..., TrainingPool]) -> None:
    rounds = [Trials(specs("hbzadxc")), Trials([]), Trials(specs("ba"))]
    with open_pool(cpus=2) as pool:
        for trials in rounds:
            pool.train(trials, max_failures=0)
    assert [sorted(trials.reports) for trials in rounds] == [list("abcdhxz"), [], list("ab")]
    assert len(rounds[0].processes | rounds[2].processes) == 1


def test_every_slot_gets_a_worker_although_trials_end_before_it_has_started(
    open_pool: Callable[..., TrainingPool],
) -> None:
    trials = Trials(specs(string.ascii_letters))
    with open_pool(cpus=0.5) as pool:
        pool.train(trials, max_failures=0)
    assert len(trials.reports) == len(string.ascii_letters)
    assert len(trials.processes) == 4


class Pauses(Trials):
    """Lets every trial pause after each step, and all of them wait for each other."""

    def __init__(self, given: Sequence[TrialSpec]) -> None:
        super().__init__([])
        self.waiting = list(given)
        self.paused: list[TrialSpec] = []
        self.known = {spec.trial: spec for spec in given}

    def next(self) -> TrialSpec | None:
        if not self.waiting and len(self.paused) == len(self.known):
            self.waiting, self.paused = self.paused, []
        return self.waiting.pop(0) if self.waiting else None

    def on_report(self, trial: str, report: Report) -> bool:
        super().on_report(trial, report)
        if len(self.reports[trial]) < 3:
            self.paused.append(self.known[trial])
        else:
            del self.known[trial]
        return False


@pytest.mark.parametrize("cpus", [1, 2])
def test_trials_may_pause_and_be_given_again(
    open_pool: Callable[..., TrainingPool], cpus: float
) -> None:
    pauses = Pauses(specs("abc"))
    with open_pool(cpus=cpus) as pool:
        pool.train(pauses, max_failures=0)
    assert {name: len(reports) for name, reports in pauses.reports.items()} == dict.fromkeys(
        "abc", 3
    )


@pytest.mark.parametrize("method", ["next", "on_report"])
def test_what_a_source_raises_is_raised_as_it_is(
    open_pool: Callable[..., TrainingPool], method: str
) -> None:
    error = OSError(28, "No space left on device")

    class Failing(Trials):
        pass

    def fail(self: Trials, *_: Any) -> bool:
        raise error

    setattr(Failing, method, fail)
    with open_pool() as pool, pytest.raises(OSError, match="No space left") as raised:
        pool.train(Failing(specs("abc")), max_failures=0)
    assert raised.value is error


@pytest.fixture(scope="module")
def failing(
    open_pool: Callable[..., TrainingPool], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Trials, int]:
    """What a pool told of a trial that can't be done among others, and how often it was tried."""
    attempts = tmp_path_factory.mktemp("attempts") / "processes"
    bad = spec("bad", attempts=str(attempts), failures=100)
    trials = Trials([spec("a"), bad, spec("b"), spec("c")])
    with open_pool() as pool:
        pool.train(trials, max_failures=1)
        pool.train(Trials([spec("d")]), max_failures=0)  # what failed before is of no concern
    return trials, len(attempts.read_text().splitlines())


def test_a_failing_trial_is_tried_as_often_as_allowed_and_given_up_once(failing: Any) -> None:
    trials, attempts = failing
    assert attempts == 1 + 1
    assert [trial for trial, _ in trials.errors] == ["bad"]
    assert trials.started.count("bad") == 1


def test_a_failing_trial_leaves_the_others_alone(failing: Any) -> None:
    trials, _ = failing
    assert sorted(trials.reports) == list("abc")
    assert all(reports[-1].ending == "completed" for reports in trials.reports.values())


def test_a_failing_trials_error_is_told(failing: Any) -> None:
    trials, _ = failing
    assert trials.errors == [("bad", "ValueError: this step can't be done")]


@pytest.fixture(scope="module")
def workers(free_cluster: None) -> Iterator[TrainingPool]:
    with TrainingPool(SweepTrainable, cpus=1, gpus=0) as pool:
        yield pool


def test_calls_return_in_order_what_the_functions_return(workers: TrainingPool) -> None:
    numbers = ray.put(np.arange(1000.0))
    calls = [Call(f"power {n}", np.power, (numbers, n)) for n in range(5)]
    returned = workers.call(calls)
    for n, powers in enumerate(returned):
        np.testing.assert_array_equal(powers, np.arange(1000.0) ** n)


def test_calls_are_made_by_the_workers(workers: TrainingPool) -> None:
    [first] = workers.call([Call("where", os.getpid, ())])
    again = workers.call([Call(f"where {i}", os.getpid, ()) for i in range(6)])
    assert os.getpid() != first
    assert len({first, *again}) <= 2


def test_no_calls_return_nothing(workers: TrainingPool) -> None:
    assert workers.call([]) == []


def test_a_call_whose_worker_is_lost_is_made_again(workers: TrainingPool, tmp_path: Path) -> None:
    mark = tmp_path / "lost"

    def exit_once() -> str:
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return "made again"

    calls = [Call("lost once", exit_once, ()), Call("sound", abs, (-3,))]
    assert workers.call(calls) == ["made again", 3]
    assert mark.exists()


def test_the_arguments_of_calls_are_let_go_of(workers: TrainingPool) -> None:
    calls = [Call(f"size {i}", np.size, (np.zeros(10**6),)) for i in range(5)]
    assert workers.call(calls) == [10**6] * 5
    source = Calls(calls)
    specs = [source.next() for _ in calls]
    assert all(spec is not None and spec.call.get()[0] is np.size for spec in specs)
    source.release()
    assert {spec.call._reference for spec in specs if spec is not None} == {None}


def test_what_a_call_raises_is_raised_as_it_is_and_ends_the_pool(
    workers: TrainingPool, tmp_path: Path
) -> None:
    assert workers.usable
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        workers.call([Call("wrong", check_file, (tmp_path / "nowhere.csv",))])
    assert not workers.usable
