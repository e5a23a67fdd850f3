"""What the JSON and YAML files of a run hold, as far as their readers need it.

A file may hold more, since newer versions add keys.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .decisions import NOBODY

_LARGEST = 2**53
"""Up to here every integer is a float64."""
HIGHEST = 1e39
"""Beyond every float32, as which losses are computed."""

Count = Annotated[int, Field(strict=True, ge=0, le=_LARGEST)]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
Rows = Annotated[int, Field(strict=True, ge=1, le=_LARGEST)]
Number = Annotated[float, Field(strict=True, ge=-HIGHEST, le=HIGHEST)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Seconds = Annotated[float, Field(strict=True, ge=0, le=_LARGEST)]
Threshold = Annotated[float, Field(strict=True, ge=0, le=NOBODY)]
Word = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def absent() -> Any:
    """A default that says nothing: the key may be absent, but not null."""
    return Field(default=None)


class Shape(BaseModel):
    """Base of the shapes; NaN and infinity are no numbers."""

    model_config = ConfigDict(allow_inf_nan=False)


class _Column(Shape):
    name: Word
    kind: Literal["numeric", "boolean", "categorical"]


class TableSchema(Shape):
    """A :class:`~evensweep.datasets.schema.Schema` as JSON."""

    columns: list[_Column] = Field(min_length=1)
    target: Word
    positive: Word
    negative: Word
    id_columns: list[Word]
    dropped: list[Word]

    @model_validator(mode="after")
    def _name_each_column_once(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns have the same name")
        return self


class _Decision(Shape):
    by: Literal["f1", "cost", "contacts"]
    false_positive_cost: Number | None = None
    false_negative_cost: Number | None = None
    contacts: Rows | None = None

    @model_validator(mode="after")
    def _need_what_belongs_to_it(self) -> Self:
        needed = {
            "f1": (),
            "cost": (self.false_positive_cost, self.false_negative_cost),
            "contacts": (self.contacts,),
        }
        if None in needed[self.by]:
            raise ValueError(f"what belongs to 'by: {self.by}' is missing")
        return self


class _Search(Shape):
    scheduler: Word
    searcher: Word


class _Resources(Shape):
    cpus: Number


class _Domain(Shape):
    choice: list[Any] = absent()
    log: Flag = absent()


_SamplerOfView = Annotated[dict[Word, Any], Field(min_length=1, max_length=1)]


class Sweep(Shape):
    """What results need of ``sweep.yaml``."""

    protocol: Literal["holdout", "balanced_first", "presplit"]
    views: list[Word | _SamplerOfView] = Field(min_length=1)
    space: dict[Word, _Domain | bool | int | float | str]
    search: _Search
    decision: _Decision = absent()  # runs from before there was a choice
    resources: _Resources
    seed: Seed


class Environment(Shape):
    """``environment.json``."""

    versions: dict[Word, Word]
    platform: Word
    cpus: Number
    seed: Count
    stage_seconds: dict[Word, Seconds]


class _Part(Shape):
    rows: Count  # a sweep may keep no test rows
    positive: Count
    negative: Count


class _View(_Part):
    rows: Rows


class _ClassCounts(Shape):
    splits: dict[Word, _Part]
    views: dict[Word, _View]


class Dataset(Shape):
    """``dataset.json``."""

    name: Word
    source: Word
    rows: Rows
    features: Rows
    positive_rate: Share
    fingerprint: Word
    table_schema: TableSchema = Field(alias="schema")
    notes: list[Word]
    duplicate_feature_rows: Count
    natural_rows: Rows = absent()
    gaps: dict[Word, Count]
    class_counts: _ClassCounts


class Member(Shape):
    """A member of an ensemble."""

    trial: Word
    view: Word
    weight: Share


def check_weights(members: Sequence[Member]) -> None:
    """Checks that the weights of an ensemble are those of an average.

    Raises:
        ValueError: They are not.
    """
    total = sum(member.weight for member in members)
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the members' weights sum to {total:.6g} and not to 1")


class _Ranked(Shape):
    view: Word
    oof_log_loss: Number
    oof_roc_auc: Number
    oof_metric: Number | None = None


class _Compared(Shape):
    log_loss: Number
    roc_auc: Number
    pr_auc: Number
    metric: Number | None = None


class _Thresholds(Shape):
    ensemble: Threshold
    majority: Threshold
    logistic_regression: Threshold
    gradient_boosting: Threshold


class Ensemble(Shape):
    """``ensemble.json``."""

    members: list[Member] = Field(min_length=1)
    bags: Count = absent()
    oof_log_loss: Number
    oof_roc_auc: Number
    comparison: dict[Word, _Compared] = absent()
    thresholds: _Thresholds
    path: list[Word]
    path_losses: list[Number] = Field(min_length=1)
    ranking: list[_Ranked] = absent()
    metric: Word = absent()  # and what belongs to it, where the search compares by one
    oof_metric: Number | None = None
    path_metric: list[Number | None] = absent()

    @model_validator(mode="after")
    def _average(self) -> Self:
        check_weights(self.members)
        return self


class _Measured(Shape):
    value: Number | None
    ci95: Annotated[list[Number], Field(min_length=2, max_length=2)] | None


class TestMetric(Shape):
    """``predictions/test_metric.json``."""

    ensemble: _Measured
    majority: _Measured
    logistic_regression: _Measured
    gradient_boosting: _Measured


class _DatasetLine(Shape):
    name: Word
    rows: Rows


class _SearchLine(Shape):
    trials: Count
    epochs: Count


class _ViewLine(Shape):
    best_val_loss: Number | None


class _StageLine(Shape):
    view: Word
    stage: Word
    val_loss: Number | None
    val_accuracy: Share | None


class _EnsembleLine(Shape):
    oof_log_loss: Number
    oof_roc_auc: Number


class _TestLine(Shape):
    threshold: Threshold
    accuracy: Share
    log_loss: Number
    roc_auc: Share
    pr_auc: Share
    balanced_accuracy: Share
    f1: Share
    brier: Share


class Summary(Shape):
    """What is read again of ``summary.json``."""

    run: Word
    status: Literal["running", "complete", "failed"]
    protocol: Word
    seconds: Seconds
    dataset: _DatasetLine = absent()
    search: _SearchLine = absent()
    views: dict[Word, _ViewLine] = absent()
    stages: list[_StageLine] = absent()
    ensemble: _EnsembleLine = absent()
    test: _TestLine = absent()
