"""The rows that all tools get: those that Evensweep's run with the same seed trains on."""

from pathlib import Path

from competitors.job import Rows

from evensweep.datasets.table import Table
from evensweep.presets import preset_paths
from evensweep.search.config import SweepConfig
from evensweep.search.intake import read_table
from evensweep.search.populations import populations_of, prepare_search
from evensweep.search.raw_config import read_yaml

from .settings import PRESET, VIEWS


def sweep_config(data: Path | None, seed: int) -> SweepConfig:
    """The preset with a table, a seed and the compared views.

    Args:
        data: The table; None takes the embedded demonstration data.
        seed: Of the sweep.
    """
    raw = read_yaml(preset_paths()[PRESET])
    raw |= {"views": VIEWS, "seed": seed, "data": {**raw["data"], "path": data}}
    return SweepConfig.from_mapping(raw, PRESET)


def benchmark_table(data: Path | None) -> Table:
    """The table that is searched on."""
    return read_table(sweep_config(data, seed=0))


def write_rows(table: Table, data: Path | None, seed: int, folder: Path) -> dict[str, Path]:
    """Writes an ``.npz`` file of :class:`Rows` a view.

    Args:
        table: The whole table.
        data: Where it came from.
        seed: Of the split and the samplers.
        folder: Where the files go.
    """
    config = sweep_config(data, seed)
    prepared = prepare_search(config, populations_of(config, table)[0])
    watched = prepared.watched
    files = {}
    for name, view in prepared.views.items():
        files[name] = folder / f"{name}-{seed}.npz"
        Rows(view.X, view.y, watched.X, watched.y, view.log_odds_shift).save(files[name])
    return files
