"""PersistentVolumes that may be written into another cluster, and which real volume each is.

A volume that two clusters call theirs is one careless deletion away from being lost: what is not
plainly static is never adopted.
"""

from __future__ import annotations

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


def adoptable(body: Json) -> str:
    """Return why a PersistentVolume must not be written into another cluster; "" when it may."""
    provisioner = dig(body, "metadata", "annotations", _PROVISIONED_BY)
    if provisioner:
        return (
            f"The volume was made by {provisioner}, which would delete it with its claim. "
            "Only static PersistentVolumes can be adopted; restore a snapshot instead."
        )
    return ""
