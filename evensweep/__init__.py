"""Evensweep: the best neural classifier for an imbalanced table.

The public names are imported on first use, so that ``import evensweep`` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .datasets.errors import InputError as InputError
    from .search.config import SweepConfig as SweepConfig
    from .search.run import Run as Run
    from .search.sweep import Sweep as Sweep
    from .search.sweep import resume as resume

_HOMES = {
    "InputError": ".datasets.errors",
    "Run": ".search.run",
    "Sweep": ".search.sweep",
    "SweepConfig": ".search.config",
    "resume": ".search.sweep",
}

__all__ = ["InputError", "Run", "Sweep", "SweepConfig", "load_run", "resume"]


def load_run(root: str) -> "Run":
    """Opens a run directory; the same as ``Run.load``."""
    from .search.run import Run

    return Run.load(root)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
