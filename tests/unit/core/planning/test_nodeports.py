"""nodeports: which ports a Service lets go, and how they are left open and filled in."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.planning import nodeports
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import obj


def service(*ports: Json, **spec: Any) -> Json:
    return obj("v1", "Service", "web", "shop", spec={"ports": list(ports), **spec})


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (service({"port": 80, "nodePort": 30080}, type="NodePort"), {30080}),
        (service({"port": 80, "nodePort": 30082}, type="NodePort"), set()),
        (service({"port": 80}, type="NodePort"), {30080, 30081}),
        (service({"port": 80}, type="LoadBalancer"), {30080, 30081}),
        (service({"port": 80}, type="ClusterIP"), set()),
        (service({"port": 80}), set()),
    ],
)
def test_a_port_stays_where_it_is_named_or_none_is(body: Json, kept: set[int]) -> None:
    assert nodeports.kept(body, frozenset({30080, 30081})) == kept


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
