"""diff --live is the replay's plan, read only: what it calls equal, a replay leaves as it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane import ControlPlane
from tests.tool import Tool

Json = dict[str, Any]


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    """A tool that seals, with a private key at hand."""
    tool = Tool(cluster.kubeconfig, tmp_path / "kube2git.git", tmp_path)
    del tool.environ["KUBE2GIT_REPO"]
    tool.run("init")
    return tool


def fill(cluster: ControlPlane, namespace: str) -> None:
    secret = {"password": base64.b64encode(b"correct horse battery").decode()}
    path = f"/api/v1/namespaces/{namespace}"
    cluster.create(f"{path}/configmaps", {"metadata": {"name": "a"}, "data": {"k": "1"}})
    cluster.create(f"{path}/secrets", {"metadata": {"name": "a"}, "data": secret})


def differing(tool: Tool, *args: str, codes: tuple[int, ...]) -> dict[str, str]:
    found = tool.run("diff", "main", "--live", "-o", "json", *args, codes=codes).json
    return {f"{item['object']['kind']}/{item['object']['name']}": item["change"] for item in found}


def test_diff_and_replay_agree_and_reading_is_enough(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    fill(cluster, namespace)
    tool.export("-n", namespace)
    reads = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
    role = {"metadata": {"name": namespace}, "rules": [reads]}
    cluster.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    scope = (f"--clusterrole={namespace}", f"--user={namespace}")
    cluster.kubectl("create", "clusterrolebinding", namespace, *scope)
    as_reader = {"Impersonate-User": namespace}
    cluster.wait(
        lambda: cluster.request("GET", "/api/v1/secrets", headers=as_reader).status == 200,
        "The right to read",
    )
    reader = ("-n", namespace, "--as", namespace)
    assert differing(tool, *reader, codes=(0,)) == {}

    cluster.kubectl("patch", "-n", namespace, "cm/a", "-p", '{"data":{"k":"2"}}')
    cluster.kubectl("delete", "-n", namespace, "secret/a")
    cluster.kubectl("create", "-n", namespace, "cm", "b")
    found = differing(tool, *reader, codes=(1,))
    assert found == {"ConfigMap/a": "changed", "ConfigMap/b": "added", "Secret/a": "removed"}
    table = tool.run("diff", "main", "--live", *reader, codes=(1,))
    assert "data.k: 1 -> 2" in table.stdout
    assert "--dry-run=server" in table.stderr
    assert "correct horse" not in table.stdout

    live = ("diff", "main", "--live", "-o", "name", "-n")
    assert (
        tool.run(*live, f"{namespace}*", "cm/b", codes=(1,)).stdout
        == f"configmap/b -n {namespace}\n"
    )
    for mistyped in ("cm/c", "cofnigmap/a"):
        assert (
            "neither main nor the cluster holds"
            in tool.run(*live, namespace, mistyped, codes=(10,)).stderr
        )
    tool.run(*live, namespace, "pods", codes=(0,))

    replay = ("replay", "main", "-n", namespace, "--prune=all", "--allow-prune=many", "-o", "json")
    plan = tool.run(*replay, "--dry-run=client").json["plan"]["actions"]
    writes = {
        f"{item['object']['kind']}/{item['object']['name']}": item["action"]
        for item in plan
        if item["action"] != "unchanged"
    }
    assert writes == {"ConfigMap/a": "update", "ConfigMap/b": "delete", "Secret/a": "create"}
    tool.run(*replay, "--take-over=kubectl*", "--yes")
    assert differing(tool, *reader, codes=(0,)) == {}
    cluster.kubectl("delete", "clusterrolebinding", namespace)
    cluster.kubectl("delete", "clusterrole", namespace)


def test_a_renamed_copy_is_compared_with_its_original(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    fill(cluster, namespace)
    tool.export("-n", namespace)
    copy = f"{namespace}-copy"
    flags = ("-n", namespace, "--map", f"{namespace}={copy}")
    assert "ConfigMap/a" in differing(tool, *flags, codes=(1,))
    tool.run("replay", "main", *flags, "--yes")
    assert differing(tool, *flags, codes=(0,)) == {}
    refused = tool.run("diff", "main", "--map", "a=b", codes=(2,))
    assert "--map goes with --live" in refused.stderr
    cluster.kubectl("delete", "namespace", copy, "--wait=false")


def test_without_a_private_key_an_unchanged_secret_is_known_by_its_fingerprint(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    fill(cluster, namespace)
    tool.export("-n", namespace)
    (tool.home / "config" / "kube2git" / "age.key").unlink()
    assert differing(tool, "-n", namespace, codes=(0,)) == {}
    done = tool.run("replay", "main", "-n", namespace, "--yes", "-o", "json").json
    assert done["report"]["complete"]
    other = base64.b64encode(b"another one entirely").decode()
    patch = json.dumps({"data": {"password": other}})
    cluster.kubectl("patch", "-n", namespace, "secret/a", "-p", patch)
    assert differing(tool, "-n", namespace, codes=(1,)) == {"Secret/a": "changed"}
