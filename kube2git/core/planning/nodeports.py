"""Node ports of Services: one for the whole cluster, so that a replay may have to pass them on."""

from __future__ import annotations

from collections.abc import Collection

from kube2git.core.planning.live import node_ports
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of


def kept(service: Json, present: frozenset[int]) -> frozenset[int]:
    """Return which node ports a live Service keeps when it becomes what the commit says.

    Where the commit names none, the server leaves the one that is there.
    """
    if dig(service, "spec", "type") not in ("NodePort", "LoadBalancer"):
        return frozenset()
    are_all_named = all(port.get("nodePort") for port in items_of(service, "spec", "ports"))
    return present & node_ports(service) if are_all_named else present


def without(service: Json, ports: Collection[int]) -> Json:
    """Return a Service that leaves it to the server which ones it gets instead of these."""
    spec = dict(service.get("spec") or {})
    if spec.get("healthCheckNodePort") in ports:
        del spec["healthCheckNodePort"]
    spec["ports"] = [
        {name: value for name, value in item.items() if name != "nodePort" or value not in ports}
        for item in items_of(service, "spec", "ports")
    ]
    return {**service, "spec": spec}


def as_wanted(service: Json, wanted: Json, ports: Collection[int]) -> Json:
    """Return an object with those of these node ports that another form of it has."""
    numbers = {
        _entry(item): item["nodePort"]
        for item in items_of(wanted, "spec", "ports")
        if item.get("nodePort") in ports
    }
    entries = [
        {**item, "nodePort": numbers[_entry(item)]} if _entry(item) in numbers else item
        for item in items_of(service, "spec", "ports")
    ]
    return {**service, "spec": {**(service.get("spec") or {}), "ports": entries}}


def _entry(port: Json) -> tuple[object, object]:
    return (port.get("port"), port.get("protocol") or "TCP")
