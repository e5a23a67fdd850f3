"""What a stage of a run is, and the stages' names."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class StageName(StrEnum):
    """The stages of a run, in order."""

    PREPARE = "prepare"
    SEARCH = "search"
    CROSS_VALIDATION = "cross_validation"
    ENSEMBLE = "ensemble"
    EXPORT = "export"
    TEST = "test"
    REPORT = "report"


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes:
        name: For progress, logs and ``stage_seconds``.
        title: What a user is told it does.
        outputs: Exist, all of them, when and only when the stage is complete.
        work: Does the stage and leaves ``outputs`` as its last act.
    """

    name: StageName
    title: str
    outputs: tuple[Path, ...]
    work: Callable[[], None]

    @property
    def complete(self) -> bool:
        """Whether the stage has been done, and nothing of it was deleted."""
        return all(output.exists() for output in self.outputs)
