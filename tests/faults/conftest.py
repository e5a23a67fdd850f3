"""Faults at random moments: ``make faults`` tries many of them, the whole suite the fast ones."""

import os

import pytest

RUNS = int(os.environ.get("EVENSWEEP_FAULTS", "0"))
"""How often each fault is tried; 0 tries the fast ones once."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a ``moment`` runs as often, each time with another seed."""
    if "moment" in metafunc.fixturenames:
        metafunc.parametrize("moment", range(max(RUNS, 1)))
