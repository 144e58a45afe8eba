"""Node ports that change hands: whoever has one that another Service is to get moves away first.

A port is one for the whole cluster, so that two Services that swap theirs would be refused both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from kube2git.core.objects import ObjectRef
from kube2git.core.planning.live import node_ports
from kube2git.core.planning.plan import Action
from kube2git.core.ports import Stopped, Verb, WriteRequest
from kube2git.core.wire import Json
from kube2git.core.workloads import items_of
from kube2git.flows.replaying.drafting import Draft
from kube2git.flows.replaying.target import TargetView

_TRIES = 20
"""Free ports that are tried: others may have been taken meanwhile, or lie outside the range."""


def make_room(draft: Draft, view: TargetView, is_stopped: Stopped) -> None:
    """Move Services that this replay changes off the node ports that others of it are to get.

    Where that fails the port stays, and the write that wants it fails with what the server says.
    A run that ends before its last write leaves a Service on a port that the commit does not say,
    so that the next one changes it.
    """
    actions = {action.ref: action for action in draft.plan.actions}
    moves: dict[ObjectRef, set[int]] = {}
    used: set[int] = set()
    for known in draft.live.objects.values():
        used |= known.node_ports
    for ref, adapted in draft.computed.adapted.items():
        if ref.kind_group != "Service":
            continue
        used |= node_ports(adapted.body)
        for port, holder in adapted.ports_of_others.items():
            # One that is made anew loses all of its ports at once.
            if actions[ref].action.writes and actions[holder].action is Action.UPDATE:
                moves.setdefault(holder, set()).add(port)
    for holder, ports in sorted(moves.items()):
        if not is_stopped():
            _move(view, holder, ports, used)


def _move(view: TargetView, ref: ObjectRef, ports: Collection[int], used: set[int]) -> None:
    type = view.types[ref.kind_group]
    live = view.target.get(type, ref.namespace, ref.name)
    for index, item in enumerate(items_of(live, "spec", "ports")):
        port = item.get("nodePort")
        if not isinstance(port, int) or port not in ports:
            continue
        where = f"/spec/ports/{index}/nodePort"
        for free in _near(port, used):
            used.add(free)
            operations: list[Json] = [
                {"op": "test", "path": where, "value": port},
                {"op": "replace", "path": where, "value": free},
            ]
            request = WriteRequest(Verb.EDIT, type, ref.namespace, ref.name, operations)
            if view.target.send(request).is_ok:
                break


def _near(port: int, used: set[int]) -> Iterator[int]:
    """Yield ports that nobody is known to have, the nearest first: the range is not known."""
    found = 0
    for distance in range(1, 32768):
        for free in (port + distance, port - distance):
            if found < _TRIES and 0 < free < 65536 and free not in used:
                found += 1
                yield free
