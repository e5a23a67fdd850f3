"""A sweep as its user watches it: in the terminal, and in Ray's dashboard in a browser."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

BEST = r"0\.\d{4} \(\d×\d+ \w+\)"


def token() -> str:
    """What the terminal says to ask for."""
    command = [Path(sys.executable).parent / "ray", "get-auth-token"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_endpoint_serves_the_gauges_during_the_sweep(sweep: Any) -> None:
    text = sweep.wait_for(r"[\d,]+ epochs")
    address = re.search(r"http://127\.0\.0\.1:\d+", text).group()
    head = {"Authorization": f"Bearer {token()}"}
    with urlopen(Request(f"{address}/nodes?view=summary", headers=head), timeout=30) as nodes:
        port = re.search(r'"metricsExportPort": (\d+)', nodes.read().decode()).group(1)
    wanted = {"trials", "best_val_loss", "epochs_total", "epochs_per_second"}
    deadline = time.monotonic() + 60  # Ray hands metrics on every few seconds
    found: set[str] = set()
    while not wanted <= found:
        assert time.monotonic() < deadline, found
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
            found = set(re.findall(r'ray_evensweep_(\w+)\{.*run="watched"', page.read().decode()))
        time.sleep(0.5)
    assert "✓ searching" not in sweep.text()


def test_the_terminal_shows_every_view_within_its_columns(
    sweep: Any, picture: Callable[[str], Path], visit: Callable[..., Any]
) -> None:
    text = sweep.wait_for(rf"{BEST}.*\n.*{BEST}.*\n.*[\d,]+ epochs, \d+ a second")
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("view "))
    assert [line.split()[0] for line in lines[head + 1 : head + 3]] == ["undersampled", "smote"]
    numbers = [list(map(int, line.split()[1:6])) for line in lines[head + 1 : head + 3]]
    assert [sum(row) for row in numbers] == [sum(numbers[0])] * 2
    assert "✓ preparing the data" in text
    assert "Traceback" not in text

    if os.environ.get("EVENSWEEP_PICTURES"):
        sweep.wait_for(r"  [3-9]\d\d epochs")  # when there is more to see
    drawn = picture("terminal.svg")
    sweep.draw(drawn, "evensweep run")
    page, troubles = visit(drawn.as_uri())
    page.screenshot(path=drawn.with_suffix(".png"))
    # Its font would come from the network, of which a test has none.
    assert [t for t in troubles if "firacode" not in t and "ERR_" not in t] == []


def test_the_dashboard_shows_workers_trials_and_logs(
    sweep: Any, picture: Callable[[str], Path], visit: Callable[..., Any]
) -> None:
    text = sweep.wait_for(r"Ray dashboard: (http://127\.0\.0\.1:\d+)")
    address = re.search(r"http://127\.0\.0\.1:\d+", text).group()
    assert "ray get-auth-token" in text
    page, _ = visit(address)
    page.get_by_label("Authentication Token").last.fill(token())
    page.get_by_role("button", name="Submit").click()
    page.get_by_text("Recent jobs").wait_for()

    page.goto(f"{address}/#/actors")
    page.get_by_text("TrialWorker").nth(1).wait_for()
    page.screenshot(path=picture("dashboard-actors.png"))

    page.goto(f"{address}/#/logs")
    page.get_by_role("link").filter(has_text="Node ID").click()
    page.get_by_text("evensweep-watched-leaderboard.txt").wait_for()
    page.get_by_text("evensweep-watched-leaderboard.txt").scroll_into_view_if_needed()
    page.get_by_text("evensweep-watched-leaderboard.txt").click()
    page.get_by_text("Leaderboard:").first.wait_for()
    page.screenshot(path=picture("dashboard-leaderboard.png"))


def test_ctrl_c_ends_it_and_says_how_to_go_on(sweep: Any) -> None:
    sweep.press("C-c")
    text = sweep.wait_for(r"go on with: evensweep resume \S+watched")
    assert "Traceback" not in text
    sweep.wait_for("ended with 130")
