"""Deleting in two steps, orphans, and looks at what still exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from kube2git.core.selection import Patterns
from kube2git.core.snapshots import ClaimRef, Existence, Finding, Snapshot, Stage, Volume, Wait
from kube2git.core.snapshots.retention import Retention
from kube2git.errors import (
    ClusterDeniedError,
    ClusterUnreachableError,
    RepositoryLockedError,
    SnapshotterError,
    UsageError,
)
from kube2git.flows.snapshotting import PruneReport, list_records
from tests.fakes.repo import FakeRepo
from tests.fakes.snapshotter import FakeSnapshotter
from tests.unit.flows.snapshotting.test_taking import Dead, MortalRepo
from tests.unit.flows.snapshotting.world import World

DATA = ClaimRef("shop", "data")
LAST_TWO = Retention(keep_last=2)


@pytest.fixture
def world() -> World:
    """Give two claims with four snapshots each."""
    world = World("data", "logs")
    cluster = f"cluster: {world.target.uid}\nkinds: {{}}\n"
    world.commit_by_hand({".kube2git/coverage.yaml": cluster.encode()})
    for _ in range(4):
        world.create()
    return world


def deleted(report: PruneReport) -> set[str]:
    return {one.decision.snapshot.handle for one in report.snapshots if one.is_deleted}


def test_what_may_go_goes_from_the_storage_and_then_from_the_record(world: World) -> None:
    *_, third, fourth = world.handles("data")
    report = world.prune(retention=LAST_TWO)
    assert report.is_complete
    assert {third, fourth} < deleted(report)
    assert len(deleted(report)) == 4
    assert set(world.handles("data")) == world.at_storage("data")
    commit = world.repo.commit(report.commit)
    assert commit.subject == "snapshot: 4 deleted"
    assert f"persistentvolumeclaim/data -n shop: fake {third}, deleted" in commit.message
    assert world.remote.tip == report.commit
    assert world.prune(retention=LAST_TWO).commit == ""


def test_a_dry_run_gives_reasons_and_deletes_nothing(world: World) -> None:
    tip = world.repo.tip()
    report = world.prune(retention=LAST_TWO, dry_run=True)
    reasons = [one.decision.reason for one in report.snapshots if one.claim == DATA]
    assert reasons == ["It is one of the last 2."] * 2 + ["No keep rule names it."] * 2
    assert not deleted(report)
    assert world.repo.tip() == tip
    assert len(world.at_storage("data")) == 4


def test_namespaces_limit_it(world: World) -> None:
    report = world.prune(retention=LAST_TWO, namespaces=Patterns(("other",)))
    assert report.snapshots == ()


def test_what_the_storage_does_not_let_go_stays_in_the_record(world: World) -> None:
    *_, third, fourth = world.handles("data")
    world.storage.undeletable[third] = "A volume is being made of it."
    report = world.prune(retention=LAST_TWO)
    assert not report.is_complete
    problems = [one.problem for one in report.snapshots if one.problem]
    assert problems == ["A volume is being made of it."]
    assert third in world.handles("data")
    assert fourth not in world.handles("data")


def test_killed_between_the_two_steps_the_next_prune_finishes(world: World) -> None:
    mortal = MortalRepo(of=world.repo)
    whole, world.repo = world.repo, mortal
    with pytest.raises(Dead):
        world.prune(retention=LAST_TWO)
    world.repo = whole
    assert len(world.at_storage("data")) == 2
    assert len(world.handles("data")) == 4
    found = [finding.existence for claim, finding in world.verify().findings if claim == DATA]
    assert found == [Existence.EXISTS] * 2 + [Existence.GONE] * 2
    world.prune(retention=LAST_TWO)
    assert set(world.handles("data")) == world.at_storage("data")


def test_a_storage_that_cannot_be_used_loses_no_entry(world: World) -> None:
    world.snapshotter.error = SnapshotterError("there are no credentials")
    report = world.prune(retention=LAST_TWO)
    problems = {one.problem for one in report.snapshots if one.problem}
    assert problems == {"there are no credentials."}
    assert len(world.handles("data")) == 4


def test_a_snapshotter_that_is_not_installed_loses_no_entry(world: World) -> None:
    world.snapshotters = {}
    report = world.prune(retention=LAST_TWO)
    problems = {one.problem for one in report.snapshots if one.problem}
    assert problems == {"No snapshotter named fake is installed."}
    assert len(world.handles("data")) == 4


# ── what was not ready ───────────────────────────────────────────────────────────────────────


def late(world: World) -> str:
    """Leave a snapshot that was not ready when its run ended, four days ago; return its handle."""
    world.storage.ready_after[DATA] = 9
    world.create(wait=Wait.CUT)
    world.pass_time(days=4)
    assert not world.record("data").entries[0].snapshot.is_ready
    return world.handles("data")[0]


def test_what_has_become_ready_since_is_not_deleted_for_being_late(world: World) -> None:
    handle = late(world)
    world.storage.snapshots[handle].polls = 0
    report = world.prune(retention=Retention(keep_last=9))
    assert report.is_complete
    assert deleted(report) == set()
    assert world.record("data").entries[0].snapshot.is_ready
    commit = world.repo.commit(report.commit)
    assert commit.subject == "snapshot: 1 ready by now"
    assert f"fake {handle}, ready by now" in commit.message


def test_what_cannot_be_looked_at_is_not_deleted_for_being_late(world: World) -> None:
    handle = late(world)
    world.snapshotter.error = SnapshotterError("there are no credentials")
    report = world.prune(retention=Retention(keep_last=9))
    assert not report.is_complete
    assert report.problems[0] == (
        "Snapshots of fake that were not ready could not be looked at: there are no credentials."
    )
    world.snapshotter.error = None
    world.snapshotters = {}
    (told,) = [
        one.decision
        for one in world.prune(retention=Retention(keep_last=9)).snapshots
        if one.decision.snapshot.handle == handle
    ]
    assert told.stays
    assert told.reason == "It was not ready when it was recorded, and cannot be looked at."


def test_what_never_became_ready_goes(world: World) -> None:
    handle = late(world)
    assert deleted(world.prune(retention=Retention(keep_last=9))) == {handle}
    assert handle not in world.handles("data")


# ── two at once ──────────────────────────────────────────────────────────────────────────────


def test_a_prune_waits_for_a_run_that_takes_snapshots_and_then_sees_its_records(
    world: World,
) -> None:
    other = world.lease("take-other")
    assert other.claim()

    def take_one_more(_: float) -> None:
        other.release()
        world.create(repo=FakeRepo(remote=world.remote))

    world.pause = take_one_more
    report = world.prune(retention=Retention(keep_last=1))
    assert report.is_complete
    assert len(world.handles("data")) == 1
    assert set(world.handles("data")) == world.at_storage("data")
    assert world.held.holder == ""


def test_a_run_that_takes_snapshots_waits_for_a_prune_and_takes_them_all_the_same(
    world: World,
) -> None:
    other = world.lease("prune-other")
    world.pass_time(120)
    assert other.claim()

    def prune_elsewhere(_: float) -> None:
        other.release()
        world.pause = world.pass_time
        world.prune(repo=FakeRepo(remote=world.remote), retention=LAST_TWO)

    world.pause = prune_elsewhere
    world.now -= timedelta(seconds=60)
    report = world.create()
    assert {one.stage for one in report.snapshots.outcomes} == {Stage.READY}
    # None that was deleted meanwhile stands in the record again.
    assert len(world.handles("data")) == 3
    assert set(world.handles("data")) == world.at_storage("data")


@pytest.mark.parametrize(
    ("holder", "doing"), [("take-a", "taking"), ("prune-b", "deleting"), ("copy-c", "copying")]
)
def test_a_prune_beside_a_run_that_goes_on_deletes_nothing(
    world: World, holder: str, doing: str
) -> None:
    other = world.lease(holder)

    def go_on(seconds: float) -> None:
        world.pass_time(seconds)
        assert other.claim()

    go_on(0)
    world.pause = go_on
    with pytest.raises(RepositoryLockedError) as caught:
        world.prune(retention=LAST_TWO)
    assert str(caught.value) == (f"another run ({holder}) is {doing} the snapshots of this cluster")
    assert len(world.at_storage("data")) == 4
    assert world.prune(retention=LAST_TWO, dry_run=True).is_complete


class Slow(FakeSnapshotter):
    """Something happens after its first deletion, long after the last renewal of the Lease."""

    def __init__(self, world: World, then: Callable[[], object]) -> None:
        super().__init__(world.storage)
        self.world, self.then = world, then
        self.is_left = False

    def delete(
        self, snapshots: Sequence[tuple[Volume, Snapshot]], *, seconds: float
    ) -> Iterator[Finding | None]:
        try:
            for number, finding in enumerate(super().delete(snapshots, seconds=seconds)):
                if number == 1:
                    self.world.pass_time(20)
                    self.then()
                yield finding
        finally:
            self.is_left = True


def test_a_prune_that_has_lost_its_lease_deletes_no_more(world: World) -> None:
    def take_elsewhere() -> None:
        other = world.lease("take-other")
        assert other.claim()
        assert other.other.startswith("prune-")

    slow = Slow(world, take_elsewhere)
    world.snapshotters = {"fake": slow}
    report = world.prune(retention=LAST_TWO)
    assert not report.is_complete
    (handle,) = deleted(report)
    assert {one.problem for one in report.snapshots if not one.decision.stays} == {
        "",
        "Another run (take-other) has taken the Lease over.",
    }
    assert slow.is_left
    # What is gone is in no record any more, and all else is.
    assert len(world.storage.snapshots) == 7
    assert handle not in world.storage.snapshots
    assert {*world.handles("data"), *world.handles("logs")} == world.storage.snapshots.keys()
    assert world.held.holder == "take-other"


def test_one_who_held_the_lease_meanwhile_and_died_ends_a_prune_too(world: World) -> None:
    def take_and_die() -> None:
        assert world.lease("take-dead").claim()
        world.pass_time(20)

    world.snapshotters = {"fake": Slow(world, take_and_die)}
    assert len(deleted(world.prune(retention=LAST_TWO))) == 1


def test_a_prune_that_was_stopped_for_a_while_goes_on_with_its_lease(world: World) -> None:
    world.snapshotters = {"fake": Slow(world, lambda: None)}
    report = world.prune(retention=LAST_TWO)
    assert report.is_complete
    assert len(deleted(report)) == 4


def test_a_prune_that_cannot_renew_its_lease_deletes_no_more(world: World) -> None:
    def cut_off() -> None:
        world.held.error = ClusterUnreachableError("no route to the cluster")

    world.snapshotters = {"fake": Slow(world, cut_off)}
    report = world.prune(retention=LAST_TWO)
    assert len(deleted(report)) == 1
    assert "The Lease could not be renewed: no route to the cluster." in {
        one.problem for one in report.snapshots
    }


def test_without_the_right_to_leases_a_prune_says_so_and_goes_on(world: World) -> None:
    world.held.error = ClusterDeniedError("cannot read the Lease")
    report = world.prune(retention=LAST_TWO)
    assert report.is_complete
    assert len(deleted(report)) == 4
    assert report.note.startswith("No Lease is held: cannot read the Lease.")


# ── orphans ──────────────────────────────────────────────────────────────────────────────────


def make_orphan(world: World) -> str:
    """Leave a snapshot of a claim without a record, as old as a day; return its handle."""
    world.put("gone")
    with pytest.raises(Dead):
        world.create(repo=MortalRepo(of=world.repo))
    world.target.remove("PersistentVolumeClaim", "shop", "gone")
    world.create()
    world.pass_time(days=1)
    (handle,) = world.at_storage("gone")
    return handle


def test_orphans_are_listed_and_deleted_only_when_asked_for(world: World) -> None:
    orphan = make_orphan(world)
    report = world.prune()
    (told,) = [one for one in report.snapshots if one.is_orphan]
    assert told.decision.snapshot.handle == orphan
    assert told.decision.reason == "No record names it; --orphans would delete it."
    assert world.at_storage("gone")
    assert deleted(world.prune(orphans=True)) == {orphan}
    assert not world.at_storage("gone")
    assert len(world.at_storage("data")) == len(world.handles("data"))


def test_the_snapshot_of_a_run_that_goes_on_is_no_orphan(world: World) -> None:
    make_orphan(world)
    world.now -= timedelta(hours=23, minutes=30)
    report = world.prune(orphans=True)
    assert not deleted(report)
    assert "it is very young" in str(report.snapshots)


def test_snapshots_of_a_record_that_cannot_be_read_are_no_orphans(world: World) -> None:
    world.commit_by_hand({"snapshots/shop/data.yaml": b"format: ["})
    world.pass_time(days=1)
    report = world.prune(orphans=True)
    assert not report.is_complete
    assert "snapshots/shop/data.yaml" in report.problems[0]
    assert len(world.at_storage("data")) == 4


def test_orphans_of_nobody_knows_which_cluster_are_not_looked_for(world: World) -> None:
    world.commit_by_hand({".kube2git/coverage.yaml": None})
    with pytest.raises(UsageError, match="does not say which cluster"):
        world.prune(orphans=True)
    assert world.prune(retention=LAST_TWO).is_complete


def test_verify_says_what_still_exists_at_any_revision(world: World) -> None:
    world.prune(retention=Retention(keep_last=1))
    now = {finding.existence for _, finding in world.verify().findings}
    assert now == {Existence.EXISTS}
    before = [finding.existence for _, finding in world.verify("HEAD~1").findings]
    assert sorted(before) == [Existence.EXISTS] * 2 + [Existence.GONE] * 6
    world.snapshotter.error = SnapshotterError("there are no credentials")
    report = world.verify()
    assert report.has(Existence.UNREACHABLE)
    assert {finding.reason for _, finding in report.findings} == {"there are no credentials."}
    world.snapshotters = {}
    assert "No snapshotter named fake is installed." in str(world.verify().findings)


def test_the_list_of_records(world: World) -> None:
    found = list_records(world.repo, "HEAD", Patterns())
    assert [record.claim.name for record in found.records] == ["data", "logs"]
    assert list_records(world.repo, "HEAD", Patterns(("other",))).records == ()
    world.commit_by_hand({"snapshots/shop/data.yaml": b"a: b\n"})
    found = list_records(world.repo, "HEAD", Patterns())
    assert [record.claim.name for record in found.records] == ["logs"]
    assert "format: it is missing" in found.unreadable[0]
