"""Which facts the builder takes from which objects."""

from __future__ import annotations

from typing import Any

from kube2git.core.cleaning import Context, ContextBuilder
from kube2git.core.objects import ObjectRef


def context(*bodies: dict[str, Any]) -> Context:
    builder = ContextBuilder()
    for body in bodies:
        builder.add(body)
    return builder.build()


def autoscaler(target: object) -> dict[str, Any]:
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": target},
    }


def service(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def definition(versions: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "caches.example.com"},
        "spec": {"group": "example.com", "names": {"kind": "Cache"}, "versions": versions},
    }


def test_targets_of_autoscalers_are_known_whatever_their_version() -> None:
    found = context(
        autoscaler({"apiVersion": "apps/v1beta1", "kind": "Deployment", "name": "web"}),
        autoscaler({"kind": "ReplicationController", "name": "old"}),
        autoscaler(None),
    )
    assert found.hpa_targets == {
        ObjectRef("apps", "Deployment", "shop", "web"),
        ObjectRef("", "ReplicationController", "shop", "old"),
    }


def test_services_without_selector_are_known() -> None:
    found = context(
        service("web", {"selector": {"app": "web"}}),
        service("db", {}),
        service("empty", {"selector": {}}),
        {**service("knative", {}), "apiVersion": "serving.knative.dev/v1"},
    )
    assert found.selectorless_services == {("shop", "db"), ("shop", "empty")}


def test_versions_without_a_status_sub_resource_are_known() -> None:
    found = context(
        definition(
            [
                {"name": "v1", "subresources": {"status": {}}},
                {"name": "v1beta1", "subresources": {"scale": {}}},
                {"name": "v1alpha1"},
            ]
        )
    )
    assert found.kinds_without_status_subresource == {
        ("example.com/v1beta1", "Cache"),
        ("example.com/v1alpha1", "Cache"),
    }


def test_namespaces_of_rehearsals_are_known_by_their_label() -> None:
    found = context(drill("a", {"kube2git.io/rehearsal": "1"}), drill("b-drill-2024", {}))
    assert found.rehearsals == {"a"}


def drill(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def test_equal_facts_have_equal_fingerprints_in_whatever_order_they_came() -> None:
    one, two = service("a", {}), service("b", {})
    assert context(one, two).fingerprint() == context(two, one).fingerprint()
    different = [
        Context(),
        context(one),
        context(autoscaler({"kind": "A", "name": "a"})),
        context(definition([{"name": "v1"}])),
        context(drill("a", {"kube2git.io/rehearsal": "1"})),
    ]
    assert len({found.fingerprint() for found in different}) == len(different)
