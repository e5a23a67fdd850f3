"""Ray tasks that survive lost workers and show in the dashboard under a speaking name."""

from collections.abc import Callable
from functools import cache
from typing import Any

_MAX_RETRIES = 10
"""Times that a task lost with its worker or node runs again; an exception in it is final."""

COLD = "EVENSWEEP_COLD"
"""Name of the environment variable of workers that need not be warm."""


def side_task(function: Callable[..., Any], name: str, *, returns: int) -> Any:
    """A function as a Ray task beside the workers, taking no slot; call ``.remote(...)`` on it.

    It runs in a process that has :data:`COLD` in its environment, and so imports nothing
    beforehand.

    Args:
        function: Imported by name there.
        name: Shown in the dashboard.
        returns: Objects it returns; each gets a reference of its own.
    """
    return _remote(function).options(
        name=name,
        num_cpus=0,
        num_returns=returns,
        max_retries=_MAX_RETRIES,
        runtime_env={"env_vars": {COLD: "1"}},
    )


@cache
def _remote(function: Callable[..., Any]) -> Any:
    # Once a function: Ray sends the code again for every ray.remote() of it.
    import ray

    return ray.remote(function)
