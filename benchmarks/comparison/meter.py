"""Measures a command with all the processes it starts, daemons included; needs Linux.

    python -m comparison.meter USAGE.json COMMAND …

A process of its own, so that it can adopt orphans and reap everything without taking the exit of
anybody else's child.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from .processes import Process, descendants, proportional_bytes

CPU_INTERVAL = 0.2
MEMORY_INTERVAL = 1.0
MEMORY_SHARE = 0.02
GRACE = 10.0
"""Seconds between samples; share of a core that memory samples may take, which are slow and so come
seldomer for many processes; seconds that daemons get to end after the command has."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


@dataclass(frozen=True)
class Usage:
    """What a command used.

    Attributes:
        exit_code: Of the command; negative is the signal that ended it.
        wall_seconds: From its start to its end.
        cpu_seconds: User and system time of all processes, those that outlive it too.
        peak_bytes: Largest sum over all processes of their proportional set sizes, in which a page
            that several share counts once; sampled.
    """

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int

    @classmethod
    def read(cls, path: Path) -> Self:
        """Reads the JSON file of a meter."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def measure(command: list[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Usage:
    """Runs a command under a meter process.

    Args:
        command: Program and arguments.
        cwd: Its working directory, where the meter leaves ``usage.json``.
        env: Its environment, which must let Python find this package.
        log: Gets its output and errors.
    """
    usage = cwd / "usage.json"
    meter = [sys.executable, "-m", f"{__package__}.meter", str(usage), *command]
    with log.open("wb") as output:
        process = subprocess.Popen(meter, cwd=cwd, env=env, stdout=output, stderr=output)
        try:
            if process.wait():
                raise RuntimeError(f"the meter failed: {log.read_text(errors='replace')[-2000:]}")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return Usage.read(usage)


class Meter:
    """Runs one command, sampling the processes that descend from this one.

    No source sees all CPU time. The kernel adds a process's time to its parent's when the parent
    waits for it, which some parents never do. Samples see every process that lives long enough, but
    not its last moments. Neither counts anything twice, so the larger of both sums is taken.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._sampled: dict[tuple[int, int], float] = {}
        self._reaped = 0.0
        self._peak = 0
        self._memory_due = 0.0

    def run(self) -> Usage:
        """Runs the command to its end, and waits for what it left running."""
        _adopt_orphans()
        started = time.monotonic()
        process = subprocess.Popen(self._command, start_new_session=True)
        ends: list[float] = []
        ended = threading.Event()

        def watch() -> None:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            ends.append(time.monotonic())
            ended.set()

        threading.Thread(target=watch, daemon=True).start()
        try:
            while not ended.wait(CPU_INTERVAL):
                self._sample()
            self._sample()
            process.returncode = self._reap(process.pid)
            self._end_daemons()
        finally:
            _kill(descendants())
        return Usage(
            exit_code=process.returncode,
            wall_seconds=ends[0] - started,
            cpu_seconds=max(sum(self._sampled.values()), self._reaped),
            peak_bytes=self._peak,
        )

    def _sample(self) -> list[Process]:
        processes = descendants()
        self._sampled |= {(p.pid, p.started): p.cpu_seconds for p in processes}
        started = time.monotonic()
        if started >= self._memory_due:
            self._peak = max(self._peak, sum(map(proportional_bytes, processes)))
            ended = time.monotonic()
            self._memory_due = ended + max(MEMORY_INTERVAL, (ended - started) / MEMORY_SHARE)
        return processes

    def _reap(self, pid: int) -> int:
        """Takes the exit of a child, with its time and that of all it waited for."""
        _, status, used = os.wait4(pid, 0)
        self._reaped += used.ru_utime + used.ru_stime
        return os.waitstatus_to_exitcode(status)

    def _end_daemons(self) -> None:
        """Reaps orphans until none is left, and kills those that stay."""
        deadline = time.monotonic() + GRACE
        while processes := self._sample():
            if time.monotonic() > deadline:
                _kill(processes)
            for process in processes:
                if process.is_zombie and process.parent == os.getpid():
                    self._reap(process.pid)
            time.sleep(CPU_INTERVAL)


def _adopt_orphans() -> None:
    """Makes this process the parent of all descendants whose own has ended."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_with_parent() -> None:
    """Terminates this process when the one that started it ends, even if it was killed."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl option {option} failed")


def _kill(processes: list[Process]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def main() -> None:
    # So that a terminated meter still kills what it started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    _end_with_parent()
    usage = Meter(sys.argv[2:]).run()
    Path(sys.argv[1]).write_text(json.dumps(asdict(usage)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
