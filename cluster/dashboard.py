"""Ray's dashboard, started beside the rest of Ray, which by itself waits for it.

It takes seconds, as long as a worker takes for its imports; Ray starts workers only afterwards, and
has no setting for that. Nor has it one for what it does before: it imports all that the dashboard
imports, to see whether that can be had.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def not_waited_for() -> Iterator[None]:
    """Lets ``ray.init`` start the dashboard and go on; :func:`address` waits for it."""
    from ray._private import utils
    from ray._private.ray_constants import DASHBOARD_ADDRESS
    from ray.experimental import internal_kv

    ask, try_imports = internal_kv._internal_kv_get, utils.get_dashboard_dependency_error

    def told(key: Any, **where: Any) -> Any:
        return b"starting" if key == DASHBOARD_ADDRESS else ask(key, **where)

    internal_kv._internal_kv_get = told
    utils.get_dashboard_dependency_error = lambda: None  # `ray[default]` is a dependency of ours
    try:
        yield
    finally:
        internal_kv._internal_kv_get = ask
        utils.get_dashboard_dependency_error = try_imports


def address() -> str | None:
    """Host and port of the dashboard of this session, when it is up; None if it can't start."""
    from ray._private import ray_constants, worker

    node = worker._global_node  # None with ray://
    started = node and node.all_processes.get(ray_constants.PROCESS_TYPE_DASHBOARD)
    if not started:  # by another process, which has waited for it
        return worker.get_dashboard_url() or None
    store, space = node.get_gcs_client(), ray_constants.KV_NAMESPACE_DASHBOARD
    deadline = time.monotonic() + ray_constants.RAY_DASHBOARD_STARTUP_TIMEOUT_S
    while started[0].process.poll() is None and time.monotonic() < deadline:
        if where := store.internal_kv_get(ray_constants.DASHBOARD_ADDRESS.encode(), space):
            node._webui_url = where.decode()
            store.internal_kv_put(b"webui:url", where, True, space)
            return str(node._webui_url)
        time.sleep(_POLL_SECONDS)
    return None
