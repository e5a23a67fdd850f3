"""Object storage by ``pyarrow.fs``: how it is reached, and what its errors mean for a user."""

from __future__ import annotations

import atexit
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

from .errors import InputError

PARAMETERS = {
    "s3": ("endpoint_override", "region", "scheme"),
    "gs": ("endpoint_override", "scheme"),
}
"""What a URI's query may say, by its scheme, as ``pyarrow.fs.FileSystem.from_uri`` calls it."""

_CONNECT_SECONDS, _ATTEMPTS, _GOOGLE_SECONDS = 5.0, 3, 10
"""By default Google's client, for one, tries for a quarter of an hour."""

_REGION = "us-east-1"
"""Of a server of one's own, which has none; Amazon's client would look for one in the network."""

_PAUSE = 1.0
"""Seconds between two tries of what a server that may come back did not do."""

_Result = TypeVar("_Result")

_REFUSALS = (
    (
        r"NO_SUCH_BUCKET|NoSuchBucket|[Bb]ucket '.*' not found|bucket does not exist",
        "there is no bucket '{bucket}'; make it, or mend its name",
    ),
    (
        r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE|EXPIRED"
        r"|HTTP status 40[13]|PERMISSION_DENIED|UNAUTHENTICATED|OAuth2|[Cc]redentials",
        "access is denied; check the credentials in the environment, the profile or the machine's "
        "role, and the bucket's rules",
    ),
    (
        r"HTTP status 301|PERMANENT_REDIRECT",
        "the bucket is in another region; name it, as in ?region=eu-west-1",
    ),
)
"""What servers answer, by a pattern, and what that means."""

_NO_ANSWER = r"NETWORK_CONNECTION|REQUEST_TIMEOUT|curlCode|UNAVAILABLE"


class LocationError(InputError, OSError):
    """Object storage can't be reached or used; the message says which, why, and what to do."""


class RefusedError(LocationError):
    """The storage will not do it, however often it is asked."""


class MissingObjectError(RefusedError, FileNotFoundError):
    """There is no object of that name."""


@dataclass(frozen=True)
class Store:
    """How object storage is reached. Credentials are no part of it.

    Attributes:
        scheme: ``s3`` or ``gs``.
        query: The URI's own, to show it as it was given.
        anonymous: Whether to go without credentials, to what is public.
        endpoint: Host and port of a server that is not Amazon's or Google's.
        transport: ``https`` or ``http``.
        region: Of the bucket; None asks for it.
    """

    scheme: str
    query: str = ""
    anonymous: bool = False
    endpoint: str | None = None
    transport: str = "https"
    region: str | None = None

    @classmethod
    def from_query(cls, scheme: str, text: str, query: Mapping[str, str], anonymous: bool) -> Store:
        """The store that a URI means in this process's environment.

        Other processes learn of ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``, ``AWS_REGION`` and
        ``AWS_DEFAULT_REGION`` from it, and need not have them.

        Args:
            scheme: Of the URI.
            text: The query as it stands there.
            query: Its parameters, of :data:`PARAMETERS`.
            anonymous: As for the class.
        """
        endpoint, region = query.get("endpoint_override"), query.get("region")
        if scheme == "s3":
            for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
                endpoint = endpoint or os.environ.get(name)
            for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
                region = region or os.environ.get(name)
        transport, _, host = (endpoint or "").rpartition("://")
        return cls(
            scheme=scheme,
            query=text,
            anonymous=anonymous,
            endpoint=host.rstrip("/") or None,
            transport=transport or query.get("scheme", "https"),
            region=region or (_REGION if host else None),
        )


def explained(error: Exception, problem: str, store: Store, bucket: str) -> LocationError:
    """What ``pyarrow`` raised, as a sentence for a user.

    Args:
        error: Of ``pyarrow``.
        problem: The sentence's beginning, such as ``s3://b/x can't be read``.
        store: Where it happened.
        bucket: Where it happened.
    """
    text = str(error)
    for pattern, meaning in _REFUSALS:
        if re.search(pattern, text):
            return RefusedError(f"{problem}: {meaning.format(bucket=bucket)}")
    if re.search(_NO_ANSWER, text):
        server = store.endpoint or "its address"
        return LocationError(
            f"{problem}: no server answers at {server}; check the network and the endpoint"
        )
    return LocationError(f"{problem}: {(text or type(error).__name__).splitlines()[0]}; try again")


def patiently(action: Callable[[], _Result], seconds: float, pause: float = _PAUSE) -> _Result:
    """Does what a server may be gone for, again and again.

    Args:
        action: May raise :class:`LocationError`.
        seconds: For how long it is tried; then its error is raised. A refusal is raised at once.
        pause: Seconds between two tries.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except RefusedError:
            raise
        except LocationError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(pause)


@cache
def file_system(store: Store, bucket: str) -> Any:
    """The ``pyarrow.fs.FileSystem`` of a bucket.

    Raises:
        OSError, pyarrow.ArrowException: It can't be reached or set up.
    """
    from pyarrow import fs

    # Goes before pyarrow's own farewell, which may wait for ever for a file system that is still
    # there (https://github.com/apache/arrow/issues/50188).
    atexit.register(file_system.cache_clear)
    common = {
        "anonymous": store.anonymous,
        "scheme": store.transport,
        "endpoint_override": store.endpoint,
    }
    if store.scheme == "gs":
        return fs.GcsFileSystem(**common, retry_time_limit=timedelta(seconds=_GOOGLE_SECONDS))
    return fs.S3FileSystem(
        **common,
        region=store.region or fs.resolve_s3_region(bucket),
        connect_timeout=_CONNECT_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        allow_delayed_open=True,  # a small file in one request, and not in three
    )
