"""The notebook of the documentation runs, and shows the sweep's progress."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "quickstart.ipynb"


@pytest.mark.minutes
def test_the_quickstart_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = NotebookClient(notebook, timeout=280, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()

    shown = [
        "".join(output.get("data", {}).get("text/html", "") for output in cell.get("outputs", []))
        for cell in notebook.cells
    ]
    [progress] = [page for page in shown if "✓" in page]
    assert progress.count("✓") == 7
    assert "●" not in progress
    assert "logistic_regression" in "".join(shown)
    [run] = (tmp_path / "runs").iterdir()
    assert run.name.startswith("quickstart-")
    assert (run / "report.html").exists()
