"""Finished measurements in a JSON file, to which each is added at once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from evensweep.results.files import read_json, write_json

from .tools import EVENSWEEP, Task


@dataclass(frozen=True)
class Measurement:
    """The whole-process figures of one task.

    Attributes:
        tool: Of the task.
        view: Of the task.
        seed: Of the task.
        turn: When the turn began in which it was measured. The tools of a turn follow one another,
            Evensweep first, so that the others can be compared with it.
        wall_seconds: From the process's start to its end.
        cpu_seconds: Of all its processes.
        peak_bytes: Of all its processes together.
        trials: Trials, as the tool counts them.
        configurations: Different configurations.
        epochs: Epochs trained.
        best_val_loss: In nats a row, natural prior.
        failed: Trials without a result.
    """

    tool: str
    view: str
    seed: int
    turn: str
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int
    trials: int
    configurations: int
    epochs: int
    best_val_loss: float
    failed: int = 0

    @property
    def task(self) -> Task:
        """What was measured."""
        return Task(self.tool, self.view, self.seed)


@dataclass(frozen=True)
class Section:
    """Measurements that can be compared: the same settings on the same machine.

    Attributes:
        settings: Budgets and table.
        machine: Hardware and versions.
        measurements: In the order in which they were made.
    """

    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    measurements: tuple[Measurement, ...] = ()

    def without(self, tasks: Iterable[Task]) -> Self:
        """The section with nothing measured of some tasks."""
        dropped = set(tasks)
        return self._with([m for m in self.measurements if m.task not in dropped])

    def added(self, measurement: Measurement) -> Self:
        """The section with a measurement, which takes the place of an earlier one of another tool.

        Evensweep's stay for as long as there is another tool of their turn.
        """
        task = measurement.task
        rest = [m for m in self.measurements if m.tool == EVENSWEEP or m.task != task]
        return self._with([*rest, measurement])

    def _with(self, measurements: Sequence[Measurement]) -> Self:
        turns = {m.turn for m in measurements if m.tool != EVENSWEEP}
        turns |= {m.turn for m in measurements[-1:]}  # of which others may follow
        kept = tuple(m for m in measurements if m.turn in turns)
        return type(self)(self.settings, self.machine, kept)


class Store:
    """The sections of a JSON file.

    Args:
        path: The file; need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        stored = read_json(path)["sections"] if path.exists() else []
        self.sections = [
            Section(
                entry["settings"],
                entry["machine"],
                tuple(Measurement(**values) for values in entry["measurements"]),
            )
            for entry in stored
        ]

    def section(self, settings: Mapping[str, Any], machine: Mapping[str, Any]) -> Section:
        """The section of these settings on this machine, empty if there is none yet."""
        new = Section(*(json.loads(json.dumps(part)) for part in (settings, machine)))
        return next((s for s in self.sections if _is_same(s, new)), new)

    def put(self, section: Section) -> None:
        """Replaces a section, or adds it, and writes the file."""
        places = [n for n, known in enumerate(self.sections) if _is_same(known, section)]
        place = places[0] if places else len(self.sections)
        self.sections[place : place + 1] = [section]
        write_json(self.path, {"sections": [asdict(section) for section in self.sections]})


def _is_same(one: Section, other: Section) -> bool:
    return (one.settings, one.machine) == (other.settings, other.machine)
