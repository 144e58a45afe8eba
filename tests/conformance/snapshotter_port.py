"""What every ``Snapshotter`` must do: one suite, run over real adapters and over the fake.

A test module subclasses ``SnapshotterConformance`` and gives it a ``world``. Every call of
``World.open`` is a new run that remembers nothing of the one before, as after a crash.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from kube2git.core.ports import Snapshotter
from kube2git.core.snapshots import (
    ClaimRef,
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

SENTENCE = re.compile(r"\S.*[.!?)]", re.DOTALL)


class World(Protocol):
    """A storage under test, and what tests do to it."""

    seconds: float
    """How long a snapshot may take here."""
    knows_existence: bool
    """The storage can tell a snapshot that is gone from one that exists."""
    can_group: bool

    def open(self) -> Snapshotter: ...

    def new_volume(self) -> Volume:
        """Make a claim with a volume that can be snapshotted."""
        ...

    def foreign_volume(self) -> Volume:
        """Return a volume of a storage that the snapshotter does not know."""
        ...

    def break_volume(self, volume: Volume) -> None:
        """Let every snapshot of a volume fail from now on."""
        ...

    def exists(self, snapshot: Snapshot) -> bool:
        """Look at the storage itself."""
        ...

    def lose(self, snapshot: Snapshot) -> None:
        """Delete a settled snapshot at the storage, behind kube2git's back."""
        ...


def new_run() -> str:
    return f"manual-{uuid.uuid4().int % 10**14:014d}"


CLUSTER = str(uuid.uuid4())


def request(*volumes: Volume, run: str, cluster: str = CLUSTER) -> CutRequest:
    return CutRequest(run, cluster, volumes)


def take(
    world: World,
    *volumes: Volume,
    run: str = "",
    wait: Wait = Wait.READY,
    cluster: str = CLUSTER,
    by: Snapshotter | None = None,
) -> dict[ClaimRef, list[SnapshotEvent]]:
    """Snapshot each volume on its own; return each claim's events in their order."""
    run = run or new_run()
    requests = [request(volume, run=run, cluster=cluster) for volume in volumes]
    return events_of(world, requests, wait=wait, by=by)


def events_of(
    world: World, requests: list[CutRequest], *, wait: Wait, by: Snapshotter | None = None
) -> dict[ClaimRef, list[SnapshotEvent]]:
    found: dict[ClaimRef, list[SnapshotEvent]] = {}
    for event in (by or world.open()).create(requests, wait=wait, seconds=world.seconds):
        if event is not None:
            found.setdefault(event.claim, []).append(event)
    return found


def taken(world: World, volume: Volume, *, run: str = "", cluster: str = CLUSTER) -> Snapshot:
    """Snapshot one volume and return the ready snapshot."""
    last = take(world, volume, run=run, cluster=cluster)[volume.claim][-1]
    assert last.stage is Stage.READY, last.reason
    assert last.snapshot is not None
    return last.snapshot


def findings(answers: Iterable[Finding | None]) -> dict[str, Finding]:
    """Return findings by the snapshot's handle."""
    return {answer.snapshot.handle: answer for answer in answers if answer is not None}


def marked(world: World, cluster: str = CLUSTER) -> dict[str, FoundSnapshot]:
    return {found.snapshot.handle: found for found in world.open().find(cluster)}


def assert_same_snapshot(one: Snapshot, other: Snapshot) -> None:
    """Two looks at one snapshot: what may change with time aside, they agree."""
    assert (one.handle, one.method, one.run) == (other.handle, other.method, other.run)
    assert abs(one.created - other.created) <= timedelta(seconds=1)


class SnapshotterConformance:
    """The suite."""

    def test_it_tells_which_volumes_it_can_take(self, world: World) -> None:
        snapshotter = world.open()
        assert snapshotter.why_not(world.new_volume()) == ""
        assert SENTENCE.fullmatch(snapshotter.why_not(world.foreign_volume()))

    def test_every_volume_has_its_cut_and_then_is_ready(self, world: World) -> None:
        volumes, run = [world.new_volume() for _ in range(3)], new_run()
        # Storages keep whole seconds, and their clocks are not ours.
        before = datetime.now(UTC) - timedelta(seconds=5)
        events = take(world, *volumes, run=run)
        assert events.keys() == {volume.claim for volume in volumes}
        handles = set()
        for told in events.values():
            stages = [event.stage for event in told]
            assert stages[0] is Stage.CUT
            assert stages[-1] is Stage.READY
            assert stages.count(Stage.CUT) == stages.count(Stage.READY) == 1
            for event in told:
                snapshot = event.snapshot
                assert snapshot is not None
                assert (snapshot.method, snapshot.run) == (world.open().method, run)
                assert snapshot.is_ready is (event.stage is Stage.READY)
                assert before <= snapshot.created <= datetime.now(UTC) + timedelta(seconds=5)
                handles.add(snapshot.handle)
            assert told[-1].snapshot is not None
            assert world.exists(told[-1].snapshot)
        assert len(handles) == 3

    def test_waiting_for_the_cut_gives_a_handle(self, world: World) -> None:
        volume = world.new_volume()
        told = take(world, volume, wait=Wait.CUT)[volume.claim]
        assert told[0].stage is Stage.CUT
        assert told[0].snapshot is not None
        assert world.exists(told[0].snapshot)

    def test_the_same_run_again_makes_no_second_snapshot(self, world: World) -> None:
        volume, run = world.new_volume(), new_run()
        first = taken(world, volume, run=run)
        assert_same_snapshot(taken(world, volume, run=run), first)
        mine = [one for one in marked(world).values() if one.claim == volume.claim]
        assert len(mine) == 1

    def test_a_later_run_makes_another_one(self, world: World) -> None:
        volume = world.new_volume()
        first, second = taken(world, volume), taken(world, volume)
        assert first.handle != second.handle
        assert world.exists(first)

    def test_one_that_fails_does_not_hold_the_others_back(self, world: World) -> None:
        good, bad = world.new_volume(), world.new_volume()
        world.break_volume(bad)
        events = take(world, good, bad)
        assert events[good.claim][-1].stage is Stage.READY
        assert events[bad.claim][-1].stage is Stage.FAILED
        assert SENTENCE.fullmatch(events[bad.claim][-1].reason)
        assert "\n" not in events[bad.claim][-1].reason

    def test_a_volume_of_another_storage_is_no_crash(self, world: World) -> None:
        foreign = world.foreign_volume()
        (last,) = take(world, foreign)[foreign.claim][-1:]
        assert last.stage in (Stage.FAILED, Stage.SKIPPED)
        assert SENTENCE.fullmatch(last.reason)

    def test_a_snapshot_is_found_by_its_marks(self, world: World) -> None:
        volume, cluster = world.new_volume(), str(uuid.uuid4())
        snapshot = taken(world, volume, cluster=cluster)
        taken(world, world.new_volume())
        found = marked(world, cluster)
        assert found.keys() == {snapshot.handle}
        one = found[snapshot.handle]
        assert (one.claim, one.driver) == (volume.claim, volume.driver)
        assert_same_snapshot(one.snapshot, snapshot)

    def test_a_settled_snapshot_stays(self, world: World) -> None:
        volume = world.new_volume()
        snapshot = taken(world, volume)
        for _ in range(2):
            world.open().settle([(volume, snapshot)])
        assert world.exists(snapshot)
        finding = findings(world.open().verify([(volume, snapshot)]))[snapshot.handle]
        assert finding.existence is not Existence.GONE
        if world.knows_existence:
            assert finding.existence is Existence.EXISTS
            assert finding.snapshot.is_ready
            assert_same_snapshot(finding.snapshot, snapshot)

    def test_a_snapshot_that_somebody_deleted_is_missed(self, world: World) -> None:
        volume = world.new_volume()
        kept, lost = taken(world, volume), taken(world, volume)
        pairs = [(volume, kept), (volume, lost)]
        world.open().settle(pairs)
        world.lose(lost)
        found = findings(world.open().verify(pairs))
        assert found.keys() == {kept.handle, lost.handle}
        if world.knows_existence:
            assert found[kept.handle].existence is Existence.EXISTS
            assert found[lost.handle].existence is Existence.GONE
        else:
            assert found[lost.handle].existence is Existence.UNSURE

    def test_deleting_takes_what_was_named_and_nothing_else(self, world: World) -> None:
        volume = world.new_volume()
        kept, settled, fresh = (taken(world, volume) for _ in range(3))
        world.open().settle([(volume, settled)])
        pairs = [(volume, settled), (volume, fresh)]
        for _ in range(2):  # the second time as after a crash
            found = findings(world.open().delete(pairs, seconds=world.seconds))
            assert {handle: one.existence for handle, one in found.items()} == {
                settled.handle: Existence.GONE,
                fresh.handle: Existence.GONE,
            }
        assert [world.exists(one) for one in (kept, settled, fresh)] == [True, False, False]
        assert not {settled.handle, fresh.handle} & marked(world).keys()

    def test_a_restore_says_how_the_claim_comes_back(self, world: World) -> None:
        volume = world.new_volume()
        snapshot = taken(world, volume)
        world.open().settle([(volume, snapshot)])
        claim = ClaimRef(volume.claim.namespace, f"{volume.claim.name}-copy")
        asked = RestoreRequest(
            claim, volume, snapshot, volume.storage_class, volume.capacity, volume.zone
        )
        assert world.open().why_not_restore(asked) == ""
        for _ in range(2):  # the second time as after a crash
            (answer,) = restored(world, asked)
            assert (answer.claim, answer.reason) == (claim, "")
            assert answer.claim_spec

    def test_a_restore_of_what_is_gone_says_so(self, world: World) -> None:
        if not world.knows_existence:
            return
        volume = world.new_volume()
        snapshot = taken(world, volume)
        world.open().settle([(volume, snapshot)])
        world.lose(snapshot)
        claim = ClaimRef(volume.claim.namespace, f"{volume.claim.name}-copy")
        (answer,) = restored(
            world, RestoreRequest(claim, volume, snapshot, volume.storage_class, 1, volume.zone)
        )
        assert SENTENCE.fullmatch(answer.reason)
        assert not answer.objects

    def test_a_group_is_one_cut(self, world: World) -> None:
        volumes = [world.new_volume() for _ in range(2)]
        assert world.open().can_group(volumes) is world.can_group
        assert not world.open().can_group([*volumes, world.foreign_volume()])
        if not world.can_group:
            return
        run = new_run()
        told = events_of(world, [request(*volumes, run=run)], wait=Wait.READY)
        assert [told[volume.claim][-1].stage for volume in volumes] == [Stage.READY] * 2
        assert len(handles_of(told)) == 2
        again = events_of(world, [request(*volumes, run=run)], wait=Wait.READY)
        assert handles_of(again) == handles_of(told)

    def test_nothing_asked_is_nothing_done(self, world: World) -> None:
        snapshotter = world.open()
        assert not [*filter(None, snapshotter.create([], wait=Wait.READY, seconds=1))]
        assert not [*filter(None, snapshotter.verify([]))]
        assert not [*filter(None, snapshotter.delete([], seconds=1))]
        assert not [*filter(None, snapshotter.restore([], run=new_run(), seconds=1))]


def handles_of(told: dict[ClaimRef, list[SnapshotEvent]]) -> set[str]:
    return {events[-1].snapshot.handle for events in told.values() if events[-1].snapshot}


def restored(world: World, *requests: RestoreRequest) -> list[Restoration]:
    answers = world.open().restore(requests, run="replay-20260304050607", seconds=world.seconds)
    return [answer for answer in answers if answer is not None]
