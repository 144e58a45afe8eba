"""Taking snapshots: one cut of a volume, or of several that one instance holds; then waiting.

Doing it again finds what was done: a snapshot is known by cluster, run and volume. EC2 has no
token for this, so what got no answer is looked for before it is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kube2git.adapters.ebs import lookup, values
from kube2git.adapters.ebs.api import DeniedByEc2, Ec2, Item, Limit, Patience, RefusedByEc2, Regions
from kube2git.adapters.ebs.beating import in_parallel, outcome, pause
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)

_LOST_ANSWERS = 3

Locate = Callable[[Volume], values.Place | None]


@dataclass(frozen=True, slots=True)
class _Job:
    """One request, located."""

    request: CutRequest
    region: str
    ids: tuple[str, ...]
    """Of the volumes, in the request's order."""


@dataclass(slots=True)
class _Known:
    """What there was in one region before anything was taken."""

    volumes: dict[str, Item] = field(default_factory=dict)
    taken: dict[tuple[str, str, str], Item] = field(default_factory=dict)
    """(cluster, run, volume) -> its snapshot."""
    problem: str = ""


class Cutter:
    """One call of ``create``."""

    def __init__(self, regions: Regions, locate: Locate, patience: Patience, limit: Limit) -> None:
        self._regions = regions
        self._locate = locate
        self._patience = patience
        self._limit = limit

    def run(self, requests: Sequence[CutRequest], wait: Wait) -> Iterator[SnapshotEvent | None]:
        """Take all cuts; yield events and signs of life."""
        jobs: list[_Job] = []
        for request in requests:
            job = self._job(request)
            if isinstance(job, str):
                yield from _failures(request, job)
            else:
                jobs.append(job)
        known: dict[str, _Known] = {}
        surveys = [self._survey_task(region, jobs) for region in sorted({j.region for j in jobs})]
        for survey in in_parallel(surveys, self._limit):
            if survey is None:
                yield None
            else:
                region, what = survey[0]
                known[region] = what
        coming: dict[ClaimRef, Snapshot] = {}
        cuts = [self._cut_task(job, known[job.region]) for job in jobs]
        for events in in_parallel(cuts, self._limit):
            if events is None:
                yield None
                continue
            for event in events[0]:
                yield event
                if event.stage is Stage.CUT and event.snapshot is not None:
                    coming[event.claim] = event.snapshot
                else:
                    coming.pop(event.claim, None)
        if wait is Wait.READY:
            yield from self._wait(coming)

    def _job(self, request: CutRequest) -> _Job | str:
        places = [self._locate(volume) for volume in request.volumes]
        found = [place for place in places if place is not None]
        if len(found) < len(places):
            return "This is not an EBS volume."
        if len({place.region for place in found}) > 1:
            return "The volumes are in several regions, so that they cannot be cut together."
        return _Job(request, found[0].region, tuple(place.id for place in found))

    def _survey_task(self, region: str, jobs: Sequence[_Job]) -> Callable[[], tuple[str, _Known]]:
        mine = [job for job in jobs if job.region == region]

        def survey() -> tuple[str, _Known]:
            ec2 = self._regions[region]
            known = _Known()
            try:
                known.volumes = lookup.volumes(
                    ec2, (i for job in mine for i in job.ids), self._limit
                )
                for cluster, run in sorted({(j.request.cluster, j.request.run) for j in mine}):
                    known.taken.update(self._taken(ec2, cluster, run))
            except DeniedByEc2 as refusal:
                raise refusal.as_a_whole() from None
            except RefusedByEc2 as refusal:
                known.problem = str(refusal)
            return region, known

        return survey

    def _taken(self, ec2: Ec2, cluster: str, run: str) -> dict[tuple[str, str, str], Item]:
        found = lookup.snapshots_with(ec2, self._limit, cluster=cluster, run=run)
        return {
            (cluster, run, item["VolumeId"]): item
            for item in found
            if values.state_of(item)[0] not in ("recoverable", "recovering")
        }

    def _cut_task(self, job: _Job, known: _Known) -> Callable[[], list[SnapshotEvent]]:
        def cut() -> list[SnapshotEvent]:
            missing = [one for one in job.ids if one not in known.volumes]
            if known.problem:
                return _failures(job.request, known.problem)
            if missing:
                return _failures(
                    job.request,
                    f"The volume {', '.join(missing)} does not exist in {job.region} "
                    "(InvalidVolume.NotFound); was it deleted, or is it another account's?",
                )
            try:
                return self._cut(job, known)
            except RefusedByEc2 as refusal:
                return _failures(job.request, _told(refusal))

        return cut

    def _cut(self, job: _Job, known: _Known) -> list[SnapshotEvent]:
        ec2 = self._regions[job.region]
        mark = (job.request.cluster, job.request.run)
        taken = {one: known.taken[*mark, one] for one in job.ids if (*mark, one) in known.taken}
        if not taken:
            taken = self._take(ec2, job, known)
        if len(job.ids) > 1:
            self._finish_group(ec2, job, known, taken)
        events = []
        for volume, handle in zip(job.request.volumes, job.ids, strict=True):
            item = taken.get(handle)
            if item is None:
                events.append(
                    SnapshotEvent(
                        volume.claim,
                        Stage.FAILED,
                        reason="The other volumes of the group have their snapshots of this run, "
                        "this one has none; the next run cuts them together again.",
                    )
                )
                continue
            found = values.snapshot_of(item, job.region, known.volumes[handle])
            found = replace(found, run=job.request.run)
            if found.error:
                events.append(SnapshotEvent(volume.claim, Stage.FAILED, found, found.error))
                continue
            cut = replace(found, is_ready=False)
            events.append(SnapshotEvent(volume.claim, Stage.CUT, cut))
            if found.is_ready:
                events.append(SnapshotEvent(volume.claim, Stage.READY, found))
        return events

    def _take(self, ec2: Ec2, job: _Job, known: _Known) -> dict[str, Item]:
        take = self._take_one if len(job.ids) == 1 else self._take_group
        for _ in range(_LOST_ANSWERS):
            try:
                return take(ec2, job, known)
            except RefusedByEc2 as refusal:
                if not refusal.is_lost:
                    raise
                lost = refusal
            # A snapshot that was begun is listed a moment later.
            if not self._limit.pause(self._patience.first):
                break
            taken = self._taken(ec2, job.request.cluster, job.request.run)
            found = {key[2]: item for key, item in taken.items() if key[2] in job.ids}
            if found:
                return found
        raise lost

    def _take_one(self, ec2: Ec2, job: _Job, known: _Known) -> dict[str, Item]:
        request, handle = job.request, job.ids[0]
        claim = request.volumes[0].claim
        tags = values.tag_list(
            values.marks(request.run, request.cluster, claim),
            values.own_tags(values.tags_of(known.volumes[handle])),
        )
        item: Item = ec2.call(
            "create_snapshot",
            self._limit,
            is_repeatable=False,
            VolumeId=handle,
            Description=f"kube2git {request.run}: {claim.namespace}/{claim.name}"[:255],
            TagSpecifications=values.tagged("snapshot", tags),
        )
        return {handle: item}

    def _take_group(self, ec2: Ec2, job: _Job, known: _Known) -> dict[str, Item]:
        instance = common_instance([known.volumes[one] for one in job.ids])
        if not instance:
            raise RefusedByEc2(
                "The volumes of the group are not attached to one instance any more, so that EBS "
                "cannot cut them together.",
                "NotTogether",
            )
        others = [
            item["VolumeId"]
            for item in lookup.volumes_of_instance(ec2, instance, self._limit)
            if item["VolumeId"] not in job.ids
        ]
        chosen = {"InstanceId": instance, "ExcludeBootVolume": True}
        if others:
            chosen["ExcludeDataVolumeIds"] = others
        answer = ec2.call(
            "create_snapshots",
            self._limit,
            is_repeatable=False,
            InstanceSpecification=chosen,
            Description=f"kube2git {job.request.run}"[:255],
            # So that after a crash the tags of the CSI driver tell the claim.
            CopyTagsFromSource="volume",
            TagSpecifications=values.tagged(
                "snapshot",
                [
                    {"Key": values.CLUSTER, "Value": job.request.cluster},
                    {"Key": values.RUN, "Value": job.request.run},
                ],
            ),
        )
        return {item["VolumeId"]: item for item in answer["Snapshots"]}

    def _finish_group(self, ec2: Ec2, job: _Job, known: _Known, taken: Mapping[str, Item]) -> None:
        # One call tags all snapshots of a group alike: what differs comes after the cut.
        for volume, handle in zip(job.request.volumes, job.ids, strict=True):
            item = taken.get(handle)
            marks = values.marks(job.request.run, job.request.cluster, volume.claim)
            if item is None or marks.items() <= values.tags_of(item).items():
                continue
            tags = values.tag_list(marks, values.own_tags(values.tags_of(known.volumes[handle])))
            try:
                ec2.call("create_tags", self._limit, Resources=[item["SnapshotId"]], Tags=tags)
            except RefusedByEc2:
                # The cut is good, and cluster and run, which it has, find it again.
                continue

    # ── waiting ──

    def _wait(
        self, coming: dict[ClaimRef, Snapshot]
    ) -> Generator[SnapshotEvent | None, None, None]:
        look = 0
        seen: set[str] = set()
        while coming:
            look += 1
            found: dict[str, Item] | None
            found, problem = yield from outcome(lambda: self._look(coming), self._limit)
            for claim, snapshot in list(coming.items()):
                event = _progress(claim, snapshot, found, seen) if found is not None else None
                if event is not None:
                    del coming[claim]
                    yield event
            if not coming:
                return
            in_time = yield from pause(self._patience.delay(look), self._limit)
            if not in_time:
                break
        for claim, snapshot in coming.items():
            reason = problem or (
                f"EC2 is still storing the snapshot after {self._limit.seconds:.0f} s; its data "
                "is fixed, and a later look finds it ready."
            )
            yield SnapshotEvent(claim, Stage.CUT, snapshot, reason)

    def _look(self, coming: Mapping[ClaimRef, Snapshot]) -> tuple[dict[str, Item] | None, str]:
        found: dict[str, Item] = {}
        by_region: dict[str, list[str]] = {}
        for snapshot in coming.values():
            by_region.setdefault(snapshot.attributes["region"], []).append(snapshot.handle)
        try:
            for region, handles in by_region.items():
                found.update(lookup.snapshots(self._regions[region], handles, self._limit))
        except RefusedByEc2 as refusal:
            return None, str(refusal)
        return found, ""


def common_instance(items: Sequence[Item]) -> str:
    """Return the instance that all these volumes are attached to; "" when there is none."""
    holders = [
        {
            str(one["InstanceId"])
            for one in item.get("Attachments") or ()
            if one.get("State") == "attached" and one.get("InstanceId")
        }
        for item in items
    ]
    return min(set.intersection(*holders), default="") if holders else ""


def _progress(
    claim: ClaimRef, snapshot: Snapshot, found: Mapping[str, Item], seen: set[str]
) -> SnapshotEvent | None:
    item = found.get(snapshot.handle)
    if item is None:
        if snapshot.handle not in seen:
            # EC2 lists what is new only after a while.
            return None
        gone = replace(snapshot, error="The snapshot was deleted while it was waited for.")
        return SnapshotEvent(claim, Stage.FAILED, gone, gone.error)
    seen.add(snapshot.handle)
    state, told = values.state_of(item)
    if told:
        return SnapshotEvent(claim, Stage.FAILED, replace(snapshot, error=told), told)
    if state == "completed":
        return SnapshotEvent(claim, Stage.READY, replace(snapshot, is_ready=True))
    return None


def _failures(request: CutRequest, reason: str) -> list[SnapshotEvent]:
    return [SnapshotEvent(volume.claim, Stage.FAILED, reason=reason) for volume in request.volumes]


def _told(refusal: RefusedByEc2) -> str:
    if refusal.code == "InvalidVolume.NotFound":
        return "The volume was deleted before its snapshot could be taken (InvalidVolume.NotFound)."
    if refusal.is_lost:
        return f"{refusal} No snapshot of it was found; should there be one, `find` tells it."
    return str(refusal)
