"""Node ports of Services: one for the whole cluster, so that a replay may have to pass them on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from kube2git.core.objects import ObjectRef
from kube2git.core.planning.live import LiveObject, node_ports
from kube2git.core.planning.plan import Action, Plan, PlannedAction
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of


def given_up(service: Json, known: LiveObject) -> frozenset[int]:
    """Return which node ports a live Service loses when it becomes what the commit says.

    Where the commit names none, the server leaves the one that is there.
    """
    spec = service.get("spec") or {}
    if spec.get("type") not in ("NodePort", "LoadBalancer"):
        return known.node_ports
    lost = known.node_ports - {known.health_port}
    if all(port.get("nodePort") for port in items_of(service, "spec", "ports")):
        lost -= node_ports(service)
    else:
        lost = frozenset()
    is_asked = spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    if is_asked and spec.get("healthCheckNodePort") in (None, known.health_port):
        return lost
    return lost | (known.node_ports & {known.health_port})


def gives_up(holder: PlannedAction) -> bool:
    """Tell whether a Service gets the node ports that the commit says in this run."""
    is_kept = any("nodeport" in kept.path.lower() for kept in holder.kept)
    return holder.action in (Action.UPDATE, Action.RECREATE) and not is_kept


def settle_ports(plan: Plan, wanted: Mapping[ObjectRef, Mapping[int, ObjectRef]]) -> Plan:
    """Return the plan with those Services blocked whose node port another one keeps after all.

    ``wanted``: Service -> the node ports that it is to take over, and from whom.
    """
    actions = {action.ref: action for action in plan.actions}
    is_settled = False
    while not is_settled:
        is_settled = True
        for ref, ports in wanted.items():
            for port, holder in ports.items():
                if actions[ref].action.writes and not gives_up(actions[holder]):
                    actions[ref] = _blocked(actions[ref], port, actions[holder])
                    is_settled = False
    return plan.with_actions(actions.values())


def _blocked(action: PlannedAction, port: int, holder: PlannedAction) -> PlannedAction:
    why = "is blocked" if holder.action is Action.BLOCKED else "keeps it"
    reason = (
        f"It is to take the node port {port} over from {holder.ref}, but that {why}. See to "
        "that first, or choose another port."
    )
    return replace(
        action, action=Action.BLOCKED, reason=reason, changes=(), removals=(), kept=(), warnings=()
    )


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
    spec = {**(service.get("spec") or {}), "ports": entries}
    health = dig(wanted, "spec", "healthCheckNodePort")
    if health in ports:
        spec["healthCheckNodePort"] = health
    return {**service, "spec": spec}


def _entry(port: Json) -> tuple[object, object]:
    return (port.get("port"), port.get("protocol") or "TCP")
