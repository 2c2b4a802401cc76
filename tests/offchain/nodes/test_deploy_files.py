"""What operators are given speaks of figures that there are."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
METRICS = (DEPLOY.parent / "offchain/nodes/metrics.py").read_text()
KNOWN = {f"verifog_{name}" for name in re.findall(r'(?:one|Figure)\(\s*"(\w+)"', METRICS)}


def used(expression: str) -> set[str]:
    return set(re.findall(r"verifog_\w+", expression))


def test_alerts__every_figure__is_one_that_nodes_tell() -> None:
    content: Any = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())
    rules = content["groups"][0]["rules"]
    assert len(rules) > 10
    for rule in rules:
        assert used(rule["expr"]) <= KNOWN, rule["alert"]
        assert rule["annotations"]["summary"]


def test_dashboard__every_figure__is_one_that_nodes_tell() -> None:
    board = json.loads((DEPLOY / "grafana/verifog.json").read_text())
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in used(target["expr"])
    }
    assert len(shown) > 10
    assert shown <= KNOWN


@pytest.mark.parametrize("name", ["container/compose.yaml", "prometheus/scrape.yaml"])
def test_files__of_yaml__are_readable(name: str) -> None:
    assert yaml.safe_load((DEPLOY / name).read_text())
