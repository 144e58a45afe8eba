"""Copies of snapshots in another region, or, asked for by another account, in that account."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kube2git.adapters.ebs import lookup, values
from kube2git.adapters.ebs.api import Ec2, Item, Limit, RefusedByEc2, Regions
from kube2git.adapters.ebs.beating import in_parallel
from kube2git.core.snapshots import Snapshot, SnapshotEvent, Stage, Volume

_OF_A_REGION = ("kmsKeyId", "zone")


class Copier:
    """One call of ``copy``: from wherever the snapshots are into one region."""

    def __init__(self, regions: Regions, region: str, key: str, limit: Limit) -> None:
        self._regions = regions
        self._region = region
        self._key = key
        self._limit = limit

    def run(
        self, snapshots: Sequence[tuple[Volume, Snapshot]], cluster: str
    ) -> Iterator[SnapshotEvent | None]:
        """Begin all copies that do not exist yet; yield CUT with the copy, or FAILED."""
        ec2 = self._regions[self._region]
        known: dict[str, Item] = {}
        for survey in in_parallel([lambda: self._copies(ec2, cluster)], self._limit):
            if survey is None:
                yield None
            else:
                known = survey[0]
        tasks = [self._copy_task(ec2, volume, one, known, cluster) for volume, one in snapshots]
        for event in in_parallel(tasks, self._limit):
            yield None if event is None else event[0]

    def _copies(self, ec2: Ec2, cluster: str) -> dict[str, Item]:
        try:
            found = lookup.snapshots_with(ec2, self._limit, cluster=cluster)
        except RefusedByEc2 as refusal:
            raise refusal.as_a_whole() from None
        return {
            tags[values.COPY_OF]: item
            for item in found
            if (tags := values.tags_of(item)).get(values.COPY_OF) and not values.state_of(item)[1]
        }

    def _copy_task(
        self, ec2: Ec2, volume: Volume, snapshot: Snapshot, known: dict[str, Item], cluster: str
    ) -> Callable[[], SnapshotEvent]:
        source = snapshot.attributes.get("region") or volume.region

        def copy() -> SnapshotEvent:
            if not values.is_region(source) or not values.is_snapshot_id(snapshot.handle):
                return SnapshotEvent(
                    volume.claim,
                    Stage.FAILED,
                    reason=f"The record does not tell in which region {snapshot.handle!r} is.",
                )
            if source == self._region:
                return SnapshotEvent(
                    volume.claim,
                    Stage.SKIPPED,
                    snapshot,
                    f"The snapshot is in {self._region} already.",
                )
            item = known.get(snapshot.handle)
            try:
                handle = (
                    item["SnapshotId"]
                    if item
                    else self._begin(ec2, volume, snapshot, source, cluster)
                )
            except RefusedByEc2 as refusal:
                return SnapshotEvent(volume.claim, Stage.FAILED, reason=str(refusal))
            is_ready = item is not None and values.state_of(item)[0] == "completed"
            return SnapshotEvent(
                volume.claim,
                Stage.READY if is_ready else Stage.CUT,
                replace(
                    snapshot,
                    handle=handle,
                    is_ready=is_ready,
                    group="",
                    attributes=self._attributes(snapshot),
                ),
            )

        return copy

    def _begin(
        self, ec2: Ec2, volume: Volume, snapshot: Snapshot, source: str, cluster: str
    ) -> str:
        marks = values.marks(snapshot.run, cluster, volume.claim)
        wish: dict[str, Any] = {
            "SourceRegion": source,
            "SourceSnapshotId": snapshot.handle,
            "Description": f"kube2git {snapshot.run}: copy of {snapshot.handle}",
            "TagSpecifications": values.tagged(
                "snapshot",
                values.tag_list({**marks, values.COPY_OF: snapshot.handle}, snapshot.tags),
            ),
        }
        if self._key:
            wish |= {"Encrypted": True, "KmsKeyId": self._key}
        # Without an answer it is not sent again: the next call finds the copy by its mark.
        answer = ec2.call("copy_snapshot", self._limit, is_repeatable=False, **wish)
        return str(answer["SnapshotId"])

    def _attributes(self, snapshot: Snapshot) -> dict[str, str]:
        kept = {k: v for k, v in snapshot.attributes.items() if k not in _OF_A_REGION}
        if self._key:
            kept |= {"kmsKeyId": self._key, "encrypted": "true"}
        return dict(sorted({**kept, "region": self._region}.items()))
