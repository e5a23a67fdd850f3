"""Seeded, stratified row splits: train / validation / test, and folds of the development rows.

scikit-learn is imported where it is used: a table is checked before Ray starts, and scikit-learn's
second of import then passes while Ray starts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .errors import InputError


@dataclass(frozen=True)
class Split:
    """Disjoint row positions of a table, each sorted int64 of shape (n_rows_of_part,)."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def development(self) -> np.ndarray:
        """Train and validation rows together, sorted."""
        return np.sort(np.concatenate([self.train, self.validation]))


@dataclass(frozen=True)
class Fold:
    """One fold of the development rows, as sorted row positions of the table.

    Attributes:
        fit: Rows that preprocessing, sampler and network are fitted on.
        stop: Rows that early stopping watches; natural class shares.
        out_of_fold: Rows that are predicted, and seen by nothing fitted in this fold.
    """

    fit: np.ndarray
    stop: np.ndarray
    out_of_fold: np.ndarray


def stratified_split(y: np.ndarray, validation: float, test: float, seed: int) -> Split:
    """Splits rows so that every part has the table's class shares.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        validation: Share of the validation rows, 0 to 1.
        test: Share of the test rows, 0 to 1; with 0 there are none.
        seed: The same seed gives the same split.
    """
    from sklearn.model_selection import train_test_split

    development = rows = np.arange(len(y))
    test_rows = rows[:0]
    if test:
        development, test_rows = train_test_split(
            rows, test_size=test, stratify=y, random_state=seed
        )
    train, validation_rows = train_test_split(
        development,
        test_size=validation / (1 - test),
        stratify=y[development],
        random_state=seed,
    )
    return Split(np.sort(train), np.sort(validation_rows), np.sort(test_rows))


def stratified_folds(
    y: np.ndarray, development: np.ndarray, folds: int, stop_share: float, seed: int
) -> list[Fold]:
    """Folds of the development rows, each with an inner slice for early stopping.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, for the whole table.
        development: Row positions to divide.
        folds: Number of folds; every development row is out of fold exactly once.
        stop_share: Share of a fold's remaining rows that early stopping watches.
        seed: The same seed gives the same folds.
    """
    from sklearn.model_selection import StratifiedKFold, train_test_split

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    result = []
    for rest, out_of_fold in splitter.split(development, y[development]):
        rest_rows = development[rest]
        fit, stop = train_test_split(
            rest_rows, test_size=stop_share, stratify=y[rest_rows], random_state=seed
        )
        result.append(Fold(np.sort(fit), np.sort(stop), np.sort(development[out_of_fold])))
    return result


def folds_of_validation(y: np.ndarray, split: Split, folds: int, seed: int) -> list[Fold]:
    """Folds for training rows that are balanced already, which no one may be judged on.

    All training rows are fitted on in every fold. The validation rows are divided: one part is
    predicted, the others are what early stopping watches.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1, for the whole table.
        split: Whose validation rows are divided.
        folds: Number of folds; every validation row is out of fold exactly once.
        seed: The same seed gives the same folds.
    """
    from sklearn.model_selection import StratifiedKFold

    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    rows = split.validation
    return [
        Fold(split.train, rows[rest], rows[out_of_fold])
        for rest, out_of_fold in splitter.split(rows, y[rows])
    ]


def check_given_rows(y: np.ndarray, given: Iterable[Split], folds: int) -> None:
    """Checks that the validation rows of a split that was given can be divided into folds.

    Raises:
        InputError: There are too few.
    """
    for split in given:
        rarer = int(np.bincount(y[split.validation], minlength=2).min())
        if rarer < folds:
            raise InputError(
                f"only {rarer} validation rows belong to the rarer class, and {folds} folds need "
                f"at least {folds}; give more validation rows or fewer cross_validation.folds"
            )


def check_enough_rows(
    y: np.ndarray,
    *,
    validation: float,
    test: float,
    folds: int,
    stop_share: float,
    neighbours: int,
    rows: str = "rows",
) -> None:
    """Checks that every part of every split gets rows of the rarer class.

    Args:
        y: int ndarray of shape (n_rows,), 0 or 1.
        validation: Share of the validation rows.
        test: Share of the test rows; 0 for none.
        folds: Folds of the cross-validation; 0 for none.
        stop_share: Share of a fold's remaining rows that early stopping watches.
        neighbours: Minority rows that a sampler needs beside the one it interpolates; 0 for none.
        rows: What they are called in the message.

    Raises:
        InputError: There are too few; the message says how many are needed.
    """
    counts = np.bincount(y, minlength=2)
    rarer = int(counts.min())

    def is_enough(minority: int) -> bool:
        return _is_enough(minority, validation, test, folds, stop_share, neighbours)

    if not is_enough(rarer):
        needed = next(filter(is_enough, range(rarer + 1, 10**6)), 10**6)
        wants = ["the split"]
        wants += [f"{folds} folds"] if folds else []
        wants += [f"oversampling with {neighbours} neighbours"] if neighbours else []
        listed = " and ".join([", ".join(wants[:-1]), wants[-1]] if len(wants) > 1 else wants)
        raise InputError(
            f"only {rarer} of {len(y)} {rows} belong to the rarer class of the target, and "
            f"{listed} need at least {needed}; give more rows, fewer cross_validation.folds or "
            "larger split shares"
        )


def _is_enough(
    minority: int, validation: float, test: float, folds: int, stop_share: float, neighbours: int
) -> bool:
    # Stratified parts round down at worst, so each share must reach a whole row.
    in_test, in_validation = int(minority * test), int(minority * validation)
    if in_validation < 1 or (test and in_test < 1):
        return False
    development = minority - in_test - bool(test)
    fitted = development - in_validation - 1
    if folds:
        rest = development - -(-development // folds)
        if development < folds or int(rest * stop_share) < 1:
            return False
        fitted = min(fitted, rest - int(rest * stop_share) - 1)
    return fitted > neighbours
