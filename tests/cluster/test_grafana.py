"""The Grafana dashboard asks for metrics that a sweep serves."""

import json
import re
from pathlib import Path

DASHBOARD = Path(__file__).resolve().parents[2] / "cluster" / "grafana.json"
GAUGES = Path(__file__).resolve().parents[2] / "search" / "gauges.py"


def test_every_panel_asks_for_a_metric_of_the_search() -> None:
    declared = set(re.findall(r'(?:Gauge|Counter)\("(\w+)"', GAUGES.read_text()))
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = {
        name.removeprefix("ray_").removesuffix("_total")
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"ray_\w+", target["expr"])
    }
    assert asked == declared
    assert len({panel["id"] for panel in panels}) == len(panels)
