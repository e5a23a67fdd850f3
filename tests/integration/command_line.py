"""Calls the command line in this process, and says what wrong input must come to."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from typer.testing import CliRunner, Result

from evensweep import cli

ROWS = 200
_rng = np.random.default_rng(0)
GOOD = pd.DataFrame(
    {
        "customer_id": range(1000, 1000 + ROWS),
        "age": _rng.integers(18, 80, ROWS),
        "spent": _rng.random(ROWS).round(3),
        "bought": np.repeat([1, 0], [60, ROWS - 60]),
    }
)
CSV = GOOD.to_csv(index=False)
HEADER, _, BODY = CSV.partition("\n")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def sentence(result: Result) -> str:
    """The one line that wrong input gets."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    [line] = result.stderr.splitlines()
    assert line.startswith("evensweep: ")
    return line


def contents(*folders: Path) -> dict[Path, str]:
    """All that is in some folders: what each file holds, and where each link leads."""
    return {
        path: str(path.readlink())
        if path.is_symlink()
        else sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for folder in folders
        for path in folder.rglob("*")
    }


def changed(path: Path, *keys: str | int, to: Any) -> None:
    """A JSON file with one value replaced; ... takes it out."""
    content = value = json.loads(path.read_text())
    for key in keys[:-1]:
        value = value[key]
    if to is ...:
        del value[keys[-1]]
    else:
        value[keys[-1]] = to
    path.write_text(json.dumps(content))


@dataclass
class Shell:
    """Calls the command line in a folder of its own, where nothing may start."""

    folder: Path
    started: list[object]

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, content: str | bytes, name: str = "table.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *arguments: object, data: str | bytes | None = CSV) -> Result:
        if data is not None:
            arguments = (*arguments, "--data", self.write(data))
        return call("run", *arguments, "--out", self.out)

    def refused(self, *arguments: object, data: str | bytes | None = CSV) -> str:
        message = sentence(self.run(*arguments, data=data))
        assert not self.out.exists() or list(self.out.iterdir()) == []
        assert self.started == []
        return message


def column(name: str, values: Any) -> str:
    return GOOD.assign(**{name: values}).to_csv(index=False)


def cell(row: int, name: str, value: object) -> str:
    """The table with one value replaced, in the row counted from 1."""
    values = GOOD[name].astype(object).tolist()
    values[row - 1] = value
    return column(name, values)
