"""Writes a sweep's views as ``.npz`` files of six arrays, for notebooks and other tools."""

from pathlib import Path

from ..datasets.arrays import write_arrays
from ..datasets.errors import InputError
from ..datasets.preparation import transformed
from ..datasets.table import Table
from ..datasets.views import Rows, View
from ..results.files import replacing
from .config import SweepConfig
from .populations import populations_of, prepare_search


def write_views(config: SweepConfig, table: Table, folder: Path) -> dict[Path, View]:
    """Writes a file a view, with the rows that a run of the sweep searches on.

    Training rows are balanced, and validation and test rows as the protocol leaves them; all are
    preprocessed as the training rows alone say.

    Args:
        config: The sweep.
        table: The whole table.
        folder: Where the files go, called after their views; it is made if it is missing.

    Returns:
        The files, and what each has for training.

    Raises:
        InputError: A view can't balance its rows, or there is nothing to write.
    """
    if not config.split.test:
        raise InputError("split.test is 0, and the files hold test rows; give them a share")
    if "weighted" in config.views:
        raise InputError(
            "the view 'weighted' has the rows of 'natural', and weights that the files can't hold; "
            "write 'natural'"
        )
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for population in populations_of(config, table):
        prepared = prepare_search(config, population)
        features, target = population.table.features, population.table.target
        test = transformed(prepared.preprocessor, features, target, population.split.test)
        columns = prepared.preprocessor.output_names()
        for name, view in prepared.views.items():
            parts: dict[str, Rows | View] = {"train": view, "val": prepared.watched, "test": test}
            arrays = {f"X_{part}": rows.X for part, rows in parts.items()}
            arrays |= {f"y_{part}": rows.y for part, rows in parts.items()}
            path = folder / f"{name}.npz"
            with replacing(path) as unfinished:
                write_arrays(unfinished, columns, arrays)
            written[path] = view
    return written
