"""nodeports: which ports a Service lets go, and how they are left open and filled in."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.objects import ObjectRef
from kube2git.core.planning import nodeports
from kube2git.core.planning.plan import Action, Header, Kept, Plan, PlannedAction
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import live, obj


def service(*ports: Json, **spec: Any) -> Json:
    return obj("v1", "Service", "web", "shop", spec={"ports": list(ports), **spec})


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        (service({"port": 80, "nodePort": 30080}, type="NodePort"), {30081}),
        (service({"port": 80, "nodePort": 30082}, type="NodePort"), {30080, 30081}),
        (service({"port": 80}, type="NodePort"), set()),
        (service({"port": 80}, type="LoadBalancer"), set()),
        (service({"port": 80}, type="ClusterIP"), {30080, 30081}),
        (service({"port": 80}), {30080, 30081}),
    ],
)
def test_a_port_stays_where_it_is_named_or_none_is(body: Json, lost: set[int]) -> None:
    known = live(service(), node_ports=frozenset({30080, 30081}))
    assert nodeports.given_up(body, known) == lost


@pytest.mark.parametrize(
    ("spec", "lost"),
    [
        ({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}, set()),
        (
            {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 30082,
            },
            set(),
        ),
        (
            {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 30083,
            },
            {30082},
        ),
        ({"type": "LoadBalancer", "externalTrafficPolicy": "Cluster"}, {30082}),
        ({"type": "NodePort", "externalTrafficPolicy": "Local"}, {30082}),
    ],
)
def test_the_port_for_health_checks_stays_while_they_are_made(spec: Json, lost: set[int]) -> None:
    known = live(service(), node_ports=frozenset({30080, 30082}), health_port=30082)
    body = service({"port": 80, "nodePort": 30080}, **spec)
    assert nodeports.given_up(body, known) == lost


A, B, C = (ObjectRef("", "Service", "shop", name) for name in "abc")


def planned(**actions: Action) -> Plan:
    refs = {"a": A, "b": B, "c": C}
    return Plan(Header(), tuple(PlannedAction(refs[name], it) for name, it in actions.items()))


def test_who_wants_the_port_of_one_that_is_blocked_is_blocked_and_so_on() -> None:
    wanted = {C: {30081: B}, B: {30080: A}}
    update = Action.UPDATE
    settled = nodeports.settle_ports(planned(a=Action.BLOCKED, b=update, c=Action.CREATE), wanted)
    assert [action.action for action in settled.actions] == [Action.BLOCKED] * 3
    assert "30080 over from service/a -n shop, but that is blocked" in settled.actions[1].reason
    assert "30081 over from service/b -n shop, but that is blocked" in settled.actions[2].reason
    for plan in (
        planned(a=update, b=update, c=Action.CREATE),
        planned(a=Action.RECREATE, b=Action.RECREATE, c=Action.BLOCKED),
    ):
        assert nodeports.settle_ports(plan, wanted) == plan


def test_a_port_that_stays_with_its_owner_is_nobody_else_s() -> None:
    kept = Kept("spec.ports[0].nodePort", ("other",), "it set it")
    holder = PlannedAction(A, Action.UPDATE, kept=(kept,))
    plan = Plan(Header(), (holder, PlannedAction(B, Action.UPDATE)))
    settled = nodeports.settle_ports(plan, {B: {30080: A}})
    assert settled.actions[0] == holder
    assert settled.actions[1].action is Action.BLOCKED
    assert "service/a -n shop, but that keeps it" in settled.actions[1].reason


def test_ports_are_left_open_and_filled_in_again() -> None:
    http: Json = {"port": 80, "protocol": "TCP"}
    dns: list[Json] = [{"port": 53, "nodePort": 30053}, {"port": 53, "protocol": "UDP"}]
    wanted = service({**http, "nodePort": 30080}, *dns)
    opened = nodeports.without(wanted, {30080, 30099})
    assert opened == service(http, *dns)
    answered = service({**http, "nodePort": 30999}, *dns)
    assert nodeports.as_wanted(answered, wanted, {30080}) == wanted


def test_the_port_for_health_checks_is_left_open_too() -> None:
    body = service(healthCheckNodePort=30080)
    assert nodeports.without(body, {30080}) == service()
    assert nodeports.without(body, {30081}) == body
    assert nodeports.as_wanted(service(), body, {30080}) == body
    assert nodeports.as_wanted(service(), body, {30081}) == service()
