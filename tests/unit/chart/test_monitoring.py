"""Alerts and dashboard: they parse, and name only metrics that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kube2git.serve.metrics import Metrics
from tests import helm
from tests.unit.chart.releases import RELEASES, REPO

REGISTRY = Metrics()._registry
METRICS: dict[str, set[str]] = {
    **{
        name: set(vars(collector)["_labelnames"])
        for name, collector in REGISTRY._names_to_collectors.items()
        # A counter has further names, which nobody should use.
        if name.startswith("kube2git_") and not name.endswith(("_runs", "_created"))
    },
    # Promised by the snapshots.
    "kube2git_snapshot_age_seconds": {"namespace", "claim"},
    # Of kube-state-metrics.
    "kube_cronjob_created": {"cronjob"},
    "kube_cronjob_spec_suspend": {"cronjob"},
    "kube_cronjob_status_last_successful_time": {"cronjob"},
}
"""Every metric that there is, and its labels."""
SCRAPED = {"namespace", "exported_namespace"}
"""Labels by which Prometheus names the Pod; a metric's own `namespace` is renamed for it."""
FUNCTIONS = {"absent", "increase", "max", "min", "sum", "time", "topk", "by", "or"}


def rules(values: dict[str, Any]) -> list[dict[str, Any]]:
    spec = helm.one(helm.render(values), "PrometheusRule")["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"]]


def check(expression: str) -> set[str]:
    """Return the metrics of an expression; fail when it is not well-formed or knows others."""
    pairs = {")": "(", "]": "[", "}": "{"}
    opened: list[str] = []
    for letter in re.sub(r'"[^"]*"', "", expression):
        if letter in "([{":
            opened.append(letter)
        elif letter in ")]}":
            assert opened, expression
            assert opened.pop() == pairs[letter], expression
    assert not opened, expression
    bare = re.sub(r"\[[^]]*\]", "", re.sub(r"\{[^}]*\}", "", expression))
    grouped = {word for part in re.findall(r"by \(([^)]*)\)", bare) for word in part.split(", ")}
    words = set(re.findall(r"[a-z_][a-z0-9_]*", re.sub(r"by \([^)]*\)", "by", bare)))
    metrics = words - FUNCTIONS
    assert metrics, expression
    assert metrics <= METRICS.keys(), expression
    matched = {
        part.partition("=")[0].strip()
        for braces in re.findall(r"\{([^}]*)\}", expression)
        for part in braces.split(",")
    }
    labels = set().union(*(METRICS[metric] for metric in metrics)) | SCRAPED
    assert matched | grouped <= labels, expression
    return metrics


@pytest.mark.parametrize("name", ["daemon", "snapshots"])
def test_alerts_name_metrics_and_labels_that_exist(name: str) -> None:
    found = rules(RELEASES[name])
    assert found
    for rule in found:
        check(rule["expr"])
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"] == "warning"
        assert rule["annotations"].keys() == {"summary", "description"}
        assert all(text.endswith(".") for text in rule["annotations"].values())


def test_each_label_that_an_alert_speaks_of_is_kept_by_its_expression() -> None:
    values = {**RELEASES["daemon"], "snapshots": {"enabled": True}}
    found = rules(values)
    assert "Kube2gitSnapshotStale" in {rule["alert"] for rule in found}
    for rule in found:
        spoken = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        kept = {
            word
            for part in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for word in part.split(", ")
        }
        assert spoken <= kept, rule["alert"]


def test_the_dashboard_shows_every_metric_of_the_daemon() -> None:
    values = {"config": {"repo": REPO}, "mode": "daemon", "dashboard": {"enabled": True}}
    maps = [item for item in helm.render(values) if item["metadata"]["name"].endswith("-dashboard")]
    dashboard = json.loads(maps[0]["data"]["kube2git.json"])
    shown = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            shown |= check(target["expr"].replace("$namespace", "backup"))
    assert shown == {name for name in METRICS if name.startswith("kube2git_")}
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)


def test_a_mistake_in_an_expression_is_seen() -> None:
    for wrong in ("max(kube2git_leader", "kube2git_leeder > 0", "max by (shop) (kube2git_leader)"):
        with pytest.raises(AssertionError):
            check(wrong)
