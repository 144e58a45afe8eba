"""podneeds: what Pods need, from every place where a Pod's spec can name it."""

from __future__ import annotations

import pytest

from kube2git.core.objects import ObjectRef
from kube2git.core.planning.edges import Strength
from kube2git.core.planning.podneeds import pod_edges
from kube2git.core.wire import Json

DEPLOYMENT = ObjectRef("apps", "Deployment", "shop", "web")
POD = ObjectRef("", "Pod", "shop", "web")


def found(spec: Json, ref: ObjectRef = DEPLOYMENT) -> list[str]:
    return [f"{edge.before.kind}/{edge.before.name}" for edge in pod_edges(ref, spec)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"serviceAccountName": "a"}, "ServiceAccount/a"),
        ({"serviceAccount": "a"}, "ServiceAccount/a"),
        ({"imagePullSecrets": [{"name": "a"}]}, "Secret/a"),
        ({"priorityClassName": "a"}, "PriorityClass/a"),
        ({"runtimeClassName": "a"}, "RuntimeClass/a"),
        ({"resourceClaims": [{"name": "x", "resourceClaimName": "a"}]}, "ResourceClaim/a"),
        (
            {"resourceClaims": [{"name": "x", "resourceClaimTemplateName": "a"}]},
            "ResourceClaimTemplate/a",
        ),
        ({"volumes": [{"secret": {"secretName": "a"}}]}, "Secret/a"),
        ({"volumes": [{"configMap": {"name": "a"}}]}, "ConfigMap/a"),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]}, "PersistentVolumeClaim/a"),
        ({"volumes": [{"projected": {"sources": [{"secret": {"name": "a"}}]}}]}, "Secret/a"),
        ({"volumes": [{"projected": {"sources": [{"configMap": {"name": "a"}}]}}]}, "ConfigMap/a"),
        ({"volumes": [{"csi": {"nodePublishSecretRef": {"name": "a"}}}]}, "Secret/a"),
        ({"volumes": [{"rbd": {"secretRef": {"name": "a"}}}]}, "Secret/a"),
        ({"volumes": [{"azureFile": {"secretName": "a"}}]}, "Secret/a"),
        (
            {
                "volumes": [
                    {"ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "a"}}}}
                ]
            },
            "StorageClass/a",
        ),
    ],
)
def test_a_pod_s_spec_names(spec: Json, expected: str) -> None:
    assert found(spec) == [expected]


@pytest.mark.parametrize("sort", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"envFrom": [{"secretRef": {"name": "a"}}]}, "Secret/a"),
        ({"envFrom": [{"configMapRef": {"name": "a"}}]}, "ConfigMap/a"),
        ({"env": [{"valueFrom": {"secretKeyRef": {"name": "a"}}}]}, "Secret/a"),
        ({"env": [{"valueFrom": {"configMapKeyRef": {"name": "a"}}}]}, "ConfigMap/a"),
    ],
)
def test_every_sort_of_container_names(sort: str, container: Json, expected: str) -> None:
    assert found({sort: [container]}) == [expected]


def test_only_a_bare_pod_is_refused_without_its_account_and_classes() -> None:
    spec = {
        "serviceAccountName": "a",
        "priorityClassName": "p",
        "volumes": [{"secret": {"secretName": "s"}}],
    }
    strengths = {ref: [edge.strength for edge in pod_edges(ref, spec)] for ref in (POD, DEPLOYMENT)}
    assert strengths[POD] == [Strength.STRONG, Strength.OPTIONAL, Strength.STRONG]
    assert set(strengths[DEPLOYMENT]) == {Strength.OPTIONAL}


def test_what_names_nothing_needs_nothing() -> None:
    spec = {
        "containers": [{"env": [{"name": "A", "value": "1"}, {"valueFrom": "odd"}]}],
        "volumes": [{"emptyDir": {}}, {"secret": {}}],
    }
    assert found(spec) == []
