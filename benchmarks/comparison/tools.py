"""The compared tools: the command that starts each, and where its outcome is read."""

import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from competitors.job import Job, Outcome

from evensweep.search.run import Run

from .settings import EMBEDDING, GRACE_EPOCHS, PRESET, Form

EVENSWEEP = "evensweep"
COMPETITORS = {
    "keras-tuner": "competitors.keras_tuner_search",
    "plain-ray-tune": "competitors.plain_ray_tune_search",
    "optuna": "competitors.optuna_search",
}
TOOLS = (EVENSWEEP, *COMPETITORS)
_RUN = "run"


@dataclass(frozen=True)
class Task:
    """One tool's search on one view of one split.

    Attributes:
        tool: One of :data:`TOOLS`.
        view: The view.
        seed: Of the split, and of the tool.
    """

    tool: str
    view: str
    seed: int


def in_turns(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks by view and seed, with Evensweep's at the head of each turn.

    What a tool is compared with is measured beside it, since a machine's speed changes by the hour.
    """
    turns: dict[tuple[str, int], list[Task]] = {}
    for task in tasks:
        own = Task(EVENSWEEP, task.view, task.seed)
        turns.setdefault((task.view, task.seed), [own]).append(task)
    return list(turns.values())


def command(task: Task, form: Form, data: Path | None, rows: Path, folder: Path) -> list[str]:
    """The command that does a task.

    Args:
        task: What to do.
        form: Budgets.
        data: The table, which Evensweep reads itself.
        rows: The view's rows, for the others.
        folder: Where the tool may keep its files.
    """
    if task.tool == EVENSWEEP:
        return evensweep_command(task, form, data, folder)
    job = Job(
        rows=rows,
        max_epochs=form.max_epochs[task.view],
        trials=form.configurations(task.view),
        seed=task.seed,
        directory=folder,
        output=_output(folder),
    )
    return [sys.executable, "-m", COMPETITORS[task.tool], *job.to_arguments()]


def evensweep_command(task: Task, form: Form, data: Path | None, folder: Path) -> list[str]:
    """The command line of Evensweep's own run, which ends after the search."""
    settings = {
        "views": f"[{task.view}]",
        "seed": task.seed,
        "search.trials": form.configurations(task.view),
        "search.max_epochs": form.max_epochs[task.view],
        "search.grace_epochs": GRACE_EPOCHS,
        "search.brackets": form.brackets(task.view),
        **EMBEDDING,
    }
    return [
        *(sys.executable, "-m", "evensweep.cli", "run", PRESET),
        *(("--data", str(data)) if data else ()),
        *(text for key, value in settings.items() for text in ("--set", f"{key}={value}")),
        *("--until", "search", "--out", str(folder), "--name", _RUN),
    ]


def outcome(task: Task, folder: Path) -> Outcome:
    """What a finished task did."""
    if task.tool != EVENSWEEP:
        return Outcome.read(_output(folder))
    trials = [trial for trial in Run.load(folder / _RUN).trials if trial.stage == "search"]
    losses = [trial.best_val_loss for trial in trials if trial.best_val_loss is not None]
    return Outcome(
        trials=len(trials),
        configurations=len(trials),
        epochs=sum(trial.epochs for trial in trials),
        best_val_loss=min(losses, default=math.inf),
        failed=sum(trial.status in {"diverged", "failed"} for trial in trials),
    )


def environment(python_path: Path) -> dict[str, str]:
    """The environment of every tool: the CPU only, and Ray as it is without settings.

    Args:
        python_path: The folder in which Python finds the competitors and the meter.
    """
    inherited: Mapping[str, str] = os.environ
    paths = [str(python_path), *filter(None, [inherited.get("PYTHONPATH")])]
    kept = {k: v for k, v in inherited.items() if not k.startswith(("RAY_", "TUNE_"))}
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "CUDA_VISIBLE_DEVICES": "",
        "RAY_ADDRESS": "local",  # and not another cluster of this machine
        "RAY_USAGE_STATS_ENABLED": "0",
    }


def _output(folder: Path) -> Path:
    return folder / "outcome.json"
