"""The daemon as a process, on a real API server and against real Git servers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.serving import Serving, schedule, state_of
from tests.tool import Tool, make_tool


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    return make_tool(cluster.kubeconfig, tmp_path)


def put_map(cluster: ControlPlane, namespace: str, name: str, **data: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    if cluster.request("PUT", f"{path}/{name}", body).status == 404:
        cluster.create(path, body)


def only(namespace: str, when: str = "every 1h", **settings: Any) -> dict[str, Any]:
    """Return a schedule that exports ConfigMaps of one namespace, which is quick."""
    return schedule(when, namespaces=[namespace], kinds=["cm"], cluster_scoped="no", **settings)


def test_runs_metrics_readiness_and_log(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    put_map(cluster, namespace, "web", level="info")
    plans = {"shop": only(namespace), "later": schedule("daily at 02:00", enabled=False)}
    with Serving(tool, schedules=plans) as daemon:
        assert daemon.get("/healthz") == (200, "alive\n")
        (run,) = daemon.wait_for_runs(1)
        assert run["result"] == "success"
        assert run["commit"] == tool.commits()[0]
        assert run["run"].startswith("shop-")
        assert f"namespaces/{namespace}/ConfigMap/web.yaml" in tool.paths()
        assert "cluster/Namespace/" + namespace + ".yaml" not in tool.paths()
        assert daemon.metric("runs_total", schedule="shop", result="success") == 1
        assert daemon.metric("runs_total", schedule="shop", result="failed") == 0
        assert daemon.metric("objects", kind="ConfigMap") == len(
            [path for path in tool.paths() if "/ConfigMap/" in path]
        )
        assert daemon.metric("changed_objects", schedule="shop") == run["changed"]
        assert daemon.metric("incomplete_kinds", schedule="shop") == 0
        assert daemon.metric("run_duration_seconds", schedule="shop", phase="total")
        assert (
            abs(
                (daemon.metric("last_success_timestamp_seconds", schedule="shop") or 0)
                - time.time()
            )
            < 300
        )
        assert daemon.metric("push_lag_commits") == 0
        assert (daemon.metric("repository_bytes") or 0) > 1000
        assert daemon.metric("leader") == 1
        assert daemon.metric("config_reload_ok") == 1
        assert daemon.wait(daemon.is_ready, "Readiness")
        answer = json.loads(daemon.get("/readyz")[1])
        assert [item["name"] for item in answer["schedules"]] == ["shop"]
        assert daemon.get("/nothing")[0] == 404
        assert list(state_of(daemon.folder)["lastRuns"]) == ["shop"]
        assert daemon.stop() == 0
