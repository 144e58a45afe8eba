"""Fields that never change once they are set, and the kinds that may be deleted to change them.

An object that is merely invalid must never be deleted, so the table of kind and field decides, and
a dry-run create under another name must succeed besides. Every row was refused by a real 1.37
server (forced dry-run apply: 422 Invalid with a cause for the field), or names its source.
"""

from __future__ import annotations

import re
from typing import NamedTuple

IMMUTABLE: dict[str, tuple[str, ...]] = {
    "ClusterRoleBinding.rbac.authorization.k8s.io": ("roleRef",),
    "ConfigMap": ("immutable", "data", "binaryData"),
    "ControllerRevision.apps": ("data",),
    "CSIDriver.storage.k8s.io": (
        "spec.attachRequired",
        "spec.attachedRequired",  # as 1.37 writes it
        "spec.volumeLifecycleModes",
    ),
    "CustomResourceDefinition.apiextensions.k8s.io": (
        "spec.group",
        "spec.names.kind",
        "spec.names.plural",
        "spec.scope",
        "status.storedVersions",
    ),
    "DaemonSet.apps": ("spec.selector",),
    "Deployment.apps": ("spec.selector",),
    "EndpointSlice.discovery.k8s.io": ("addressType",),
    "IngressClass.networking.k8s.io": ("spec.controller",),
    "IPAddress.networking.k8s.io": ("spec.parentRef",),  # networking/validation
    "Job.batch": (
        "spec.backoffLimitPerIndex",
        "spec.completionMode",
        "spec.completions",
        "spec.managedBy",
        "spec.podFailurePolicy",
        "spec.selector",
        "spec.successPolicy",
        "spec.template",
    ),
    "PersistentVolume": ("nodeAffinity", "spec.persistentvolumesource", "volumeMode"),
    "PersistentVolumeClaim": ("spec", "volumeMode"),
    "Pod": ("spec",),
    "PriorityClass.scheduling.k8s.io": ("preemptionPolicy", "value"),
    "ReplicaSet.apps": ("spec.selector",),
    "ResourceClaim.resource.k8s.io": ("spec",),
    "ResourceClaimTemplate.resource.k8s.io": ("spec",),
    "ResourceQuota": ("spec.scopes", "spec.scopeSelector"),
    "RoleBinding.rbac.authorization.k8s.io": ("roleRef",),
    "RuntimeClass.node.k8s.io": ("handler",),
    "Secret": ("immutable", "data", "type"),
    "Service": (
        "spec.clusterIP",
        "spec.clusterIPs",
        "spec.healthCheckNodePort",
        "spec.ipFamilies",
        "spec.loadBalancerClass",
    ),
    "ServiceCIDR.networking.k8s.io": ("spec.cidrs",),
    "StatefulSet.apps": (
        "spec.podManagementPolicy",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    "StorageClass.storage.k8s.io": (
        "parameters",
        "provisioner",
        "reclaimPolicy",
        "volumeBindingMode",
    ),
    "VolumeAttributesClass.storage.k8s.io": ("driverName", "parameters"),
}
"""kind_group -> fields, as a 422's causes name them; everything below a field counts too."""

WHOLE_SPEC = frozenset({"StatefulSet.apps"})
"""Kinds that answer with the bare cause ``spec`` when a field outside a short list has changed."""

_INDEX = re.compile(r"\[[^\]]*\]")


def immutable_fields(kind_group: str, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of a 422's causes that name a field which this kind never changes."""
    rows = IMMUTABLE.get(kind_group, ())
    found = []
    for field in fields:
        plain = _INDEX.sub("", field)
        if (kind_group in WHOLE_SPEC and plain == "spec") or any(
            plain == row or plain.startswith(f"{row}.") for row in rows
        ):
            found.append(field)
    return tuple(found)


class Recreation(NamedTuple):
    """Whether an object may be deleted and made again to change what never changes."""

    is_allowed: bool
    reason: str
    """What it costs; or why it is never done and what to do instead."""
    orphans: bool = False
    """Delete it with propagationPolicy Orphan, so that its Pods go on and are adopted again."""


_NEVER: dict[str, str] = {
    "CustomResourceDefinition.apiextensions.k8s.io": (
        "Deleting a CustomResourceDefinition deletes every custom resource of its kind."
    ),
    "Namespace": "Deleting a Namespace deletes everything in it.",
    "PersistentVolume": (
        "Deleting a PersistentVolume can delete the data. Make a new one under another name."
    ),
    "PersistentVolumeClaim": (
        "Deleting a claim can delete its data. Restore a snapshot into a new claim instead."
    ),
}

_COSTS: dict[str, Recreation] = {
    "ClusterRoleBinding.rbac.authorization.k8s.io": Recreation(
        True, "Its subjects lose these rights for a moment."
    ),
    "ConfigMap": Recreation(True, "Pods that start in between wait for it."),
    "ControllerRevision.apps": Recreation(True, "It only records history."),
    "CSIDriver.storage.k8s.io": Recreation(True, "Volumes cannot be attached for a moment."),
    "DaemonSet.apps": Recreation(True, "Its Pods stop and start again."),
    "Deployment.apps": Recreation(True, "Its Pods stop and start again."),
    "EndpointSlice.discovery.k8s.io": Recreation(
        True, "Its Service has no endpoints for a moment."
    ),
    "IngressClass.networking.k8s.io": Recreation(
        True, "Controllers may drop its Ingresses for a moment."
    ),
    "Job.batch": Recreation(True, "Its Pods are deleted, and the Job runs from the beginning."),
    "Pod": Recreation(True, "It stops and starts again."),
    "PriorityClass.scheduling.k8s.io": Recreation(
        True, "Pods that name it are refused for a moment; running ones keep their priority."
    ),
    "ReplicaSet.apps": Recreation(True, "Its Pods stop and start again."),
    "ResourceClaimTemplate.resource.k8s.io": Recreation(
        True, "Pods that start in between wait for it."
    ),
    "ResourceQuota": Recreation(True, "The namespace has no such limit for a moment."),
    "RoleBinding.rbac.authorization.k8s.io": Recreation(
        True, "Its subjects lose these rights for a moment."
    ),
    "RuntimeClass.node.k8s.io": Recreation(True, "Pods that name it are refused for a moment."),
    "Secret": Recreation(True, "Pods that start in between wait for it."),
    "Service": Recreation(
        True, "It gets a new cluster IP, and a load balancer a new address, if it has one."
    ),
    "StatefulSet.apps": Recreation(
        True, "Its Pods go on without it and are adopted by the new one.", orphans=True
    ),
    "StorageClass.storage.k8s.io": Recreation(
        True, "Claims that are made in between wait for it; existing volumes are not touched."
    ),
    "VolumeAttributesClass.storage.k8s.io": Recreation(True, "Existing volumes are not touched."),
}


def recreation(kind_group: str) -> Recreation:
    """Tell whether objects of this kind may be recreated, given ``--recreate``; default: no."""
    if kind_group in _NEVER:
        return Recreation(False, _NEVER[kind_group])
    return _COSTS.get(
        kind_group,
        Recreation(False, "It is not known what deleting such an object takes with it."),
    )
