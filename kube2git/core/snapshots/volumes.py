"""From a claim, its PersistentVolume and its StorageClass to what a snapshotter needs to know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kube2git.core.snapshots import ClaimRef, Volume
from kube2git.core.snapshots.records import size_from
from kube2git.core.volumes import volume_handle
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of

EBS = "ebs.csi.aws.com"
_ZONES = (
    "topology.kubernetes.io/zone",
    "topology.ebs.csi.aws.com/zone",
    "topology.gke.io/zone",
    "failure-domain.beta.kubernetes.io/zone",
)
_REGIONS = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_AWS_ZONE = re.compile(r"([a-z]{2}(?:-[a-z]+)+-[0-9])[a-z]")


class NoVolumeError(ValueError):
    """There is no volume to take a snapshot of; the message is a whole sentence."""


def claim_ref(claim: Json) -> ClaimRef:
    return ClaimRef(claim["metadata"]["namespace"], claim["metadata"]["name"])


def storage_class_of(claim: Json) -> str:
    """Return the name of a claim's storage class; "" when it has none."""
    beta = dig(claim, "metadata", "annotations", "volume.beta.kubernetes.io/storage-class")
    return str(dig(claim, "spec", "storageClassName") or beta or "")


def unbound(claim: Json) -> Volume:
    """Return what is known of a claim that has no volume, or none that a snapshot is made of."""
    return Volume(
        claim_ref(claim),
        str(dig(claim, "metadata", "uid") or ""),
        volume="",
        driver="",
        handle="",
        storage_class=storage_class_of(claim),
        labels=_texts(dig(claim, "metadata", "labels")),
    )


def volume_of(claim: Json, volume: Json | None, storage_class: Json | None) -> Volume:
    """Return the volume of a claim; raise NoVolumeError when it has none, or one without a driver.

    The driver of an in-tree volume is the CSI driver that took its kind over.
    """
    name = dig(claim, "spec", "volumeName")
    if dig(claim, "metadata", "deletionTimestamp"):
        raise NoVolumeError("The claim is being deleted.")
    if not name or dig(claim, "status", "phase") == "Pending":
        raise NoVolumeError("The claim is not bound to a volume.")
    if volume is None:
        raise NoVolumeError(f"The PersistentVolume {name} does not exist, or may not be read.")
    if dig(volume, "spec", "claimRef", "uid") not in (None, dig(claim, "metadata", "uid")):
        raise NoVolumeError(f"The PersistentVolume {name} belongs to another claim.")
    driver, _, handle = volume_handle(volume).partition("|")
    if not handle:
        sources = sorted(key for key in volume.get("spec", {}) if key not in _NOT_SOURCES)
        kind = f" ({', '.join(sources)})" if sources else ""
        raise NoVolumeError(f"The storage of PersistentVolume {name}{kind} has no snapshots.")
    zone = _topology(volume, _ZONES)
    region = _topology(volume, _REGIONS)
    in_tree = re.fullmatch(r"aws://([^/]*)/(.+)", handle)
    if in_tree:
        zone, handle = zone or in_tree[1], in_tree[2]
    if driver == EBS and not region and (match := _AWS_ZONE.fullmatch(zone)):
        region = match[1]
    spec = volume["spec"]
    return Volume(
        claim=claim_ref(claim),
        claim_uid=str(dig(claim, "metadata", "uid") or ""),
        volume=volume["metadata"]["name"],
        driver=driver,
        handle=handle,
        storage_class=storage_class_of(claim) or str(spec.get("storageClassName") or ""),
        parameters=_texts((storage_class or {}).get("parameters")),
        capacity=_capacity(volume, claim),
        access_modes=tuple(map(str, spec.get("accessModes") or ())),
        volume_mode=str(spec.get("volumeMode") or "Filesystem"),
        fs_type=str(
            dig(spec, "csi", "fsType") or dig(spec, "awsElasticBlockStore", "fsType") or ""
        ),
        zone=zone,
        region=region,
        labels=_texts(dig(claim, "metadata", "labels")),
    )


_NOT_SOURCES = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def _capacity(volume: Json, claim: Json) -> int:
    for body, steps in ((volume, ("spec",)), (claim, ("status",))):
        try:
            return size_from(dig(body, *steps, "capacity", "storage"))
        except ValueError:
            continue
    return 0


def _texts(data: Any) -> dict[str, str]:
    return (
        {str(key): str(value) for key, value in data.items()} if isinstance(data, Mapping) else {}
    )


def _topology(volume: Json, keys: tuple[str, ...]) -> str:
    """Return where a volume is: the only value that its node affinity or its labels allow."""
    for term in items_of(volume, "spec", "nodeAffinity", "required", "nodeSelectorTerms"):
        for expression in items_of(term, "matchExpressions"):
            values = expression.get("values")
            is_one = isinstance(values, list) and len(values) == 1
            if expression.get("key") in keys and expression.get("operator") == "In" and is_one:
                return str(expression["values"][0])
    labels = dig(volume, "metadata", "labels") or {}
    found = [str(labels[key]) for key in keys if labels.get(key)]
    # A volume that several zones share has their names joined by two underscores.
    return found[0] if found and "__" not in found[0] else ""
