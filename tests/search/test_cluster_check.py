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
    "views", [["undersampled"], ["smote"], ["natural", "NearMiss"], ["undersampled", "smote"]]
)
def test_the_views_bytes_are_known_before_they_are_made(views: list[str]) -> None:
    config = SweepConfig.from_mapping({"views": views}, "test")
    table = read_table(config)
    [population] = populations_of(config, table)
    prepared = prepare_search(config, population)
    arrays = [rows.X for rows in (*prepared.views.values(), prepared.watched)]
    taken = sum(array.nbytes for array in arrays)

    assert taken <= views_bytes(config, table) <= 1.5 * taken + prepared.watched.X.nbytes


def test_the_parts_are_those_that_are_installed() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]
    assert {PACKAGE, *(f"{PACKAGE}.{part}" for part in PARTS)} == set(packages)
