"""Who set a field: what managedFields of a real API server tell, and what cleaning makes of it."""

from __future__ import annotations

import json

import pytest

from kube2git.core.cleaning import manager_of
from kube2git.core.wire import Json
from tests.cluster.cleaned import cleaner_for, read, spec_of
from tests.controlplane import ControlPlane

PLAIN: Json = {"type": "NodePort", "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}
CHOSEN: Json = {
    "type": "NodePort",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80, "protocol": "UDP"}],
}
ALLOCATED = {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}

CREATORS = {
    "create": ("create",),
    "client-side apply": ("apply",),
    "server-side apply": ("apply", "--server-side"),
}
each_creator = pytest.mark.parametrize("creator", CREATORS.values(), ids=CREATORS)


def make_service(
    plane: ControlPlane, namespace: str, creator: tuple[str, ...], spec: Json
) -> tuple[str, Json]:
    """Create a Service; return its path and what the server made of its spec."""
    ports = [port | {"name": port.get("name", f"p{i}")} for i, port in enumerate(spec["ports"])]
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": spec | {"ports": ports},
    }
    plane.kubectl(*creator, "-f", "-", input=json.dumps(body))
    path = f"/api/v1/namespaces/{namespace}/services/web"
    raw: Json = read(plane, path)["spec"]
    assert raw.keys() >= ALLOCATED or raw["type"] == "ExternalName"
    return path, raw


def node_ports(spec: Json) -> list[int | None]:
    return [port.get("nodePort") for port in spec["ports"]]


@each_creator
def test_what_the_server_allocated_goes(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    path, raw = make_service(cluster, namespace, creator, PLAIN)
    assert all(node_ports(raw))
    clean = spec_of(cluster, path)
    assert not clean.keys() & ALLOCATED
    assert node_ports(clean) == [None, None]
    # Others may write the object; that does not make the allocation theirs.
    cluster.kubectl("label", "-n", namespace, "service/web", "team=a")
    assert spec_of(cluster, path) == clean


@each_creator
def test_what_a_person_chose_stays(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    # From the bands in which the server allocates last.
    number = list(CREATORS.values()).index(creator)
    address, port = f"10.0.0.{200 + number}", 30040 + number
    ports = [CHOSEN["ports"][0] | {"nodePort": port}, CHOSEN["ports"][1]]
    path, _ = make_service(
        cluster, namespace, creator, CHOSEN | {"clusterIP": address, "ports": ports}
    )
    clean = spec_of(cluster, path)
    assert clean["clusterIP"] == address
    assert clean["clusterIPs"] == [address]
    assert clean["ipFamilyPolicy"] == "SingleStack"
    assert clean["ipFamilies"] == ["IPv4"]
    assert node_ports(clean) == [port, None]
    # Somebody else reads it, changes something, and writes it all back.
    body = read(cluster, path)
    body["spec"]["publishNotReadyAddresses"] = True
    answer = cluster.request("PUT", f"{path}?fieldManager=other", body)
    assert answer.status == 200
    assert spec_of(cluster, path) == clean | {"publishNotReadyAddresses": True}


@each_creator
def test_where_ownership_was_wiped_everything_stays(
    cluster: ControlPlane, namespace: str, creator: tuple[str, ...]
) -> None:
    path, raw = make_service(cluster, namespace, creator, PLAIN)
    wipe: Json = {"metadata": {"managedFields": [{}], "annotations": None}}
    assert cluster.request("PATCH", path, wipe).status == 200
    assert spec_of(cluster, path) == raw
    # And it stays so after an apply over it, which credits all that was there to nobody.
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": namespace, "labels": {"team": "a"}},
    }
    cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(body))
    managers = {entry["manager"] for entry in read(cluster, path)["metadata"]["managedFields"]}
    assert "before-first-apply" in managers
    assert spec_of(cluster, path) == raw


def test_what_kube2git_applied_comes_back_as_it_was_written(
    cluster: ControlPlane, target: ControlPlane, namespace: str
) -> None:
    ports = [{"name": "a", "port": 80, "nodePort": 30050}, {"name": "b", "port": 81}]
    path, _ = make_service(cluster, namespace, ("create",), PLAIN | {"ports": ports})
    clean = cleaner_for(cluster).clean(read(cluster, path)).body
    assert clean is not None
    target.kubectl("create", "namespace", namespace)
    target.kubectl(
        "apply",
        "--server-side",
        "--field-manager=kube2git",
        "-f",
        "-",
        input=json.dumps(clean),
    )
    assert node_ports(clean["spec"]) == [30050, None]
    assert cleaner_for(target).clean(read(target, path)).body == clean


def test_a_headless_service_without_selector_gets_families_that_nobody_chose(
    cluster: ControlPlane, namespace: str
) -> None:
    path, raw = make_service(
        cluster, namespace, ("create",), {"clusterIP": "None", "ports": [{"port": 80}]}
    )
    assert raw["ipFamilyPolicy"] == "RequireDualStack"
    clean = spec_of(cluster, path)
    assert clean["clusterIP"] == "None"
    assert clean["clusterIPs"] == ["None"]
    assert not clean.keys() & {"ipFamilies", "ipFamilyPolicy"}


def test_a_health_check_port_is_allocated_unless_chosen(
    cluster: ControlPlane, namespace: str
) -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    path, raw = make_service(cluster, namespace, ("create",), spec)
    assert raw["healthCheckNodePort"]
    assert "healthCheckNodePort" not in spec_of(cluster, path)
    other = cluster.create_namespace()
    chosen = {**spec, "healthCheckNodePort": 30051}
    path, _ = make_service(cluster, other, ("create",), chosen)
    assert spec_of(cluster, path)["healthCheckNodePort"] == 30051


def test_who_changed_a_field_is_known(cluster: ControlPlane, namespace: str) -> None:
    path, _ = make_service(cluster, namespace, ("create",), PLAIN)
    merge = {"spec": {"externalTrafficPolicy": "Local"}, "metadata": {"labels": {"a.b/c": "d"}}}
    assert cluster.request("PATCH", f"{path}?fieldManager=alice", merge).status == 200
    body = read(cluster, path)
    assert manager_of(body, ("spec", "externalTrafficPolicy")) == "alice"
    assert manager_of(body, ("metadata", "labels", "a.b/c")) == "alice"
    assert manager_of(body, ("spec", "ports", 1, "port")) == "kubectl-create"
    assert manager_of(body, ("spec", "clusterIP")) == ""
