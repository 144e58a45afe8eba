"""What Pods and their claims need of other objects, wherever a Pod template stands."""

from __future__ import annotations

from collections.abc import Iterator

from kube2git.core.objects import ObjectRef
from kube2git.core.planning.edges import CORE, Edge, optional, strong
from kube2git.core.wire import Json
from kube2git.core.workloads import all_containers, dig, items_of


def pod_edges(ref: ObjectRef, spec: Json) -> Iterator[Edge]:
    """Yield what the Pods of ``ref`` need.

    A bare Pod is refused without its ServiceAccount and classes; a controller tries again. What
    Pods read and mount, they wait for.
    """
    here = ref.namespace
    follow = strong if ref.kind_group == "Pod" else optional
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    yield from follow(ref, CORE, "ServiceAccount", here, account, "its Pods run as it")
    for secret in items_of(spec, "imagePullSecrets"):
        reason = "its Pods pull their images with it"
        yield from optional(ref, CORE, "Secret", here, secret.get("name"), reason)
    for container in all_containers(spec):
        for source in items_of(container, "envFrom"):
            yield from _source_edges(ref, source, "configMapRef", "secretRef")
        for variable in items_of(container, "env"):
            value = variable.get("valueFrom")
            if isinstance(value, dict):
                yield from _source_edges(ref, value, "configMapKeyRef", "secretKeyRef")
    for volume in items_of(spec, "volumes"):
        yield from _volume_edges(ref, volume)
    classes = (
        ("scheduling.k8s.io", "PriorityClass", "priorityClassName", "its Pods have this priority"),
        ("node.k8s.io", "RuntimeClass", "runtimeClassName", "its Pods run with it"),
    )
    for group, kind, field, reason in classes:
        yield from follow(ref, group, kind, "", spec.get(field), reason)
    for claim in items_of(spec, "resourceClaims"):
        for field, kind in (
            ("resourceClaimName", "ResourceClaim"),
            ("resourceClaimTemplateName", "ResourceClaimTemplate"),
        ):
            reason = "its Pods use it"
            yield from optional(ref, "resource.k8s.io", kind, here, claim.get(field), reason)


def _source_edges(ref: ObjectRef, source: Json, *fields: str) -> Iterator[Edge]:
    """Follow references to a ConfigMap or Secret that a Pod reads."""
    for field in fields:
        found = source.get(field)
        if not isinstance(found, dict):
            continue
        kind = "Secret" if field.startswith("secret") else "ConfigMap"
        name = found.get("name") or found.get("secretName")
        yield from optional(ref, CORE, kind, ref.namespace, name, "its Pods read it")


_VOLUME_SECRETS = frozenset(
    {"cephfs", "cinder", "csi", "flexVolume", "iscsi", "rbd", "scaleIO", "storageos"}
)


def _volume_edges(ref: ObjectRef, volume: Json) -> Iterator[Edge]:
    here = ref.namespace
    yield from _source_edges(ref, volume, "configMap", "secret")
    for source in items_of(volume, "projected", "sources"):
        yield from _source_edges(ref, source, "configMap", "secret")
    claim = dig(volume, "persistentVolumeClaim", "claimName")
    yield from optional(ref, CORE, "PersistentVolumeClaim", here, claim, "its Pods mount it")
    for sort in sorted(_VOLUME_SECRETS & volume.keys()):
        for field in ("secretRef", "nodePublishSecretRef"):
            name = dig(volume, sort, field, "name")
            yield from optional(ref, CORE, "Secret", here, name, "its volumes need it")
    secret = dig(volume, "azureFile", "secretName")
    yield from optional(ref, CORE, "Secret", here, secret, "its volumes need it")
    template = dig(volume, "ephemeral", "volumeClaimTemplate")
    if isinstance(template, dict):
        yield from claim_edges(ref, template)


def claim_edges(ref: ObjectRef, claim: Json) -> Iterator[Edge]:
    """Follow what a claim, or a template of one, names."""
    storage = "storage.k8s.io"
    spec = dig(claim, "spec")
    name = dig(spec, "storageClassName")
    yield from optional(ref, storage, "StorageClass", "", name, "it makes the volumes")
    name = dig(spec, "volumeAttributesClassName")
    yield from optional(ref, storage, "VolumeAttributesClass", "", name, "it is the volumes' class")
    name = dig(spec, "volumeName")
    yield from optional(ref, CORE, "PersistentVolume", "", name, "it is the volume to bind")
    for field in ("dataSourceRef", "dataSource"):
        source = dig(spec, field)
        if isinstance(source, dict):
            group, kind = str(source.get("apiGroup") or ""), str(source.get("kind"))
            where = str(source.get("namespace") or ref.namespace)
            yield from optional(
                ref, group, kind, where, source.get("name"), "its data comes from it"
            )
