"""A synthetic table of audiobook buyers, to try the classifiers on without downloading anything.

The distributions below were set by hand to resemble a public table (Kaggle's audiobooks data);
no row of it is used.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# value: weight. Books have few lengths and mostly list prices, which is what makes rows repeat.
_BOOK_LENGTHS = {2160: 35, 1620: 31, 1188: 21, 648: 5.5, 1080: 4.2, 324: 2.2, 540: 0.8, 216: 0.3}
_LIST_PRICES = {5.33: 54, 8: 22, 10.13: 8, 7.99: 4, 5.87: 4, 6.93: 3, 5.61: 3, 6.4: 2}
_BOOKS_BOUGHT = {2: 72, 3: 20, 4: 6.5, 5: 1.5}
_REVIEW_SCORES = {10: 52, 9: 15.5, 8: 17, 7: 7, 6: 4.5, 5: 2, 4: 0.8, 3: 0.5, 2: 0.3, 1: 0.4}
_SUPPORT_REQUESTS = {1: 66, 2: 23, 3: 6, 4: 2.7, 6: 1.6, 8: 0.4, 12: 0.2, 30: 0.1}
_MINUTES = {0: 67, 21.6: 4, 43.2: 3, 64.8: 4.8, 113.4: 2, 172.8: 4, 259.2: 1.8, 432: 1.6}
_MINUTES |= {475.2: 2.2, 531.36: 2.2, 583.2: 1.4, 680.4: 2.4, 734.4: 2.2, 1188: 1, 2116.8: 0.5}

# (cumulative shares, values) of the distributions that have no such small set of values.
_ODD_PRICES = (
    (0, 0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1),
    (3.86, 4.1, 5.49, 5.77, 5.99, 6.28, 6.7, 7.5, 8.06, 8.7, 10.66, 13.45, 25.6, 50, 131),
)
_DAYS_OF_LISTENERS = (
    (0, 0.07, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1),
    (0, 0, 7, 18, 33, 60, 96, 142, 192, 242, 277, 333, 465),
)
_DAYS_OF_OTHERS = (
    (0, 0.7, 0.75, 0.8, 0.86, 0.9, 0.95, 0.99, 1),
    (0, 0, 3, 17, 54, 105, 190, 290, 390),
)
_SHARE_IN_PERCENT = (
    (0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1),
    (1, 2, 5, 8, 21, 38, 52, 80, 99, 100),
)


def _pick(
    rng: np.random.Generator, rows: int, weights: Mapping[int, float] | Mapping[float, float]
) -> np.ndarray:
    """Draws keys of `weights`, each in proportion to its weight."""
    edges = np.cumsum(list(weights.values()))
    drawn = np.searchsorted(edges[:-1], rng.random(rows) * edges[-1], side="right")
    return np.array(list(weights))[drawn]


def _draw(
    rng: np.random.Generator, rows: int, table: tuple[Sequence[float], Sequence[float]]
) -> np.ndarray:
    """Draws from the distribution whose quantiles are in `table`, linear between them."""
    return np.interp(rng.random(rows), *table)


def demonstration_table(rows: int = 14_000, seed: int = 20) -> pd.DataFrame:
    """Generates a table of audiobook buyers and whether they bought again.

    The table resembles the public audiobooks data: an id, ten features, of which `review_score`
    is mostly missing, many rows with equal features, and about 16% positives in
    `purchased_again`. It keeps that table's peculiarities too:

    * The header swaps two names: `minutes_listened` holds the completed share of the book (0-1)
      and `completion_amt` the minutes. These minutes tell nothing about the other columns.
    * `book_len_avg` and `spent_avg` hold the sums over a customer's books, `book_len_total` and
      `spent_total` the means. They differ only for customers who bought several books, all of
      whom bought again.
    * The completed share of customers who bought again is 0, so among the rows with a share of
      0 the remaining traces of listening (late visits, reviews, support requests) give them away.

    Args:
        rows: Number of rows.
        seed: Seed of the random generator; the same arguments always give the same table.

    Returns:
        The table, with the columns and dtypes that pandas reads from the public CSV file.
    """
    rng = np.random.default_rng(seed)
    customer_id = 1 + np.argsort(rng.random(rows * 12 // 5), kind="stable")[:rows]

    # Nobody buys a book twice: the order of an exponential race is a weighted draw without
    # replacement. The first book is the only one of most customers.
    most = max(_BOOKS_BOUGHT)
    weights = np.array(list(_BOOK_LENGTHS.values()))
    finish = -np.log1p(-rng.random((rows, weights.size))) / weights
    lengths = np.array(list(_BOOK_LENGTHS))[np.argsort(finish, axis=1, kind="stable")[:, :most]]
    listed = _pick(rng, rows * most, _LIST_PRICES)
    odd = _draw(rng, rows * most, _ODD_PRICES).round(2)
    prices = np.where(rng.random(rows * most) < 0.7, listed, odd).reshape(rows, most)
    length, price = lengths[:, 0], prices[:, 0]

    # Half of the customers listen to their book, more of those who paid more. Listeners visit
    # late, and the further they get, the more they review and ask for support.
    listens = rng.random(rows) < np.where(price > 7.95, 0.57, 0.47)
    late, early = _draw(rng, rows, _DAYS_OF_LISTENERS), _draw(rng, rows, _DAYS_OF_OTHERS)
    days = np.where(listens, late, early).astype(np.int64)
    share = np.where(listens, _draw(rng, rows, _SHARE_IN_PERCENT).round() / 100, 0.0)
    review_chance = np.interp(share, (0, 0.05, 0.15, 0.35, 1), (0.015, 0.08, 0.23, 0.42, 0.71))
    reviewed = rng.random(rows) < review_chance
    asked = rng.random(rows) < np.interp(share, (0, 0.4, 0.5, 1), (0.002, 0.02, 0.2, 0.45))
    requests = np.where(asked, _pick(rng, rows, _SUPPORT_REQUESTS), 0)

    # Late visitors buy again more often; length and price multiply this instead of adding to it.
    chance = np.interp(days, (0, 30, 120, 400), (0.13, 0.14, 0.2, 0.27))
    chance *= np.select([length == 1188, length == 1080], [1.2, 0.6], 1.0)
    chance *= np.where(price > 8, 1.3, 1.0)
    again = rng.random(rows) < chance

    # What buying again leaves behind: no share, several books, scores of books bought earlier.
    share[again] = 0.0
    several = again & (rng.random(rows) < 0.29)
    books = np.where(several, _pick(rng, rows, _BOOKS_BOUGHT), 1)
    bought = np.arange(most) < books[:, np.newaxis]
    length_sum = (lengths * bought).sum(axis=1)
    price_sum = (prices * bought).sum(axis=1).round(2)
    scored = reviewed | (again & (rng.random(rows) < 0.11))

    return pd.DataFrame(
        {
            "customer_id": customer_id,
            "book_len_total": (length_sum / books).round(2),
            "book_len_avg": length_sum,
            "spent_total": (price_sum / books).round(2),
            "spent_avg": price_sum,
            "left_review": reviewed.astype(np.int64),
            "review_score": np.where(scored, _pick(rng, rows, _REVIEW_SCORES), np.nan),
            "minutes_listened": share,
            "completion_amt": _pick(rng, rows, _MINUTES),
            "support_requests": requests,
            "last_visited_minus_purchase_date": days,
            "purchased_again": again.astype(np.int64),
        }
    )
