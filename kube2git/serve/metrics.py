"""What Prometheus sees of the daemon. The only door to prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from kube2git.serve.running import RESULTS, Ended

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


Claim = tuple[str, str]
"""Namespace and name of a PersistentVolumeClaim."""


class Metrics:
    """The figures, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"kube2git_{name}", help, labels, registry=registry)

        self._runs = Counter(
            "kube2git_runs_total", "Runs that ended.", ("schedule", "result"), registry=registry
        )
        self._success = gauge(
            "last_success_timestamp_seconds", "End of the last good run.", "schedule"
        )
        self._next = gauge("next_run_timestamp_seconds", "When a run is due.", "schedule")
        self._seconds = gauge(
            "run_duration_seconds", "Seconds of the last run, by phase.", "schedule", "phase"
        )
        self._objects = gauge("objects", "Objects in the repository.", "kind")
        self._changed = gauge("changed_objects", "Objects changed by the last run.", "schedule")
        self._incomplete = gauge(
            "incomplete_kinds", "Kinds that the last run could not list completely.", "schedule"
        )
        self._lag = gauge("push_lag_commits", "Commits that the remote has not taken.")
        self._bytes = gauge("repository_bytes", "Size of the local repository.")
        self._leader = gauge("leader", "1 when this replica works, 0 when it stands by.")
        self._running = gauge("run_in_progress", "1 while a run goes on.")
        self._config = gauge("config_reload_ok", "0 when a changed configuration was refused.")
        self._config.set(1)
        self._ages = gauge(
            "snapshot_age_seconds", "Age of a volume's last ready snapshot.", "namespace", "claim"
        )
        self._snapshots: dict[str, dict[Claim, float]] = {}

    def render(self, now: float) -> bytes:
        """Return the text that Prometheus scrapes; ``now`` is a Unix time."""
        for claim, taken in _newest(self._snapshots.values()).items():
            self._ages.labels(*claim).set(now - taken)
        return generate_latest(self._registry)

    def follow(self, schedules: Iterable[str], gone: Iterable[str]) -> None:
        """Begin to count schedules, at zero, and forget those that are gone."""
        for name in schedules:
            for result in (*RESULTS.values(), "failed"):
                self._runs.labels(name, result)
        for name in gone:
            for metric in (self._success, self._next, self._changed, self._incomplete):
                metric.remove_by_labels({"schedule": name})
            self._seconds.remove_by_labels({"schedule": name})
            self._runs.remove_by_labels({"schedule": name})
            self._snapshots.pop(name, None)

    def took(self, ended: Ended, moment: float) -> None:
        """Take in what a run came to; ``moment`` is a Unix time."""
        name, report = ended.schedule.name, ended.report
        self._runs.labels(name, ended.result).inc()
        if ended.is_good:
            self._success.labels(name).set(moment)
        phases: Mapping[str, Any] = report.get("seconds") or {}
        for phase, seconds in phases.items():
            self._seconds.labels(name, phase).set(seconds)
        if not report:
            return
        self._changed.labels(name).set(len(report["changes"]))
        self._incomplete.labels(name).set(len(report["incomplete"]) + len(report["missingGroups"]))
        repository = report["repository"]
        self._objects.clear()
        for kind, count in repository["objects"].items():
            self._objects.labels(kind).set(count)
        self._lag.set(repository["unpushed"])
        self._bytes.set(repository["bytes"])
        if report.get("snapshots"):
            known = self._snapshots.get(name, {})
            self._snapshots[name] = _taken(report["snapshots"], known)
            self._ages.clear()

    def plan(self, next_runs: Mapping[str, float]) -> None:
        """Take in when schedules are due, as Unix times."""
        for name, moment in next_runs.items():
            self._next.labels(name).set(moment)

    def stand(self, *, is_leading: bool, is_running: bool, is_config_good: bool) -> None:
        """Take in how the daemon itself stands."""
        self._leader.set(is_leading)
        self._running.set(is_running)
        self._config.set(is_config_good)


def _taken(snapshots: Mapping[str, Any], known: Mapping[Claim, float]) -> dict[Claim, float]:
    """Return when each claim of a run had its last ready snapshot, where that is known.

    A claim that the run does not name any more is forgotten.
    """
    claims = {_claim(item): known.get(_claim(item)) for item in snapshots["outcomes"]}
    for item in (*snapshots["completed"], *snapshots["outcomes"]):
        snapshot = item["snapshot"]
        if snapshot and snapshot["ready"] and snapshot["created"] and _claim(item) in claims:
            created = datetime.fromisoformat(snapshot["created"]).timestamp()
            claims[_claim(item)] = max(created, claims[_claim(item)] or 0.0)
    return {claim: when for claim, when in claims.items() if when is not None}


def _claim(item: Mapping[str, Any]) -> Claim:
    return item["claim"]["namespace"], item["claim"]["name"]


def _newest(found: Iterable[Mapping[Claim, float]]) -> dict[Claim, float]:
    newest: dict[Claim, float] = {}
    for times in found:
        for claim, when in times.items():
            newest[claim] = max(when, newest.get(claim, when))
    return newest
