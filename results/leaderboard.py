"""A run's trials as one table: which rows to show, in which order, and how in a terminal."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from ..datasets.errors import InputError, nearest
from .records import TrialRecord
from .tables import bare_table, config_text, four_decimals, titled

FIGURES = (
    "trial",
    "view",
    "stage",
    "status",
    "epochs",
    "val_loss",
    "cv_val_loss",
    "val_accuracy",
    "error",
)
"""Columns of a leaderboard; the hyperparameters follow, a column each."""

METRIC_FIGURES = ("metric", "cv_metric")
"""Columns after :data:`FIGURES` of a search that compares trials by a metric."""

_RESERVED = {*FIGURES, *METRIC_FIGURES}

_HIGHER_IS_BETTER = "higher_is_better"
"""Attribute of a frame with those of its columns."""

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}

_CONDITION = re.compile(r"\s*(?P<column>[^<>=!]+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.+?)\s*")


def leaderboard_frame(
    trials: Sequence[TrialRecord],
    cv_losses: Mapping[str, float],
    cv_metrics: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """A row a trial that has a validation loss or an error, best first, failed trials last.

    Args:
        trials: All trials.
        cv_losses: The k-fold loss of each that was cross-validated.
        cv_metrics: The k-fold metric of each, if the search has one.

    Returns:
        Frame with the columns :data:`FIGURES`, :data:`METRIC_FIGURES` if the search has a metric,
        and a column a hyperparameter; losses in nats a row.
    """
    mode = next((t.mode for t in trials), None)
    metrics = cv_metrics or {}
    of_metric = METRIC_FIGURES if mode else ()
    rows = [
        {
            "trial": t.id,
            "view": t.view,
            "stage": t.stage,
            "status": t.status,
            "epochs": t.epochs,
            "val_loss": t.best_val_loss,
            "cv_val_loss": cv_losses.get(t.id),
            "val_accuracy": t.best_val_accuracy,
            "error": t.error,
            **dict(zip(of_metric, (t.best_metric, metrics.get(t.id)), strict=False)),
            # A user's own model may have a hyperparameter of a figure's name.
            **{f"config.{k}" if k in _RESERVED else k: value for k, value in t.config.items()},
        }
        for t in trials
        if t.best_val_loss is not None or t.error is not None
    ]
    frame = pd.DataFrame(rows, columns=None if rows else [*FIGURES, *of_metric])
    measured = ["val_loss", "cv_val_loss", "val_accuracy", *of_metric]
    frame[measured] = frame[measured].astype(float)
    frame.attrs[_HIGHER_IS_BETTER] = ["val_accuracy", *(of_metric if mode == "max" else ())]
    return ordered(frame)


def cv_losses(folds: pd.DataFrame) -> dict[str, float]:
    """The log loss over all rows of each trial in ``cross_validation.parquet``."""
    return _over_rows(folds, "val_loss")


def cv_metrics(folds: pd.DataFrame) -> dict[str, float]:
    """The mean metric of each trial's folds, by their rows, where the search has a metric.

    A trial with a fold in which it is not finite has none.
    """
    if "metric" not in folds:  # nor have the folds of older runs
        return {}
    whole = folds.groupby("trial")["metric"].transform("count") == folds.groupby("trial")[
        "metric"
    ].transform("size")
    return _over_rows(folds[whole], "metric")


def _over_rows(folds: pd.DataFrame, figure: str) -> dict[str, float]:
    known = folds.dropna(subset=[figure])
    weighted = (known[figure].astype(float) * known["rows"]).groupby(known["trial"]).sum()
    return dict((weighted / known.groupby("trial")["rows"].sum()).items())  # type: ignore[arg-type]


def ordered(frame: pd.DataFrame, column: str | None = None, reverse: bool = False) -> pd.DataFrame:
    """The leaderboard by a column: best or smallest first, rows without a value last.

    Args:
        frame: Of :func:`leaderboard_frame`.
        column: One of its columns; None stands for what the search compares trials by.
        reverse: Worst or largest first.

    Raises:
        InputError: There is no such column.
    """
    if column is None:
        column = "metric" if "metric" in frame else "val_loss"
    _check_column(frame, column)
    ascending = (column not in frame.attrs[_HIGHER_IS_BETTER]) != reverse
    by_name = frame.sort_values("trial", ascending=ascending or column != "trial")
    return by_name.sort_values(
        column, ascending=ascending, kind="stable", na_position="last", ignore_index=True
    )


def matching(frame: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The leaderboard's rows that meet every condition.

    Args:
        frame: Of :func:`leaderboard_frame`.
        conditions: Such as ``view=smote``, ``status!=failed`` or ``dropout_rate<=0.2``.

    Raises:
        InputError: One is not of this form, names no column, or compares words by size.
    """
    kept = pd.Series(True, index=frame.index)
    for condition in conditions:
        parts = _CONDITION.fullmatch(condition)
        if parts is None:
            raise InputError(
                f"--where '{condition}' is no condition; write such as view=smote or "
                "'dropout_rate<=0.2', with one of = != < <= > >="
            )
        column, sign, text = parts["column"], parts["sign"], parts["value"]
        _check_column(frame, column)
        values: Any = frame[column]
        value: Any = text
        numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        if numbers:
            try:
                value = float(text)
            except ValueError:
                raise InputError(
                    f"--where '{condition}': {column} holds numbers, and '{text}' is none"
                ) from None
        elif sign not in {"=", "!="}:
            raise InputError(f"--where '{condition}': {column} holds words; compare with = or !=")
        else:
            values = values.map(str)
        kept &= _COMPARISONS[sign](values, value)
    return frame[kept].reset_index(drop=True)


def hyperparameters(frame: pd.DataFrame) -> list[str]:
    """The leaderboard's columns that hold hyperparameters."""
    return [str(column) for column in frame.columns if column not in _RESERVED]


def leaderboard_table(frame: pd.DataFrame, total: int) -> RenderableType:
    """Rows of a leaderboard that has so many altogether."""
    table = bare_table()
    for column in ("trial", "status"):
        table.add_column(column, no_wrap=True, min_width=max(map(len, frame[column]), default=0))
    measured = [name for name in METRIC_FIGURES if name in frame]
    titles = ("epochs", "loss", "k-fold", *(("metric", "k-fold") if measured else ()))
    for column in titles:
        table.add_column(column, justify="right", no_wrap=True, min_width=6)
    table.add_column("configuration")
    names = hyperparameters(frame)
    for row in frame.to_dict("records"):
        config = {name: row[name] for name in names if pd.notna(row[name])}
        table.add_row(
            row["trial"],
            row["status"],
            str(row["epochs"]),
            four_decimals(row["val_loss"]),
            four_decimals(row["cv_val_loss"]),
            *(four_decimals(row[name]) for name in measured),
            Text(row["error"] if pd.notna(row["error"]) else config_text(config)),
        )
    return titled(f"Leaderboard: {len(frame)} of {total} trials", table)


def _check_column(frame: pd.DataFrame, column: str) -> None:
    if column not in frame.columns:
        hint = nearest(column, map(str, frame.columns))
        raise InputError(
            f"the leaderboard has no column '{column}'"
            f"{hint or '; its columns are ' + ', '.join(map(str, frame.columns))}"
        )
