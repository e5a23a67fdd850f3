"""Evensweep: the best neural classifier for an imbalanced table.

The public names are imported on first use, so that ``import evensweep`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .datasets.errors import InputError as InputError
    from .search.config import SweepConfig as SweepConfig
    from .search.estimator import EvenSweepClassifier as EvenSweepClassifier
    from .search.run import Run as Run
    from .search.run import load_run as load_run
    from .search.sweep import Sweep as Sweep
    from .search.sweep import resume as resume
    from .search.sweep import session_for_sweeps as session_for_sweeps
    from .trainables.exported import RankingModel as RankingModel

_HOMES = {
    "EvenSweepClassifier": ".search.estimator",
    "InputError": ".datasets.errors",
    "RankingModel": ".trainables.exported",
    "Run": ".search.run",
    "Sweep": ".search.sweep",
    "SweepConfig": ".search.config",
    "load_run": ".search.run",
    "resume": ".search.sweep",
    "session_for_sweeps": ".search.sweep",
}

__all__ = [
    "EvenSweepClassifier",
    "InputError",
    "RankingModel",
    "Run",
    "Sweep",
    "SweepConfig",
    "load_run",
    "resume",
    "session_for_sweeps",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
