"""Fields of claims, volumes and snapshots: what binders and provisioners filled in."""

from kube2git.core.cleaning.catalogue.sources import (
    CSI,
    GITOPS_REVERSER,
    KUBE2GIT,
    KUBECTL_NEAT,
    KW,
    SEEN,
    VELERO,
)
from kube2git.core.cleaning.rules import Action, Rule

_STRIP, _NORMALISE, _KEEP = Action.STRIP, Action.NORMALISE, Action.KEEP
_CLAIM = ("PersistentVolumeClaim",)
_VOLUME = ("PersistentVolume",)
_CONTENT = (
    "VolumeSnapshotContent.snapshot.storage.k8s.io",
    "VolumeGroupSnapshotContent.groupsnapshot.storage.k8s.io",
)

RULES: tuple[Rule, ...] = (
    Rule(
        "bound-volume",
        _STRIP,
        _CLAIM,
        ("spec.volumeName",),
        "A controller chose the volume, which another cluster does not have.",
        f"{KW}; {VELERO}",
        when="binder-chose-it",
    ),
    Rule(
        "chosen-volume",
        _KEEP,
        _CLAIM,
        ("spec.volumeName",),
        "A person chose the volume.",
        KW,
    ),
    Rule(
        "claim-settings",
        _KEEP,
        _CLAIM,
        ("spec.volumeMode", "spec.storageClassName"),
        "Block is a choice, and so is an empty class: it forbids provisioning.",
        f"{GITOPS_REVERSER}; {KUBECTL_NEAT}",
    ),
    Rule(
        "restored-from",
        _STRIP,
        _CLAIM,
        ("spec.dataSource", "spec.dataSourceRef", "spec.volumeName"),
        "A replay put it there to bring the claim's data back, which has happened.",
        KUBE2GIT,
        when="came-by-a-restore",
    ),
    Rule(
        "mirrored-data-source-ref",
        _STRIP,
        _CLAIM,
        ("spec.dataSourceRef",),
        "The server copies dataSource into it.",
        SEEN,
        when="is-mirror-of-data-source",
    ),
    Rule(
        "mirrored-data-source",
        _STRIP,
        _CLAIM,
        ("spec.dataSource",),
        "The server copies dataSourceRef into it.",
        SEEN,
        when="is-mirror-of-data-source-ref",
    ),
    Rule(
        "data-source-group",
        _STRIP,
        _CLAIM,
        ("spec.dataSource.apiGroup", "spec.dataSourceRef.apiGroup"),
        "The server writes null for the core group.",
        SEEN,
        values=(None,),
    ),
    Rule(
        "volume-claim",
        _STRIP,
        _VOLUME,
        ("spec.claimRef.uid", "spec.claimRef.resourceVersion"),
        "It pins the volume to one claim of this cluster; the claim's name stays.",
        VELERO,
    ),
    Rule(
        "provisioner-identity",
        _STRIP,
        _VOLUME,
        ('spec.csi.volumeAttributes["storage.kubernetes.io/csiProvisionerIdentity"]',),
        "It names one process of the provisioner.",
        CSI,
    ),
    Rule(
        "volume-handle",
        _KEEP,
        _VOLUME,
        (
            "spec.csi.volumeHandle",
            "spec.awsElasticBlockStore.volumeID",
            "spec.nodeAffinity",
        ),
        "It says which disk holds the data, and where.",
        f"{CSI}; {VELERO}",
    ),
    Rule(
        "snapshot-content-owner",
        _STRIP,
        _CONTENT,
        tuple(
            f"spec.{reference}.{name}"
            for reference in ("volumeSnapshotRef", "volumeGroupSnapshotRef")
            for name in ("uid", "resourceVersion")
        ),
        "It pins the content to one VolumeSnapshot of this cluster; the snapshot's name stays.",
        f"{VELERO}; {CSI}",
    ),
    Rule(
        "snapshot-content-source",
        _NORMALISE,
        ("VolumeSnapshotContent.snapshot.storage.k8s.io",),
        ("spec.source",),
        "The snapshot exists already: it is named by its handle, as for an import.",
        f"{VELERO}; {CSI}",
        when="has-snapshot-handle",
        how="by-snapshot-handle",
    ),
)
