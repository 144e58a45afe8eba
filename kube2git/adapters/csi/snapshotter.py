"""The Snapshotter port on the CSI snapshot API; the entry point ``csi`` is ``open_csi``."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property

from kube2git.adapters.csi import bodies, leavings, writing
from kube2git.adapters.csi.bodies import FAMILIES, GROUP, SINGLE, Family
from kube2git.adapters.csi.cutting import Cut, take
from kube2git.adapters.csi.errands import Errands, deletions, looks
from kube2git.adapters.csi.landscape import Landscape, Listed, Surveyor, read
from kube2git.adapters.csi.restoring import Restorer
from kube2git.core.ports import SnapshotterContext, Target
from kube2git.core.snapshots import (
    CutRequest,
    Existence,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import SnapshotterError, UsageError

LOOK_SECONDS = 30.0
"""How long a sidecar may take to answer for one handle."""
MEMBER_SECONDS = 10.0
"""How long a group that was recorded is waited for until it can be removed; else the next run."""
MEMBER_PAUSE = 0.2


class CsiSnapshotter:
    """Snapshots that CSI drivers take, through the controllers of the external-snapshotter."""

    method = bodies.METHOD

    def __init__(self, context: SnapshotterContext) -> None:
        self._context = context

    @cached_property
    def _target(self) -> Target:
        return self._context.target()

    @cached_property
    def _surveyor(self) -> Surveyor:
        return Surveyor(self._target)

    def _landscape(self) -> Landscape:
        return self._surveyor.landscape()

    def why_not(self, volume: Volume) -> str:
        """Return why this volume cannot be snapshotted here, a whole sentence; "" when it can."""
        return self._landscape().class_for(SINGLE, volume.driver)[1]

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        """Tell whether one cut over all these volumes can be had: one driver, one namespace."""
        places = {(volume.driver, volume.claim.namespace) for volume in volumes}
        if len(volumes) < 2 or len(places) != 1:
            return False
        return bool(self._landscape().class_for(GROUP, volumes[0].driver)[0])

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        """Take all cuts in parallel; yield news of each volume, and None, often, as a heartbeat."""
        if not requests:
            return
        landscape, cuts = self._landscape(), []
        for request in requests:
            family = GROUP if len(request.volumes) > 1 else SINGLE
            driver = request.volumes[0].driver
            chosen, reason = landscape.class_for(family, driver, request.snapshot_class)
            if chosen:
                cuts.append(Cut(self._target, landscape, request, chosen))
            for volume in () if chosen else request.volumes:
                yield SnapshotEvent(volume.claim, Stage.SKIPPED, None, reason)
        yield from take(self._target, landscape, cuts, wait=wait, seconds=seconds)

    def verify(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> Iterator[Finding | None]:
        """Look at each snapshot; how sure the answer is depends on what its driver can tell."""
        if not snapshots:
            return
        landscape = self._landscape()
        if not landscape.serves(SINGLE):
            reason = landscape.class_for(SINGLE, "")[1]
            for _, snapshot in snapshots:
                yield Finding(snapshot, Existence.UNREACHABLE, reason)
            return
        known = {
            (found.driver, found.snapshot.handle): found.snapshot
            for found in self._marked(f"{bodies.LABEL} in (cut,group)")
        }
        drivers = {snapshot.handle: volume.driver for volume, snapshot in snapshots}
        for finding in Errands(self._target, landscape, looks(snapshots)).run(LOOK_SECONDS):
            if finding is not None and finding.existence is Existence.UNSURE:
                handle = finding.snapshot.handle
                kept = known.get((drivers[handle], handle))
                # The object of the cut knows its readiness; the look was told nothing.
                if kept is not None:
                    finding = Finding(kept, Existence.UNSURE, finding.reason)
            yield finding

    def find(self, cluster: str) -> Iterator[FoundSnapshot]:
        """Yield every snapshot that still carries this cluster's marks."""
        self._rescue(cluster)
        yield from self._marked(f"{bodies.CLUSTER}={cluster}")

    def _rescue(self, cluster: str) -> None:
        """Mark the contents of runs that were killed before they had done so.

        Until then only the snapshot object bears the marks, and the end of its namespace would take
        the snapshot along.
        """
        types, families = self._landscape().types, self._families()
        selector = f"{bodies.LABEL} in (cut,group),{bodies.CLUSTER}={cluster}"
        listed = self._listed([family.snapshot for family in families], selector)
        for family in families:
            type = types[family.content]
            for owner in listed.objects.get(family.snapshot, []):
                name = dig(owner, "status", f"bound{type.kind}Name")
                if not name or "deletionTimestamp" in owner["metadata"]:
                    continue
                content = self._target.get(type, "", str(name))
                if content is not None and not bodies.is_kept(content):
                    writing.apply(self._target, type, bodies.rescuing(content, owner))

    def _marked(self, selector: str) -> Iterator[FoundSnapshot]:
        for family, content in self._contents(selector):
            claims = bodies.claims_of(content, family)
            driver = str(dig(content, "spec", "driver"))
            for handle, snapshot in bodies.snapshots_of(content).items():
                if handle in claims and "deletionTimestamp" not in content["metadata"]:
                    yield FoundSnapshot(claims[handle], driver, snapshot)

    def _contents(self, selector: str) -> Iterator[tuple[Family, Json]]:
        families = self._families()
        listed = self._listed([family.content for family in families], selector)
        for family in families:
            for content in listed.objects.get(family.content, []):
                yield family, content

    def _families(self) -> list[Family]:
        hidden = self._landscape().classes.reasons
        # Who may not see the classes of groups has never made a group.
        return [one for one in FAMILIES if one is SINGLE or one.snapshot_class not in hidden]

    def _listed(self, kinds: Sequence[str], selector: str) -> Listed:
        types = self._landscape().types
        listed = read(self._target, [types[k] for k in kinds if k in types], selector=selector)
        if listed.reasons:
            raise SnapshotterError(next(iter(listed.reasons.values())))
        return listed

    def settle(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> None:
        """Remove the objects of recorded snapshots; their data stay, as their policy is Retain."""
        if self._context.keeps_objects or not snapshots:
            return
        self._clear()
        recorded = {
            (volume.driver, snapshot.handle) for volume, snapshot in snapshots if snapshot.is_ready
        }
        limit = time.monotonic() + MEMBER_SECONDS
        while (unripe := self._settle(recorded)) and time.monotonic() < limit:
            time.sleep(MEMBER_PAUSE)
        self._remove_members(
            {
                (volume.driver, snapshot.group)
                for volume, snapshot in snapshots
                if {(volume.driver, one) for one in bodies.members_of(snapshot)} <= recorded
            }
            - unripe
        )

    def _clear(self) -> None:
        """Remove what killed restores have left, wherever snapshot objects are written anyway."""
        now = self._context.clock()
        leavings.remove(self._target, self._landscape(), self._families(), now)

    def _settle(self, recorded: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Remove objects of recorded snapshots; return groups whose members are yet to come."""
        landscape, families = self._landscape(), self._families()
        kinds = [kind for family in families for kind in (family.snapshot, family.content)]
        listed = self._listed(kinds, f"{bodies.LABEL} in (cut,group)")
        unripe = set()
        for family in families:
            owners = {
                (body["metadata"].get("namespace"), body["metadata"]["name"]): body
                for body in listed.objects.get(family.snapshot, [])
            }
            for content in listed.objects.get(family.content, []):
                driver = str(dig(content, "spec", "driver"))
                taken = bodies.snapshots_of(content).values()
                named = [(driver, snapshot.handle) in recorded for snapshot in taken]
                if not named or not all(named) or not bodies.is_kept(content):
                    continue
                owner = owners.get(bodies.reference_of(family, content))
                if owner is not None and family is GROUP and self._lacks_members(owner, len(named)):
                    unripe.add((driver, bodies.handle_of(family, content)))
                    continue
                if owner is not None:
                    writing.delete(self._target, landscape.types[family.snapshot], owner)
                writing.delete(self._target, landscape.types[family.content], content)
        return unripe

    def _lacks_members(self, group: Json, count: int) -> bool:
        """Tell whether the snapshot-controller is not done with a group's members.

        It makes their objects after the cut. If the group goes earlier they are never released,
        and hold up the deletion of their namespace for ever.
        """
        uid, found = group["metadata"]["uid"], 0
        for body in self._listed([SINGLE.snapshot], "").objects[SINGLE.snapshot]:
            owners = body["metadata"].get("ownerReferences") or ()
            is_member = any(owner.get("uid") == uid for owner in owners)
            found += is_member and bool(dig(body, "status", "volumeGroupSnapshotName"))
        return found < count

    def _remove_members(self, groups: Collection[tuple[str, str]]) -> None:
        """Remove the contents of the members of groups, which the end of a group leaves behind."""
        if not any(group for _, group in groups):
            return
        type = self._landscape().types[SINGLE.content]
        for content in self._listed([SINGLE.content], "").objects[SINGLE.content]:
            group = (dig(content, "metadata", "annotations") or {}).get(bodies.MEMBER_OF)
            if group and (str(dig(content, "spec", "driver")), group) in groups:
                writing.delete(self._target, type, content)

    def delete(
        self, snapshots: Sequence[tuple[Volume, Snapshot]], *, seconds: float
    ) -> Iterator[Finding | None]:
        """Delete snapshots; yield GONE when the storage confirmed, else what stands against it."""
        if not snapshots:
            return
        self._clear()
        landscape = self._landscape()
        errands, findings = deletions(snapshots)
        possible = []
        for errand in errands:
            if landscape.serves(errand.family):
                possible.append(errand)
                continue
            errand.conclude(
                Existence.UNREACHABLE,
                f"This cluster does not serve {errand.family.content}, so it cannot delete it.",
            )
            findings += errand.findings
        yield from findings
        if possible:
            yield from Errands(self._target, landscape, possible).run(seconds)
        self._remove_members(
            {
                (volume.driver, snapshot.group)
                for errand in possible
                if errand.findings[0].existence is Existence.GONE
                for volume, snapshot in errand.pairs
            }
        )

    def why_not_restore(self, request: RestoreRequest) -> str:
        """Return what this cluster lacks so that a claim could come back; "" when nothing."""
        return Restorer(self._landscape(), "").refusal(request, None)

    def restore(
        self, requests: Sequence[RestoreRequest], *, run: str, seconds: float
    ) -> Iterator[Restoration | None]:
        """Work out the objects by which claims come back; the storage is asked for each first."""
        if not requests:
            return
        self._clear()
        landscape = self._landscape()
        restorer = Restorer(landscape, run)
        refusals = {request.claim: restorer.refusal(request, None) for request in requests}
        hopeful = [request for request in requests if not refusals[request.claim]]
        found: dict[str, Finding] = {}
        pairs = {
            (request.source.driver, request.snapshot.handle): (request.source, request.snapshot)
            for request in hopeful
        }
        for finding in Errands(self._target, landscape, looks([*pairs.values()])).run(
            min(seconds, LOOK_SECONDS)
        ):
            if finding is None:
                yield None
                continue
            found[finding.snapshot.handle] = finding
        for request in hopeful:
            refusals[request.claim] = restorer.refusal(request, found.get(request.snapshot.handle))
        for request in requests:
            if refusals[request.claim]:
                yield Restoration(request.claim, reason=refusals[request.claim])
        yield from restorer.restorations([r for r in requests if not refusals[r.claim]])


def open_csi(context: SnapshotterContext) -> CsiSnapshotter:
    """Make the snapshotter of the entry point ``csi``; it has no options of its own."""
    if context.options:
        names = ", ".join(sorted(context.options))
        raise UsageError(
            f"snapshots.options.csi has settings that do not exist: {names}.",
            hint="Remove them; CSI snapshots have no options of their own.",
        )
    return CsiSnapshotter(context)
