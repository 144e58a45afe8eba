"""Volumes out of snapshots, and the static PersistentVolumes that hand them to their claims."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from kube2git.adapters.ebs import lookup, values
from kube2git.adapters.ebs.api import DeniedByEc2, Item, Limit, Patience, RefusedByEc2, Regions
from kube2git.adapters.ebs.beating import in_parallel, outcome, pause
from kube2git.core.snapshots import RESTORE_PREFIX, Restoration, RestoreRequest


@dataclass(frozen=True, slots=True)
class _Job:
    request: RestoreRequest
    region: str
    zone: str


@dataclass(frozen=True, slots=True)
class _Making:
    """A volume that exists, and may not be usable yet."""

    job: _Job
    volume: str


class Restorer:
    """One call of ``restore``."""

    def __init__(self, regions: Regions, patience: Patience, limit: Limit, run: str) -> None:
        self._regions = regions
        self._patience = patience
        self._limit = limit
        self._run = run

    def run(self, requests: Sequence[RestoreRequest]) -> Iterator[Restoration | None]:
        """Make all volumes in parallel; yield one answer a claim, and signs of life."""
        jobs: list[_Job] = []
        for request in requests:
            job = _job(request)
            if isinstance(job, str):
                yield Restoration(request.claim, reason=job)
            else:
                jobs.append(job)
        made: dict[str, list[Item]] = {}
        surveys = [self._survey_task(region) for region in sorted({job.region for job in jobs})]
        for survey in in_parallel(surveys, self._limit):
            if survey is None:
                yield None
            else:
                region, items = survey[0]
                made[region] = items
        makings: list[_Making] = []
        tasks = [self._make_task(job, made[job.region]) for job in jobs]
        for answer in in_parallel(tasks, self._limit):
            if answer is None:
                yield None
            elif isinstance(answer[0], Restoration):
                yield answer[0]
            else:
                makings.append(answer[0])
        yield from self._wait(makings)

    def _survey_task(self, region: str) -> Callable[[], tuple[str, list[Item]]]:
        def survey() -> tuple[str, list[Item]]:
            try:
                found = lookup.volumes_with(
                    self._regions[region], self._limit, restore_run=self._run
                )
            except RefusedByEc2 as refusal:
                raise refusal.as_a_whole() from None
            return region, found

        return survey

    def _make_task(self, job: _Job, made: Sequence[Item]) -> Callable[[], _Making | Restoration]:
        marks = values.restored_marks(job.request, self._run).items()

        def make() -> _Making | Restoration:
            for item in made:
                is_it = marks <= values.tags_of(item).items()
                if is_it and item.get("AvailabilityZone") == job.zone and item["State"] in _COMING:
                    return _Making(job, item["VolumeId"])
            wish = values.volume_wish(job.request, self._run, job.zone, job.region)
            try:
                # Its ClientToken makes a second request give the same volume.
                item = self._regions[job.region].call("create_volume", self._limit, **wish)
            except RefusedByEc2 as refusal:
                return Restoration(job.request.claim, reason=_told(refusal, job))
            return _Making(job, item["VolumeId"])

        return make

    def _wait(self, makings: list[_Making]) -> Generator[Restoration | None, None, None]:
        look = 0
        seen: set[str] = set()
        problem = ""
        while makings:
            look += 1
            found: dict[str, Item] | None
            found, problem = yield from outcome(partial(self._look, makings), self._limit)
            coming = []
            for making in makings:
                item = (found or {}).get(making.volume)
                answer = None if found is None else _progress(making, item, seen)
                if answer is None:
                    coming.append(making)
                else:
                    yield answer
            makings = coming
            if not makings:
                return
            in_time = yield from pause(self._patience.delay(look), self._limit)
            if not in_time:
                break
        for making in makings:
            yield Restoration(
                making.job.request.claim,
                reason=problem
                or f"The volume {making.volume} is still being made after "
                f"{self._limit.seconds:.0f} s; the same run, asked again, goes on with it.",
            )

    def _look(self, makings: Sequence[_Making]) -> tuple[dict[str, Item] | None, str]:
        found: dict[str, Item] = {}
        by_region: dict[str, list[str]] = {}
        for making in makings:
            by_region.setdefault(making.job.region, []).append(making.volume)
        try:
            for region, ids in by_region.items():
                found.update(lookup.volumes(self._regions[region], ids, self._limit))
        except DeniedByEc2 as refusal:
            raise refusal.as_a_whole() from None
        except RefusedByEc2 as refusal:
            return None, str(refusal)
        return found, ""


_USABLE = frozenset({"available", "in-use"})
_COMING = _USABLE | {"creating"}


def _job(request: RestoreRequest) -> _Job | str:
    known: Mapping[str, str] = request.snapshot.attributes
    if not values.is_snapshot_id(request.snapshot.handle):
        return f"{request.snapshot.handle!r} is not the id of an EBS snapshot."
    recorded = known.get("zone") or request.source.zone
    region = known.get("region") or request.source.region or values.region_of(recorded)
    zone = request.zone or (recorded if values.region_of(recorded) == region else "")
    if not zone or not values.is_region(region):
        return (
            "No zone is known in which the volume has to be made; say it with --map-zone or in "
            "the record."
        )
    if values.region_of(zone) != region:
        there = values.region_of(zone) or zone
        return (
            f"The snapshot is in {region}, and a volume in {zone} cannot be made of it; copy it to "
            f"{there} first (docs/ebs.md)."
        )
    return _Job(request, region, zone)


def _progress(making: _Making, item: Item | None, seen: set[str]) -> Restoration | None:
    request, volume = making.job.request, making.volume
    state = "" if item is None else str(item["State"])
    if item is not None and state in _USABLE:
        name = f"{RESTORE_PREFIX}{volume}"
        body = values.persistent_volume(request, volume, making.job.zone, int(item["Size"]))
        return Restoration(request.claim, objects=(body,), claim_spec={"volumeName": name})
    if (item is None and volume not in seen) or state == "creating":
        if item is not None:
            seen.add(volume)
        return None
    key = request.snapshot.attributes.get("kmsKeyId", "")
    hint = f" It is encrypted: may this identity use the key {key}?" if key else ""
    return Restoration(
        request.claim, reason=f"EC2 gave the volume {volume} up while making it.{hint}"
    )


def _told(refusal: RefusedByEc2, job: _Job) -> str:
    handle = job.request.snapshot.handle
    if refusal.code == "InvalidSnapshot.NotFound":
        return f"The snapshot {handle} does not exist in {job.region} any more."
    if refusal.code == "IncorrectState":
        return f"The snapshot {handle} is not ready yet; try again when it is."
    return str(refusal)
