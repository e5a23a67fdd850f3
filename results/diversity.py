"""How different an ensemble's members are, and what their difference is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from .drawing import BLACK, figure_of, new_axes

_MOST_MEMBERS = 10
"""In the figure: with more, nobody finds their own."""


@dataclass(frozen=True)
class Diversity:
    """The members' agreement on out-of-fold rows.

    Attributes:
        trials: Ids of the members, heaviest first.
        correlations: Of their errors (probability minus label), Pearson's, float64 ndarray of shape
            (n_members, n_members).
        member_brier: Squared error of the members alone, the mean by weight.
        ensemble_brier: Squared error of their weighted average.
    """

    trials: tuple[str, ...]
    correlations: np.ndarray
    member_brier: float
    ensemble_brier: float

    @property
    def mean_correlation(self) -> float:
        """Of all pairs of members."""
        return float(self.correlations[np.triu_indices(len(self.trials), 1)].mean())


def compute_diversity(frame: pd.DataFrame, members: Sequence[dict[str, Any]]) -> Diversity | None:
    """The agreement of an ensemble's members.

    The squared error of a weighted average is the members' mean squared error less what they differ
    from it (Krogh & Vedelsby, "Neural Network Ensembles, Cross Validation, and Active Learning",
    NIPS 1994), so that the difference of the two figures is what diversity is worth.

    Args:
        frame: The content of ``predictions/out_of_fold.parquet``.
        members: As in ``ensemble.json``.

    Returns:
        None for a single member.
    """
    if len(members) < 2:
        return None
    heaviest = sorted(members, key=lambda member: (-member["weight"], member["trial"]))
    names = [member["trial"] for member in heaviest]
    rows = frame.dropna(subset=names)  # others are of populations that the members don't judge
    errors = rows[names].to_numpy(np.float64) - rows[["target"]].to_numpy(np.float64)
    weights = np.array([member["weight"] for member in heaviest])
    return Diversity(
        tuple(names),
        np.corrcoef(errors, rowvar=False),
        float(weights @ (errors**2).mean(axis=0)),
        float(((errors @ weights) ** 2).mean()),
    )


def plot_diversity(data: Diversity, ax: Axes | None = None) -> Axes:
    """Draws how the heaviest members' errors are correlated, as coloured fields with numbers."""
    names = data.trials[:_MOST_MEMBERS]
    count = len(names)
    ax = ax or new_axes(1.1 + 0.32 * count)
    shown = data.correlations[:count, :count]
    pairs = shown[np.triu_indices(count, 1)]
    lowest = min(float(pairs.min()), 0.99)
    image = ax.imshow(shown, cmap="cividis_r", vmin=lowest, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(shown):
        if row != column:
            dark = value > (lowest + 1) / 2
            ax.text(column, row, f"{value:.3f}".replace("0.", "."), ha="center", va="center",
                    fontsize=7, color="white" if dark else BLACK)  # fmt: skip
    ax.set_title("Correlation of the members' errors", loc="left", fontsize=10, fontweight="bold")
    ax.set_yticks(range(count), [f"{name} {n}" for n, name in enumerate(names, 1)], fontsize=8)
    ax.set_xticks(range(count), [str(number) for number in range(1, count + 1)], fontsize=8)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = figure_of(ax).colorbar(image, ax=ax, aspect=30)
    bar.ax.tick_params(labelsize=8)
    return ax
