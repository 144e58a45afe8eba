"""Pods that live for one run: they fetch kilobytes of a long history, and go on where one was."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.controlplane import ControlPlane
from tests.gitservers import GitHttpServer, create_remote, run_git
from tests.tool import Tool

COMMITS, FILES, NAMESPACES = 5000, 1000, 20
SHORT_LIVED = {"KUBE2GIT_GIT_DEPTH": "1", "KUBE2GIT_GIT_PARTIAL": "true"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitHttpServer]:
    create_remote(tmp_path)
    with GitHttpServer(tmp_path) as server:
        yield server


def tool_of(cluster: ControlPlane, server: GitHttpServer, home: Path) -> Tool:
    """A tool whose cache is of its own, as that of a new Pod."""
    home.mkdir()
    keys = {"XDG_CONFIG_HOME": str(home.parent / "config"), **SHORT_LIVED}
    tool = Tool(cluster.kubeconfig, server.url(), home, keys)
    tool.environ["KUBE2GIT_CONFIG"] = str(home.parent / "kube2git.yaml")
    return tool


def make_history(remote: Path) -> None:
    """Add thousands of commits that change a thousand files, with contents that do not pack."""
    random = Random(1)
    tip = run_git("-C", str(remote), "rev-parse", "main")
    lines = []
    for number in range(COMMITS):
        lines.append(f"commit refs/heads/main\ncommitter A <a@example.com> {2**30 + number} +0000")
        lines.append("data 4\nmore")
        if number == 0:
            lines.append(f"from {tip}")
        text = random.randbytes(700).hex()
        file = number % FILES
        path = f"namespaces/elsewhere-{file % NAMESPACES}/ConfigMap/f{file:04}.yaml"
        lines.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
    run_git("-C", str(remote), "fast-import", "--quiet", data="\n".join(lines).encode())


def test_a_run_in_a_new_pod_fetches_kilobytes(
    cluster: ControlPlane, namespace: str, server: GitHttpServer, tmp_path: Path
) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    secret = {"metadata": {"name": "s"}, "stringData": {"password": "not an everyday word"}}
    cluster.create(f"{path}/secrets", secret)
    for name in ("a", "b", "c", "d"):
        cluster.create(f"{path}/configmaps", {"metadata": {"name": name}, "data": {"k": name}})
    chosen = ("-n", namespace, "--kind", "cm", "--kind", "secret", "--cluster-scoped", "no")
    first = Tool(cluster.kubeconfig, server.url(), tmp_path)
    first.run("init", server.url())
    remote = tmp_path / "state.git"
    assert first.export(*chosen)["commit"]
    make_history(remote)
    before = server.sent
    run_git("clone", "--quiet", "--mirror", server.url(), str(tmp_path / "full.git"))
    full = server.sent - before

    # Nothing has changed.
    pod = tool_of(cluster, server, tmp_path / "one")
    before, asked = server.sent, len(server.requests)
    assert pod.export(*chosen)["commit"] is None
    cold = server.sent - before
    assert cold < full / 100
    assert cold < 100_000
    # The branch, then kube2git's own files in one go; never a request for each file.
    assert len(server.requests) - asked < 10

    # The same Pod again, or its volume.
    before, asked = server.sent, len(server.requests)
    assert pod.export(*chosen)["commit"] is None
    assert server.sent - before < 2_000
    assert len(server.requests) - asked == 2

    # Changes, from a new Pod: the old contents that the message needs come at once.
    for name in ("a", "b", "c"):
        change = '{"data":{"k":"changed"}}'
        cluster.kubectl("patch", "-n", namespace, f"configmap/{name}", "-p", change)
    pod = tool_of(cluster, server, tmp_path / "two")
    before, asked = server.sent, len(server.requests)
    report = pod.export(*chosen)
    assert report["commit"] == run_git("-C", str(remote), "rev-parse", "main")
    assert len(report["changes"]) == 3
    assert server.sent - before < full / 100
    assert len(server.requests) - asked < 14
    subprocess.run(["git", "-C", str(remote), "fsck", "--connectivity-only"], check=True)
    assert run_git("-C", str(remote), "rev-list", "--count", "main") == str(COMMITS + 2)
    files = run_git("-C", str(remote), "ls-tree", "-r", "--name-only", "main").splitlines()
    assert len([name for name in files if "elsewhere" in name]) == FILES

    # Somebody else pushes, and the volume of the first Pod goes on from where it was.
    again = Tool(cluster.kubeconfig, server.url(), tmp_path / "one", pod.environ)
    again.environ.update({"XDG_CACHE_HOME": str(tmp_path / "one" / "cache")})
    cluster.kubectl("patch", "-n", namespace, "configmap/d", "-p", '{"data":{"k":"changed"}}')
    before, asked = server.sent, len(server.requests)
    assert again.export(*chosen)["commit"]
    assert run_git("-C", str(remote), "rev-list", "--count", "main") == str(COMMITS + 3)
    assert server.sent - before < cold
    assert len(server.requests) - asked < 10
