from __future__ import annotations

import random
from typing import Any

import pytest

from kube2git.core.objects import Manifest
from kube2git.core.remap import companions, embedding, paths
from kube2git.core.remap.closure import Need, needed_by
from tests.unit.core.remap.test_engine import label, make

CRD = "CustomResourceDefinition.apiextensions.k8s.io"
ROLE = "ClusterRole.rbac.authorization.k8s.io"
BINDING = "ClusterRoleBinding.rbac.authorization.k8s.io"
WEBHOOK = "MutatingWebhookConfiguration.admissionregistration.k8s.io"
NAMESPACE = make("Namespace", "shop")


def crd(kind: str, group: str) -> Manifest:
    name = f"{kind.lower()}s.{group}"
    return make(CRD, name, spec={"group": group, "names": {"kind": kind}})


def told(commit: list[Manifest], *, whole: bool = False) -> dict[str, list[str]]:
    """Return what comes along with everything in namespace shop, and the reasons."""
    selected = [manifest.ref for manifest in commit if manifest.ref.namespace == "shop"]
    found = needed_by(selected, commit, ["shop"] if whole else [])
    return {str(ref): [str(need) for need in needs] for ref, needs in found.items()}


def pod(**spec: Any) -> dict[str, Any]:
    return {"template": {"spec": spec}}


CLAIM = {"storageClassName": "gold", "volumeName": "pv-1", "volumeAttributesClassName": "fast"}


# fmt: off
NEEDING: list[tuple[Manifest, str, str]] = [
        (
            make("Deployment.apps", "x", "shop", spec=pod(priorityClassName="n")),
            "PriorityClass.scheduling.k8s.io",
            "spec.template.spec.priorityClassName",
        ),
        (
            make("CronJob.batch", "x", "shop",
                 spec={"jobTemplate": {"spec": pod(runtimeClassName="n")}}),
            "RuntimeClass.node.k8s.io",
            "spec.jobTemplate.spec.template.spec.runtimeClassName",
        ),
        (
            make("PersistentVolumeClaim", "x", "shop", spec={"storageClassName": "n"}),
            "StorageClass.storage.k8s.io",
            "spec.storageClassName",
        ),
        (
            make("PersistentVolumeClaim", "x", "shop",
                 metadata={"annotations": {"volume.beta.kubernetes.io/storage-class": "n"}}),
            "StorageClass.storage.k8s.io",
            'metadata.annotations["volume.beta.kubernetes.io/storage-class"]',
        ),
        (
            make("PersistentVolumeClaim", "x", "shop", spec={"volumeName": "n"}),
            "PersistentVolume",
            "spec.volumeName",
        ),
        (
            make("PersistentVolumeClaim", "x", "shop", spec={"volumeAttributesClassName": "n"}),
            "VolumeAttributesClass.storage.k8s.io",
            "spec.volumeAttributesClassName",
        ),
        (
            make("StatefulSet.apps", "x", "shop",
                 spec={"volumeClaimTemplates": [{"spec": {"storageClassName": "n"}}]}),
            "StorageClass.storage.k8s.io",
            "spec.volumeClaimTemplates[0].spec.storageClassName",
        ),
        (
            make("Pod", "x", "shop", spec={"volumes": [
                {"ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "n"}}}}]}),
            "StorageClass.storage.k8s.io",
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.storageClassName",
        ),
        (
            make("RoleBinding.rbac.authorization.k8s.io", "x", "shop",
                 roleRef={"kind": "ClusterRole", "name": "n"}),
            ROLE,
            "roleRef.name",
        ),
        (
            make("Ingress.networking.k8s.io", "x", "shop", spec={"ingressClassName": "n"}),
            "IngressClass.networking.k8s.io",
            "spec.ingressClassName",
        ),
        (
            make("Ingress.networking.k8s.io", "x", "shop",
                 metadata={"annotations": {"kubernetes.io/ingress.class": "n"}}),
            "IngressClass.networking.k8s.io",
            'metadata.annotations["kubernetes.io/ingress.class"]',
        ),
        (
            make("Ingress.networking.k8s.io", "x", "shop",
                 metadata={"annotations": {"cert-manager.io/cluster-issuer": "n"}}),
            "ClusterIssuer.cert-manager.io",
            'metadata.annotations["cert-manager.io/cluster-issuer"]',
        ),
        (
            make("Gateway.gateway.networking.k8s.io", "x", "shop", spec={"gatewayClassName": "n"}),
            "GatewayClass.gateway.networking.k8s.io",
            "spec.gatewayClassName",
        ),
        (
            make("Certificate.cert-manager.io", "x", "shop",
                 spec={"issuerRef": {"kind": "ClusterIssuer", "name": "n"}}),
            "ClusterIssuer.cert-manager.io",
            "spec.issuerRef.name",
        ),
        (
            make("ExternalSecret.external-secrets.io", "x", "shop",
                 spec={"secretStoreRef": {"kind": "ClusterSecretStore", "name": "n"}}),
            "ClusterSecretStore.external-secrets.io",
            "spec.secretStoreRef.name",
        ),
        (
            make("ExternalSecret.external-secrets.io", "x", "shop", spec={"data": [
                {"sourceRef": {"storeRef": {"kind": "ClusterSecretStore", "name": "n"}}}]}),
            "ClusterSecretStore.external-secrets.io",
            "spec.data[0].sourceRef.storeRef.name",
        ),
        (
            make("PushSecret.external-secrets.io", "x", "shop",
                 spec={"secretStoreRefs": [{"kind": "ClusterSecretStore", "name": "n"}]}),
            "ClusterSecretStore.external-secrets.io",
            "spec.secretStoreRefs[0].name",
        ),
        (
            make("VolumeSnapshot.snapshot.storage.k8s.io", "x", "shop",
                 spec={"volumeSnapshotClassName": "n"}),
            "VolumeSnapshotClass.snapshot.storage.k8s.io",
            "spec.volumeSnapshotClassName",
        ),
        (
            make("VolumeSnapshot.snapshot.storage.k8s.io", "x", "shop",
                 spec={"source": {"volumeSnapshotContentName": "n"}}),
            "VolumeSnapshotContent.snapshot.storage.k8s.io",
            "spec.source.volumeSnapshotContentName",
        ),
        (
            make("VolumeGroupSnapshot.groupsnapshot.storage.k8s.io", "x", "shop",
                 spec={"volumeGroupSnapshotClassName": "n"}),
            "VolumeGroupSnapshotClass.groupsnapshot.storage.k8s.io",
            "spec.volumeGroupSnapshotClassName",
        ),
        (
            make("ResourceClaimTemplate.resource.k8s.io", "x", "shop", spec={"spec": {"devices": {
                "requests": [{"exactly": {"deviceClassName": "n"}}]}}}),
            "DeviceClass.resource.k8s.io",
            "spec.spec.devices.requests[0].exactly.deviceClassName",
        ),
        (
            make("Cluster.postgresql.cnpg.io", "x", "shop",
                 spec={"walStorage": {"storageClass": "n"}}),
            "StorageClass.storage.k8s.io",
            "spec.walStorage.storageClass",
        ),
        (
            make("ScaledObject.keda.sh", "x", "shop", spec={"triggers": [
                {"authenticationRef": {"kind": "ClusterTriggerAuthentication", "name": "n"}}]}),
            "ClusterTriggerAuthentication.keda.sh",
            "spec.triggers[0].authenticationRef.name",
        ),
    ]
# fmt: on


@pytest.mark.parametrize(("needing", "needed", "path"), NEEDING)
def test_what_an_object_names_comes_along(needing: Manifest, needed: str, path: str) -> None:
    other_kind = make("Widget.example.com", "n")
    commit = [needing, make(needed, "n"), make(needed, "other"), other_kind]

    assert told(commit) == {f"{needed.lower()}/n": [f"needed by {needing.ref}: {path}"]}


# fmt: off
SERVING: list[tuple[Manifest, str]] = [
        (make(BINDING, "n", subjects=[{"namespace": "shop"}]), "subjects[0].namespace"),
        (
            make(BINDING, "n", subjects=[{"kind": "User", "name": "system:serviceaccount:shop:x"}]),
            "subjects[0].name",
        ),
        (
            make(BINDING, "n", subjects=[{"kind": "Group", "name": "system:serviceaccounts:shop"}]),
            "subjects[0].name",
        ),
        (
            make("PersistentVolume", "n", spec={"claimRef": {"namespace": "shop"}}),
            "spec.claimRef.namespace",
        ),
        (
            make("VolumeSnapshotContent.snapshot.storage.k8s.io", "n",
                 spec={"volumeSnapshotRef": {"namespace": "shop"}}),
            "spec.volumeSnapshotRef.namespace",
        ),
        (
            make(WEBHOOK, "n", webhooks=[{"clientConfig": {"service": {"namespace": "shop"}}}]),
            "webhooks[0].clientConfig.service.namespace",
        ),
        (
            make(WEBHOOK, "n", webhooks=[{"clientConfig": {"url": "https://x.shop.svc"}}]),
            "webhooks[0].clientConfig.url",
        ),
        (
            make("APIService.apiregistration.k8s.io", "n",
                 spec={"service": {"namespace": "shop"}}),
            "spec.service.namespace",
        ),
        (
            make(CRD, "n", spec={"conversion": {"webhook": {"clientConfig": {
                "service": {"namespace": "shop"}}}}}),
            "spec.conversion.webhook.clientConfig.service.namespace",
        ),
    ]
# fmt: on


@pytest.mark.parametrize(("serving", "path"), SERVING)
def test_what_serves_a_whole_namespace_comes_along(serving: Manifest, path: str) -> None:
    commit = [make("ConfigMap", "c", "shop"), serving, make(BINDING, "o", subjects=[{"kind": "x"}])]

    assert told(commit, whole=True) == {str(serving.ref): [f"serves namespace/shop: {path}"]}
    assert told(commit) == {}


def test_every_rule_is_exercised() -> None:
    bodies = [case[0] for case in NEEDING] + [case[0] for case in SERVING] + [*CHAIN, SCHEMA]

    def is_exercised(rule: companions.NeedRule | companions.BelongRule) -> bool:
        return any(
            list(paths.visit(manifest.body, paths.Graph([(path, rule)]).start))
            for manifest in bodies
            for path in embedding.paths_in(manifest.ref.kind_group, rule.kinds, rule.path)
        )

    rules: list[companions.NeedRule | companions.BelongRule]
    rules = [*companions.NEEDS, *companions.BELONGS]
    assert [rule for rule in rules if not is_exercised(rule)] == []
    assert [rule for rule in rules if not rule.reason.endswith(".")] == []


SNAPSHOT = "snapshot.storage.k8s.io"
FLOW = "flowcontrol.apiserver.k8s.io"
LEVEL = make(f"PriorityLevelConfiguration.{FLOW}", "l")
SCHEMA = make(f"FlowSchema.{FLOW}", "f", spec={"priorityLevelConfiguration": {"name": "l"}})
# fmt: off
CHAIN = [
    make("PersistentVolumeClaim", "data", "shop", spec={"volumeName": "pv-1"}),
    make("PersistentVolume", "pv-1", spec={"storageClassName": "gold"}),
    make("StorageClass.storage.k8s.io", "gold"),
    make(f"VolumeSnapshotContent.{SNAPSHOT}", "c", spec={
        "volumeSnapshotRef": {"namespace": "shop"}, "volumeSnapshotClassName": "daily"}),
    make(f"VolumeSnapshotClass.{SNAPSHOT}", "daily"),
    make(CRD, "classes", spec={"group": SNAPSHOT, "names": {"kind": "VolumeSnapshotClass"}}),
    make(BINDING, "b", subjects=[{"namespace": "shop"}],
         roleRef={"kind": "ClusterRole", "name": "reader"}),
    make(ROLE, "reader"),
    make(ROLE, "unrelated"),
]
# fmt: on


def test_needs_of_what_comes_along_count_too() -> None:
    assert told(CHAIN, whole=True) == {
        "persistentvolume/pv-1": ["needed by persistentvolumeclaim/data -n shop: spec.volumeName"],
        f"{CRD.lower()}/classes": [f"needed by volumesnapshotclass.{SNAPSHOT}/daily: kind"],
        f"{ROLE.lower()}/reader": [f"needed by {BINDING.lower()}/b: roleRef.name"],
        f"{BINDING.lower()}/b": ["serves namespace/shop: subjects[0].namespace"],
        f"volumesnapshotclass.{SNAPSHOT}/daily": [
            f"needed by volumesnapshotcontent.{SNAPSHOT}/c: spec.volumeSnapshotClassName"
        ],
        f"volumesnapshotcontent.{SNAPSHOT}/c": [
            "serves namespace/shop: spec.volumeSnapshotRef.namespace"
        ],
        "storageclass.storage.k8s.io/gold": [
            "needed by persistentvolume/pv-1: spec.storageClassName"
        ],
    }


def test_a_selected_cluster_scoped_object_brings_what_it_needs() -> None:
    assert needed_by([SCHEMA.ref], [SCHEMA, LEVEL]) == {
        LEVEL.ref: (Need(SCHEMA.ref, "spec.priorityLevelConfiguration.name"),)
    }


def test_a_namespaced_object_needs_its_namespace_and_a_custom_resource_its_definition() -> None:
    commit = [
        make("Widget.example.com", "w", "shop"),
        NAMESPACE,
        crd("Widget", "example.com"),
        crd("Widget", "other.com"),
        crd("Gadget", "example.com"),
    ]

    assert told(commit) == {
        "namespace/shop": ["needed by widget.example.com/w -n shop: metadata.namespace"],
        "customresourcedefinition.apiextensions.k8s.io/widgets.example.com": [
            "needed by widget.example.com/w -n shop: kind"
        ],
    }


def test_an_aggregated_role_brings_its_parts() -> None:
    def role(name: str, **fields: Any) -> Manifest:
        return make(ROLE, name, **fields)

    binding = make("RoleBinding.rbac.authorization.k8s.io", "b", "shop",
                   roleRef={"kind": "ClusterRole", "name": "whole"})  # fmt: skip
    selectors = [label("x"), {"matchExpressions": [{"key": "part", "operator": "Exists"}]}]
    whole = role("whole", aggregationRule={"clusterRoleSelectors": selectors},
                 metadata={"labels": {"part": ""}})  # fmt: skip
    part = role("part", metadata={"labels": {"part": "1"}})

    found = told([binding, whole, part, role("other", metadata={"labels": {"other": "1"}})])

    assert found == {
        f"{ROLE.lower()}/whole": [f"needed by {binding.ref}: roleRef.name"],
        f"{ROLE.lower()}/part": [f"needed by {whole.ref}: aggregationRule.clusterRoleSelectors"],
    }


def test_what_is_selected_or_not_there_is_not_in_the_answer() -> None:
    claim = make("PersistentVolumeClaim", "data", "shop", spec=CLAIM)
    gold = make("StorageClass.storage.k8s.io", "gold")

    found = needed_by(
        [claim.ref, gold.ref], [claim, gold, make("StorageClass.storage.k8s.io", "x")]
    )

    assert found == {}


def test_nothing_odd_in_an_object_stops_the_search() -> None:
    commit = [
        make("Deployment.apps", "x", "shop", spec={"template": None}),
        make("PersistentVolumeClaim", "x", "shop", spec={"storageClassName": ""}),
        make("PersistentVolumeClaim", "y", "shop", spec={"storageClassName": {"a": 7}}),
        make(BINDING, "b", subjects=[{"namespace": None}, "text"]),
        make(CRD, "broken", spec=None),
    ]

    assert told(commit, whole=True) == {}


def test_neither_the_answer_nor_its_order_depends_on_the_order_of_the_input() -> None:
    commit = [
        NAMESPACE,
        *(make("PersistentVolumeClaim", f"c{n}", "shop", spec=CLAIM) for n in range(5)),
        make("PersistentVolume", "pv-1", spec={"claimRef": {"namespace": "shop"}}),
        make("StorageClass.storage.k8s.io", "gold"),
        make("VolumeAttributesClass.storage.k8s.io", "fast"),
    ]
    expected = told(commit, whole=True)
    chance = random.Random(7)

    for _ in range(20):
        chance.shuffle(commit)
        found = told(commit, whole=True)
        assert list(found.items()) == list(expected.items())
    assert len(expected["storageclass.storage.k8s.io/gold"]) == 5


def test_every_kind_that_runs_pods_may_hold_claims() -> None:
    kinds = {kind for kind, _ in embedding.PLACES[embedding.CLAIM]}

    assert {kind for kind, _ in embedding.PLACES[embedding.POD]} <= kinds
