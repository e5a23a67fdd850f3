"""Reads a sweep's table and checks that it is enough for the sweep, before anything is started."""

import numpy as np
import pandas as pd

from ..datasets.arrays import read_arrays
from ..datasets.errors import InputError
from ..datasets.splits import check_enough_rows, check_given_rows
from ..datasets.table import Table, load_table, make_table
from ..datasets.views import neighbours_needed
from .config import SweepConfig


def read_table(config: SweepConfig, data: pd.DataFrame | None = None) -> Table:
    """The table of a sweep, checked to have enough rows for everything the sweep does with it.

    Raises:
        InputError: It is unfit.
    """
    columns = {
        "target": config.data.target,
        "positive": config.data.positive,
        "id_columns": config.data.id_columns,
        "drop": config.data.drop,
    }
    if config.data.arrays is not None:
        table = read_arrays(config.data.arrays)
        check_given_rows(table.target, (table.given or {}).values(), config.cross_validation.folds)
    else:
        if data is not None:
            table = make_table(data, name=config.name, **columns)  # type: ignore[arg-type]
        else:
            table = load_table(
                config.data.path,
                delimiter=config.data.delimiter,
                header=config.data.header,
                **columns,  # type: ignore[arg-type]
            )
        with_defaults = [s.sampler for s in config.views.values() if not s.parameters]
        check_size(config, table.target, neighbours_needed(with_defaults))
    if (contacts := config.decision.contacts) and contacts > table.natural_rows:
        raise InputError(
            f"decision.contacts is {contacts:,}, and the table has {table.natural_rows:,} rows; "
            "give the number of rows of such a table that can be contacted"
        )
    return table


def check_size(
    config: SweepConfig, target: np.ndarray, neighbours: int, rows: str = "rows"
) -> None:
    """Checks that a target has enough rows of both classes for the sweep's splits and folds.

    Args and errors are those of :func:`~evensweep.datasets.splits.check_enough_rows`.
    """
    check_enough_rows(
        target,
        validation=config.split.validation,
        test=config.split.test,
        folds=config.cross_validation.folds,
        stop_share=config.cross_validation.stop_share,
        neighbours=neighbours,
        rows=rows,
    )
