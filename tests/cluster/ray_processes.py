"""Ray nodes as processes of their own, the way ``ray start`` makes them."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

_START_SECONDS = 120


class RayProcesses:
    """A head on the loopback and nodes beside it, with ports and a temporary folder of their own.

    Args:
        environment: What nodes and drivers have in their environment beside this process'.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        # A short path, since sockets are in there; and not this user's token, if there is one.
        self.folder = Path(tempfile.mkdtemp(prefix="evensweep-"))
        self.environment = {**os.environ, "RAY_AUTH_MODE": "disabled", **(environment or {})}
        self.environment["RAY_USAGE_STATS_ENABLED"] = "0"
        # Ray's: a process that starts one of its own would join this cluster.
        self.environment.pop("RAY_ADDRESS", None)
        self.port, self.dashboard_port = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Of the cluster, for drivers."""
        return f"127.0.0.1:{self.port}"

    @property
    def dashboard(self) -> str:
        """Address of the dashboard and the Jobs API."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_head(self, *options: str, **process: Any) -> subprocess.Popen[bytes]:
        """Starts the head, and returns when it and its dashboard answer."""
        return self._start(
            f"--head --port={self.port} --temp-dir={self.folder} --dashboard-host=127.0.0.1",
            f"--dashboard-port={self.dashboard_port} --ray-client-server-port={free_port()}",
            *options,
            **process,
        )

    def start_node(self, *options: str, **process: Any) -> subprocess.Popen[bytes]:
        """Starts a node, and returns when it is one; two at once would take each other's names."""
        return self._start(f"--address={self.address}", *options, **process)

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Ends a node with all its processes."""
        family = [process, *_children(process.pid)]
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        for left in family[1:]:
            try:
                left.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()

    def _start(
        self,
        *options: str,
        python: Path | str = sys.executable,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        everywhere = (
            "--block --disable-usage-stats --node-ip-address=127.0.0.1 "
            "--min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0"
        )
        code = "from ray.scripts.scripts import main; main()"
        command = [*before, str(python), "-c", code, "start"]
        words = [word for option in (*options, everywhere) for word in option.split()]
        told = self.folder / f"start-{len(self._processes)}.log"
        with told.open("wb") as log:
            started = subprocess.Popen(
                [*command, *words],
                cwd="/",
                # As where the Python's environment is activated.
                env={
                    **self.environment,
                    "PATH": f"{Path(python).parent}:{self.environment['PATH']}",
                    **(environment or {}),
                },
                stdout=log,
                stderr=log,
            )
        self._processes.append(started)
        deadline = time.monotonic() + _START_SECONDS
        while "Ray runtime started" not in (text := told.read_text()):
            assert started.poll() is None, text
            assert time.monotonic() < deadline, text
            time.sleep(0.2)
        return started


def bare_python(folder: Path) -> Path:
    """A Python with all that this one has installed, but without Evensweep.

    What an editable install adds to this one's path is not reachable through another's path.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    (Path(purelib) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
