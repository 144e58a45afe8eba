"""live: the facts that cleaning takes away are kept, and other tools are known by their marks."""

from __future__ import annotations

import pytest

from kube2git.core.objects import Manifest
from kube2git.core.planning.live import LiveObject, other_tool
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import config_map, deployment, managed, obj


def test_facts_are_taken_from_the_raw_object() -> None:
    raw = deployment(replicas=4)
    raw["metadata"] |= {
        "uid": "u",
        "resourceVersion": "9",
        "deletionTimestamp": "t",
        "managedFields": [managed("a", {}), None],
    }
    raw["status"] = {"phase": "Odd"}
    found = LiveObject.of(raw, Manifest.of(deployment()))
    assert found == LiveObject(
        Manifest.of(deployment()), "u", "9", is_terminating=True, phase="Odd", replicas=4
    )
    assert found.managed_fields == (managed("a", {}),)
    assert LiveObject.of(raw, found.manifest, keep_managers=False).managed_fields == ()


def test_a_service_s_ports_and_addresses_are_known() -> None:
    raw = obj(
        "v1",
        "Service",
        "a",
        "b",
        spec={
            "clusterIP": "10.0.0.1",
            "clusterIPs": ["10.0.0.1", "fd00::1"],
            "healthCheckNodePort": 32000,
            "ports": [{"port": 80, "nodePort": 30080}, {"port": 81}, {"nodePort": 0}],
        },
    )
    found = LiveObject.of(raw, Manifest.of(raw))
    assert found.node_ports == {30080, 32000}
    assert found.cluster_ips == {"10.0.0.1", "fd00::1"}


def test_a_headless_service_has_no_address() -> None:
    raw = obj("v1", "Service", "a", "b", spec={"clusterIP": "None", "clusterIPs": ["None"]})
    assert LiveObject.of(raw, Manifest.of(raw)).cluster_ips == frozenset()


def test_only_kinds_with_replicas_have_them() -> None:
    raw = obj("x.io/v1", "Foo", "a", spec={"replicas": 4})
    assert LiveObject.of(raw, Manifest.of(raw)).replicas is None


OWNER = {"apiVersion": "x.io/v1", "kind": "Foo", "name": "a", "uid": "u"}


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        ({}, ""),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, ""),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm release shop"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux Kustomization apps"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}, "Flux HelmRelease apps"),
        ({"labels": {"argocd.argoproj.io/instance": "a"}}, "Argo CD application a"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "a:b"}}, "Argo CD application a:b"),
        ({"labels": {"olm.owner": ""}}, "OLM"),
        ({"ownerReferences": [OWNER]}, "Foo a, its owner"),
    ],
)
def test_another_tool_is_known_by_its_mark(metadata: Json, tool: str) -> None:
    body = config_map()
    body["metadata"] |= metadata
    assert other_tool(body) == tool
