"""A user's metric on the test rows, computed while its code is there: readers need none."""

from collections.abc import Mapping
from typing import Any

from ..datasets.user_code import names_code
from ..results.files import write_json
from ..results.metrics import metric_figures
from ..results.objective import load_metric
from ..results.references import REFERENCES
from ..results.run_directory import RunDirectory
from .config import SweepConfig


def measure_test(config: SweepConfig, run: RunDirectory, columns: Mapping[str, Any]) -> None:
    """Writes what the ensemble and the references reach by a user's metric, with intervals.

    Figures of built-in metrics are those of every test.

    Args:
        config: The sweep.
        run: Gets the file.
        columns: Of ``predictions/test.parquet``.

    Raises:
        InputError: The metric fails.
    """
    if config.metric is None or not names_code(config.metric.name):
        return
    models = {name: columns[name] for name in ("ensemble", *REFERENCES)}
    metric, seed = load_metric(config.metric), config.seed
    write_json(run.test_metric, metric_figures(metric, columns["target"], models, seed))
