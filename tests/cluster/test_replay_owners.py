"""Other people's fields and objects: appliers, items of lists; names that are swapped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.test_replay import (
    Replayer,
    actions,
    config_map,
    node_port_service,
    planned,
    role_binding,
)
from tests.controlplane import ControlPlane
from tests.tool import make_tool


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def space(replayer: Replayer, namespace: str) -> Iterator[str]:
    yield namespace
    replayer.target.run_kubectl("delete", "namespace", namespace, "--wait=false")


def test_an_applier_s_fields_are_a_conflict_and_its_list_items_are_told(
    replayer: Replayer, space: str
) -> None:
    """Another applier has taken a value; somebody has added a port."""
    replayer.put(replayer.source, config_map(space, "map", k="1"), node_port_service(space, 30014))
    replayer.tool.export("-n", space)
    replayer.replay("-n", space)
    applied = ["apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller"]
    theirs = json.dumps(config_map(space, "map", k="2"))
    replayer.target.kubectl(*applied, "-f", "-", input=theirs)
    port = {"name": "more", "port": 81, "protocol": "TCP", "targetPort": 81}
    first = {"name": "http", **replayer.get("svc/open", space)["spec"]["ports"][0]}
    patch = json.dumps({"spec": {"ports": [first, port]}})
    replayer.target.kubectl("patch", "svc/open", "-n", space, "--type=merge", "-p", patch)

    report = replayer.report("-n", space, codes=(3,))
    assert "argocd-controller owns data.k" in planned(report, "map")["reason"]
    assert replayer.get("cm/map", space)["data"] == {"k": "2"}

    taken = replayer.report("-n", space, "--take-over=argocd-*", "--take-over=kubectl-*")
    assert taken["report"]["complete"], taken["report"]
    assert replayer.get("cm/map", space)["data"] == {"k": "1"}
    ports = replayer.get("svc/open", space)["spec"]["ports"]
    assert [(item["port"], item.get("name")) for item in ports] == [(80, None)]
    assert actions(replayer.report("-n", space)) == {}


def test_two_namespaces_swap_their_names_and_swapped_back_they_are_what_they_were(
    replayer: Replayer, cluster: ControlPlane, space: str
) -> None:
    other = cluster.create_namespace()
    for name, far in ((space, other), (other, space)):
        url = f"http://db.{far}.svc:5432/"
        binding = {**role_binding(far), "metadata": {"name": "view", "namespace": name}}
        replayer.put(replayer.source, config_map(name, f"of-{name}", url=url), binding)
    selected = ["-n", space, "-n", other]
    replayer.tool.export(*selected)
    maps = ["--map", f"{space}={other}", "--map", f"{other}={space}"]
    report = replayer.report(*selected, *maps)
    assert report["report"]["complete"], report["report"]
    assert replayer.get(f"cm/of-{space}", other)["data"] == {"url": f"http://db.{space}.svc:5432/"}
    (account, group) = replayer.get("rolebinding/view", other)["subjects"]
    assert account["namespace"] == space
    assert group["name"] == f"system:serviceaccounts:{space}"

    there = Replayer(replayer.target, replayer.source, replayer.tool.home / "there")
    there.tool = make_tool(replayer.target.kubeconfig, replayer.tool.home / "there")
    there.tool.export(*selected)
    assert actions(there.report(*selected, *maps, "--dry-run=server", yes=False)) == {}
    replayer.target.run_kubectl("delete", "namespace", other, "--wait=false")


def test_two_namespaces_become_one(replayer: Replayer, cluster: ControlPlane, space: str) -> None:
    other, one = cluster.create_namespace(), f"{space}-one"
    made = [
        config_map(name, f"of-{name}", url=f"http://db.{far}.svc:5432/")
        for name, far in ((space, other), (other, space))
    ]
    replayer.put(replayer.source, *made)
    selected = ["-n", space, "-n", other]
    replayer.tool.export(*selected)
    maps = ["--map", f"{space}={one}", "--map", f"{other}={one}"]
    report = replayer.report(*selected, *maps)
    assert report["report"]["complete"], report["report"]
    for name in (space, other):
        found = replayer.get(f"cm/of-{name}", one)["data"]
        assert found == {"url": f"http://db.{one}.svc:5432/"}
    assert actions(replayer.report(*selected, *maps)) == {}
    replayer.target.run_kubectl("delete", "namespace", one, "--wait=false")
