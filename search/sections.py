"""The sections of a sweep file, each with its defaults and what goes together in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictInt,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from ..datasets.errors import nearest
from ..datasets.locations import Location, parse_location
from ..datasets.user_code import names_code, split_reference
from ..results.objective import BUILT_IN, METRIC, VAL_LOSS, Mode
from .rungs import bracket_sizes, hyperband_levels, rung_levels
from .searcher_protocol import SEARCHER

RUN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Pattern of names that are folders on every system."""

SEARCHERS = ("random", "tpe")
"""Names of the built-in searchers."""

_MOST_TRIALS = 1_000_000
"""A view; all of them are planned before the first one starts."""


def _possible(path: Path | Location) -> Path | Location:
    if "\0" in str(path):
        raise ValueError("a path holds no NUL")
    os.fsencode(str(path))  # a ValueError tells of half a character
    return path


FilePath = Annotated[Path, AfterValidator(_possible)]


class Section(BaseModel):
    """Refuses keys it doesn't know, and NaN and infinity; a key's meaning stands below it."""

    # What was given is in no error's text, since it may hold credentials.
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


Place = Annotated[
    Path | Location,
    PlainValidator(parse_location),
    AfterValidator(_possible),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "uri-reference"}),
]
"""A path or a URI."""


class DataConfig(Section):
    """Where the table is, and what its columns mean."""

    path: Place | None = None
    """The table, CSV or Parquet, a path or a URI; null sweeps the embedded demonstration data."""
    arrays: dict[str, Place] | None = Field(default=None, min_length=1)
    """Instead of a table: an `.npz` file of six arrays for every view, by the view's name."""
    target: str | StrictInt | None = None
    """The column to predict: name or position; null takes the last, if it has two values."""
    positive: str | int | float | bool | None = None
    """Label of the class to find; null takes 1, true or yes if there is one, else the rarer."""
    id_columns: tuple[str | StrictInt, ...] | None = None
    """Columns that identify a row; null takes those called `id` or `…_id` without repeats."""
    drop: tuple[str | StrictInt, ...] = ()
    """Columns to leave out, by name or position."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Between the cells of a CSV line."""
    header: bool | None = None
    """Whether the first CSV line holds names; null decides by the line itself."""

    @model_validator(mode="after")
    def _give_one_source(self) -> Self:
        if self.arrays is not None and self.path is not None:
            raise ValueError("give either path or arrays, not both")
        if self.arrays is not None:
            for name, field in type(self).model_fields.items():
                if name != "arrays" and getattr(self, name) != field.default:
                    raise ValueError(
                        f"{name} goes with a table, and not with arrays, whose columns and targets "
                        "are ready; leave it out"
                    )
        return self


class SplitConfig(Section):
    """Shares of the validation and test rows; without test rows a run ends without a test."""

    validation: float = Field(default=0.1, gt=0, lt=1)
    """Share of the rows that stop and rank the trials."""
    test: float = Field(default=0.1, ge=0, lt=1)
    """Share of the rows that are looked at once, at the end; with 0 nothing is tested."""

    @model_validator(mode="after")
    def _leave_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave training rows")
        return self


class PreprocessingConfig(Section):
    """What networks see of columns of numbers."""

    long_tails: bool = True
    """Whether skewed columns are drawn in, on a logarithmic scale."""
    indicators: bool = True
    """Whether gaps and frequent zeros get columns of their own."""
    standardised: bool = True
    """Whether columns of numbers get a mean of 0 and a variance of 1."""


class TrainingConfig(Section):
    """What every training of the sweep shares."""

    batch_size: int = Field(default=128, ge=1)
    """Rows a gradient step, where the space has no `batch_size`."""
    patience: int = Field(default=5, ge=1)
    """Epochs without a better validation loss that end a training, with its best weights."""


class SearchConfig(Section):
    """The search: how many trials a view, how they are drawn, and how they are cut."""

    scheduler: Literal["asha", "asha_stopping", "hyperband", "median", "fifo"] = "asha"
    """How trials are cut."""
    searcher: str = "random"
    """How configurations are drawn: `random`, `tpe`, or `module:Class` of your own."""
    trials: int | None = Field(default=None, ge=0, le=_MOST_TRIALS)
    """A view; null takes 40, and with hyperband every bracket once; 0 trains the baseline alone."""
    max_epochs: int = Field(default=100, ge=1)
    """The full budget of a trial (R)."""
    grace_epochs: int = Field(default=2, ge=1)
    """The first rung at which trials are compared (r)."""
    reduction_factor: int = Field(default=3, ge=2)
    """Of η trials at a rung one goes on, for η times as many epochs."""
    brackets: int | None = Field(default=None, ge=1)
    """Null takes 1, and with hyperband all of them."""
    metric: str = VAL_LOSS
    """What trials are compared by: `val_loss` is the log loss on the validation rows, at the
    natural prior; or a built-in metric, or `module:function` of your own."""
    mode: Mode | None = None
    """Of your own metric: whether it is to be high (`max`) or low (`min`)."""
    max_failures: int = Field(default=3, ge=0)
    """Times that a failed trial is tried again."""
    max_failed_share: float = Field(default=0.5, gt=0, le=1)
    """A larger share of failed trials ends the search."""
    time_budget: float | None = Field(default=None, gt=0)
    """Seconds of searching, over all sessions of a run; null for no limit."""

    @field_validator("searcher")
    @classmethod
    def _know_searcher(cls, searcher: str) -> str:
        if names_code(searcher):
            split_reference(SEARCHER, searcher)
        elif searcher not in SEARCHERS:
            hint = nearest(searcher, SEARCHERS) or f"; it must be {SEARCHER.forms}"
            raise ValueError(f"there is no searcher '{searcher}'{hint}")
        return searcher

    @field_validator("metric")
    @classmethod
    def _know_metric(cls, metric: str) -> str:
        known = (VAL_LOSS, *BUILT_IN)
        if names_code(metric):
            split_reference(METRIC, metric)
        elif metric not in known:
            hint = nearest(metric, known) or f"; it must be {METRIC.forms}"
            raise ValueError(f"there is no metric '{metric}'{hint}")
        return metric

    @model_validator(mode="after")
    def _give_direction(self) -> Self:
        if names_code(self.metric) and self.mode is None:
            raise ValueError(
                f"mode must say whether '{self.metric}' is to be high or low; write mode: max or "
                "mode: min"
            )
        known = BUILT_IN.get(self.metric, "min")
        if not names_code(self.metric) and self.mode not in (None, known):
            raise ValueError(f"mode of {self.metric} is {known}; leave it out")
        return self

    @property
    def direction(self) -> Mode | None:
        """Whether the metric is to be low or high; None where trials are compared by their loss."""
        return None if self.metric == VAL_LOSS else self.mode or BUILT_IN[self.metric]

    @model_validator(mode="after")
    def _order_budgets(self) -> Self:
        if self.grace_epochs > self.max_epochs:
            raise ValueError(
                f"grace_epochs must not be above max_epochs, got {self.grace_epochs} and "
                f"{self.max_epochs}"
            )
        if (self.brackets or 1) > len(self.levels):
            raise ValueError(
                f"brackets must be at most {len(self.levels)}, as many as there are rung levels, "
                f"got {self.brackets}"
            )
        if self.trial_count > _MOST_TRIALS:
            raise ValueError(
                f"hyperband's brackets have more than {_MOST_TRIALS:,} trials with max_epochs "
                f"{self.max_epochs}; lower it, or give trials"
            )
        return self

    @property
    def levels(self) -> tuple[int, ...]:
        """Rung levels of the bracket that has most of them, in epochs."""
        levels = hyperband_levels if self.scheduler == "hyperband" else rung_levels
        return levels(self.grace_epochs, self.max_epochs, self.reduction_factor)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Trials of each bracket, the most aggressive first; ASHA's are proportions."""
        if self.scheduler == "hyperband":
            return bracket_sizes(len(self.levels), self.reduction_factor)[: self.brackets]
        return bracket_sizes(self.brackets or 1, self.reduction_factor)

    @property
    def trial_count(self) -> int:
        """Trials a view, beside the baseline; unless given, Hyperband's brackets once, or 40."""
        if self.trials is not None:
            return self.trials
        return sum(self.sizes) if self.scheduler == "hyperband" else 40

    def levels_of(self, bracket: int) -> tuple[int, ...]:
        """Rung levels of a bracket by its number: each leaves out one level more."""
        return self.levels[bracket % len(self.sizes) :]


class CrossValidationConfig(Section):
    """Stratified k-fold of the best ``top_k`` trials of every view."""

    folds: int = Field(default=10, ge=2)
    """Stratified, of the rows outside the test; an exported member has a network of each."""
    top_k: int = Field(default=10, ge=1)
    """Best trials of every view that are cross-validated."""
    stop_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of a fold's other rows that early stopping watches."""


class EnsembleConfig(Section):
    """Greedy selection over out-of-fold predictions."""

    rounds: int = Field(default=50, ge=1)
    """Each adds the candidate that betters the out-of-fold figure most, again if need be."""
    sorted_start: int = Field(default=0, ge=0)
    """Best candidates that the selection starts with."""
    bags: int = Field(default=0, ge=0)
    """Selections, each among a random half of the candidates, to average; 0 takes one of all."""


class ResourcesConfig(Section):
    """What one trial or fold occupies."""

    cpus: float = Field(default=1, gt=0)
    """Of one trial or fold."""
    gpus: float = Field(default=0, ge=0)
    """Of one trial or fold; a fraction lets several share one."""


class DecisionConfig(Section):
    """Which rows to call positive: by the best F1, the least cost, or a number of contacts."""

    by: Literal["f1", "cost", "contacts"] = "f1"
    """What the threshold is chosen by, on out-of-fold rows."""
    false_positive_cost: float | None = Field(default=None, gt=0)
    """With `by: cost`, what a false alarm costs."""
    false_negative_cost: float | None = Field(default=None, gt=0)
    """With `by: cost`, what a missed positive costs."""
    contacts: int | None = Field(default=None, ge=1)
    """With `by: contacts`, how many rows of such a table are called positive, at most."""

    @model_validator(mode="after")
    def _give_what_belongs_together(self) -> Self:
        belonging = {
            "cost": ("false_positive_cost", "false_negative_cost"),
            "contacts": ("contacts",),
        }
        for by, names in belonging.items():
            for name in names:
                if by == self.by and getattr(self, name) is None:
                    raise ValueError(f"by: {by} needs {' and '.join(names)}")
                if by != self.by and getattr(self, name) is not None:
                    raise ValueError(f"{name} goes with by: {by}, and not with by: {self.by}")
        return self
