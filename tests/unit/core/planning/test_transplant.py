"""transplant: one PUT says what the commit says and keeps what cleaning had taken out."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.planning.transplant import transplant
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import deployment, obj

RAW: Json = {
    **deployment(replicas=5, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}),
    "status": {"replicas": 5},
}
RAW["metadata"] |= {
    "uid": "u",
    "resourceVersion": "7",
    "annotations": {"deployment.kubernetes.io/revision": "3"},
    "finalizers": ["foregroundDeletion", "mine/x"],
}
CLEAN: Json = deployment(strategy=RAW["spec"]["strategy"])
CLEAN["metadata"] |= {"finalizers": ["mine/x"]}


def test_an_either_or_is_switched_and_the_server_s_fields_stay() -> None:
    desired = deployment(strategy={"type": "Recreate"})
    desired["metadata"] |= {"labels": {"a": "b"}}
    body = transplant(RAW, CLEAN, desired)
    assert body["spec"]["strategy"] == {"type": "Recreate"}
    assert body["spec"]["replicas"] == 5
    assert body["status"] == {"replicas": 5}
    assert body["metadata"] == {
        "name": "web",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "7",
        "annotations": {"deployment.kubernetes.io/revision": "3"},
        "labels": {"a": "b"},
    }


def test_stripped_items_of_lists_stay_and_others_follow_the_commit() -> None:
    desired = copy.deepcopy(CLEAN)
    desired["metadata"]["finalizers"] = ["new/y", "mine/x"]
    body = transplant(RAW, CLEAN, desired)
    assert body["metadata"]["finalizers"] == ["new/y", "mine/x", "foregroundDeletion"]


def test_a_stripped_item_that_the_commit_holds_stands_once() -> None:
    desired = copy.deepcopy(CLEAN)
    desired["metadata"]["finalizers"] = ["foregroundDeletion", "mine/x"]
    body = transplant(RAW, CLEAN, desired)
    assert body["metadata"]["finalizers"] == ["foregroundDeletion", "mine/x"]


def service(*ports: Json) -> Json:
    return obj("v1", "Service", "a", "b", spec={"ports": list(ports)})


def test_a_field_that_cleaning_took_out_goes_to_one_item_only() -> None:
    raw, clean = service({"port": 80, "nodePort": 30001}), service({"port": 80})
    desired = service({"port": 80, "targetPort": 8}, {"port": 80, "targetPort": 9})
    assert transplant(raw, clean, desired)["spec"]["ports"] == [
        {"port": 80, "targetPort": 8, "nodePort": 30001},
        {"port": 80, "targetPort": 9},
    ]


def test_an_item_that_gets_a_name_is_still_the_same_item() -> None:
    raw, clean = service({"port": 80, "nodePort": 30001}), service({"port": 80})
    desired = service({"name": "web", "port": 80})
    for one, other in ((clean, desired), (desired, clean)):
        live = service({**one["spec"]["ports"][0], "nodePort": 30001})
        (port,) = transplant(live, one, other)["spec"]["ports"]
        assert port == {**other["spec"]["ports"][0], "nodePort": 30001}
    assert transplant(raw, clean, service(7))["spec"]["ports"] == [7]  # type: ignore[arg-type]


def test_fields_that_cleaning_took_out_of_items_stay_with_their_item() -> None:
    raw = service(
        {"port": 80, "protocol": "TCP", "nodePort": 30001}, {"port": 81, "nodePort": 30002}
    )
    clean = service({"port": 80, "protocol": "TCP"}, {"port": 81})
    desired = service({"port": 82}, {"port": 81, "targetPort": 8}, {"port": 80, "protocol": "TCP"})
    assert transplant(raw, clean, desired)["spec"]["ports"] == [
        {"port": 82},
        {"port": 81, "targetPort": 8, "nodePort": 30002},
        {"port": 80, "protocol": "TCP", "nodePort": 30001},
    ]


def test_an_item_that_cleaning_has_rewritten_is_still_the_same_item() -> None:
    def pod(*names: str) -> Json:
        return obj("v1", "Pod", "a", "b", spec={"volumes": [{"name": name} for name in names]})

    raw, clean = pod("token", "data"), pod("TOKEN", "data")
    assert transplant(raw, clean, clean)["spec"]["volumes"] == [{"name": "TOKEN"}, {"name": "data"}]


def test_yielded_fields_stay_as_they_are() -> None:
    live = deployment(replicas=5)
    body = transplant(live, live, deployment(replicas=2), keep=[("spec", "replicas")])
    assert body["spec"]["replicas"] == 5
    body = transplant(live, live, deployment(), keep=[("spec", "replicas")])
    assert body["spec"]["replicas"] == 5


_values = st.recursive(
    st.integers(0, 3) | st.booleans() | st.text("ab", max_size=2),
    lambda below: (
        st.dictionaries(st.sampled_from("abc"), below, max_size=3) | st.lists(below, max_size=3)
    ),
    max_leaves=8,
)
_bodies = st.dictionaries(st.sampled_from("abcd"), _values)


@settings(max_examples=80)
@given(_bodies, _bodies)
def test_where_cleaning_took_nothing_out_the_commit_s_object_comes_out(
    live: dict[str, Any], desired: dict[str, Any]
) -> None:
    assert transplant(live, live, desired) == desired


@settings(max_examples=80)
@given(_bodies, _bodies, st.dictionaries(st.sampled_from("xyz"), _values))
def test_what_cleaning_took_out_stays_beside_the_commit_s_object(
    live: dict[str, Any], desired: dict[str, Any], stripped: dict[str, Any]
) -> None:
    assert transplant({**live, **stripped}, live, desired) == {**desired, **stripped}
