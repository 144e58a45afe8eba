"""Reading: which volumes and snapshots there are, in batches and pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from kube2git.adapters.ebs import values
from kube2git.adapters.ebs.api import Ec2, Item, Limit, RefusedByEc2

_PAGE = 1000
"""Snapshots an answer; EC2's most."""
_VOLUMES_A_PAGE = 500
_BATCH = 200
"""Values that one filter may have."""

T = TypeVar("T")


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def volumes(ec2: Ec2, ids: Iterable[str], limit: Limit) -> dict[str, Item]:
    """Return the volumes that exist, by id.

    Asked by filter, since asking by id fails for all when one does not exist.
    """
    found: dict[str, Item] = {}
    for batch in batches(dict.fromkeys(ids)):
        for page in ec2.pages(
            "describe_volumes",
            "Volumes",
            limit,
            Filters=values.filters("volume-id", batch),
            MaxResults=_VOLUMES_A_PAGE,
        ):
            found.update((item["VolumeId"], item) for item in page)
    return found


def volumes_of_instance(ec2: Ec2, instance: str, limit: Limit) -> list[Item]:
    """Return every volume that is attached to an instance."""
    return [
        item
        for page in ec2.pages(
            "describe_volumes",
            "Volumes",
            limit,
            Filters=values.filters("attachment.instance-id", [instance]),
            MaxResults=_VOLUMES_A_PAGE,
        )
        for item in page
    ]


def volumes_with(ec2: Ec2, limit: Limit, **marks: str) -> list[Item]:
    """Return the volumes that carry our marks with these values."""
    return [
        item
        for page in ec2.pages(
            "describe_volumes",
            "Volumes",
            limit,
            Filters=values.marked(**marks),
            MaxResults=_VOLUMES_A_PAGE,
        )
        for item in page
    ]


def snapshot_pages(ec2: Ec2, limit: Limit, **marks: str) -> Iterator[list[Item]]:
    """Yield own snapshots that carry our marks with these values."""
    return ec2.pages(
        "describe_snapshots",
        "Snapshots",
        limit,
        OwnerIds=["self"],
        Filters=values.marked(**marks),
        MaxResults=_PAGE,
    )


def snapshots_with(ec2: Ec2, limit: Limit, **marks: str) -> list[Item]:
    return [item for page in snapshot_pages(ec2, limit, **marks) for item in page]


def snapshots(ec2: Ec2, handles: Sequence[str], limit: Limit) -> dict[str, Item]:
    """Return the account's own snapshots among these, by handle."""
    found: dict[str, Item] = {}
    for batch in batches(dict.fromkeys(handles)):
        for page in ec2.pages(
            "describe_snapshots",
            "Snapshots",
            limit,
            OwnerIds=["self"],
            Filters=values.filters("snapshot-id", batch),
            MaxResults=_PAGE,
        ):
            found.update((item["SnapshotId"], item) for item in page)
    return found


def any_snapshot(ec2: Ec2, handle: str, limit: Limit) -> Item | None:
    """Return one snapshot, which another account may have shared; None when there is none."""
    if not values.is_snapshot_id(handle):
        return None
    try:
        answer = ec2.call("describe_snapshots", limit, SnapshotIds=[handle])
    except RefusedByEc2 as refusal:
        if refusal.code in ("InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed"):
            return None
        raise
    items: list[Item] = answer.get("Snapshots") or []
    return items[0] if items else None
