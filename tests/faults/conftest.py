"""Faults at random moments: ``make faults`` tries many of them, the whole suite a few."""

import os

import pytest

RUNS = int(os.environ.get("EVENSWEEP_FAULTS", "1"))
"""How often each fault is tried."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a ``moment`` runs as often, each time with another seed."""
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(RUNS))
