"""Who joins a cluster without its token is told so at once, by a real head that has one."""

import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
TOKEN = "0123456789abcdef" * 4
PORT, DASHBOARD, CLIENTS = 21431, 21432, 21433
JOIN = """
import sys
from evensweep.cluster.session import ClusterError, ray_session
try:
    with ray_session(sys.argv[1]) as session:
        print("joined", session.cpus, session.token_required)
except ClusterError as error:
    print(error)
"""


def variables(home: Path, **given: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return {**kept, "HOME": str(home), **given}


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster that has a token."""
    options = ["--head", "--block", "--num-cpus=1", "--dashboard-agent-listen-port=0"]
    ports = f"--port={PORT} --dashboard-port={DASHBOARD} --ray-client-server-port={CLIENTS}"
    home = tmp_path_factory.mktemp("head")
    options += ["--temp-dir", tempfile.mkdtemp(prefix="evensweep-")]  # short, for its sockets
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [BIN / "ray", "start", *options, *ports.split()],
            env=variables(home, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=TOKEN),
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + 120
        while "Ray runtime started" not in (home / "log").read_text():
            assert time.monotonic() < deadline, (home / "log").read_text()
            assert process.poll() is None, (home / "log").read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{PORT}"
    finally:
        process.terminate()
        process.wait()


def join(address: str, home: Path, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", JOIN, address],
        capture_output=True,
        text=True,
        env=variables(home, **given),
    )


@pytest.mark.timeout(240)
def test_without_its_token_the_sentence_says_where_it_goes(head: str, tmp_path: Path) -> None:
    token = {"RAY_AUTH_MODE": "token"}
    for address in (head, f"ray://127.0.0.1:{CLIENTS}"):
        for given in ({}, token, token | {"RAY_AUTH_TOKEN": "another"}):
            began = time.monotonic()
            told = join(address, tmp_path, **given)
            assert told.stdout == (
                f"the Ray cluster at {address} has a token, and this process none or another; put "
                "the cluster's into ~/.ray/auth_token or RAY_AUTH_TOKEN, and set "
                "RAY_AUTH_MODE=token\n"
            ), told.stderr
            assert told.stderr == ""
            assert time.monotonic() - began < 20


def test_with_its_token_from_the_users_file_a_cluster_is_joined(head: str, tmp_path: Path) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    joined = join(head, tmp_path, RAY_AUTH_MODE="token")
    assert joined.stdout == "joined 1.0 True\n", joined.stderr
    assert stat.S_IMODE((tmp_path / ".ray").stat().st_mode) == 0o700


def test_where_nothing_answers_it_is_said_at_once(tmp_path: Path) -> None:
    for address in ("127.0.0.1:9", "ray://127.0.0.1:9"):
        assert join(address, tmp_path).stdout == (
            f"no Ray cluster answers at {address}; check the address, and whether it runs\n"
        )
