"""needs: every row of what must exist before what, with its strength."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.planning.edges import Strength, Until
from kube2git.core.planning.needs import needs_of
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import RBAC, deployment, manifests, obj

ADMISSION = "admissionregistration.k8s.io/v1"
GATEWAY = "gateway.networking.k8s.io/v1"
NET = "networking.k8s.io/v1"

Found = set[tuple[str, str, str, str]]


def needs(*bodies: Json) -> Found:
    """Return (kind, what it waits for, strength, until), namespaces left out."""
    by_ref = {manifest.ref: manifest for manifest in manifests(*bodies)}
    return {
        (edge.after.kind, f"{edge.before.kind}/{edge.before.name}", edge.strength, edge.until)
        for edge in needs_of(by_ref)
        if edge.before.kind != "Namespace"
    }


def one(kind: str, before: str, strength: str = "optional", until: str = "applied") -> Found:
    return {(kind, before, Strength(strength), Until(until))}


def crd(kind: str = "Foo", group: str = "x.io", **spec: Any) -> Json:
    names = {"kind": kind, "plural": f"{kind.lower()}s"}
    return obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"{kind.lower()}s.{group}",
        spec={"group": group, "names": names, **spec},
    )


SECRET = obj("v1", "Secret", "s", "shop")
SERVICE = obj("v1", "Service", "web", "shop", spec={"selector": {"app": "web"}})
WEB_HOOK = {"clientConfig": {"service": {"namespace": "shop", "name": "web"}}}
POLICY = obj(
    ADMISSION,
    "ValidatingAdmissionPolicy",
    "p",
    spec={"paramKind": {"apiVersion": "x.io/v1", "kind": "Foo"}},
)

CASES: list[tuple[str, list[Json], Found]] = [
    (
        "a custom resource waits until its definition is ready",
        [crd(), obj("x.io/v2", "Foo", "a", "shop"), obj("y.io/v1", "Foo", "a", "shop")],
        one("Foo", "CustomResourceDefinition/foos.x.io", "strong", "ready"),
    ),
    (
        "a Role before its binding, by kind",
        [
            obj(RBAC, "RoleBinding", "b", "shop", roleRef={"kind": "Role", "name": "r"}),
            obj(RBAC, "Role", "r", "shop"),
            obj(RBAC, "ClusterRole", "r"),
            obj(RBAC, "Role", "r", "other"),
        ],
        one("RoleBinding", "Role/r", "strong"),
    ),
    (
        "a ClusterRole before a binding in a namespace",
        [
            obj(RBAC, "RoleBinding", "b", "shop", roleRef={"kind": "ClusterRole", "name": "r"}),
            obj(RBAC, "Role", "r", "shop"),
            obj(RBAC, "ClusterRole", "r"),
        ],
        one("RoleBinding", "ClusterRole/r", "strong"),
    ),
    (
        "a ServiceAccount of another namespace gets rights",
        [
            obj(
                RBAC,
                "RoleBinding",
                "b",
                "shop",
                subjects=[
                    {"kind": "ServiceAccount", "name": "a", "namespace": "other"},
                    {"kind": "User", "name": "a"},
                ],
            ),
            obj("v1", "ServiceAccount", "a", "other"),
            obj("v1", "ServiceAccount", "a", "shop"),
        ],
        one("RoleBinding", "ServiceAccount/a"),
    ),
    (
        "an owner before what it owns",
        [
            obj(
                "v1",
                "ConfigMap",
                "c",
                "shop",
                metadata={
                    "ownerReferences": [
                        {"apiVersion": "x.io/v9", "kind": "Foo", "name": "near"},
                        {"apiVersion": "x.io/v9", "kind": "Foo", "name": "wide"},
                        {"apiVersion": "v1", "kind": "Foo", "name": "near"},
                    ]
                },
            ),
            obj("x.io/v1", "Foo", "near", "shop"),
            obj("x.io/v1", "Foo", "wide"),
            obj("x.io/v1", "Foo", "near", "other"),
        ],
        one("ConfigMap", "Foo/near", "strong") | one("ConfigMap", "Foo/wide", "strong"),
    ),
    (
        "a webhook configuration waits for the Service and the workloads behind it",
        [
            obj(ADMISSION, "MutatingWebhookConfiguration", "m", webhooks=[WEB_HOOK]),
            SERVICE,
            deployment("web"),
            deployment("other"),
            deployment("web", "elsewhere"),
        ],
        one("MutatingWebhookConfiguration", "Service/web", "strong")
        | one("MutatingWebhookConfiguration", "Deployment/web", "strong", "ready"),
    ),
    (
        "a Service without a selector has nothing behind it",
        [
            obj(ADMISSION, "ValidatingWebhookConfiguration", "v", webhooks=[WEB_HOOK]),
            obj("v1", "Service", "web", "shop", spec={"selector": {}}),
            deployment("web"),
        ],
        one("ValidatingWebhookConfiguration", "Service/web", "strong"),
    ),
    (
        "objects of an aggregated API wait for it, and it for its workload",
        [
            obj(
                "apiregistration.k8s.io/v1",
                "APIService",
                "v1.x.io",
                spec={
                    "group": "x.io",
                    "version": "v1",
                    "service": {"namespace": "shop", "name": "web"},
                },
            ),
            SERVICE,
            deployment("web"),
            obj("x.io/v1", "Foo", "a", "shop"),
            obj("x.io/v2", "Bar", "a", "shop"),
        ],
        one("APIService", "Service/web", "strong")
        | one("APIService", "Deployment/web", "strong", "ready")
        | one("Foo", "APIService/v1.x.io", "strong", "ready"),
    ),
    (
        "an APIService of the server itself holds nothing up",
        [
            obj(
                "apiregistration.k8s.io/v1",
                "APIService",
                "v1.apps",
                spec={"group": "apps", "version": "v1"},
            ),
            deployment("web"),
        ],
        set(),
    ),
    (
        "custom resources that are converted wait for the converter",
        [
            crd(conversion={"webhook": WEB_HOOK}),
            SERVICE,
            deployment("web"),
            obj("x.io/v1", "Foo", "a", "shop"),
        ],
        one("Foo", "CustomResourceDefinition/foos.x.io", "strong", "ready")
        | one("Foo", "Service/web")
        | one("Foo", "Deployment/web", "optional", "ready"),
    ),
    (
        "a policy before its binding, its parameters too, and their kind before both",
        [
            POLICY,
            obj(
                ADMISSION,
                "ValidatingAdmissionPolicyBinding",
                "b",
                spec={"policyName": "p", "paramRef": {"name": "a", "namespace": "shop"}},
            ),
            obj("x.io/v1", "Foo", "a", "shop"),
            crd(),
        ],
        one("Foo", "CustomResourceDefinition/foos.x.io", "strong", "ready")
        | one("ValidatingAdmissionPolicy", "CustomResourceDefinition/foos.x.io", "strong", "ready")
        | one("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy/p", "strong")
        | one("ValidatingAdmissionPolicyBinding", "Foo/a", "strong"),
    ),
    (
        "a token's ServiceAccount before the token, and an account's Secrets before it",
        [
            {
                **obj(
                    "v1",
                    "Secret",
                    "s",
                    "shop",
                    metadata={"annotations": {"kubernetes.io/service-account.name": "a"}},
                ),
                "type": "kubernetes.io/service-account-token",
            },
            obj("v1", "ServiceAccount", "a", "shop", secrets=[{"name": "s"}]),
        ],
        one("Secret", "ServiceAccount/a", "strong") | one("ServiceAccount", "Secret/s"),
    ),
    (
        "hand-made endpoints after their Service",
        [
            obj("v1", "Endpoints", "web", "shop"),
            obj(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                "x",
                "shop",
                metadata={"labels": {"kubernetes.io/service-name": "web"}},
            ),
            SERVICE,
        ],
        one("Endpoints", "Service/web", "strong") | one("EndpointSlice", "Service/web", "strong"),
    ),
    (
        "an Ingress after its class, its certificates and its backends",
        [
            obj(
                NET,
                "Ingress",
                "i",
                "shop",
                spec={
                    "ingressClassName": "n",
                    "defaultBackend": {"service": {"name": "web"}},
                    "tls": [{"secretName": "s"}],
                    "rules": [{"http": {"paths": [{"backend": {"service": {"name": "two"}}}]}}],
                },
            ),
            obj(NET, "IngressClass", "n"),
            SECRET,
            SERVICE,
            obj("v1", "Service", "two", "shop"),
        ],
        one("Ingress", "IngressClass/n")
        | one("Ingress", "Secret/s")
        | one("Ingress", "Service/web")
        | one("Ingress", "Service/two"),
    ),
    (
        "an IngressClass after its parameters",
        [
            obj(
                NET,
                "IngressClass",
                "n",
                spec={
                    "parameters": {
                        "apiGroup": "x.io",
                        "kind": "Foo",
                        "name": "a",
                        "namespace": "shop",
                    }
                },
            ),
            obj("x.io/v1", "Foo", "a", "shop"),
        ],
        one("IngressClass", "Foo/a"),
    ),
    (
        "routes, gateways and their classes",
        [
            obj(
                GATEWAY,
                "TLSRoute",
                "r",
                "shop",
                spec={
                    "parentRefs": [{"name": "g", "namespace": "edge"}],
                    "rules": [{"backendRefs": [{"name": "web"}]}],
                },
            ),
            obj(
                GATEWAY,
                "Gateway",
                "g",
                "edge",
                spec={
                    "gatewayClassName": "c",
                    "listeners": [
                        {"tls": {"certificateRefs": [{"name": "s", "namespace": "shop"}]}}
                    ],
                },
            ),
            obj(GATEWAY, "GatewayClass", "c"),
            SERVICE,
            SECRET,
        ],
        one("TLSRoute", "Gateway/g")
        | one("TLSRoute", "Service/web")
        | one("Gateway", "GatewayClass/c")
        | one("Gateway", "Secret/s"),
    ),
    (
        "autoscalers of every make after their target",
        [
            obj(
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "h",
                "shop",
                spec={
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
                },
            ),
            obj(
                "keda.sh/v1alpha1",
                "ScaledObject",
                "k",
                "shop",
                spec={"scaleTargetRef": {"name": "web"}},
            ),
            obj(
                "autoscaling.k8s.io/v1",
                "VerticalPodAutoscaler",
                "v",
                "shop",
                spec={"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
            ),
            deployment("web"),
        ],
        one("HorizontalPodAutoscaler", "Deployment/web")
        | one("ScaledObject", "Deployment/web")
        | one("VerticalPodAutoscaler", "Deployment/web"),
    ),
    (
        "a StatefulSet after the Service that names its Pods, and its claims' class",
        [
            obj(
                "apps/v1",
                "StatefulSet",
                "db",
                "shop",
                spec={
                    "serviceName": "web",
                    "volumeClaimTemplates": [{"spec": {"storageClassName": "fast"}}],
                },
            ),
            SERVICE,
            obj("storage.k8s.io/v1", "StorageClass", "fast"),
        ],
        one("StatefulSet", "Service/web") | one("StatefulSet", "StorageClass/fast"),
    ),
    (
        "a claim after its class, its volume and its source",
        [
            obj(
                "v1",
                "PersistentVolumeClaim",
                "c",
                "shop",
                spec={
                    "storageClassName": "fast",
                    "volumeAttributesClassName": "gold",
                    "volumeName": "disk",
                    "dataSourceRef": {
                        "apiGroup": "snapshot.storage.k8s.io",
                        "kind": "VolumeSnapshot",
                        "name": "s",
                    },
                },
            ),
            obj("storage.k8s.io/v1", "StorageClass", "fast"),
            obj("storage.k8s.io/v1", "VolumeAttributesClass", "gold"),
            obj("v1", "PersistentVolume", "disk", spec={"storageClassName": "fast"}),
            obj("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "s", "shop"),
        ],
        one("PersistentVolumeClaim", "StorageClass/fast")
        | one("PersistentVolumeClaim", "VolumeAttributesClass/gold")
        | one("PersistentVolumeClaim", "PersistentVolume/disk")
        | one("PersistentVolumeClaim", "VolumeSnapshot/s")
        | one("PersistentVolume", "StorageClass/fast"),
    ),
    (
        "a flow schema after its priority level",
        [
            obj(
                "flowcontrol.apiserver.k8s.io/v1",
                "FlowSchema",
                "f",
                spec={"priorityLevelConfiguration": {"name": "p"}},
            ),
            obj("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration", "p"),
        ],
        one("FlowSchema", "PriorityLevelConfiguration/p"),
    ),
    (
        "a Service of another group is no Service",
        [
            obj(ADMISSION, "ValidatingWebhookConfiguration", "v", webhooks=[WEB_HOOK]),
            obj("serving.knative.dev/v1", "Service", "web", "shop"),
        ],
        set(),
    ),
]


@pytest.mark.parametrize(
    ("bodies", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0].replace(" ", "-") for case in CASES],
)
def test_an_object_waits_for(bodies: list[Json], expected: Found) -> None:
    assert needs(*bodies) == expected


def test_everything_in_a_namespace_waits_for_it() -> None:
    by_ref = {
        manifest.ref: manifest
        for manifest in manifests(obj("v1", "Namespace", "shop"), SECRET, deployment("a", "other"))
    }
    (edge,) = needs_of(by_ref)
    assert str(edge) == "waits for namespace/shop: it is its namespace"
    assert (edge.after.kind, edge.strength) == ("Secret", Strength.STRONG)


@pytest.mark.parametrize(
    "body",
    [
        {**SECRET, "type": "kubernetes.io/service-account-token"},
        obj(RBAC, "RoleBinding", "b", "shop", roleRef="odd", subjects=["odd"]),
        obj(NET, "Ingress", "i", "shop", spec=None),
        obj(ADMISSION, "ValidatingWebhookConfiguration", "v", webhooks=None),
        obj("v1", "Pod", "p", "shop", spec={"volumes": "odd", "containers": [None]}),
        obj("v1", "ConfigMap", "c", "shop", metadata={"ownerReferences": [{}]}),
        crd(conversion={"webhook": {"clientConfig": {"service": "odd"}}}),
    ],
)
def test_an_object_of_an_odd_shape_needs_nothing(body: Json) -> None:
    assert needs(body, SERVICE) == set()
