"""A real browser, and a whole sweep to look at while it runs in a real terminal.

``make pictures`` lets the same tests write the README's pictures.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ENDED = r"ended with \d+"
PICTURES = os.environ.get("EVENSWEEP_PICTURES")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(_BROWSERS)} is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Root, as in containers, can't have Chromium's sandbox; only our own pages are opened.
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens an address in a window of some width, in light or dark, and collects its troubles."""
    contexts = []

    def opened(address: str, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page, troubles = context.new_page(), []
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url[:80]}"))
        page.goto(address)
        return page, troubles

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str], Path]:
    """Where a picture of some name goes: among the README's, if they are to be made anew."""
    folder = Path(PICTURES) if PICTURES else tmp_path

    def path(name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    return path


class Terminal:
    """A command in a tmux session of its own."""

    def __init__(self, name: str, command: list[str], folder: Path, width: int, height: int):
        self._socket = ["tmux", "-L", name]
        size = ["-x", str(width), "-y", str(height)]
        self._width = width
        # The shell stays, so that what the command printed can be read when it has ended.
        line = f"trap : INT; {' '.join(command)}; echo ended with $?; sleep 600"
        subprocess.run(
            [*self._socket, "-f", "/dev/null", "new-session", "-d", *size, "-c", folder, line],
            check=True,
            env={**os.environ, "RAY_ADDRESS": "", "TERM": "xterm-256color"},
        )

    def text(self, *options: str) -> str:
        """What the screen shows, and the lines that have left it."""
        command = [*self._socket, "capture-pane", "-p", *(options or ["-S", "-200"])]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def wait_for(self, pattern: str, seconds: float = 240) -> str:
        """What the screen shows as soon as it has a match."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, text := self.text()):
            # Of the same reading: in the next one the command may have ended as it was to.
            assert not re.search(ENDED, text), text
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        return text

    @property
    def ended(self) -> bool:
        """Whether the command has ended."""
        return re.search(ENDED, self.text()) is not None

    def press(self, key: str) -> None:
        """Types a key, such as ``C-c``."""
        subprocess.run([*self._socket, "send-keys", key], check=True)

    def draw(self, path: Path, title: str) -> None:
        """Writes the screen as an SVG picture."""
        console = Console(record=True, width=self._width, file=io.StringIO())
        console.print(Text.from_ansi(self.text("-e").rstrip()))
        console.save_svg(str(path), title=title)

    def close(self) -> None:
        """Ends the session and what runs in it."""
        subprocess.run([*self._socket, "kill-server"], check=False)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A sweep of the demonstration data in a terminal of 90 columns; its run is ``watched``."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    folder = tmp_path_factory.mktemp("watched")
    command = [
        str(Path(sys.executable).parent / "evensweep"), "run", "--cpus", "2", "--name", "watched",
        "--set", "search.trials=40",
    ]  # fmt: skip
    terminal = Terminal(f"evensweep-{os.getpid()}", command, folder, width=90, height=26)
    terminal.folder = folder
    yield terminal
    if not terminal.ended:
        terminal.press("C-c")
    deadline = time.monotonic() + 30
    while not terminal.ended and time.monotonic() < deadline:
        time.sleep(0.2)
    terminal.close()
