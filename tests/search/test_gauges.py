"""Ray serves a search's progress to whoever scrapes it."""

import re
import time
import urllib.request
from pathlib import Path

import pytest
import ray

from evensweep.results.records import SearchRecord
from evensweep.search import gauges
from evensweep.search.config import SweepConfig
from evensweep.search.gauges import SearchGauges
from evensweep.search.plan import plan_trials


def served() -> dict[tuple[str, ...], float]:
    """Values of our metrics at this node's endpoint, by name and our own labels."""
    port = ray.nodes()[0]["MetricsExportPort"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    found = {}
    for line in lines:
        if match := re.fullmatch(r"ray_evensweep_(\w+)\{(.*)\} (\S+)", line):
            name, labels, value = match.groups()
            own = dict(re.findall(r'(run|view|state)="([^"]*)"', labels))
            if own["run"] == "measured":
                found[name, *own.values()] = float(value)
    return found


def test_the_endpoint_serves_trials_losses_and_epochs(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gauges, "_INTERVAL", 0.0)
    config = SweepConfig.from_mapping({"views": ["smote"], "search": {"trials": 3}}, "the test")
    record = SearchRecord.open(tmp_path / "records.jsonl", plan_trials(config))
    metrics = SearchGauges("measured")
    metrics.search(record, ["smote"])
    trial = record.trials["smote-001"]
    trial.status, trial.epochs, trial.best_val_loss = "completed", 12, 0.25
    time.sleep(0.1)
    metrics.refresh()

    deadline = time.monotonic() + 60
    while served().get(("trials", "measured", "done", "smote")) != 1:
        assert time.monotonic() < deadline, served()
        time.sleep(0.5)
    values = served()
    assert values["trials", "measured", "waiting", "smote"] == 3
    assert values["best_val_loss", "measured", "smote"] == pytest.approx(0.25)
    assert values["epochs_total", "measured", "smote"] == 12
    assert values["epochs_per_second", "measured"] > 0
