"""equality: what the server stores alike is alike, and nothing else. Each row seen on 1.37."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.equality import normalise_for_comparison, quantity
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import RBAC, config_map, deployment, obj

C = {"name": "c", "image": "x"}


def in_pod(**container: Any) -> Json:
    return deployment(pod={"containers": [{**C, **container}]})


NETWORK = "networking.k8s.io/v1"
ALIKE: list[tuple[Json, Json]] = [
    (in_pod(env=[{"name": "E", "value": ""}]), in_pod(env=[{"name": "E"}])),
    (in_pod(env=[], args=[], command=[], ports=[], volumeMounts=[]), in_pod()),
    (deployment(minReadySeconds=0), deployment()),
    (
        in_pod(resources={"limits": {"cpu": "1000m"}, "requests": {"memory": "1024Ki"}}),
        in_pod(resources={"limits": {"cpu": "1"}, "requests": {"memory": "1Mi"}}),
    ),
    (
        deployment(pod={"volumes": [{"name": "e", "emptyDir": {"sizeLimit": "1024Mi"}}]}),
        deployment(pod={"volumes": [{"name": "e", "emptyDir": {"sizeLimit": "1Gi"}}]}),
    ),
    (
        obj(
            "v1",
            "PersistentVolume",
            "a",
            spec={"storageClassName": "", "capacity": {"storage": "1024Mi"}},
        ),
        obj("v1", "PersistentVolume", "a", spec={"capacity": {"storage": "1Gi"}}),
    ),
    (
        obj("scheduling.k8s.io/v1", "PriorityClass", "a", globalDefault=False),
        obj("scheduling.k8s.io/v1", "PriorityClass", "a"),
    ),
    (
        obj(NETWORK, "NetworkPolicy", "a", "b", spec={"ingress": [], "egress": []}),
        obj(NETWORK, "NetworkPolicy", "a", "b", spec={}),
    ),
    (obj(RBAC, "Role", "a", "b", rules=[]), obj(RBAC, "Role", "a", "b", rules=None)),
    (obj(RBAC, "RoleBinding", "a", "b", subjects=[]), obj(RBAC, "RoleBinding", "a", "b")),
    (
        obj(
            "v1", "ResourceQuota", "a", "b", spec={"hard": {"pods": "1000", "requests.cpu": "0.5"}}
        ),
        obj("v1", "ResourceQuota", "a", "b", spec={"hard": {"pods": "1k", "requests.cpu": "500m"}}),
    ),
    (
        obj("v1", "LimitRange", "a", "b", spec={"limits": [{"max": {"cpu": "2000m"}}]}),
        obj("v1", "LimitRange", "a", "b", spec={"limits": [{"max": {"cpu": "2"}}]}),
    ),
    (config_map(), obj("v1", "ConfigMap", "c", "shop")),
    (
        obj("x.io/v1", "Foo", "a", metadata={"labels": {}, "annotations": {}, "finalizers": []}),
        obj("x.io/v1", "Foo", "a"),
    ),
]
DIFFERENT: list[tuple[Json, Json]] = [
    (deployment(replicas=0), deployment()),
    (deployment(minReadySeconds=5), deployment()),
    (in_pod(env=[{"name": "E", "value": "0"}]), in_pod(env=[{"name": "E", "value": ""}])),
    (in_pod(args=[""]), in_pod(args=[])),
    (
        deployment(pod={"volumes": [{"name": "e", "emptyDir": {}}]}),
        deployment(pod={"volumes": [{"name": "e"}]}),
    ),
    (
        obj("v1", "PersistentVolumeClaim", "a", "b", spec={"storageClassName": ""}),
        obj("v1", "PersistentVolumeClaim", "a", "b", spec={}),
    ),
    (
        obj(NETWORK, "NetworkPolicy", "a", "b", spec={"ingress": [{}]}),
        obj(NETWORK, "NetworkPolicy", "a", "b", spec={"ingress": []}),
    ),
    (config_map(a=""), config_map()),
    (config_map(cpu="1000m"), config_map(cpu="1")),
    (
        obj("x.io/v1", "Foo", "a", spec={"minReadySeconds": 0}),
        obj("x.io/v1", "Foo", "a", spec={}),
    ),
    (
        obj("x.io/v1", "Foo", "a", spec={"resources": {"limits": {"cpu": "1000m"}}}),
        obj("x.io/v1", "Foo", "a", spec={"resources": {"limits": {"cpu": "1"}}}),
    ),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_what_the_server_stores_alike_is_alike(one: Json, other: Json) -> None:
    assert normalise_for_comparison(one) == normalise_for_comparison(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_everything_else_stays_a_difference(one: Json, other: Json) -> None:
    assert normalise_for_comparison(one) != normalise_for_comparison(other)


@pytest.mark.parametrize("body", [body for pair in ALIKE + DIFFERENT for body in pair])
def test_normalising_twice_is_normalising_once(body: Json) -> None:
    before = copy.deepcopy(body)
    once = normalise_for_comparison(body)
    assert normalise_for_comparison(once) == once
    assert body == before


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1k", "1000"),
        ("1000", "1000"),
        ("1e3", "1000"),
        ("0.5", "0.5"),
        ("500m", "0.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1Ki", "1024"),
        ("1Ei", "1152921504606846976"),
        ("-2M", "-2000000"),
        ("+2", "2"),
        ("0", "0"),
        ("0Gi", "0"),
        ("1E", "1000000000000000000"),
        ("1E2", "100"),
        ("100n", "0.0000001"),
        ("3u", "0.000003"),
        (2, "2"),
        (0.25, "0.25"),
    ],
)
def test_a_quantity_is_its_value(written: str | float, value: str) -> None:
    assert quantity(written) == value


@pytest.mark.parametrize("text", ["", "k", "1kk", "1 k", "0x1", "1e999999999", "a", True, None, []])
def test_what_is_no_quantity_is_left_alone(text: Any) -> None:
    assert quantity(text) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**18, places=3))
def test_thousandths_and_units_meet(number: Any) -> None:
    thousandths = int(number * 1000)
    assert quantity(f"{thousandths}m") == quantity(str(number))
