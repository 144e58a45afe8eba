"""Alerts and dashboard: they parse, and name only metrics that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import promql_parser
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
    # Of kube-state-metrics.
    "kube_cronjob_created": {"cronjob"},
    "kube_cronjob_spec_suspend": {"cronjob"},
    "kube_cronjob_status_last_successful_time": {"cronjob"},
}
"""Every metric that there is, and its labels."""
SCRAPED = {"namespace", "exported_namespace"}
"""Labels by which Prometheus names the Pod; a metric's own `namespace` is renamed for it."""


def rules(values: dict[str, Any]) -> list[dict[str, Any]]:
    spec = helm.one(helm.render(values), "PrometheusRule")["spec"]
    return [rule for group in spec["groups"] for rule in group["rules"]]


def nodes(expression: str) -> list[promql_parser.Expr]:
    """Return all parts of an expression; raise ValueError when Prometheus would refuse it."""
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return found


def grouped(expression: str) -> set[str]:
    """Return the labels that the expression's sums and maxima keep."""
    kept = set[str]()
    for node in nodes(expression):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            assert node.modifier.type == promql_parser.AggModifierType.By, expression
            kept.update(node.modifier.labels)
    return kept


def check(expression: str) -> set[str]:
    """Return the metrics of an expression; fail when one of them, or a label, is not there."""
    metrics, labels = set[str](), set(SCRAPED)
    for node in nodes(expression):
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name in METRICS, expression
            known = METRICS[node.name] | SCRAPED
            assert {matcher.name for matcher in node.matchers.matchers} <= known, expression
            metrics.add(node.name)
            labels |= known
    assert metrics, expression
    assert grouped(expression) <= labels, expression
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
        assert spoken <= grouped(rule["expr"]), rule["alert"]


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


@pytest.mark.parametrize(
    "wrong",
    [
        "max(kube2git_leader",
        "max by schedule (kube2git_incomplete_kinds)",
        "increase(kube2git_leader)",
        "kube2git_leader > and 1",
        "kube2git_leeder > 0",
        "max by (shop) (kube2git_leader)",
        'kube2git_leader{schedule="a"}',
        "time() > 0",
    ],
)
def test_a_mistake_in_an_expression_is_seen(wrong: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        check(wrong)
