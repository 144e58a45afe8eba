"""PersistentVolumes that may be written into another cluster, and which real volume each is; the
size that a claim asks for.

A volume that two clusters call theirs is one careless deletion away from being lost: what is not
plainly static is never adopted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

from kube2git.core.snapshots.records import size_from, size_text
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

_HANDLES: tuple[tuple[str, str], ...] = (
    ("csi", "volumeHandle"),
    ("awsElasticBlockStore", "volumeID"),
    ("azureDisk", "diskURI"),
    ("azureFile", "shareName"),
    ("cinder", "volumeID"),
    ("gcePersistentDisk", "pdName"),
    ("portworxVolume", "volumeID"),
    ("rbd", "image"),
    ("vsphereVolume", "volumePath"),
)
"""Source of a volume -> the field that names it at its storage, where that is one volume only.

NFS exports and host paths are not here: several PersistentVolumes share one on purpose.
"""

_IN_TREE_DRIVERS = {
    "awsElasticBlockStore": "ebs.csi.aws.com",
    "azureDisk": "disk.csi.azure.com",
    "cinder": "cinder.csi.openstack.org",
    "vsphereVolume": "csi.vsphere.vmware.com",
}
"""The in-tree source and the CSI driver that took it over name the same volume."""

RETAIN = "Retain"
"""The reclaim policy under which nothing is ever deleted."""
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


def volume_handle(body: Json) -> str:
    """Return which real volume a PersistentVolume is, ``driver|handle``; "" when not told."""
    for source, name in _HANDLES:
        handle = dig(body, "spec", source, name)
        if isinstance(handle, str) and handle:
            driver = _IN_TREE_DRIVERS.get(source, source)
            if source == "csi":
                driver = str(dig(body, "spec", "csi", "driver"))
            return f"{driver}|{handle}"
    return ""


class ClaimName(NamedTuple):
    """The claim that a PersistentVolume is for."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def claim_of(volume: Json) -> ClaimName | None:
    """Return the claim that a PersistentVolume is, or will be, bound to; None: whichever comes."""
    reference = dig(volume, "spec", "claimRef")
    if not isinstance(reference, dict) or not reference.get("name"):
        return None
    return ClaimName(str(reference.get("namespace") or ""), str(reference["name"]))


@dataclass(frozen=True, slots=True)
class KnownVolume:
    """A PersistentVolume of some cluster, whoever made it, as far as adoption must know it."""

    name: str
    uid: str
    handle: str
    """``volume_handle``."""
    claim: ClaimName | None
    phase: str
    policy: str
    """What becomes of the data when the claim, or a volume without one, is deleted."""
    storage_class: str
    """"" is none, which claims with an empty class take."""

    @classmethod
    def of(cls, raw: Json) -> Self:
        return cls(
            name=str(dig(raw, "metadata", "name")),
            uid=str(dig(raw, "metadata", "uid") or ""),
            handle=volume_handle(raw),
            claim=claim_of(raw),
            phase=str(dig(raw, "status", "phase") or ""),
            policy=str(dig(raw, "spec", "persistentVolumeReclaimPolicy") or RETAIN),
            storage_class=str(dig(raw, "spec", "storageClassName") or ""),
        )


def adoptable(body: Json) -> str:
    """Return why a PersistentVolume must not be written into another cluster; "" when it may."""
    provisioner = dig(body, "metadata", "annotations", _PROVISIONED_BY)
    if provisioner:
        return (
            f"The volume was made by {provisioner}, which would delete it with its claim. "
            "Only static PersistentVolumes can be adopted; restore a snapshot instead."
        )
    return ""


def requested(claim: Json) -> int:
    """Return how many bytes a claim asks for; 0 when it does not say."""
    try:
        return size_from(dig(claim, "spec", "resources", "requests", "storage"))
    except ValueError:
        return 0


def with_size(claim: Json, size: int) -> Json:
    """Return a claim that asks for so many bytes at least; as it is when it asks for enough.

    A claim that asks for less than the snapshot's restore size stays Pending for ever.
    """
    if requested(claim) >= size:
        return claim
    spec = claim.get("spec") or {}
    resources = spec.get("resources") or {}
    requests = {**(resources.get("requests") or {}), "storage": size_text(size)}
    return {**claim, "spec": {**spec, "resources": {**resources, "requests": requests}}}
