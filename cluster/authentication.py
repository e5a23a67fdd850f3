"""What keeps one from a cluster, asked beforehand; and Ray's token, kept for its user alone."""

import contextlib
from pathlib import Path

_CLIENT = "ray://"
_CONTROL_STORE = "/ray.rpc.NodeInfoGcsService/GetClusterId"
_CLIENT_SERVER = "/ray.rpc.RayletDriver/ClusterInfo"
"""What a head answers to those who have its token."""

_SECONDS = 10.0
"""How long to wait for a head's answer."""

_TOKEN = (
    "the Ray cluster at {} has a token, and this process none or another; put the cluster's into "
    "~/.ray/auth_token or RAY_AUTH_TOKEN, and set RAY_AUTH_MODE=token"
)


def hide_token() -> None:
    """Makes the folder that Ray keeps the user's token in the user's alone."""
    with contextlib.suppress(OSError, RuntimeError):  # no home, or one that Ray can't write to
        folder = Path("~/.ray").expanduser()
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)


def refusal(address: str) -> str | None:
    """Why a cluster can't be joined, in a sentence; None if nothing is known against it.

    Ray itself would ask for minutes where nothing listens, and say nothing of tokens.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``.
    """
    import grpc
    from ray._private.authentication.authentication_token_setup import (
        maybe_enable_token_auth_if_token_available,
    )
    from ray._private.grpc_utils import init_grpc_channel
    from ray._private.services import canonicalize_bootstrap_address
    from ray.exceptions import AuthenticationError

    if address == "auto":  # for an address that is given, Ray looks for no token by itself
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)
    try:
        head = canonicalize_bootstrap_address(address.removeprefix(_CLIENT))
        if head is None:
            return None
        with contextlib.closing(init_grpc_channel(head)) as channel:
            method = _CLIENT_SERVER if address.startswith(_CLIENT) else _CONTROL_STORE
            channel.unary_unary(method)(b"", timeout=_SECONDS)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            return _TOKEN.format(address)
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            return f"no Ray cluster answers at {address}; check the address, and whether it runs"
    except AuthenticationError:  # RAY_AUTH_MODE=token, and there is none
        return _TOKEN.format(address)
    except (ConnectionError, ValueError):  # of which Ray tells
        return None
    return None
