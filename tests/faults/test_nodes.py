"""A node that goes, in the search and in the cross-validation, and one that comes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("cluster_run.py")


@pytest.mark.minutes
@pytest.mark.timeout(600)
def test_lost_nodes_lose_no_trial_and_no_fold(tmp_path: Path, moment: int) -> None:
    ran = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, str(moment)],
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["removed"] == ["search", "folds"]
    assert found["added"] == 1
    assert found["status"] == "complete"
    assert found["trials"] == 10
    assert set(found["statuses"]) <= {"stopped", "converged", "completed"}
    assert found["folds"] == 2 * 3
