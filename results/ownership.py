"""Who works on a run in object storage, where no lock ends with its process."""

import json
import os
import socket
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import Self

from ..datasets.errors import InputError
from ..datasets.locations import Location
from ..datasets.stores import MissingObjectError, RefusedError

OWNER = ".owner"
"""The object in a run directory that names its driver, and the driver's token in its copy."""

_REFRESH_SECONDS = 10.0
_STALE_SECONDS = 60.0
"""Machines' clocks may differ by what is between the two."""


class OwnershipLostError(RefusedError):
    """Another driver has taken the run over."""


@dataclass(frozen=True)
class Owner:
    """A driver.

    Attributes:
        token: Of one session of it.
        host: Its machine's name.
        pid: Its process there.
        time: When it last said that it is alive, in seconds since 1970.
    """

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    time: float = field(default_factory=time.time)

    @classmethod
    def read(cls, location: Location) -> Self | None:
        """The driver that an object names; None if there is none, or none that can be read."""
        try:
            content = location.read_bytes()
        except MissingObjectError:
            return None
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None

    @property
    def alive(self) -> bool:
        """Whether it may still work, as far as this process can tell."""
        if time.time() - self.time > _STALE_SECONDS:
            return False
        return self.host != socket.gethostname() or _is_another_process(self.pid)


class Ownership:
    """Keeps other drivers from a run.

    Args:
        run: The run's location.
    """

    def __init__(self, run: Location) -> None:
        self._run = run
        self._object = run / OWNER
        self._me = Owner()
        self._said = float("-inf")

    @property
    def token(self) -> str:
        """Of this session."""
        return self._me.token

    def last(self) -> str | None:
        """The token of the session that had the run and never gave it back, if there is one.

        Raises:
            InputError: It is another driver's, which works on the run.
        """
        other = Owner.read(self._object)
        if other is not None and other.alive:
            raise InputError(
                f"{self._run} is being run by process {other.pid} on {other.host}; wait for it or "
                f"stop it first (if it was killed, wait for {_STALE_SECONDS:.0f} seconds)"
            )
        return None if other is None else other.token

    def claim(self) -> None:
        """Takes the run."""
        self._say()

    def keep(self) -> None:
        """Says from time to time that this driver is alive.

        Raises:
            OwnershipLostError: Another driver has taken the run over.
        """
        if time.monotonic() - self._said < _REFRESH_SECONDS:
            return
        other = Owner.read(self._object)
        if other is not None and other.token != self._me.token:
            raise OwnershipLostError(
                f"{self._run} was taken over by process {other.pid} on {other.host}, since this "
                "one did not answer; leave it to that one"
            )
        self._say()

    def give_back(self) -> None:
        """Ends the ownership, if it is still this driver's."""
        other = Owner.read(self._object)
        if other is not None and other.token == self._me.token:
            self._object.delete()

    def _say(self) -> None:
        self._object.write_bytes(json.dumps(asdict(replace(self._me, time=time.time()))).encode())
        self._said = time.monotonic()


def _is_another_process(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
