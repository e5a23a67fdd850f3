"""Scores a table with an exported model, for the people who act on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..datasets.errors import InputError
from ..datasets.reading import check_file, read_chunks
from ..results.files import replacing

if TYPE_CHECKING:
    from ..trainables.exported import RankingModel


def score_file(
    model: RankingModel,
    table: Path,
    output: Path,
    *,
    delimiter: str = ",",
    header: bool | None = None,
    contacts: int | None = None,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> int:
    """Scores a table of any size, in its order, a piece after another.

    A row's line holds the id columns that the table has, and what :func:`ranking` tells of it.

    Args:
        model: The exported model.
        table: CSV or Parquet; see :func:`~evensweep.datasets.reading.read_frame`.
        output: Written as Parquet if it is called so, else as CSV.
        delimiter: Separates the cells of a CSV line.
        header: Whether the first CSV line holds names.
        contacts: As for :func:`ranking`.
        on_rows: Called with the number of rows as each piece of them is scored.

    Returns:
        The number of rows.

    Raises:
        InputError: The table can't be read, a column is missing or unfit, or the output can't be
            written or is the table itself.
    """
    check_paths(table, output)
    _, categories = model.schema.columns_by_type
    texts = {*model.schema.id_columns, *categories}
    read = partial(read_chunks, table, delimiter=delimiter, header=header, texts=texts)
    parts, ids = [], []
    for piece in read():
        parts.append(model.predict_proba(piece)[:, 1])
        ids = [name for name in model.schema.id_columns if name in piece]
        on_rows(len(piece))
    scores = ranking(model, np.concatenate(parts), contacts)
    # A rank needs all rows, so the ids come in a second reading: they may be larger than memory.
    lengths = map(len, parts)
    pieces = read(columns=ids) if ids else (pd.DataFrame(index=range(n)) for n in lengths)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with replacing(output) as temporary, _writer(temporary, output.suffix) as write:
            done = 0
            for piece in pieces:
                part = scores.iloc[done : done + len(piece)].reset_index(drop=True)
                write(pd.concat([piece.reset_index(drop=True), part], axis=1))
                done += len(piece)
    except OSError as error:
        raise InputError(
            f"{output} can't be written ({error.strerror}); choose another -o"
        ) from error
    return len(scores)


def check_paths(table: Path, output: Path) -> None:
    """Checks what can be known of a table and of an output before any row is read.

    Raises:
        InputError: There is no such table, or the output is a folder or the table itself.
    """
    check_file(table)
    try:
        if output.is_dir():
            raise InputError(f"{output} is a folder; name a file in it with -o")
        if output.exists() and output.samefile(table):
            raise InputError(f"{output} is the table that is to be scored; choose another -o")
    except OSError as error:
        raise InputError(
            f"{output} can't be written ({error.strerror}); choose another -o"
        ) from error


def ranking(
    model: RankingModel, probability: np.ndarray, contacts: int | None = None
) -> pd.DataFrame:
    """What rows' probabilities make of them.

    Args:
        model: The exported model.
        probability: Of the positive class at the natural prior, float64 of shape (n_rows,).
        contacts: How many rows to call positive; None calls those at the model's threshold.

    Returns:
        A row a row: ``probability``, ``rank`` from 1 for the likeliest (ties in the rows' order),
        ``decile`` from 1 for the likeliest tenth, and ``predicted``, the label.
    """
    n_rows = len(probability)
    rank = np.empty(n_rows, np.int64)
    rank[np.argsort(-probability, kind="stable")] = np.arange(1, n_rows + 1)
    called = probability >= model.threshold if contacts is None else rank <= contacts
    return pd.DataFrame(
        {
            "probability": probability,
            "rank": rank,
            "decile": (rank - 1) * 10 // max(n_rows, 1) + 1,
            "predicted": np.where(called, model.schema.positive, model.schema.negative),
        }
    )


@contextmanager
def _writer(path: Path, suffix: str) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Writes frames with the same columns one after another into one file."""
    if suffix.casefold() != ".parquet":
        with path.open("w", encoding="utf-8", newline="") as file:
            yield lambda frame: frame.to_csv(file, index=False, header=file.tell() == 0)
        return
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writers: list[ParquetWriter] = []

    def write(frame: pd.DataFrame) -> None:
        content = pa.Table.from_pandas(frame, preserve_index=False)
        if not writers:
            writers.append(ParquetWriter(path, content.schema))
        writers[0].write_table(content)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()
