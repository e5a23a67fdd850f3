"""Jobs of a Ray cluster, by the address of its dashboard: submit, follow, stop, read what is left.

Ray's own client does the talking; this adds what it leaves to its users: an address that an
environment variable doesn't overrule, the cluster's token, errors of one sentence, a log that goes
on after a lost connection, and files of any kind from a node's log folder.
"""

from __future__ import annotations

import asyncio
import glob
import ipaddress
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from .session import ClusterError, environment

log = logging.getLogger(__name__)

UPLOAD_LIMIT = 100 * 2**20
"""Bytes that a dashboard takes in one upload, and so what a job's files may have."""

ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
"""States that a job stays in."""

_ANSWER_SECONDS = 10.0
_PAUSE_SECONDS = 0.5
_FILE_SECONDS = 3600
_STOP_SECONDS = 60
"""How long a job that is stopped may take for its goodbye; Ray's own is 3 seconds."""

_TOKEN_FILE = Path("~/.ray/auth_token")

_TALKATIVE = (
    "ray.dashboard.modules.job.sdk",
    "ray.dashboard.modules.dashboard_sdk",
    "ray._private.runtime_env.packaging",
)
"""Loggers of Ray's that tell their steps on its user's terminal."""


@dataclass(frozen=True)
class Job:
    """A job, as the cluster knows it.

    Attributes:
        id: Its submission id.
        status: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.
        message: What Ray says of the status; of a failed job with the last lines of its log.
        metadata: What it was submitted with.
        started: Seconds since the epoch, or None.
        ended: The same.
        node: Id of the node that its driver runs on; None before it starts.
    """

    id: str
    status: str
    message: str
    metadata: Mapping[str, str]
    started: float | None
    ended: float | None
    node: str | None

    @property
    def has_ended(self) -> bool:
        """Whether its status stays what it is."""
        return self.status in ENDED


class Jobs:
    """The jobs of the cluster whose dashboard is at an address.

    Args:
        address: Such as ``http://10.0.0.5:8265``.

    Raises:
        ClusterError: No dashboard answers there, or it doesn't take the token.
    """

    def __init__(self, address: str) -> None:
        self.address = _as_url(address)
        headers = _token_headers(self.address)
        from ray.job_submission import JobSubmissionClient

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        # Ray would prefer the environment's address to the one it is given.
        with self._told(), environment({"RAY_API_SERVER_ADDRESS": self.address}):
            self._client = JobSubmissionClient(self.address, headers=headers)

    def submit(
        self,
        job: str,
        command: str,
        folder: Path,
        variables: Mapping[str, str],
        metadata: Mapping[str, str],
    ) -> None:
        """Uploads a folder and starts a command in it.

        Args:
            job: The job's id.
            command: For the shell.
            folder: Becomes the command's working directory, and the first place where its driver
                and workers look for modules.
            variables: Goes into the environment of driver and workers.
            metadata: Shown with the job.

        Raises:
            ClusterError: There is such a job already, or the cluster doesn't take it.
        """
        with self._told(job):
            self._client.submit_job(
                submission_id=job,
                entrypoint=command,
                runtime_env={
                    "working_dir": str(folder),
                    "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(_STOP_SECONDS), **variables},
                },
                metadata=dict(metadata),
            )

    def get(self, job: str) -> Job:
        """What the cluster knows of a job.

        Raises:
            ClusterError: There is no such job, or the cluster doesn't answer.
        """
        with self._told(job):
            return _job(self._client.get_job_info(job))

    def all(self) -> list[Job]:
        """All jobs that were submitted, the latest first.

        Raises:
            ClusterError: The cluster doesn't answer.
        """
        with self._told():
            known = [_job(job) for job in self._client.list_jobs() if job.submission_id]
        return sorted(known, key=lambda job: job.started or 0.0, reverse=True)

    def log(self, job: str) -> str:
        """What the job has printed so far.

        Raises:
            ClusterError: There is no such job, or the cluster doesn't answer.
        """
        with self._told(job):
            return str(self._client.get_job_logs(job))

    def follow(self, job: str, write: Callable[[str], None]) -> Job:
        """Passes on what the job prints until it ends.

        Args:
            job: The job's id.
            write: Takes the next characters.

        Returns:
            The job after its end.

        Raises:
            ClusterError: There is no such job, or the cluster no longer answers.
        """
        import aiohttp

        written = 0

        async def connection() -> None:
            nonlocal written
            position = 0
            try:
                async for text in self._client.tail_job_logs(job):
                    write(text[max(0, written - position) :])
                    position += len(text)
                    written = max(written, position)
            except BrokenPipeError:  # of the writer
                raise
            except (RuntimeError, OSError, aiohttp.ClientError) as error:  # the job goes on
                log.info("the connection to the log of %s was lost: %s", job, error)

        while not (known := self.get(job)).has_ended:
            asyncio.run(connection())
            time.sleep(_PAUSE_SECONDS)
        write(self.log(job)[written:])
        return known

    def stop(self, job: str) -> Job:
        """Stops a job and waits until it has ended.

        Raises:
            ClusterError: There is no such job, or the cluster doesn't answer.
        """
        with self._told(job):
            self._client.stop_job(job)
        deadline = time.monotonic() + _STOP_SECONDS + _ANSWER_SECONDS
        while not (known := self.get(job)).has_ended and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
        return known

    def read(self, job: Job, name: str) -> Iterator[bytes] | None:
        """A file among the logs of the node that a job's driver runs on, or has run on.

        Args:
            job: The job.
            name: The file's, relative to the folder of the logs.

        Returns:
            The content piece by piece; None if there is no such file.

        Raises:
            ClusterError: The node has gone, or the cluster doesn't answer.
        """
        if job.node is None:
            return None
        query = {"node_id": job.node, "filename": name, "lines": -1, "timeout": _FILE_SECONDS}
        with self._told(job.id):
            answer = self._client._do_request(
                "GET", f"/api/v0/logs/file?{urlencode(query)}", stream=True
            )
        if answer.status_code == 200:
            pieces = self._pieces(answer)
            first = next(pieces, b"")
            # Now and then Ray loses that there is no file, and answers as if it were empty.
            there = first or self._lists(job.node, name)
            return chain([first], pieces) if there else None
        if "not found at" in answer.text:
            return None
        raise ClusterError(
            f"the node that {job.id} ran on no longer gives its files; if it has gone, they have, "
            "too"
        )

    def _lists(self, node: str, name: str) -> bool:
        """Whether a file is among the logs of a node."""
        query = {"node_id": node, "glob": glob.escape(name)}
        with self._told():
            answer = self._client._do_request("GET", f"/api/v0/logs?{urlencode(query)}")
            answer.raise_for_status()
        return name in chain(*answer.json()["data"]["result"].values())

    def _pieces(self, answer: Any) -> Iterator[bytes]:
        with self._told(), answer:
            yield from answer.iter_content(chunk_size=None)

    @contextmanager
    def _told(self, job: str | None = None) -> Iterator[None]:
        """Turns what Ray's client raises into one sentence."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            raise ClusterError(_token_sentence(self.address, str(error))) from None
        except (ConnectionError, requests.RequestException) as error:
            raise ClusterError(_silent(self.address, error)) from None
        except RuntimeError as error:
            text = str(error)
            if job is not None and "does not exist" in text:
                raise ClusterError(
                    f"the cluster at {self.address} has no job {job}; evensweep jobs lists them"
                ) from None
            if job is not None and "already exists" in text:
                raise ClusterError(
                    f"the cluster at {self.address} has a job {job} already; choose another --name"
                ) from None
            # A traceback of the dashboard's: its last line says what was wrong.
            lines = [line for line in text.splitlines() if line.strip(" .")]
            raise ClusterError(f"the cluster at {self.address} refuses: {lines[-1]}") from None


def _job(details: Any) -> Job:
    return Job(
        id=details.submission_id or details.job_id,
        status=str(details.status.value),
        message=details.message or "",
        metadata=details.metadata or {},
        started=details.start_time and details.start_time / 1000,
        ended=details.end_time and details.end_time / 1000,
        node=details.driver_node_id,
    )


def _as_url(address: str) -> str:
    url = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(url)
        fit = parts.scheme in {"http", "https"} and parts.hostname and address != "auto"
    except ValueError:  # an open bracket, for one
        fit = False
    if not fit:
        raise ClusterError(
            f"{address} is no address of a dashboard; write it as http://HOST:8265, as the cluster "
            "printed it"
        )
    return url.rstrip("/")


def _token_headers(address: str) -> dict[str, str]:
    """The token's header, if the cluster wants one."""
    import requests

    try:
        answer = requests.get(f"{address}/api/authentication_mode", timeout=_ANSWER_SECONDS)
        mode = answer.json()["authentication_mode"] if answer.ok else None
    except (KeyError, TypeError, ValueError):
        mode = None
    except requests.RequestException as error:
        raise ClusterError(_silent(address, error)) from None
    if mode != "token":
        return {}
    token = _token(address)
    if token is None:
        raise ClusterError(_token_sentence(address, "401"))
    return {"Authorization": f"Bearer {token}"}


def _token(address: str) -> str | None:
    """This user's token: the environment's, or that of Ray's own file.

    The file's is that of this machine's sessions. Another machine gets it only if the user says so,
    as with Ray's own commands.
    """
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if named or os.environ.get("RAY_AUTH_MODE", "").lower() == "token" or _is_here(address):
        try:
            return Path(named or _TOKEN_FILE).expanduser().read_text(encoding="utf-8").strip()
        except OSError:
            return None
    return None


def _is_here(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _token_sentence(address: str, answer: str) -> str:
    wrong = (
        "doesn't take this token" if "403" in answer or "Forbidden" in answer else "wants a token"
    )
    return (
        f"the cluster at {address} {wrong}; set RAY_AUTH_TOKEN to what ray get-auth-token prints "
        "on its head"
    )


def _silent(address: str, error: Exception) -> str:
    return (
        f"no dashboard of Ray answers at {address} ({type(error).__name__}); check the address, "
        "such as http://HOST:8265, and that the head has ray[default]"
    )
