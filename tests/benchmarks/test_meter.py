"""The meter counts whole process trees: grandchildren, orphans, and children nobody waits for."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from comparison.meter import Usage, measure

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the meter reads Linux's /proc")

BURN = """
import os, signal, subprocess, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
"""


DRIVER = f"""
import sys
sys.path[:0] = [{str(BENCHMARKS)!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
from test_meter import run
run(Path(sys.argv[1]), """


def wait_until(happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.1)
    return happens()


def run(tmp_path: Path, code: str) -> Usage:
    (tmp_path / "burning.py").write_text(BURN)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(tmp_path)])}
    command = [sys.executable, "-c", f"from burning import *\n{code}"]
    return measure(command, cwd=tmp_path, env=env, log=tmp_path / "log.txt")


def test_counts_grandchildren(tmp_path: Path) -> None:
    code = """
grandchild = [sys.executable, "-c", "from burning import burn; burn(1)"]
child = f"import subprocess; subprocess.run({grandchild})"
subprocess.run([sys.executable, "-c", child])
burn(0.5)
"""
    usage = run(tmp_path, code)
    assert usage.exit_code == 0
    assert 1.4 < usage.cpu_seconds < 3
    assert usage.wall_seconds > 1


@pytest.mark.parametrize("reaping", ["", "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"])
def test_counts_orphans_and_children_that_nobody_waits_for(tmp_path: Path, reaping: str) -> None:
    code = f"""
{reaping}
if os.fork() == 0:
    if os.fork() == 0:
        burn(1)
    os._exit(0)
time.sleep(0.3)
"""
    usage = run(tmp_path, code)
    assert 0.8 < usage.cpu_seconds < 2
    # The command's own end, not that of the daemon it left.
    assert usage.wall_seconds < usage.cpu_seconds + 5


def test_counts_processes_too_short_for_a_sample(tmp_path: Path) -> None:
    code = """
for _ in range(50):
    if os.fork() == 0:
        burn(0.02)
        os._exit(0)
    os.wait()
"""
    assert 0.9 < run(tmp_path, code).cpu_seconds < 2.5


def test_shared_pages_count_once(tmp_path: Path) -> None:
    code = """
block = bytearray(os.urandom(1 << 20)) * 200
for _ in range(3):
    if os.fork() == 0:
        time.sleep(5)
        os._exit(0)
time.sleep(5)
"""
    usage = run(tmp_path, code)
    assert 200 << 20 < usage.peak_bytes < 400 << 20


def test_exit_code_and_output_are_kept(tmp_path: Path) -> None:
    usage = run(tmp_path, "print('said'); raise SystemExit(3)")
    assert usage.exit_code == 3
    assert (tmp_path / "log.txt").read_text() == "said\n"


def test_nothing_is_left_when_the_process_that_measures_is_killed(tmp_path: Path) -> None:
    code = """
import pathlib
if os.fork():
    pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(60)
"""
    driver = subprocess.Popen([sys.executable, "-c", f"{DRIVER}{code!r})", str(tmp_path)])
    pid_file = tmp_path / "pid"
    assert wait_until(lambda: pid_file.exists() and pid_file.read_text() != "")
    driver.kill()
    driver.wait()
    assert wait_until(lambda: not Path(f"/proc/{pid_file.read_text()}").exists())
