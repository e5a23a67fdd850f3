"""The search's append-only record, and the tables made from it.

Each line of ``records.jsonl`` is one event of one trial. Whatever happens to the process, the lines
already written tell what was finished; a torn last line is ignored.
"""

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import pandas as pd
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, WrapValidator
from pydantic_core import from_json

from ..datasets.errors import InputError
from .files import reading
from .objective import Mode, as_objective

FINISHED = frozenset({"stopped", "completed", "converged", "diverged", "failed"})
"""Statuses of a trial that will not train on: cut at a rung, trained to the full budget, ended by
early stopping, ended by a NaN or infinite loss, or ended by errors."""

UNUSABLE = frozenset({"diverged", "failed"})
"""Statuses of a trial that counts as worst."""

HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy")

ARRIVAL = "search_seconds"
"""Column of ``history.parquet``: how long the search had gone on for when an epoch's figures
arrived; those of all epochs of a step arrive together."""


def _scalars(config: dict[str, Any]) -> dict[str, Any]:
    if not all(isinstance(value, bool | int | float | str | None) for value in config.values()):
        raise ValueError("a hyperparameter must be a number, text, true or false")
    return config


def _unchanged(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


# What a file must hold is checked as Pydantic reads these; whole numbers stay whole in a history.
_Count: TypeAlias = Annotated[int, Field(ge=0)]
_Seconds: TypeAlias = Annotated[float, Field(ge=0)]
_Config: TypeAlias = Annotated[dict[str, Any], AfterValidator(_scalars)]
_Row: TypeAlias = Annotated[
    list[float | None], Field(min_length=len(HISTORY_COLUMNS), max_length=len(HISTORY_COLUMNS))
]
_History: TypeAlias = Annotated[list[_Row], WrapValidator(_unchanged)]


def _one_of(words: Iterable[str]) -> Any:
    return Field(pattern=f"^({'|'.join(sorted(words))})$")


@dataclass
class TrialRecord:
    """What is known of a trial.

    Attributes:
        id: Such as ``smote-007``.
        view: The view it trains on.
        stage: ``baseline`` or ``search``.
        seed: Of its weights, shuffling and dropout.
        config: Its hyperparameters.
        status: ``waiting``, ``running``, ``paused`` (at a rung) or one of :data:`FINISHED`.
        rung: The epoch budget of the last rung it reached.
        epochs: Epochs trained.
        best_epoch: Epoch of the lowest validation loss, from 1.
        best_val_loss: In nats a row, natural prior; None before the first finite epoch.
        best_val_accuracy: At the same epoch.
        seconds: Training time on its worker.
        checkpoint: Its last checkpoint, relative to the run directory.
        error: The last line of the error that ended it.
        history: Rows of :data:`HISTORY_COLUMNS`; None stands for a figure that is not finite.
        arrivals: A row a step of training: the epochs it had at its end, and the seconds that the
            search had gone on for when its figures arrived.
        bracket: Number of the bracket that it competes in.
        mode: Whether the search's metric is to be low or high; None where trials are compared by
            the validation loss.
        best_metric: The search's metric at the best epoch, on the validation rows; None where there
            is no metric, or it is not finite.
        measured: A row a step of training: the epochs it had at its end, and the metric then.
    """

    id: str
    view: str
    stage: Annotated[str, _one_of(["baseline", "search"])]
    seed: _Count
    config: _Config
    status: Annotated[str, _one_of([*FINISHED, "waiting", "running", "paused"])] = "waiting"
    rung: _Count = 0
    epochs: _Count = 0
    best_epoch: _Count = 0
    best_val_loss: float | None = None
    best_val_accuracy: float | None = None
    seconds: _Seconds = 0.0
    checkpoint: str | None = None
    error: str | None = None
    history: _History = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)
    bracket: _Count = 0
    mode: Mode | None = None
    best_metric: float | None = None
    measured: list[tuple[int, float | None]] = field(default_factory=list)

    __pydantic_config__ = ConfigDict(allow_inf_nan=False)

    @property
    def finished(self) -> bool:
        """Whether the trial will not train on."""
        return self.status in FINISHED

    @property
    def ended_by_itself(self) -> bool:
        """Whether the trial has no epochs left to train, whoever wanted it to."""
        return self.finished and self.status != "stopped"

    @property
    def objective(self) -> float:
        """What the search makes small, of the best epoch: the validation loss, or its metric.

        It is infinite where there is none, and for a trial that diverged or failed, whatever that
        reached before.
        """
        if self.status in UNUSABLE:
            return math.inf
        return as_objective(self.mode, self.best_val_loss, self.best_metric)


_EXACTLY = ConfigDict(allow_inf_nan=False, extra="forbid")


@dataclass(frozen=True)
class Start:
    """A trial goes into training, from where it was; its first start brings its configuration."""

    trial: str
    config: _Config | None = None

    __pydantic_config__ = _EXACTLY


@dataclass(frozen=True)
class Progress:
    """A trial reached a rung, or its own end: the figures of the step that led there.

    ``ending`` says why it ended by itself: one of :data:`FINISHED`, or None. ``at`` is how many
    seconds the search had gone on for, in all sessions; records of older versions lack it.
    ``best_metric`` is the search's metric at the best epoch, None if there is none that is finite.
    """

    trial: str
    rung: _Count
    epochs: _Count
    best_epoch: _Count
    best_val_loss: float | None
    best_val_accuracy: float | None
    seconds: _Seconds
    history: _History
    ending: Annotated[str | None, _one_of(FINISHED)] = None
    checkpoint: str | None = None
    at: _Seconds | None = None
    best_metric: float | None = None

    __pydantic_config__ = _EXACTLY


@dataclass(frozen=True)
class End:
    """A trial will not train on: it was ``stopped`` at its rung, or has ``failed``."""

    trial: str
    status: Annotated[str, _one_of(FINISHED)]
    error: str | None = None

    __pydantic_config__ = _EXACTLY


Event: TypeAlias = Start | Progress | End

_EVENTS: dict[str, type[Event]] = {"start": Start, "progress": Progress, "end": End}
_READERS: dict[str, TypeAdapter[Event]] = {
    name: TypeAdapter(event) for name, event in _EVENTS.items()
}
_TRIALS = TypeAdapter(list[TrialRecord])


class SearchRecord:
    """The trials of a search, kept in memory and, event by event, in a file.

    Args:
        path: The record file.
        trials: The planned trials, without results.

    Attributes:
        trials: With what is known so far, by id.
        replayed: The events that were in the file when it was opened.
        started: The trials that ever were in training.
        finished: How many trials will not train on.
    """

    def __init__(self, path: Path, trials: Iterable[TrialRecord]) -> None:
        self.path = path
        self.trials = {trial.id: trial for trial in trials}
        self.replayed: list[Event] = []
        self.started: set[str] = set()
        self.finished = 0

    @property
    def seconds(self) -> float:
        """How long the search had gone on for, in all sessions, when its last figures arrived."""
        arrivals = (at for trial in self.trials.values() for _, at in trial.arrivals)
        return max(arrivals, default=0.0)

    @classmethod
    def read(cls, path: Path, trials: Iterable[TrialRecord]) -> Self:
        """The record of a search that may be running in another process; the file is left alone.

        Raises:
            InputError: A line of it is damaged, or it can't be read.
        """
        record = cls(path, trials)
        if path.exists():
            with reading(path, "restore it, or delete its folder to search again"):
                text = path.read_text(encoding="utf-8")
            record._replay(text)
        return record

    @classmethod
    def open(cls, path: Path, trials: Iterable[TrialRecord]) -> Self:
        """The record of a search to go on with."""
        path.parent.mkdir(exist_ok=True)
        path.touch()
        # Cut what a killed process left, so that the next event starts on its own line.
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:
            file.truncate(len(whole[0] + whole[1]))
        return cls.read(path, trials)

    def add(self, event: Event) -> None:
        """Appends an event to the file and applies it."""
        kind = next(name for name, cls in _EVENTS.items() if isinstance(event, cls))
        # Not made anew: a record whose storage went away must not go on in another file.
        with open(self.path, "a", encoding="utf-8", opener=_open_existing) as file:
            file.write(json.dumps({"event": kind, **asdict(event)}, allow_nan=False) + "\n")
        self._apply(event)

    def _replay(self, text: str) -> None:
        for number, line in enumerate(text.rpartition("\n")[0].splitlines(), start=1):
            try:
                values = from_json(line, allow_inf_nan=False)
                event = _READERS[values.pop("event")].validate_python(values)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"{self.path} is damaged at line {number}; delete that line and resume the run"
                ) from error
            if event.trial in self.trials:
                self.replayed.append(event)
                self._apply(event)

    def _apply(self, event: Event) -> None:
        trial = self.trials[event.trial]
        before = trial.finished
        if isinstance(event, Start):
            self.started.add(trial.id)
            trial.status = "running"
            if event.config is not None:
                trial.config = event.config
        elif isinstance(event, Progress):
            _advance(trial, event)
        else:
            trial.status, trial.error = event.status, event.error
        self.finished += trial.finished - before


def _open_existing(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_CREAT)


def _advance(trial: TrialRecord, event: Progress) -> None:
    trial.status = event.ending or "paused"
    trial.rung, trial.epochs = event.rung, event.epochs
    trial.best_epoch, trial.seconds = event.best_epoch, event.seconds
    trial.best_val_loss = event.best_val_loss
    trial.best_val_accuracy = event.best_val_accuracy
    trial.best_metric = event.best_metric
    trial.checkpoint = event.checkpoint
    # A trial that was trained again repeats epochs, with the same figures.
    first = event.history[0][0] if event.history else None
    if first is not None:
        trial.history = [row for row in trial.history if (row[0] or 0) < first]
        trial.arrivals = [(epochs, at) for epochs, at in trial.arrivals if epochs < first]
        trial.measured = [(epochs, value) for epochs, value in trial.measured if epochs < first]
    trial.measured.append((event.epochs, event.best_metric))
    trial.history += event.history
    if event.at is not None:
        trial.arrivals.append((event.epochs, event.at))


def trials_frame(trials: Iterable[TrialRecord]) -> pd.DataFrame:
    """A row a trial: id, view, stage, seed, ``config.*``, status, figures."""
    rows = []
    for trial in trials:
        row = asdict(trial)
        del row["history"], row["arrivals"], row["measured"]
        config = {f"config.{name}": value for name, value in row.pop("config").items()}
        rows.append({**row, **config})
    frame = pd.DataFrame(rows)
    for name in frame.columns[frame.columns.str.startswith("config.")]:
        # Trials without it, such as those that a time budget left waiting, would make floats of it.
        kinds = {type(row[name]) for row in rows if name in row}
        if kinds == {int}:
            frame[name] = frame[name].astype("Int64")
    return frame


def trials_from_frame(frame: pd.DataFrame) -> list[TrialRecord]:
    """The trials that :func:`trials_frame` laid out, without their histories.

    Raises:
        ValueError: A row is none of a trial.
    """
    rows = []
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        # A hyperparameter that only other trials have is a gap in this one's row.
        config = {
            str(key).removeprefix("config."): value
            for key, value in row.items()
            if str(key).startswith("config.") and value is not None
        }
        rows.append({str(key): value for key, value in row.items()} | {"config": config})
    return _TRIALS.validate_python(rows)


def history_frame(trials: Iterable[TrialRecord]) -> pd.DataFrame:
    """A row an epoch of a trial: trial, view, :data:`HISTORY_COLUMNS` and :data:`ARRIVAL`."""
    rows = [
        (trial.id, trial.view, *epoch, _arrival(trial, epoch[0] or 0))
        for trial in trials
        for epoch in trial.history
    ]
    return pd.DataFrame(rows, columns=["trial", "view", *HISTORY_COLUMNS, ARRIVAL])


def _arrival(trial: TrialRecord, epoch: float) -> float | None:
    """When the step that holds an epoch arrived."""
    return next((at for epochs, at in trial.arrivals if epoch <= epochs), None)


def views_of(trials: Iterable[TrialRecord]) -> list[str]:
    """The views of a sweep's trials, in the sweep's order."""
    return list(dict.fromkeys(trial.view for trial in trials))


def best_trials(trials: Iterable[TrialRecord], view: str, count: int) -> list[TrialRecord]:
    """The search's ``count`` best trials on a view by their objective, best first; ties by id.

    A trial that diverged or failed is none of them, whatever it reached before. A search of no
    trials leaves the baseline.
    """
    of_view = [trial for trial in trials if trial.view == view]
    ranked = [
        (trial.objective, trial.id, trial)
        for trial in [t for t in of_view if t.stage == "search"] or of_view
        if math.isfinite(trial.objective)
    ]
    return [trial for _, _, trial in sorted(ranked, key=lambda item: item[:2])[:count]]
