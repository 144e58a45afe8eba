"""The port ``Snapshotter`` for EBS, and copies to other regions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from kube2git.adapters.ebs import lookup, values
from kube2git.adapters.ebs.api import DeniedByEc2, Item, Limit, Patience, RefusedByEc2, Regions
from kube2git.adapters.ebs.beating import in_parallel
from kube2git.adapters.ebs.copying import Copier
from kube2git.adapters.ebs.cutting import Cutter, common_instance
from kube2git.adapters.ebs.restoring import Restorer
from kube2git.core.ports import SnapshotterContext
from kube2git.core.snapshots import (
    CutRequest,
    Existence,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Volume,
    Wait,
)
from kube2git.errors import SnapshotterError, UsageError

Recorded = tuple[Volume, Snapshot]

_READING_SECONDS = 300.0


def open_ebs(context: SnapshotterContext) -> EbsSnapshotter:
    """Make one of the options ``regions`` (a list); raise UsageError for others."""
    options = dict(context.options)
    regions = options.pop("regions", ())
    if options or not isinstance(regions, list | tuple):
        raise UsageError(
            f"the options of the snapshotter {values.METHOD} are not understood",
            hint="It has one: regions, a list of names of AWS regions.",
        )
    for region in regions:
        if not values.is_region(str(region)):
            raise UsageError(f"{region!r} is not the name of an AWS region")
    return EbsSnapshotter(tuple(map(str, regions)))


class EbsSnapshotter:
    """EBS in the regions that the volumes are in.

    ``regions`` are searched by ``find``, and the first is that of volumes whose record tells none;
    empty: the region of AWS's own configuration.
    """

    method = values.METHOD

    def __init__(self, regions: Sequence[str] = (), *, patience: Patience | None = None) -> None:
        self._searched = tuple(regions)
        self._patience = patience or Patience()
        self._regions = Regions(self._patience)

    def why_not(self, volume: Volume) -> str:
        """Return why this is not a volume that EC2 can snapshot; "" when it is. Asks nobody."""
        if volume.driver != values.DRIVER:
            return f"{volume.driver or 'Its driver'} does not store it on EBS."
        if values.place_of(volume) is None:
            return f"{volume.handle!r} is not the id of an EBS volume."
        return ""

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        """Tell whether one instance holds all these volumes: only then EC2 cuts them together."""
        places = [self._locate(volume) for volume in volumes]
        if len(places) < 2 or None in places:
            return False
        found = [place for place in places if place is not None]
        if len({place.region for place in found}) > 1:
            return False
        ids = [place.id for place in found]
        try:
            items = lookup.volumes(self._regions[found[0].region], ids, Limit(_READING_SECONDS))
        except RefusedByEc2 as refusal:
            raise refusal.as_a_whole() from None
        return len(items) == len(set(ids)) and bool(common_instance(list(items.values())))

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        """Take all cuts; see the port. A second call of the same run finds those of the first."""
        yield from Cutter(self._regions, self._locate, self._patience, Limit(seconds)).run(
            requests, wait
        )

    def verify(self, snapshots: Sequence[Recorded]) -> Iterator[Finding | None]:
        """Look at each snapshot where its record says it is."""
        limit = Limit(_READING_SECONDS)
        tasks = [
            self._verify_task(region, batch, limit)
            for region, mine in self._by_region(snapshots).items()
            for batch in lookup.batches(mine)
        ]
        yield from _flat(in_parallel(tasks, limit))

    def find(self, cluster: str) -> Iterator[FoundSnapshot]:
        """Yield every snapshot of the account that carries this cluster's marks."""
        limit = Limit(_READING_SECONDS)
        for region in self._searched or (self._regions.home(),):
            try:
                for page in lookup.snapshot_pages(self._regions[region], limit, cluster=cluster):
                    for item in page:
                        snapshot = values.snapshot_of(item, region)
                        claim = values.claim_of(values.tags_of(item), str(item.get("VolumeId", "")))
                        yield FoundSnapshot(claim, values.DRIVER, snapshot)
            except RefusedByEc2 as refusal:
                raise refusal.as_a_whole() from None

    def settle(self, snapshots: Sequence[Recorded]) -> None:
        """Do nothing: the marks are tags of the snapshot itself, and stay with it."""

    def delete(self, snapshots: Sequence[Recorded], *, seconds: float) -> Iterator[Finding | None]:
        """Delete snapshots that carry our marks; what does not is left alone, whoever names it."""
        limit = Limit(seconds)
        tasks = [
            self._delete_task(region, batch, limit)
            for region, mine in self._by_region(snapshots).items()
            for batch in _by_size(mine, _DELETED_TOGETHER)
        ]
        yield from _flat(in_parallel(tasks, limit))

    def why_not_restore(self, request: RestoreRequest) -> str:
        """Return "": a volume of EBS is made past the cluster, which needs nothing for it."""
        del request
        return ""

    def restore(
        self, requests: Sequence[RestoreRequest], *, run: str, seconds: float
    ) -> Iterator[Restoration | None]:
        """Make a volume for each claim and wait for it; see the port."""
        yield from Restorer(self._regions, self._patience, Limit(seconds), run).run(requests)

    def copy(
        self,
        snapshots: Sequence[Recorded],
        *,
        cluster: str,
        region: str,
        key: str = "",
        seconds: float,
    ) -> Iterator[SnapshotEvent | None]:
        """Begin copies of snapshots in a region; yield CUT, or READY, with each copy.

        ``key`` is a KMS key of that region; without one the copy has the account's default key. A
        copy that was begun before is found by its mark, for the same cluster and snapshot.
        """
        if not values.is_region(region):
            raise SnapshotterError(f"{region!r} is not the name of an AWS region")
        yield from Copier(self._regions, region, key, Limit(seconds)).run(snapshots, cluster)

    def _locate(self, volume: Volume) -> values.Place | None:
        place = values.place_of(volume)
        if place is None or values.is_region(place.region):
            return place
        return place._replace(region=self._default_region())

    def _default_region(self) -> str:
        return self._searched[0] if self._searched else self._regions.home()

    def _by_region(self, snapshots: Iterable[Recorded]) -> dict[str, list[Recorded]]:
        found: dict[str, list[Recorded]] = {}
        for volume, snapshot in snapshots:
            place = values.place_of(volume)
            region = snapshot.attributes.get("region") or (place.region if place else "")
            if not values.is_region(region):
                region = self._default_region()
            found.setdefault(region, []).append((volume, snapshot))
        return found

    def _verify_task(
        self, region: str, batch: Sequence[Recorded], limit: Limit
    ) -> Callable[[], list[Finding]]:
        def verify() -> list[Finding]:
            try:
                found = self._look(region, batch, limit)
            except DeniedByEc2 as refusal:
                raise refusal.as_a_whole() from None
            except RefusedByEc2 as refusal:
                return [Finding(one, Existence.UNREACHABLE, str(refusal)) for _, one in batch]
            return [_finding(one, region, found.get(one.handle)) for _, one in batch]

        return verify

    def _look(self, region: str, batch: Sequence[Recorded], limit: Limit) -> dict[str, Item]:
        ec2 = self._regions[region]
        found = lookup.snapshots(ec2, [one.handle for _, one in batch], limit)
        for _, one in batch:
            if one.handle not in found:
                shared = lookup.any_snapshot(ec2, one.handle, limit)
                if shared is not None:
                    found[one.handle] = shared
        return found

    def _delete_task(
        self, region: str, batch: Sequence[Recorded], limit: Limit
    ) -> Callable[[], list[Finding]]:
        ec2 = self._regions[region]

        def delete_one(snapshot: Snapshot, item: Item | None) -> Finding:
            finding = _finding(snapshot, region, item)
            if item is None or finding.existence is Existence.GONE:
                return finding
            if values.CLUSTER not in values.tags_of(item):
                return replace(
                    finding,
                    reason="It carries none of kube2git's marks, so that it is left alone.",
                )
            try:
                ec2.call("delete_snapshot", limit, SnapshotId=snapshot.handle)
            except RefusedByEc2 as refusal:
                if refusal.code == "InvalidSnapshot.NotFound":
                    return Finding(snapshot, Existence.GONE)
                if refusal.code == "InvalidSnapshot.InUse":
                    return replace(finding, reason="An image (AMI) uses it; deregister that first.")
                return Finding(snapshot, Existence.UNREACHABLE, str(refusal))
            return Finding(snapshot, Existence.GONE)

        def delete() -> list[Finding]:
            try:
                found = self._look(region, batch, limit)
            except DeniedByEc2 as refusal:
                raise refusal.as_a_whole() from None
            except RefusedByEc2 as refusal:
                return [Finding(one, Existence.UNREACHABLE, str(refusal)) for _, one in batch]
            return [delete_one(one, found.get(one.handle)) for _, one in batch]

        return delete


_DELETED_TOGETHER = 20
"""Few, so that the threads share the work: EC2 deletes one a call."""


def _by_size(items: Sequence[Recorded], size: int) -> Iterator[Sequence[Recorded]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _flat(results: Iterator[tuple[list[Finding]] | None]) -> Iterator[Finding | None]:
    for result in results:
        if result is None:
            yield None
        else:
            yield from result[0]


def _finding(recorded: Snapshot, region: str, item: Item | None) -> Finding:
    if item is None:
        return Finding(
            recorded, Existence.GONE, f"There is no snapshot {recorded.handle} in {region}."
        )
    state, told = values.state_of(item)
    if state in ("recoverable", "recovering"):
        return Finding(recorded, Existence.GONE, told)
    now = values.snapshot_of(item, region)
    fresh = replace(
        recorded,
        is_ready=now.is_ready,
        restore_size=now.restore_size or recorded.restore_size,
        error=told,
    )
    return Finding(fresh, Existence.EXISTS, told)
