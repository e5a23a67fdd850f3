"""Whoever looks at Ray's dashboard finds the leaderboard and the report among the logs.

Every process of the test run has a Ray session of its own, so that there are several here.
"""

import time
from pathlib import Path

import pytest
import ray
from ray.util.state import get_log, list_logs
from requests import HTTPError

from evensweep.cluster.session import log_folder
from evensweep.results.records import SearchRecord
from evensweep.results.run_directory import RunDirectory
from evensweep.search import session_logs
from evensweep.search.config import SweepConfig
from evensweep.search.plan import plan_trials
from evensweep.search.session_logs import SessionLogs


@pytest.fixture
def record(tmp_path: Path) -> SearchRecord:
    plan = plan_trials(SweepConfig.from_mapping({"search": {"trials": 2}}, "the test"))
    return SearchRecord.open(tmp_path / "records.jsonl", plan)


def listed(session: str, node: str) -> set[str]:
    """Names of a node's logs; its agent may still be starting."""
    deadline = time.monotonic() + 60
    while True:
        try:
            kinds = list_logs(session, node_id=node)
            return {name for kind in kinds.values() for name in kind}
        except HTTPError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_ray_lists_and_serves_them(
    ray_session: None, tmp_path: Path, record: SearchRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_logs, "_INTERVAL", 0.0)
    run = RunDirectory(tmp_path / "looked-at")
    run.root.mkdir()
    logs = SessionLogs(run, log_folder())
    logs.search(record, ["smote"])
    trial = record.trials["smote-001"]
    trial.status, trial.epochs, trial.best_val_loss = "completed", 12, 0.2517
    logs.refresh()
    run.report.write_text("<p>the report</p>")
    logs.report()

    session = ray.get_runtime_context().gcs_address  # there may be others on this machine
    node = ray.nodes()[0]["NodeID"]
    mine = {f"evensweep-looked-at-{name}" for name in ("leaderboard.txt", "report.html")}
    assert mine <= listed(session, node)
    name = "evensweep-looked-at-leaderboard.txt"
    text = "".join(get_log(session, filename=name, node_id=node))
    assert "1 of 6 trials" in text
    assert "smote-001" in text
    assert "0.2517" in text


def test_without_a_node_here_or_room_the_run_goes_on(tmp_path: Path, record: SearchRecord) -> None:
    run = RunDirectory(tmp_path / "run")
    for folder in (None, tmp_path / "nowhere"):
        logs = SessionLogs(run, folder)
        logs.search(record, ["smote"])
        logs.stage("cross-validating")
        logs.report()
