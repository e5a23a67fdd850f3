"""Processes as Linux's /proc shows them."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """A line of ``/proc/PID/stat``: with ``started``, in clock ticks, a pid is unique."""

    pid: int
    parent: int
    started: int
    cpu_seconds: float
    is_zombie: bool


def descendants() -> list[Process]:
    """All processes that descend from this one, zombies among them."""
    children: dict[int, list[Process]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - called often, and paths are slow
        if entry.isdecimal() and (process := _process(int(entry))):
            children.setdefault(process.parent, []).append(process)
    found = list(children.get(os.getpid(), []))
    for process in found:
        found += children.get(process.pid, [])
    return found


def _process(pid: int) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - see above
            # The command's name comes before, in brackets, and may hold anything.
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Process(
        pid=pid,
        parent=int(fields[1]),
        started=int(fields[19]),
        cpu_seconds=ticks / _TICKS_A_SECOND,
        is_zombie=fields[0] == b"Z",
    )


def proportional_bytes(process: Process) -> int:
    """A process's memory, with its share of the pages that it shares; 0 if it has gone."""
    try:
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
