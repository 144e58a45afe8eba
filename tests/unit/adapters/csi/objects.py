"""Volumes, snapshots and contents, and a cluster in memory that serves the snapshot API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kube2git.adapters.csi.bodies import FAMILIES, GROUPS
from kube2git.core.objects import ResourceType
from kube2git.core.snapshots import ClaimRef, Snapshot, Volume
from kube2git.core.wire import Json
from tests.fakes.target import FakeTarget

DRIVER = "disk.example.com"
CUT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def type_of(kind_group: str) -> ResourceType:
    kind, _, group = kind_group.partition(".")
    namespaced = kind in ("VolumeSnapshot", "VolumeGroupSnapshot")
    return ResourceType(group, "v1", kind, f"{kind.lower()}s", namespaced)


def serving(*, groups: bool = True) -> FakeTarget:
    """Return a cluster with the snapshot API, and that of groups."""
    target = FakeTarget()
    for family in FAMILIES:
        for kind in (family.snapshot, family.content, family.snapshot_class):
            if groups or not kind.endswith(GROUPS):
                target.add_type(type_of(kind))
    return target


def volume(name: str = "data", **more: Any) -> Volume:
    return Volume(ClaimRef("shop", name), "u", f"pv-{name}", DRIVER, f"vol-{name}", **more)


def snapshot(handle: str = "snap-1", **more: Any) -> Snapshot:
    return Snapshot(handle, "csi", CUT, "nightly-20260304050607", is_ready=True, **more)


def body(kind_group: str, name: str, namespace: str = "", **fields: Any) -> Json:
    type = type_of(kind_group)
    metadata: Json = {"name": name, **fields.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": type.api_version, "kind": type.kind, "metadata": metadata, **fields}
