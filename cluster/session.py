"""Ray sessions: one here on a laptop, or one joined by its address."""

import contextlib
import inspect
import logging
import os
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import dashboard
from .authentication import hide_token, refusal

_IDLE_MILLISECONDS = 30_000
"""Until Ray may end an idle process beyond one a CPU. The next sweep of the session can then use
the one that prepares folds; Ray's own second is less than a stage takes."""


class ClusterError(RuntimeError):
    """The cluster can't be reached or used; the message says what to do."""


@dataclass
class Session:
    """A Ray session that sweeps run in.

    Attributes:
        cpus: CPUs of the whole cluster.
        dashboard: Address of the dashboard, or None if it is not running.
        token_required: Whether the dashboard asks for the cluster's token.
        joined: Whether it was not started here, or has nodes on other machines.
    """

    cpus: float
    dashboard: str | None
    token_required: bool
    joined: bool
    _kept: tuple[Hashable, Any] | None = field(default=None, init=False, repr=False)
    _closing: ExitStack = field(default_factory=ExitStack, init=False, repr=False)

    def keep(
        self,
        key: Hashable,
        opened: Callable[[], AbstractContextManager[Any]],
        usable: Callable[[Any], bool],
    ) -> Any:
        """Opens something that stays open as long as the session, unless it is there already.

        One thing at a time, since it occupies the cluster.

        Args:
            key: Tells what is wanted; what is there for another key is closed.
            opened: Opens it.
            usable: Whether what is there still works.
        """
        if self._kept is None or self._kept[0] != key or not usable(self._kept[1]):
            self.release()
            self._kept = key, self._closing.enter_context(opened())
        return self._kept[1]

    def release(self) -> None:
        """Closes what is kept; its part of the cluster is free then."""
        self._kept = None
        self._closing.close()


_current: Session | None = None
"""The session that is open in this process."""


@contextlib.contextmanager
def ray_session(
    address: str | None = None,
    cpus: int | None = None,
    *,
    preload: Sequence[str] = (),
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Session]:
    """Starts Ray here, or joins the cluster at ``address``; an open session is used as it is.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``; None takes the environment's
            ``RAY_ADDRESS``, and without one starts Ray on this machine, on the loopback only.
        cpus: CPUs for a session started here; None takes all.
        preload: Modules that every worker process of a session started here imports at once, so
            that it is warm when its first work arrives.
        meanwhile: Called on a thread while Ray starts, which is mostly waiting.

    Raises:
        ClusterError: No session could be started or joined.
    """
    # Tune's own noise and files: progress, records and tables are ours.
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    # Whoever starts Ray for themselves has not agreed to report it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    global _current  # as Ray's own session is one a process
    mine, before = not ray.is_initialized(), _current
    if not mine and before is not None:
        yield before
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if mine:
        with ThreadPoolExecutor(1) as executor:
            done = executor.submit(meanwhile or (lambda: None))
            variables = {"RAY_idle_worker_killing_time_threshold_ms": str(_IDLE_MILLISECONDS)}
            if preload:
                variables["RAY_preload_python_modules"] = ",".join(preload)
            with environment(variables):
                _start(address, cpus)
        done.result()
    try:
        where = dashboard.address()
        _current = Session(
            cpus=ray.cluster_resources().get("CPU", 1.0),
            dashboard=f"http://{where}" if where else None,
            # Ray sets it, too: a session started here has a token unless its user wants none.
            token_required=os.environ.get("RAY_AUTH_MODE", "").lower() == "token",
            joined=bool(address) or sum(node["Alive"] for node in ray.nodes()) > 1,
        )
        try:
            yield _current
        finally:
            _current.release()
    finally:
        _current = before
        if mine:
            _end_monitor()
            ray.shutdown()


def log_folder() -> Path | None:
    """Where this node keeps the logs that the dashboard lists; None without a node here."""
    import ray

    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    try:
        folder = Path(context.get_temp_dir(), context.get_session_name(), "logs")
    except AttributeError:  # a driver that is joined through ray:// has no node of its own
        return None
    return folder if folder.is_dir() else None


def log_name(run: str, what: str) -> str:
    """Name of a file of ours in :func:`log_folder`."""
    return f"evensweep-{run}-{what}"


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables, for Ray to read, and puts them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _start(address: str | None, cpus: int | None) -> None:
    import ray

    _let_agents_choose_ports()
    if address and (reason := refusal(address)):
        raise ClusterError(reason)

    # Said aloud, since Ray would otherwise join a cluster that someone has started on this machine.
    local = {"address": "local", "num_cpus": cpus, "dashboard_host": "127.0.0.1"}
    options = {"address": address} if address else local
    try:
        # Ray puts the driver's working directory on its workers' import path. From a checkout that
        # would let our `datasets/` answer a bare `import datasets` there, so start elsewhere.
        with contextlib.chdir(sys.prefix), ExitStack() as ours:
            if not address:
                ours.enter_context(_on_loopback())
                ours.enter_context(dashboard.not_waited_for())
            hide_token()
            ray.init(
                **options,
                log_to_driver=False,
                logging_level=logging.ERROR,
                include_dashboard=None if address else True,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"the Ray cluster at {address}" if address else "Ray on this machine"
        raise ClusterError(f"can't reach or start {where} ({_first_line(error)})") from error


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Lets all of Ray that is started here listen on the loopback alone.

    So it does on Windows and macOS, where Ray starts no clusters and no firewall shall ask; the
    switch is made for them, and read when Ray is imported and by the processes that it starts.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        with environment({ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}):
            yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _end_monitor() -> None:
    """Ends the autoscaler's monitor of a session started here, as Ray does a second later.

    Ray asks it to end, waits for that in vain, and only then kills it.
    """
    from ray._private import ray_constants, worker

    node = worker._global_node  # None with ray://, and one without processes elsewhere
    for started in node.all_processes.get(ray_constants.PROCESS_TYPE_MONITOR, []) if node else []:
        started.process.kill()


def _let_agents_choose_ports() -> None:
    """Lets several sessions on one machine each have a dashboard with logs.

    Ray gives the dashboard's agent one port for all sessions, and has no setting for it in
    ``ray.init``: the second session's agent would not start.
    """
    from ray._private.parameter import RayParams

    start = RayParams.__init__
    parameters = inspect.signature(start).parameters.values()
    start.__defaults__ = tuple(
        0 if parameter.name == "dashboard_agent_listen_port" else parameter.default
        for parameter in parameters
        if parameter.default is not parameter.empty and parameter.kind is not parameter.KEYWORD_ONLY
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
