"""Ray tasks that survive lost workers and show in the dashboard under a speaking name."""

from collections.abc import Callable
from functools import cache
from typing import Any

_MAX_RETRIES = 10
"""Times that a task lost with its worker or node runs again; an exception in it is final."""


def task(
    function: Callable[..., Any],
    name: str,
    *,
    cpus: float,
    gpus: float = 0,
    returns: int = 1,
) -> Any:
    """A function as a Ray task; call ``.remote(...)`` on it.

    Args:
        function: Imported by name on the worker.
        name: Shown in the dashboard.
        cpus: CPUs it occupies.
        gpus: GPUs it occupies, in fractions.
        returns: Objects it returns; each gets a reference of its own.
    """
    return _remote(function).options(
        name=name, num_cpus=cpus, num_gpus=gpus, num_returns=returns, max_retries=_MAX_RETRIES
    )


@cache
def _remote(function: Callable[..., Any]) -> Any:
    # Once a function: Ray sends the code again for every ray.remote() of it.
    import ray

    return ray.remote(function)
