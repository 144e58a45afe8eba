"""Snapshots of persistent volumes: what is known of a volume, of a snapshot, and of a run.

Values only. Times are aware datetimes, sizes are bytes. A handle is the storage's own name of a
volume or snapshot (``vol-…``, ``snap-…``), the same in every cluster that reaches the storage.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from kube2git.core.wire import Json

RESTORE_PREFIX = "kube2git-restore-"
"""Begins the names of what is put into a cluster so that a claim comes back with its data."""


class ClaimRef(NamedTuple):
    """One PersistentVolumeClaim. Sorts by namespace, then name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"persistentvolumeclaim/{self.name} -n {self.namespace}"


class SecretRef(NamedTuple):
    """A Secret by namespace and name; its values are never read here."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Volume:
    """A bound claim with its volume: everything that is needed to make the volume again."""

    claim: ClaimRef
    claim_uid: str
    volume: str
    """Name of the PersistentVolume."""
    driver: str
    """CSI driver; of an in-tree volume the driver that took its kind over."""
    handle: str
    """The volume at its storage."""
    storage_class: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the storage class: type, IOPS, throughput, …"""
    capacity: int = 0
    access_modes: tuple[str, ...] = ()
    volume_mode: str = "Filesystem"
    fs_type: str = ""
    zone: str = ""
    region: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of the claim."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot that exists, or is coming to be, at its storage."""

    handle: str
    method: str
    """The snapshotter that made it: ``csi``, ``ebs``, or one that was added."""
    created: datetime
    """The cut: the point in time that the data shows."""
    run: str
    """Name of the run that made it, ``<schedule>-<YYYYMMDDhhmmss>``."""
    is_ready: bool = False
    restore_size: int = 0
    """The least size of a volume that is made of it; 0 when not told."""
    snapshot_class: str = ""
    deletion_secret: SecretRef | None = None
    """Of the class: which Secret the driver needs to delete it."""
    group: str = ""
    """Handle of the group snapshot that it is a member of."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What the storage needs to know again: type, iops, throughput, kmsKeyId, encrypted, region."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the volume, to be put on the restored one."""
    error: str = ""
    """Why it is not ready, or never will be."""


class Wait(enum.StrEnum):
    """How far a run waits for its snapshots."""

    CUT = "cut"
    """Until the data is fixed: writers may go on, the upload may not be done."""
    READY = "ready"
    """Until a volume can be made of it."""


@dataclass(frozen=True, slots=True)
class CutRequest:
    """Take one cut: of one volume, or of several at the same instant."""

    run: str
    cluster: str
    """uid of kube-system; together with the run and the claim it names a snapshot for ever."""
    volumes: tuple[Volume, ...]
    """More than one: as a group, which the snapshotter said it can take (``can_group``)."""
    snapshot_class: str = ""
    """"": the default one of the driver."""


class Stage(enum.StrEnum):
    """How far one volume's snapshot has come."""

    CUT = "cut"
    """The snapshot has a handle and its data is fixed."""
    READY = "ready"
    FAILED = "failed"
    """No snapshot, or none that can be counted on; ``reason`` says why."""
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class SnapshotEvent:
    """News of one volume. A volume ends with READY, FAILED or SKIPPED, or with CUT at the limit."""

    claim: ClaimRef
    stage: Stage
    snapshot: Snapshot | None = None
    """With CUT and READY; with FAILED when a handle exists all the same."""
    reason: str = ""
    """A whole sentence."""


class Existence(enum.StrEnum):
    """Whether a snapshot still is where its record says."""

    EXISTS = "exists"
    GONE = "gone"
    UNSURE = "unsure"
    """The storage accepts the handle, but would accept any."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at one snapshot brought."""

    snapshot: Snapshot
    """As it is now: readiness and restore size may be newer than in the record."""
    existence: Existence
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FoundSnapshot:
    """A snapshot at the storage that carries this cluster's marks, whatever the records say."""

    claim: ClaimRef
    driver: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RestoreRequest:
    """Make the data of one snapshot available to a claim that is about to be created."""

    claim: ClaimRef
    """The claim to be, after all mapping of namespaces."""
    source: Volume
    snapshot: Snapshot
    storage_class: str
    """Of the claim to be, mapped."""
    size: int
    """What the claim asks for, raised to the restore size."""
    zone: str = ""
    """Where the volume has to be, mapped; "" leaves it to the storage."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """What has to be written so that a claim comes back with its data; or why it cannot."""

    claim: ClaimRef
    objects: tuple[Json, ...] = ()
    """To be written before the claim, in this order."""
    claim_spec: Mapping[str, Any] = field(default_factory=dict)
    """Fields that the claim's ``spec`` gets: dataSourceRef or volumeName."""
    passing: tuple[Json, ...] = ()
    """Those of ``objects`` that are deleted again once the claim is bound, in this order."""
    reason: str = ""
    """Why there is none, a whole sentence."""
