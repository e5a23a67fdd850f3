"""Scores a table with an exported model, for the people who act on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..datasets.errors import InputError
from ..results.files import replacing

if TYPE_CHECKING:
    from ..trainables.exported import RankingModel


def score_table(
    model: RankingModel, frame: pd.DataFrame, contacts: int | None = None
) -> pd.DataFrame:
    """Probability, rank and decile of every row, in the frame's order.

    Args:
        model: The exported model.
        frame: Holds the model's feature columns.
        contacts: How many rows to call positive; None calls those at the model's threshold.

    Returns:
        The id columns the frame has, then ``probability`` of the positive class at the natural
        prior, ``rank`` from 1 for the likeliest (ties in the frame's order), ``decile`` from 1 for
        the likeliest tenth, and ``predicted``, the label.

    Raises:
        InputError: A column is missing or unfit.
    """
    probability = model.predict_proba(frame)[:, 1]
    rank = np.empty(len(frame), np.int64)
    rank[np.argsort(-probability, kind="stable")] = np.arange(1, len(frame) + 1)
    scores = frame[[name for name in model.schema.id_columns if name in frame]].copy()
    scores["probability"] = probability
    scores["rank"] = rank
    scores["decile"] = (rank - 1) * 10 // max(len(frame), 1) + 1
    labels = (model.schema.negative, model.schema.positive)
    called = probability >= model.threshold if contacts is None else rank <= contacts
    scores["predicted"] = np.where(called, labels[1], labels[0])
    return scores


def write_scores(scores: pd.DataFrame, path: Path) -> None:
    """Writes scores as Parquet if the file is called so, else as CSV.

    Raises:
        InputError: The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            if path.suffix == ".parquet":
                scores.to_parquet(temporary, index=False)
            else:
                scores.to_csv(temporary, index=False)
    except OSError as error:
        raise InputError(
            f"{path} can't be written ({error.strerror}); choose another -o"
        ) from error
