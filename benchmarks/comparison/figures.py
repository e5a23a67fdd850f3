"""Medians and ratios over the repeats of a view."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .measurements import Measurement
from .tools import EVENSWEEP, TOOLS


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of a figure over the repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The spread of at least one value."""
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class ToolFigures:
    """A tool's figures on one view.

    Attributes:
        tool: Its name.
        runs: Repeats.
        wall_seconds: From start to end.
        cpu_seconds: Of all processes.
        peak_bytes: Of all processes together.
        trials: As the tool counts them.
        configurations: Different ones.
        epochs: Trained in all.
        best_val_loss: In nats a row.
        failed: Trials without a result, over all repeats.
        wall_ratio: Median over the repeats of its wall time to Evensweep's; None without one.
        cpu_ratio: The same of CPU time.
    """

    tool: str
    runs: int
    wall_seconds: Spread
    cpu_seconds: Spread
    peak_bytes: Spread
    trials: Spread
    configurations: Spread
    epochs: Spread
    best_val_loss: Spread
    failed: int
    wall_ratio: float | None
    cpu_ratio: float | None


def tool_figures(measurements: Iterable[Measurement], view: str) -> list[ToolFigures]:
    """The figures of every measured tool on a view."""
    of_view = [m for m in measurements if m.view == view]
    own = {m.seed: m for m in of_view if m.tool == EVENSWEEP}
    by_tool = {tool: [m for m in of_view if m.tool == tool] for tool in TOOLS}
    return [_figures(tool, runs, own) for tool, runs in by_tool.items() if runs]


def _figures(tool: str, runs: list[Measurement], own: dict[int, Measurement]) -> ToolFigures:
    # A ratio is of one repeat, whose runs followed one another: a machine's speed changes.
    pairs = [(run, own[run.seed]) for run in runs if run.seed in own]
    return ToolFigures(
        tool=tool,
        runs=len(runs),
        wall_seconds=Spread.of([run.wall_seconds for run in runs]),
        cpu_seconds=Spread.of([run.cpu_seconds for run in runs]),
        peak_bytes=Spread.of([run.peak_bytes for run in runs]),
        trials=Spread.of([run.trials for run in runs]),
        configurations=Spread.of([run.configurations for run in runs]),
        epochs=Spread.of([run.epochs for run in runs]),
        best_val_loss=Spread.of([run.best_val_loss for run in runs]),
        failed=sum(run.failed for run in runs),
        wall_ratio=median(r.wall_seconds / o.wall_seconds for r, o in pairs) if pairs else None,
        cpu_ratio=median(r.cpu_seconds / o.cpu_seconds for r, o in pairs) if pairs else None,
    )
