"""The Slurm batch script, run for real: ``srun`` and ``scontrol`` are stand-ins on this machine."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from rendered_templates import rendered

SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do
  case $1 in --nodelist=*) node=${1#*=} ;; esac
  shift
done
echo "$node $*" >> "$STANDINS/srun"
exec "$@"
"""
SCONTROL = """#!/bin/bash
case $1 in
  show) tr , '\\n' <<< "$3" ;;
  requeue) echo "$2" >> "$STANDINS/requeued" ;;
esac
"""
SLEEP = """#!/bin/bash
[ "$1" = 70 ] || exec /bin/sleep "$@"
echo "$1" >> "$STANDINS/slept"
[ ! -e "$STANDINS/slowly" ] || exec /bin/sleep 70
"""
# A Ray that starts at once, and a sweep that says what it was asked and ends as it is told.
RAY = """#!/bin/bash
case $1 in
  start) [ ! -e "$STANDINS/no-ray" ] || exit 1; exec sleep 60 ;;
esac
"""
PYTHON = """#!/bin/bash
[ "$1" = -c ] && echo 192.0.2.1 || cat > /dev/null
"""
EVENSWEEP = """#!/usr/bin/env python3
import json, os, signal, sys, time
folder = os.environ["STANDINS"]
ends = json.load(open(f"{folder}/ends"))
end = ends[sys.argv[1]].pop(0)
json.dump(ends, open(f"{folder}/ends", "w"))
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), os._exit(130)))
with open(f"{folder}/asked", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if end is None:
    time.sleep(60)
sys.exit(end)
"""


@dataclass
class Job:
    """A batch job's folder, with what stands in for Slurm and, unless it is real, for Ray."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def read(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def asked(self) -> list[list[str]]:
        """What evensweep was called with, call by call."""
        return [json.loads(line) for line in self.read("asked")]

    def ends(self, *resume: int, run: int | None = 0) -> None:
        """With what evensweep ends, call by call; None waits until it is stopped."""
        (self.folder / "ends").write_text(json.dumps({"resume": resume, "run": [run]}))

    @contextmanager
    def started(self, **parameters: str) -> Iterator[subprocess.Popen[str]]:
        """The script as ``sbatch`` starts it on the first of two nodes."""
        self.write("job.sh", rendered("slurm", **parameters))
        environment = os.environ | {
            "HOME": str(self.folder),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "STANDINS": str(self.folder),
            "SLURM_JOB_ID": "4711",
            "SLURM_JOB_NUM_NODES": "2",
            "SLURM_JOB_NODELIST": "n1,n2",
            "SLURMD_NODENAME": "n1",
        }
        process = subprocess.Popen(
            ["bash", "job.sh"], cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            left = psutil.Process(process.pid).children(recursive=True) if alive(process) else []
            for child in [*left, process]:
                child.kill()
            process.communicate()


def alive(process: subprocess.Popen[str]) -> bool:
    return process.poll() is None


def until(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    job = Job(tmp_path)
    job.write("bin/srun", SRUN)
    job.write("bin/scontrol", SCONTROL)
    job.write("bin/sleep", SLEEP)
    for name, text in {"ray": RAY, "python": PYTHON, "evensweep": EVENSWEEP}.items():
        job.write(f".venv/bin/{name}", text)
    return job


ADDRESS = ["--address", "192.0.2.1:29422"]


def test_a_new_run_starts_on_all_nodes(job: Job) -> None:
    job.ends(2)
    nasty = "'; touch pwned; '"
    arguments = shlex.join(["a sweep.yaml", "--data", nasty, "$(touch pwned)"])
    with job.started(arguments=arguments, storage=nasty, cpus="3") as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert job.asked == [
        ["resume", f"{nasty}/evensweep-4711", *ADDRESS],
        ["run", *shlex.split(arguments), "--out", nasty, "--name", "evensweep-4711", *ADDRESS],
    ]
    start = ".venv/bin/ray start --block --num-cpus=3 --dashboard-agent-listen-port=0"
    assert sorted(job.read("srun")) == [  # which come in either order, since nothing sleeps here
        f"n1 {start} --head --port=29422 --dashboard-host=127.0.0.1 --dashboard-port=29423 "
        f"--temp-dir=/tmp/ray-4711",
        f"n2 {start} --address=192.0.2.1:29422",
    ]
    assert not (job.folder / "pwned").exists()


@pytest.mark.parametrize("status", [0, 1])
def test_a_run_that_exists_goes_on(job: Job, status: int) -> None:
    job.ends(status)
    with job.started(run="mine", storage="s3://bucket/runs?region=eu-west-1") as process:
        process.communicate(timeout=30)
    assert process.returncode == status
    assert job.asked == [["resume", "s3://bucket/runs/mine?region=eu-west-1", *ADDRESS]]
    assert job.read("requeued") == []


def test_a_run_that_its_killed_driver_seemed_to_have_goes_on(job: Job) -> None:
    job.ends(2, 0, run=2)
    with job.started() as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert [words[0] for words in job.asked] == ["resume", "run", "resume"]
    assert job.asked[0] == job.asked[2]
    assert job.read("slept") == ["70"]


def test_a_signal_ends_the_waiting_for_a_killed_driver(job: Job) -> None:
    job.ends(2, 0, run=2)
    job.write("slowly", "")
    with job.started() as process:
        until(lambda: job.read("slept"))
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 143, output
    assert [words[0] for words in job.asked] == ["resume", "run"]
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize(
    ("sent", "requeue", "requeued"),
    [
        (signal.SIGUSR1, "yes", ["4711"]),
        (signal.SIGUSR1, "no", []),
        (signal.SIGTERM, "yes", []),
    ],
)
def test_a_signal_stops_the_sweep_and_the_nodes(
    job: Job, sent: signal.Signals, requeue: str, requeued: list[str]
) -> None:
    job.ends(2, run=None)
    with job.started(requeue=requeue) as process:
        until(lambda: len(job.asked) == 2)
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 3  # two nodes and the sweep
        process.send_signal(sent)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert job.read("requeued") == requeued
    assert not [child for child in children if child.is_running()]


def test_a_head_that_does_not_start_ends_the_job(job: Job) -> None:
    job.ends(2)
    job.write("no-ray", "")
    job.write(".venv/bin/ray", RAY.replace("esac", "  health-check) exit 1 ;;\nesac"))
    with job.started() as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Ray's head did not start; see evensweep-4711-ray.log" in output
    assert job.asked == []


SMALL = [
    "--set=search.trials=1", "--set=search.max_epochs=2", "--set=cross_validation.folds=2",
    "--set=cross_validation.top_k=1", "--set=views=[undersampled]", "--set=space.num_layers=2",
    "--set=space.embedding=none",
]  # fmt: skip


@pytest.mark.timeout(240)
@pytest.mark.minutes
def test_two_real_nodes_finish_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(tmp_path)
    job.write("bin/srun", SRUN)
    job.write("bin/scontrol", SCONTROL)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    with job.started(venv=sys.prefix, cpus="1", arguments=shlex.join(SMALL)) as process:
        output, _ = process.communicate(timeout=220)
    assert process.returncode == 0, output
    assert "2 of 2 nodes are there" in output
    run = tmp_path / "runs" / "evensweep-4711"
    assert json.loads((run / "summary.json").read_text())["status"] == "complete"
    assert json.loads((run / "environment.json").read_text())["cpus"] == 2
    token = tmp_path / ".ray" / "auth_token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert not [p for p in psutil.process_iter(["cmdline"]) if ":29422" in str(p.info["cmdline"])]
