"""A rehearsal in the cluster that the commit is of: the original does not notice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.tool import make_tool

pytestmark = pytest.mark.needs("kwok")

Json = dict[str, Any]


def workload(kind: str, **spec: Any) -> Json:
    labels = {"app": kind.lower()}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "example.com/web:1"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def in_shop(api_version: str, kind: str, **more: Any) -> Json:
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def test_a_rehearsal_comes_up_is_timed_and_leaves_nothing(
    control_plane: Callable[..., ControlPlane], tmp_path: Path
) -> None:
    plane = control_plane(kwok=True)
    plane.create("/api/v1/nodes", {"metadata": {"name": "node"}})
    plane.kubectl("create", "namespace", "shop")
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    bodies = [
        workload("Deployment", replicas=2),
        workload("DaemonSet"),
        in_shop("v1", "ConfigMap", data={"url": "http://web.shop.svc"}),
        in_shop("v1", "Service", spec={"ports": [{"port": 80}], "selector": {"app": "web"}}),
        in_shop("networking.k8s.io/v1", "Ingress", spec={"defaultBackend": backend}),
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": bodies}
    plane.kubectl("create", "--validate=false", "-f", "-", input=json.dumps(listed))
    plane.kubectl(
        "create", "clusterrolebinding", "shop", "--clusterrole=view",
        "--serviceaccount=shop:default",
    )  # fmt: skip
    tool = make_tool(plane.kubeconfig, tmp_path)
    tool.export("-n", "shop")
    before = plane.kubectl("get", "namespaces", "-o", "name")
    plane.kubectl("delete", "clusterrolebinding", "shop")

    refused = tool.run("replay", "main", "-n", "shop", "--into-scratch", codes=(5,))
    assert "nobody can be asked" in refused.stderr
    bad = tool.run("replay", "main", "--into-scratch", "--map", "shop=x", codes=(2,))
    assert "--into-scratch does not go with --map" in bad.stderr

    flags = ["-n", "shop", "--into-scratch", "--yes", "--timeout", "60s"]
    report = tool.run("replay", "main", *flags, "-o", "json").json
    told = report["rehearsal"]
    assert (told["complete"], told["missing"], told["made"]) == (True, [], 5)
    (scratch,) = told["namespaces"]
    assert scratch["source"] == "shop"
    assert scratch["name"].startswith("shop-drill-")
    assert scratch["removed"] is True
    assert [item["name"] for item in told["clusterScoped"]] == ["shop"]
    assert 0 < told["recoverySeconds"] < sum(told["seconds"].values())
    skipped = {
        item["object"]["kind"] for item in report["plan"]["actions"] if item["action"] == "skip"
    }
    assert skipped == {"Ingress", "ClusterRoleBinding"}
    assert plane.kubectl("get", "namespaces", "-o", "name") == before
    assert "shop" not in plane.kubectl("get", "clusterrolebindings", "-o", "name")

    table = tool.run("replay", "main", *flags, "--keep", "--replicas=0").stdout
    assert "recovery took" in table
    (kept,) = plane.kubectl("get", "ns", "-l", "kube2git.io/rehearsal", "-o", "name").split()
    home = kept.removeprefix("namespace/")
    assert plane.kubectl("get", "pods", "-n", home, "-o", "name") == ""
    found = json.loads(plane.kubectl("get", "cm/web", "-n", home, "-o", "json"))
    assert found["data"] == {"url": f"http://web.{home}.svc"}
    # An export that runs meanwhile holds nothing of it, and can tell why.
    tool.export("-n", "shop*")
    assert "namespaces/shop/ConfigMap/web.yaml" in tool.paths()
    assert not [path for path in tool.paths() if home in path]
    told = tool.run("explain", "cm/web", "-n", home).stdout
    assert "rehearsals" in told
    assert "--into-scratch" in told
    replicas = "jsonpath={.status.readyReplicas}"
    assert plane.kubectl("get", "deploy/web", "-n", "shop", "-o", replicas) == "2"
