"""The site builds without a warning, needs no network, and says what the code says."""

import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from example_run import write_prepared, write_searched, write_tested

import evensweep
from evensweep.results.run_directory import RunDirectory
from evensweep.results.summary import compute_summary
from evensweep.search.config import SweepConfig
from evensweep.trainables.mlp import MLPConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


class _Page(HTMLParser):
    """What a page loads, and the ids in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.ids.add(named.get("id") or "")
        if tag in {"script", "img", "iframe", "source"}:
            self.loaded.append(named.get("src") or "")
        if tag == "link" and named.get("rel") != "canonical":
            self.loaded.append(named.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    built = subprocess.run([*command, DOCS, folder], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_of_docs_is_on_the_site(site: Path) -> None:
    pages = {path.stem for pattern in ("*.md", "*.ipynb") for path in DOCS.glob(pattern)}
    assert len(pages) > 20
    assert pages <= {path.stem for path in site.glob("*.html")}
    for path in DOCS.glob("*.md"):  # and not a page of Sphinx's own in its place
        if heading := re.match(r"# (.*)\n", path.read_text(encoding="utf-8")):
            page = (site / f"{path.stem}.html").read_text(encoding="utf-8")
            [shown] = re.findall(r"<h1>(.*?)<a ", page)
            assert unescape(re.sub("<.*?>", "", shown)) == heading[1].replace("`", ""), path.name


def test_pages_load_nothing_from_outside(site: Path) -> None:
    for path in site.glob("*.html"):
        outside = [url for url in _Page(path.read_text()).loaded if "//" in url]
        assert outside == [], path.name
    for path in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", path.read_text())


def test_public_names_are_in_the_reference(site: Path) -> None:
    ids = _Page((site / "api.html").read_text()).ids
    assert {f"evensweep.{name}" for name in evensweep.__all__} <= ids
    assert {"evensweep.Run.leaderboard", "evensweep.EvenSweepClassifier.fit"} <= ids


def test_commands_and_keys_are_in_the_reference(site: Path) -> None:
    commands = (site / "command-line.html").read_text()
    for words in ("evensweep resume", "evensweep predict", "--mlflow", "--where"):
        assert words in commands
    keys = (site / "sweep-file.html").read_text()
    for key in ("search.max_epochs", "split.validation", "data.id_columns", "above 0 and below 1"):
        assert key in keys


def test_every_key_of_a_sweep_file_has_a_meaning() -> None:
    schema = SweepConfig.model_json_schema()
    parts = {"SweepConfig": schema["properties"]}
    parts |= {
        name: part["properties"]
        for name, part in schema["$defs"].items()
        if name.endswith("Config")
    }
    unexplained = [
        f"{section}.{key}"
        for section, keys in parts.items()
        for key, part in keys.items()
        if "description" not in part and "$ref" not in part
    ]
    assert unexplained == [], "say what these keys mean in a docstring below them"


def test_hyperparameters_are_told_with_their_defaults() -> None:
    rows = {
        cells[0].strip(" `"): [cell.strip(" `") for cell in cells[1:3]]
        for line in (DOCS / "sweep-file.md").read_text().splitlines()
        if line.startswith("| `")
        for cells in [line.strip("|").split("|")]
    }
    defaults, space = MLPConfig(), SweepConfig().to_mapping()["space"]
    assert set(rows) == set(MLPConfig.__dataclass_fields__)
    for name, (domain, otherwise) in rows.items():
        searched = None if domain == "not searched" else yaml.safe_load(domain)
        assert searched == space.get(name)
        if name != "batch_size":
            assert yaml.safe_load(otherwise) == getattr(defaults, name)


def test_the_contract_of_the_summary_is_written_down(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    for write in (write_prepared, write_searched, write_tested):
        write(run)
    summary = compute_summary(run, "complete")
    written = set(re.findall(r"`([a-z_0-9]+)`", (DOCS / "run-directory.md").read_text()))
    inner = {
        key
        for name in ("dataset", "search", "cost", "ensemble", "decision", "test")
        for key in summary[name]
    }
    inner |= set(summary["stages"][0]) | set(summary["gains"][0]) | set(summary["references"])
    inner |= set(next(iter(summary["views"].values())))
    assert set(summary) | inner <= written


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_front_pages_lead_somewhere(file: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / file).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []
