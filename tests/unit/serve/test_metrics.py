"""What Prometheus sees."""

from __future__ import annotations

import re
from typing import Any

from kube2git.core.schedules import parse
from kube2git.serve.metrics import Metrics
from kube2git.serve.running import Ended

NOW = 1_700_000_000.0

(SHOP,), _ = parse({"shop": {"when": "every 1h"}})


def figures(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render(NOW).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if line.startswith("kube2git_"))
    found = {name.removeprefix("kube2git_"): float(value) for name, _, value in pairs}
    return {name: value for name, value in found.items() if not re.search("_created", name)}


def report(**facts: Any) -> dict[str, Any]:
    return {
        "changes": [{}, {}],
        "incomplete": [{}],
        "missingGroups": {"a": "b"},
        "seconds": {"sweep": 1.5, "total": 2.0},
        "repository": {"objects": {"ConfigMap": 7}, "unpushed": 1, "bytes": 4096},
        **facts,
    }


def test_a_run_becomes_figures() -> None:
    metrics = Metrics()
    metrics.follow(["shop"], ())
    metrics.took(Ended(SHOP, "incomplete", 2.0, report()), 1000.0)
    found = figures(metrics)
    assert found['runs_total{result="incomplete",schedule="shop"}'] == 1
    assert found['runs_total{result="failed",schedule="shop"}'] == 0
    assert found['last_success_timestamp_seconds{schedule="shop"}'] == 1000
    assert found['run_duration_seconds{phase="sweep",schedule="shop"}'] == 1.5
    assert found['objects{kind="ConfigMap"}'] == 7
    assert found['changed_objects{schedule="shop"}'] == 2
    assert found['incomplete_kinds{schedule="shop"}'] == 2
    assert (found["push_lag_commits"], found["repository_bytes"]) == (1, 4096)


def test_a_failed_run_leaves_what_was_known() -> None:
    metrics = Metrics()
    metrics.took(Ended(SHOP, "success", 2.0, report()), 1000.0)
    metrics.took(Ended(SHOP, "cluster_unreachable", 2.0, {}), 2000.0)
    found = figures(metrics)
    assert found['last_success_timestamp_seconds{schedule="shop"}'] == 1000
    assert found['objects{kind="ConfigMap"}'] == 7
    assert found['runs_total{result="cluster_unreachable",schedule="shop"}'] == 1


def test_a_kind_and_a_schedule_that_are_gone_are_forgotten() -> None:
    metrics = Metrics()
    metrics.follow(["shop"], ())
    metrics.took(Ended(SHOP, "success", 2.0, report()), 1000.0)
    objects = {"objects": {"Secret": 1}, "unpushed": 0, "bytes": 1}
    metrics.took(Ended(SHOP, "success", 2.0, report(repository=objects)), 1000.0)
    assert 'objects{kind="ConfigMap"}' not in figures(metrics)
    metrics.plan({"shop": 5.0})
    metrics.follow(["other"], ["shop"])
    assert not [name for name in figures(metrics) if "shop" in name]


def test_the_daemon_itself() -> None:
    metrics = Metrics()
    assert figures(metrics)["config_reload_ok"] == 1
    metrics.stand(is_leading=True, is_running=False, is_config_good=False)
    found = figures(metrics)
    assert (found["leader"], found["run_in_progress"], found["config_reload_ok"]) == (1, 0, 0)
    assert b"process_resident_memory_bytes" in metrics.render(NOW)


def taken(name: str, created: str | None = None, *, is_ready: bool = True) -> dict[str, Any]:
    snapshot = {"created": created, "ready": is_ready} if created else None
    return {"claim": {"namespace": "shop", "name": name}, "snapshot": snapshot}


def test_the_age_of_a_volumes_last_ready_snapshot() -> None:
    metrics = Metrics()
    first = {
        "outcomes": [
            taken("db", "2023-11-14T22:12:20Z"),
            taken("slow", "2023-11-14T22:12:20Z", is_ready=False),
            taken("gone", "2023-11-14T22:12:20Z"),
        ],
        "completed": [],
    }
    metrics.took(Ended(SHOP, "success", 2.0, report(snapshots=first)), NOW)
    found = figures(metrics)
    assert found['snapshot_age_seconds{claim="db",namespace="shop"}'] == 60
    assert 'snapshot_age_seconds{claim="slow",namespace="shop"}' not in found
    # A run that could not take one leaves the older one; one that was cut is ready by now.
    second = {
        "outcomes": [taken("db"), taken("slow", "2023-11-14T22:13:00Z", is_ready=False)],
        "completed": [taken("slow", "2023-11-14T22:12:20Z")],
    }
    metrics.took(Ended(SHOP, "success", 2.0, report(snapshots=second)), NOW)
    metrics.took(Ended(SHOP, "success", 2.0, report(snapshots=None)), NOW)
    found = figures(metrics)
    assert found['snapshot_age_seconds{claim="db",namespace="shop"}'] == 60
    assert found['snapshot_age_seconds{claim="slow",namespace="shop"}'] == 60
    assert 'snapshot_age_seconds{claim="gone",namespace="shop"}' not in found
    metrics.follow([], ["shop"])
    metrics.took(Ended(SHOP, "success", 2.0, report(snapshots=second)), NOW)
    assert 'snapshot_age_seconds{claim="db",namespace="shop"}' not in figures(metrics)
