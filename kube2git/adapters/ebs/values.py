"""EC2's resources as values of the core, and the marks by which ours are found again. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kube2git.core.snapshots import RESTORE_PREFIX, ClaimRef, RestoreRequest, Snapshot, Volume
from kube2git.core.wire import Json

METHOD = "ebs"
DRIVER = "ebs.csi.aws.com"
GIB = 2**30

OWN = "kube2git.io/"
CLUSTER = "kube2git.io/cluster"
NAMESPACE = "kube2git.io/namespace"
PVC = "kube2git.io/pvc"
RUN = "kube2git.io/run"
COPY_OF = "kube2git.io/copy-of"
RESTORE_RUN = "kube2git.io/restore-run"
RESTORE_NAMESPACE = "kube2git.io/restore-namespace"
RESTORE_PVC = "kube2git.io/restore-pvc"
RESTORED_FROM = "kube2git.io/restored-from"
"""Of volumes; other names than those of snapshots, since EC2 copies tags from one to the other."""

_PROVISIONED_FOR = ("kubernetes.io/created-for/pvc/namespace", "kubernetes.io/created-for/pvc/name")
"""Tags that the EBS CSI driver puts on volumes."""
_MOST_TAGS = 50
_LONGEST_TAG = 256

_HANDLE = re.compile(r"(?:aws://(?P<zone>[a-z0-9-]*)/)?(?P<id>vol-[0-9a-f]{8,})")
_SNAPSHOT = re.compile(r"snap-[0-9a-f]{8,}")
_REGION = re.compile(r"[a-z]{2,3}(?:-[a-z]+)+-\d+")

_HAS_IOPS = frozenset({"gp3", "io1", "io2"})
_HAS_THROUGHPUT = frozenset({"gp3"})


class Place(NamedTuple):
    """One EBS volume. ``region`` is "" when the record does not tell."""

    region: str
    id: str


def place_of(volume: Volume) -> Place | None:
    """Return which EBS volume it is; None when it is none. Knows ``aws://zone/vol-…`` too."""
    found = _HANDLE.fullmatch(volume.handle)
    if volume.driver != DRIVER or not found:
        return None
    return Place(volume.region or region_of(volume.zone or found["zone"] or ""), found["id"])


def region_of(zone: str) -> str:
    """Return the region that a zone is in (eu-west-1a, us-west-2-lax-1a); "" when it is none."""
    found = _REGION.match(zone)
    return found[0] if found else ""


def is_region(text: str) -> bool:
    return bool(_REGION.fullmatch(text))


def is_snapshot_id(handle: str) -> bool:
    return bool(_SNAPSHOT.fullmatch(handle))


def tags_of(item: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in item.get("Tags") or ()}


def own_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags that are the user's: neither AWS's nor ours."""
    return {k: v for k, v in sorted(tags.items()) if not k.startswith(("aws:", OWN))}


def marks(run: str, cluster: str, claim: ClaimRef) -> dict[str, str]:
    """Return what names a snapshot for ever, and what people see in the console."""
    return {
        "Name": f"{claim.namespace}/{claim.name}"[:_LONGEST_TAG],
        CLUSTER: cluster,
        NAMESPACE: claim.namespace,
        PVC: claim.name,
        RUN: run,
    }


def tag_list(first: Mapping[str, str], others: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as EC2 takes them; ``first`` beats the others, and never falls off the limit."""
    chosen = dict(first)
    for key, value in others.items():
        if key not in chosen and len(chosen) < _MOST_TAGS:
            chosen[key] = value
    return [{"Key": key, "Value": value} for key, value in chosen.items()]


def tagged(resource: str, tags: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"ResourceType": resource, "Tags": tags}]


def filters(name: str, values: Iterable[str]) -> list[dict[str, Any]]:
    """Return a filter as EC2 takes it: any of the values."""
    return [{"Name": name, "Values": list(values)}]


def marked(**values: str) -> list[dict[str, Any]]:
    """Return filters by our marks, by name with ``_`` for ``-``."""
    return [
        {"Name": f"tag:{OWN}{name.replace('_', '-')}", "Values": [value]}
        for name, value in values.items()
    ]


def claim_of(tags: Mapping[str, str], volume: str) -> ClaimRef:
    """Return the claim that a marked snapshot is of.

    A group's snapshots get the marks of their claims one by one after the cut. What a crash left
    without them is told by the CSI driver's tags, or else by its volume's id.
    """
    namespace, name = _PROVISIONED_FOR
    return ClaimRef(
        tags.get(NAMESPACE) or tags.get(namespace, ""), tags.get(PVC) or tags.get(name) or volume
    )


def volume_attributes(item: Mapping[str, Any]) -> dict[str, str]:
    """Return what has to be known to make a volume like this one again."""
    found = {
        "type": item.get("VolumeType"),
        "size": item.get("Size"),
        "iops": item.get("Iops"),
        "throughput": item.get("Throughput"),
        "zone": item.get("AvailabilityZone"),
        "kmsKeyId": item.get("KmsKeyId"),
        "multiAttach": "true" if item.get("MultiAttachEnabled") else None,
    }
    return {name: str(value) for name, value in found.items() if value}


def snapshot_of(item: Mapping[str, Any], region: str, volume: Mapping[str, Any] = {}) -> Snapshot:
    """Return a snapshot as EC2 describes it, with what is known of its volume."""
    tags = tags_of(item)
    size = int(item.get("VolumeSize") or volume.get("Size") or 0)
    attributes = volume_attributes(volume)
    if item.get("KmsKeyId"):
        attributes["kmsKeyId"] = str(item["KmsKeyId"])
    attributes["encrypted"] = "true" if item.get("Encrypted") else "false"
    attributes["region"] = region
    attributes["size"] = str(size)
    state, told = state_of(item)
    start = item.get("StartTime")
    return Snapshot(
        handle=str(item["SnapshotId"]),
        method=METHOD,
        created=start.astimezone(UTC)
        if isinstance(start, datetime)
        else datetime.fromtimestamp(0, UTC),
        run=tags.get(RUN, ""),
        is_ready=state == "completed",
        restore_size=size * GIB,
        attributes=dict(sorted(attributes.items())),
        tags=own_tags(tags_of(volume)) if volume else _without_name(tags),
        error=told,
    )


def _without_name(tags: Mapping[str, str]) -> dict[str, str]:
    # The snapshot's Name is ours.
    return {key: value for key, value in own_tags(tags).items() if key != "Name"}


def state_of(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return a snapshot's state, and the sentence that says what is wrong with it, or ""."""
    state = str(item.get("State") or "pending")
    said = str(item.get("StateMessage") or "").rstrip(".")
    if state == "error":
        return state, f"EC2 could not finish the snapshot{f': {said}' if said else ''}."
    if state in ("recoverable", "recovering"):
        return state, "The snapshot was deleted and lies in the Recycle Bin; recover it there."
    return state, ""


# ── restore ──────────────────────────────────────────────────────────────────────────────────


def restored_marks(request: RestoreRequest, run: str) -> dict[str, str]:
    """Return what names a restored volume, so that doing it again finds it."""
    return {
        RESTORE_RUN: run,
        RESTORE_NAMESPACE: request.claim.namespace,
        RESTORE_PVC: request.claim.name,
        RESTORED_FROM: request.snapshot.handle,
    }


def volume_wish(request: RestoreRequest, run: str, zone: str, region: str) -> dict[str, Any]:
    """Return the parameters of create_volume for a claim's data."""
    known = request.snapshot.attributes
    kind = known.get("type") or request.source.parameters.get("type", "")
    wish: dict[str, Any] = {
        "AvailabilityZone": zone,
        "SnapshotId": request.snapshot.handle,
        "Size": gibibytes(max(request.size, request.snapshot.restore_size)),
        "TagSpecifications": tagged(
            "volume", tag_list(restored_marks(request, run), request.snapshot.tags)
        ),
        "ClientToken": _token(run, *request.claim, request.snapshot.handle, zone),
    }
    if kind:
        wish["VolumeType"] = kind
    if kind in _HAS_IOPS and known.get("iops"):
        wish["Iops"] = int(known["iops"])
    if kind in _HAS_THROUGHPUT and known.get("throughput"):
        wish["Throughput"] = int(known["throughput"])
    if known.get("multiAttach") == "true":
        wish["MultiAttachEnabled"] = True
    if known.get("encrypted") == "true":
        wish["Encrypted"] = True
        key = known.get("kmsKeyId", "")
        # A key lives in one region; its record outlives a copy of the snapshot to another one.
        if key and (not key.startswith("arn:") or f":kms:{region}:" in key):
            wish["KmsKeyId"] = key
    return wish


def gibibytes(size: int) -> int:
    """Return whole GiB, rounded up, at least 1: EBS knows no smaller steps."""
    return max(1, -(-size // GIB))


def _token(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:64]


def persistent_volume(request: RestoreRequest, volume: str, zone: str, size: int) -> Json:
    """Return the PersistentVolume that gives an EBS volume to exactly one claim.

    Its policy is Retain: nothing that happens to the claim may delete data that a person brought
    back.
    """
    source: Json = {"driver": DRIVER, "volumeHandle": volume}
    if request.source.volume_mode == "Filesystem" and request.source.fs_type:
        source["fsType"] = request.source.fs_type
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"{RESTORE_PREFIX}{volume}"},
        "spec": {
            "capacity": {"storage": f"{size}Gi"},
            "accessModes": list(request.source.access_modes),
            "volumeMode": request.source.volume_mode,
            "storageClassName": request.storage_class,
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": request.claim.namespace,
                "name": request.claim.name,
            },
            "csi": source,
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {
                                    "key": "topology.kubernetes.io/zone",
                                    "operator": "In",
                                    "values": [zone],
                                }
                            ]
                        }
                    ]
                }
            },
        },
    }
