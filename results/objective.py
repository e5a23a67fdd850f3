"""What the search makes small: the validation loss, or a metric that the sweep names.

Workers import this file, so it imports scikit-learn only where a metric of it is named.
"""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from ..datasets.errors import InputError
from ..datasets.user_code import Role, described, load_code, names_code, told

VAL_LOSS = "val_loss"
"""Names the validation loss, which every trial has, whatever else it is compared by."""

Mode: TypeAlias = Literal["min", "max"]

BUILT_IN: dict[str, Mode] = {
    "roc_auc": "max",
    "pr_auc": "max",
    "balanced_accuracy": "max",
    "f1": "max",
    "brier": "min",
}
"""Names of the built-in metrics, and whether they are to be low or high."""

_TITLES = {"f1": "best F1", "balanced_accuracy": "best balanced accuracy"}
"""Those at the threshold where they are best on the judged rows; the test's are at a chosen one."""

METRIC = Role(
    "metric",
    f"{VAL_LOSS}, {', '.join(BUILT_IN)} or 'module:function' such as 'my_metric:profit'",
    "function",
    "takes (y_true, probability) and returns a number",
)
"""Among a user's code."""


class Metric(Protocol):
    """Says how good probabilities are; a function of its arguments alone."""

    def __call__(self, y_true: np.ndarray, probability: np.ndarray, /) -> float:
        """A number, which a sweep wants low or high; NaN and infinity count as the worst.

        Args:
            y_true: int64 ndarray of shape (n_rows,), 0 or 1.
            probability: Of class 1, float64 ndarray of shape (n_rows,), corrected to the natural
                shares of the classes.
        """
        ...


@dataclass(frozen=True)
class MetricSpec:
    """Names a metric, so that any process can compute it.

    Attributes:
        name: One of :data:`BUILT_IN`, or a user's ``module:function``.
        mode: Whether it is to be low or high.
        module_folder: Where the user's module is; None where it can be imported without.
    """

    name: str
    mode: Mode
    module_folder: str | None = None


def metric_title(name: str) -> str:
    """What a metric is called in tables and figures: a user's by its function's name."""
    return _TITLES.get(name, name.rpartition(":")[2])


def as_objective(mode: Mode | None, loss: float | None, metric: float | None) -> float:
    """What is to be small of a trial's figures; infinite where there is none that is finite.

    Args:
        mode: Of the metric; None stands for the loss.
        loss: The validation loss.
        metric: The metric.
    """
    value = loss if mode is None else metric
    if value is None or not math.isfinite(value):
        return math.inf
    return -value if mode == "max" else value


def finite_or_none(value: float) -> float | None:
    """JSON has no NaN or infinity, and a missing figure says the same."""
    return value if -float("inf") < value < float("inf") else None


def load_metric(spec: MetricSpec) -> Metric:
    """The metric of that name; a user's is given arrays of its own, and its result is checked.

    Raises:
        InputError: It can't be imported, or, when it is called, fails or returns no number.
    """
    if not names_code(spec.name):
        from .metrics import RANKING_METRICS

        return RANKING_METRICS[spec.name]
    function = load_code(METRIC, spec.name, spec.module_folder)

    def metric(y_true: np.ndarray, probability: np.ndarray) -> float:
        try:
            value = function(np.array(y_true, np.int64), np.array(probability, np.float64))
        except Exception as error:
            raise InputError(
                f"the metric '{spec.name}' failed with {told(error)}; mend it"
            ) from error
        if np.ndim(value) or np.asarray(value).dtype.kind not in "iuf":
            raise InputError(
                f"the metric '{spec.name}' returned {described(value)}; it must return a number"
            )
        return float(value)

    return metric
