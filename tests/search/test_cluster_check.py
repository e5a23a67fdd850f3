"""What a sweep needs of a cluster follows from its configuration and its table."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from evensweep.search.cluster_check import PACKAGE, PARTS, views_bytes
from evensweep.search.config import SweepConfig
from evensweep.search.intake import read_table
from evensweep.search.populations import populations_of, prepare_search

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("raw", "at_most"),
    [
        ({"views": ["undersampled"]}, 1.01),
        ({"views": ["undersampled", "smote"]}, 1.01),
        ({"views": ["natural", "NearMiss"]}, 2.0),
        ({"views": [{"few": {"sampler": "imblearn.under_sampling:RandomUnderSampler"}}]}, 1.01),
        ({"views": ["undersampled", "smote"], "protocol": "balanced_first"}, 1.05),
    ],
)
def test_the_views_bytes_are_known_before_they_are_made(
    raw: dict[str, Any], at_most: float
) -> None:
    config = SweepConfig.from_mapping(raw, "test")
    table = read_table(config)
    taken = 0
    for population in populations_of(config, table):
        prepared = prepare_search(config, population)
        taken += sum(rows.X.nbytes for rows in (*prepared.views.values(), prepared.watched))

    assert 0.99 * taken <= views_bytes(config, table) <= at_most * taken


def test_the_parts_are_those_that_are_installed() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    assert {PACKAGE, *(f"{PACKAGE}.{part}" for part in PARTS)} == set(packages)
