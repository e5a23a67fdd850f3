"""The sections of a sweep file, each with its defaults and what goes together in it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from .rungs import bracket_sizes, hyperband_levels, rung_levels


class Section(BaseModel):
    """Refuses keys it doesn't know, and NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(Section):
    """Where the table is and what its columns mean, as ``datasets.table.load_table`` takes it."""

    path: Path | None = None
    arrays: dict[str, Path] | None = Field(default=None, min_length=1)
    target: str | StrictInt | None = None
    positive: str | int | float | bool | None = None
    id_columns: tuple[str | StrictInt, ...] | None = None
    drop: tuple[str | StrictInt, ...] = ()
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool | None = None

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
    """Shares of the validation and test rows."""

    validation: float = Field(default=0.1, gt=0, lt=1)
    test: float = Field(default=0.1, gt=0, lt=1)

    @model_validator(mode="after")
    def _leave_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave training rows")
        return self


class PreprocessingConfig(Section):
    """What networks see of columns of numbers; see ``datasets.preprocessing``."""

    long_tails: bool = True
    indicators: bool = True
    standardised: bool = True


class TrainingConfig(Section):
    """What every training of the sweep shares."""

    batch_size: int = Field(default=128, ge=1)
    patience: int = Field(default=5, ge=1)


class SearchConfig(Section):
    """The search: how many trials a view, how they are drawn, and how they are cut."""

    scheduler: Literal["asha", "asha_stopping", "hyperband", "median", "fifo"] = "asha"
    searcher: Literal["random", "tpe"] = "random"
    trials: int | None = Field(default=None, ge=0)
    max_epochs: int = Field(default=100, ge=1)
    grace_epochs: int = Field(default=2, ge=1)
    reduction_factor: int = Field(default=3, ge=2)
    brackets: int | None = Field(default=None, ge=1)
    metric: Literal["val_loss"] = "val_loss"
    max_failures: int = Field(default=3, ge=0)
    max_failed_share: float = Field(default=0.5, gt=0, le=1)
    time_budget: float | None = Field(default=None, gt=0)

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
    top_k: int = Field(default=10, ge=1)
    stop_share: float = Field(default=0.1, gt=0, lt=1)


class EnsembleConfig(Section):
    """Greedy selection over out-of-fold predictions."""

    rounds: int = Field(default=50, ge=1)
    sorted_start: int = Field(default=0, ge=0)
    bags: int = Field(default=0, ge=0)


class ResourcesConfig(Section):
    """What one trial or fold occupies."""

    cpus: float = Field(default=1, gt=0)
    gpus: float = Field(default=0, ge=0)


class DecisionConfig(Section):
    """Which rows to call positive: by the best F1, the least cost, or a number of contacts."""

    by: Literal["f1", "cost", "contacts"] = "f1"
    false_positive_cost: float | None = Field(default=None, gt=0)
    false_negative_cost: float | None = Field(default=None, gt=0)
    contacts: int | None = Field(default=None, ge=1)

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
