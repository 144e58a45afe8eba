"""The snapshot objects: their names and marks, what is written, and what is read out of them. Pure.

Every object made here carries the label ``kube2git.io/snapshot-object``, by which an export leaves
it out, and annotations that say for which run and which claims it is: names are hashes of these, so
that a run that is done again meets its own objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kube2git.core.snapshots import ClaimRef, CutRequest, SecretRef, Snapshot, Volume
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

METHOD = "csi"
LABEL = "kube2git.io/snapshot-object"
"""Of every object made here: ``cut`` or ``group`` for a snapshot, ``look``, ``delete``."""
CLUSTER = "kube2git.io/cluster"
RUN = "kube2git.io/run"
CLAIMS = "kube2git.io/claims"
"""JSON: volume handle -> name of the claim."""
GROUP_LABEL = "kube2git.io/snapshot-group"
"""Of claims, while a group is being cut: the group API selects claims by labels alone."""

SNAPSHOTS = "snapshot.storage.k8s.io"
GROUPS = "groupsnapshot.storage.k8s.io"
CLAIM_KIND = "PersistentVolumeClaim"
MEMBER_OF = "groupsnapshot.storage.k8s.io/volumeGroupSnapshotHandle"
"""Annotation of the contents that the snapshot-controller makes for a group's members."""
MEMBERS = "members"
"""Attribute of a snapshot in a group: the handles of all its members, as JSON."""


@dataclass(frozen=True)
class Family:
    """The kinds of single snapshots, or those of groups, which are built alike."""

    snapshot: str
    content: str
    snapshot_class: str
    reference: str
    """Field of a content: the snapshot it belongs to."""
    handle: str
    """Field of a content's status."""
    finalizer: str
    being_deleted: str
    """Annotation without which the controllers do not finish the deletion of a bound content."""
    domain: str


SINGLE = Family(
    f"VolumeSnapshot.{SNAPSHOTS}",
    f"VolumeSnapshotContent.{SNAPSHOTS}",
    f"VolumeSnapshotClass.{SNAPSHOTS}",
    "volumeSnapshotRef",
    "snapshotHandle",
    "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection",
    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
    "snapshot.storage.kubernetes.io",
)
GROUP = Family(
    f"VolumeGroupSnapshot.{GROUPS}",
    f"VolumeGroupSnapshotContent.{GROUPS}",
    f"VolumeGroupSnapshotClass.{GROUPS}",
    "volumeGroupSnapshotRef",
    "volumeGroupSnapshotHandle",
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshotcontent-bound-protection",
    "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted",
    "groupsnapshot.storage.kubernetes.io",
)
FAMILIES = (SINGLE, GROUP)


def hashed(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:20]


def name_of(request: CutRequest) -> str:
    """Name the object of one cut, the same whenever the run is done again."""
    claims = sorted(str(volume.claim) for volume in request.volumes)
    return f"kube2git-{hashed(request.cluster, request.run, *claims)}"


def marks(request: CutRequest) -> Json:
    """Return the metadata by which the objects of a cut are found again."""
    claims = {volume.handle: volume.claim.name for volume in request.volumes}
    kind = "group" if len(request.volumes) > 1 else "cut"
    return {
        "labels": {LABEL: kind, CLUSTER: request.cluster},
        "annotations": {
            RUN: request.run,
            CLAIMS: json.dumps(claims, sort_keys=True, separators=(",", ":")),
        },
    }


def manifest(family_kind: str, api_version: str, **fields: Any) -> Json:
    return {"apiVersion": api_version, "kind": family_kind.partition(".")[0], **fields}


def snapshot_spec(request: CutRequest, snapshot_class: str) -> Json:
    """Return the spec of a VolumeSnapshot or VolumeGroupSnapshot that takes a cut."""
    if len(request.volumes) > 1:
        selector = {"matchLabels": {GROUP_LABEL: name_of(request)}}
        return {"volumeGroupSnapshotClassName": snapshot_class, "source": {"selector": selector}}
    (volume,) = request.volumes
    return {
        "volumeSnapshotClassName": snapshot_class,
        "source": {"persistentVolumeClaimName": volume.claim.name},
    }


def keeping(content: Json, request: CutRequest) -> Json:
    """Return what is applied to a content so that it outlives its snapshot object."""
    marked = marks(request)
    return _applied(content, marked["labels"], marked["annotations"], "Retain")


def rescuing(content: Json, owner: Json) -> Json:
    """Return what is applied to a content that a killed run left unmarked: the owner's marks."""
    metadata = owner["metadata"]
    labels = {key: metadata["labels"][key] for key in (LABEL, CLUSTER)}
    annotations = {key: metadata["annotations"][key] for key in (RUN, CLAIMS)}
    return _applied(content, labels, annotations, "Retain")


def releasing(family: Family, content: Json) -> Json:
    """Return what is applied to a content so that its deletion takes the data with it."""
    return _applied(content, {}, {family.being_deleted: "yes"}, "Delete")


def _applied(
    content: Json, labels: Mapping[str, str], annotations: Mapping[str, str], policy: str
) -> Json:
    metadata = content["metadata"]
    return {
        "apiVersion": content["apiVersion"],
        "kind": content["kind"],
        "metadata": {
            "name": metadata["name"],
            "uid": metadata["uid"],  # or an apply would make a new object of one that is gone
            "labels": dict(labels),
            "annotations": dict(annotations),
        },
        "spec": {"deletionPolicy": policy},
    }


def is_kept(content: Json) -> bool:
    """Tell whether a content outlives its snapshot object and is found again.

    The csi-snapshotter writes all annotations back as it knew them, so ours may be lost once.
    """
    annotations = dig(content, "metadata", "annotations") or {}
    return (
        dig(content, "spec", "deletionPolicy") == "Retain"
        and dig(content, "metadata", "labels", LABEL) is not None
        and RUN in annotations
        and CLAIMS in annotations
    )


def source_of(snapshot: Snapshot, members: Sequence[str] = ()) -> Json:
    """Return the source of a content that names what the storage has."""
    if members:
        handles = {
            "volumeGroupSnapshotHandle": snapshot.group,
            "volumeSnapshotHandles": list(members),
        }
        return {"groupSnapshotHandles": handles}
    return {"snapshotHandle": snapshot.handle}


def members_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Return the handles of all members of a snapshot's group; () where they are not recorded."""
    return tuple(json.loads(snapshot.attributes.get(MEMBERS, "[]")))


def reference_of(family: Family, content: Json) -> tuple[str, str]:
    """Return namespace and name of the snapshot object that a content belongs to."""
    reference = dig(content, "spec", family.reference) or {}
    return str(reference.get("namespace") or ""), str(reference.get("name") or "")


def handle_of(family: Family, content: Json) -> str:
    return str(dig(content, "status", family.handle) or "")


def error_of(*objects: Json | None) -> str:
    """Return the first error that the controllers wrote down, as one sentence; "" without one."""
    for body in objects:
        message = dig(body or {}, "status", "error", "message")
        if message:
            return sentence(str(message))
    return ""


def sentence(text: str) -> str:
    """Make one line that ends like a sentence of what a controller said."""
    line = " ".join(text.split())
    line = line if len(line) <= 400 else f"{line[:397]}…"
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def created_of(content: Json) -> datetime | None:
    """Return when the cut was taken; contents of single snapshots tell it in nanoseconds."""
    told = dig(content, "status", "creationTime")
    if isinstance(told, int):
        return datetime.fromtimestamp(told / 1e9, UTC)
    return datetime.fromisoformat(told) if isinstance(told, str) else None


def snapshots_of(content: Json) -> dict[str, Snapshot]:
    """Return what a content says of the storage's snapshots, by volume handle; {} before the cut.

    The content must carry marks, and the volumes it was cut from.
    """
    is_group = content["kind"].startswith("VolumeGroup")
    family = GROUP if is_group else SINGLE
    handle, created = handle_of(family, content), created_of(content)
    annotations = dig(content, "metadata", "annotations") or {}
    if not handle or created is None:
        return {}
    common: dict[str, Any] = {
        "method": METHOD,
        "run": str(annotations.get(RUN, "")),
        "is_ready": dig(content, "status", "readyToUse") is True,
        "deletion_secret": _deletion_secret(family, annotations),
        "error": error_of(content),
    }
    if not is_group:
        volume = str(dig(content, "spec", "source", "volumeHandle") or "")
        size = int(dig(content, "status", "restoreSize") or 0)
        chosen = str(dig(content, "spec", "volumeSnapshotClassName") or "")
        return {
            volume: Snapshot(
                handle, created=created, restore_size=size, snapshot_class=chosen, **common
            )
        }
    members = dig(content, "status", "volumeSnapshotInfoList") or []
    handles = json.dumps(sorted(str(member["snapshotHandle"]) for member in members))
    return {
        str(member["volumeHandle"]): Snapshot(
            str(member["snapshotHandle"]),
            created=created,
            restore_size=int(member.get("restoreSize") or 0),
            snapshot_class=str(dig(content, "spec", "volumeGroupSnapshotClassName") or ""),
            group=handle,
            attributes={MEMBERS: handles},
            **common,
        )
        for member in members
    }


def _deletion_secret(family: Family, annotations: Mapping[str, str]) -> SecretRef | None:
    name = annotations.get(f"{family.domain}/deletion-secret-name")
    namespace = annotations.get(f"{family.domain}/deletion-secret-namespace")
    return SecretRef(namespace, name) if name and namespace else None


def claims_of(content: Json, family: Family) -> dict[str, ClaimRef]:
    """Return the claims that marks name, by volume handle."""
    namespace, _ = reference_of(family, content)
    told = dig(content, "metadata", "annotations", CLAIMS)
    try:
        named = json.loads(told) if isinstance(told, str) else {}
    except ValueError:
        return {}
    return {handle: ClaimRef(namespace, name) for handle, name in named.items()}


def pinned(
    family: Family,
    api_version: str,
    name: str,
    volume: Volume,
    snapshot: Snapshot,
    *,
    purpose: str,
    namespace: str,
    refers_to: str,
    members: Sequence[str] = (),
    snapshot_class: str = "",
) -> Json:
    """Return a content for a snapshot that the storage has already."""
    deletes = purpose == "delete"
    metadata: Json = {"name": name, "labels": {LABEL: purpose}}
    secret = snapshot.deletion_secret
    if deletes:
        # The controllers give it only to bound contents; without it the object would go, and the
        # data stay.
        metadata["finalizers"] = [family.finalizer]
    if secret is not None:
        metadata["annotations"] = {
            f"{family.domain}/deletion-secret-name": secret.name,
            f"{family.domain}/deletion-secret-namespace": secret.namespace,
        }
    spec: Json = {
        "deletionPolicy": "Delete" if deletes else "Retain",
        "driver": volume.driver,
        "source": source_of(snapshot, members),
        family.reference: {"namespace": namespace, "name": refers_to},
    }
    if family is SINGLE:
        spec["sourceVolumeMode"] = volume.volume_mode
    if snapshot_class:
        kind = "volumeGroupSnapshotClassName" if family is GROUP else "volumeSnapshotClassName"
        spec[kind] = snapshot_class
    return manifest(family.content, api_version, metadata=metadata, spec=spec)
