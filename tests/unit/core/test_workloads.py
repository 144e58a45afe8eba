"""workloads: the Pod's spec is found in every kind that runs Pods, and in no other."""

from __future__ import annotations

import pytest

from kube2git.core.wire import Json
from kube2git.core.workloads import POD_SPECS, dig, items_of, pod_labels, pod_spec
from tests.unit.core.planning.planned import obj

SPEC: Json = {"containers": [{"name": "a"}]}


def nested(way: tuple[str, ...], value: Json, labels: Json) -> Json:
    body: Json = {way[-1]: value, "metadata": {"labels": labels}}
    for step in reversed(way[:-1]):
        body = {step: body}
    return body


@pytest.mark.parametrize("kind", sorted(POD_SPECS))
def test_the_spec_and_the_labels_of_the_pods_are_found(kind: str) -> None:
    body = nested(POD_SPECS[kind], SPEC, {"app": "a"})
    assert pod_spec(kind, body) == SPEC
    assert pod_labels(kind, body) == {"app": "a"}


def test_a_custom_resource_with_a_pod_template_is_a_workload() -> None:
    body = nested(("spec", "template", "spec"), SPEC, {"app": "a"})
    assert pod_spec("Rollout.argoproj.io", body) == SPEC
    assert pod_labels("Rollout.argoproj.io", body) == {"app": "a"}


def test_a_custom_resource_with_another_template_is_none() -> None:
    body = obj("x.io/v1", "Foo", "a", spec={"template": {"spec": {"size": 1}}})
    assert pod_spec("Foo.x.io", body) is None


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": []}, {"spec": {"template": 1}}])
def test_odd_shapes_have_no_pods(body: Json) -> None:
    assert pod_spec("Deployment.apps", body) is None
    assert pod_labels("Deployment.apps", body) == {}


def test_lists_give_only_their_objects() -> None:
    assert items_of({"a": [1, {"b": 2}, None]}, "a") == [{"b": 2}]
    assert items_of({"a": {"b": 1}}, "a") == []
    assert dig({"a": {"b": 1}}, "a", "b") == 1
    assert dig({"a": None}, "a", "b") is None
