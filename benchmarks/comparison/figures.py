"""Medians and ratios over the measurements of a view."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from .measurements import Measurement
from .tools import EVENSWEEP, TOOLS


@dataclass(frozen=True)
class Spread:
    """Median, minimum and maximum of a figure."""

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
        runs: Its measurements.
        wall_seconds: From start to end.
        cpu_seconds: Of all processes.
        peak_bytes: Of all processes together.
        trials: As the tool counts them.
        configurations: Different ones.
        epochs: Trained in all.
        best_val_loss: In nats a row.
        failed: Trials without a result, in all of them.
        wall_ratio: Median over the turns of its wall time to Evensweep's; None without one.
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


@dataclass(frozen=True)
class Comparison:
    """A tool beside Evensweep in the same turn, in which they followed one another on one machine.

    Attributes:
        wall_ratio: The tool's wall time to Evensweep's.
        cpu_ratio: The same of CPU time.
        loss_difference: The tool's best validation loss less Evensweep's, in nats a row.
    """

    wall_ratio: float
    cpu_ratio: float
    loss_difference: float


def comparisons(measurements: Iterable[Measurement], view: str) -> dict[str, list[Comparison]]:
    """Each measured tool's comparisons on a view, one a turn in which Evensweep was measured."""
    of_view = [m for m in measurements if m.view == view]
    own = {m.turn: m for m in of_view if m.tool == EVENSWEEP}
    compared: dict[str, list[Comparison]] = {tool: [] for tool in TOOLS}
    for run in of_view:
        if run.turn in own:
            beside = own[run.turn]
            compared[run.tool].append(
                Comparison(
                    run.wall_seconds / beside.wall_seconds,
                    run.cpu_seconds / beside.cpu_seconds,
                    run.best_val_loss - beside.best_val_loss,
                )
            )
    return compared


def tool_figures(measurements: Iterable[Measurement], view: str) -> list[ToolFigures]:
    """The figures of every measured tool on a view."""
    of_view = [m for m in measurements if m.view == view]
    compared = comparisons(of_view, view)
    by_tool = {tool: [m for m in of_view if m.tool == tool] for tool in TOOLS}
    return [_figures(tool, runs, compared[tool]) for tool, runs in by_tool.items() if runs]


def _figures(tool: str, runs: list[Measurement], compared: list[Comparison]) -> ToolFigures:
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
        wall_ratio=median(c.wall_ratio for c in compared) if compared else None,
        cpu_ratio=median(c.cpu_ratio for c in compared) if compared else None,
    )
