"""Runs over the volumes: outcomes, records, limits, and what a run finds of earlier ones."""

from __future__ import annotations

from datetime import timedelta
from types import GeneratorType

import pytest

from kube2git.core.ports import CommitWriter
from kube2git.core.selection import Patterns, Selection
from kube2git.core.snapshots import ClaimRef, Stage, Volume, Wait
from kube2git.core.snapshots.choosing import ANNOTATION, ClaimSelection, ClassRule
from kube2git.errors import (
    ClusterDeniedError,
    ClusterUnreachableError,
    RefusedError,
    SnapshotterError,
)
from kube2git.flows.snapshotting import CreateReport, create
from tests.fakes.repo import FakeRepo
from tests.fakes.snapshotter import NEVER, FakeSnapshotter
from tests.unit.flows.snapshotting.world import World, outcomes

DATA = ClaimRef("shop", "data")


def test_every_claim_gets_a_snapshot_and_a_record() -> None:
    world = World("data", "logs")
    report = world.create()
    assert outcomes(report) == {"data": "ready", "logs": "ready"}
    assert report.snapshots.is_complete
    commit = world.repo.commit(report.commit)
    assert commit.subject == "snapshot: 2 ready"
    assert commit.trailers["Kube2git-Run"] == report.run == "manual-20260304050707"
    assert commit.trailers["Kube2git-Cluster"] == world.target.uid
    (entry,) = world.record("data").entries
    assert f"persistentvolumeclaim/data -n shop: fake {entry.snapshot.handle}, ready" in (
        commit.message
    )
    assert (entry.snapshot.run, entry.snapshot.is_ready) == (report.run, True)
    assert entry.volume.handle == "vol-shop-data"
    assert world.remote.tip == report.commit
    assert world.storage.settled == {entry.snapshot.handle, *world.handles("logs")}


def test_the_newest_stands_first() -> None:
    world = World("data")
    world.create()
    (first,) = world.handles("data")
    world.create()
    newest, *older = world.handles("data")
    assert older == [first]
    assert newest != first


def test_what_cannot_be_taken_is_said_once_and_does_not_change_the_record_again() -> None:
    world = World("data")
    world.put("pending", phase="Pending")
    world.put("foreign")
    world.put("out", annotations={ANNOTATION: "false"})
    world.storage.driver = "other.example.com"
    report = world.create()
    assert outcomes(report) == {"data": "skipped", "foreign": "skipped", "pending": "skipped"}
    assert report.snapshots.is_complete
    trouble = world.record("pending").trouble
    assert trouble is not None
    assert (trouble.stage, trouble.reason) == (Stage.SKIPPED, "The claim is not bound to a volume.")
    assert "snapshots/shop/out.yaml" not in world.files
    assert world.create().commit == ""


def test_a_snapshotter_that_does_not_answer_is_a_failure_and_nothing_to_pass_over() -> None:
    class Absent(FakeSnapshotter):
        def why_not(self, volume: Volume) -> str:
            raise SnapshotterError(f"nobody to take {volume.claim} listens at /s")

    world = World("data")
    world.put("pending", phase="Pending")
    world.create()
    world.snapshotters = {"fake": Absent(world.storage)}
    report = world.create()
    assert outcomes(report) == {"data": "failed", "pending": "skipped"}
    assert not report.snapshots.is_complete
    trouble = world.record("data").trouble
    assert trouble is not None
    assert (trouble.stage, trouble.run) == (Stage.FAILED, report.run)
    assert len(world.handles("data")) == 1


def test_a_class_is_configured() -> None:
    world = World("data")
    rule = ClassRule("zfs")
    report = world.create(classes={"fast": rule})
    assert outcomes(report) == {"data": "skipped"}
    assert "names the snapshotter zfs" in report.snapshots.outcomes[0].reason


def test_a_failure_keeps_the_good_one_and_says_why() -> None:
    world = World("data", "logs")
    world.create()
    before = world.handles("data")
    world.storage.broken[DATA] = "The disk is broken."
    report = world.create()
    assert outcomes(report) == {"data": "failed", "logs": "ready"}
    assert not report.snapshots.is_complete
    assert world.handles("data") == before
    trouble = world.record("data").trouble
    assert trouble is not None
    assert trouble == (Stage.FAILED, "The disk is broken.", report.run)
    del world.storage.broken[DATA]
    world.create()
    assert world.record("data").trouble is None


def test_one_that_is_not_ready_in_time_is_completed_by_the_next_run() -> None:
    world = World("data", "logs")
    world.storage.ready_after[DATA] = 8
    report = world.create()
    assert outcomes(report) == {"data": "cut", "logs": "ready"}
    assert not report.snapshots.is_complete
    (entry,) = world.record("data").entries
    assert not entry.snapshot.is_ready
    assert entry.snapshot.handle not in world.storage.settled
    world.storage.snapshots[entry.snapshot.handle].polls = 0
    world.storage.ready_after.clear()
    report = world.create()
    assert [snapshot.handle for _, snapshot in report.snapshots.completed] == [
        entry.snapshot.handle
    ]
    assert [e.snapshot.is_ready for e in world.record("data").entries] == [True, True]
    assert entry.snapshot.handle in world.storage.settled


def test_waiting_for_the_cut_only_is_complete_without_being_ready() -> None:
    world = World("data")
    world.storage.ready_after[DATA] = NEVER
    report = world.create(wait=Wait.CUT)
    assert outcomes(report) == {"data": "cut"}
    assert report.snapshots.is_complete


def test_one_that_vanished_before_it_was_ready_leaves_the_record() -> None:
    world = World("data")
    world.storage.ready_after[DATA] = NEVER
    world.create()
    (lost,) = world.handles("data")
    del world.storage.snapshots[lost]
    world.storage.ready_after.clear()
    report = world.create()
    assert lost not in world.handles("data")
    assert f"the snapshot {lost}, which was not ready" in " ".join(report.snapshots.warnings)


def test_a_storage_that_breaks_fails_its_volumes_and_no_others() -> None:
    world = World("data")
    world.snapshotter.error = SnapshotterError("there are no credentials")
    report = world.create()
    assert outcomes(report) == {"data": "failed"}
    assert "there are no credentials." in report.snapshots.outcomes[0].reason
    assert any("could not be looked for" in text for text in report.snapshots.failures)


def test_a_storage_that_nobody_uses_is_not_asked() -> None:
    world = World()
    world.snapshotter.error = SnapshotterError("there are no credentials")
    report = world.create()
    assert report.snapshots.is_complete
    assert report.commit == ""


def test_a_dry_run_says_what_would_be_taken_and_takes_nothing() -> None:
    world = World("data")
    report = world.create(dry_run=True)
    assert [one.reason for one in report.snapshots.outcomes] == [
        "A snapshot would be taken by fake."
    ]
    assert report.snapshots.is_complete
    assert (world.storage.snapshots, world.repo.tip(), world.held.holder) == ({}, None, "")


def test_a_record_that_a_hand_broke_is_not_written_over() -> None:
    world = World("data", "logs")
    world.create()
    path = "snapshots/shop/data.yaml"
    broken = world.files[path].replace(b"ready: true", b"ready: maybe")
    world.commit_by_hand({path: broken})
    report = world.create()
    assert outcomes(report) == {"data": "failed", "logs": "ready"}
    assert "snapshots[0].ready: this must be true or false" in report.snapshots.outcomes[0].reason
    assert world.files[path] == broken
    assert len(world.at_storage("data")) == 1


def test_records_outlive_their_claims_and_notes_do_not() -> None:
    world = World("data")
    world.put("idle", phase="Pending")
    world.create()
    for name in ("data", "idle"):
        world.target.remove("PersistentVolumeClaim", "shop", name)
    before = world.handles("data")
    world.create()
    assert world.handles("data") == before
    assert "snapshots/shop/idle.yaml" not in world.files


def test_a_run_over_some_namespaces_leaves_the_records_of_others_alone() -> None:
    world = World("data")
    world.put("idle", phase="Pending")
    world.create()
    world.target.remove("PersistentVolumeClaim", "shop", "idle")
    narrow = ClaimSelection(within=Selection(Patterns(("other",))))
    world.create(selection=narrow)
    assert "snapshots/shop/idle.yaml" in world.files


def test_a_claim_that_was_made_anew_keeps_the_snapshots_of_its_old_volume() -> None:
    world = World("data")
    world.create()
    body = world.target.store.at("PersistentVolume")["", "pv-shop-data"]
    csi = {**body["spec"]["csi"], "volumeHandle": "vol-other"}
    world.target.put({**body, "spec": {**body["spec"], "csi": csi}})
    world.create()
    assert [entry.volume.handle for entry in world.record("data").entries] == [
        "vol-other",
        "vol-shop-data",
    ]


def test_a_cluster_that_does_not_say_who_it_is_gets_no_snapshots() -> None:
    world = World("data")
    world.target.uid = ""
    report = world.create()
    assert "give it the right to get that namespace" in report.snapshots.failures[0]
    assert not world.storage.snapshots


def test_another_cluster_is_refused() -> None:
    world = World("data")
    world.commit_by_hand({".kube2git/coverage.yaml": b"cluster: other\nkinds: {}\n"})
    with pytest.raises(RefusedError, match="holds another cluster"):
        world.create()
    assert not world.storage.snapshots


def test_claims_that_may_not_be_listed_are_no_claims_that_are_gone() -> None:
    world = World("data")
    world.put("idle", phase="Pending")
    world.create()
    world.target.forbid("PersistentVolumeClaim")
    report = world.create()
    assert any("persistentvolumeclaims could not be read" in w for w in report.snapshots.warnings)
    assert "snapshots/shop/idle.yaml" in world.files


# ── a run that is killed ─────────────────────────────────────────────────────────────────────


class Dead(BaseException):
    """What kill -9 looks like from the inside of a test: nothing more runs on purpose."""


class MortalRepo(FakeRepo):
    """A repository whose commit never comes."""

    def writer(self, parent: str | None) -> CommitWriter:  # type: ignore[override]
        raise Dead(parent)


def test_killed_before_the_commit_the_next_run_finds_what_was_cut() -> None:
    world = World("data")
    with pytest.raises(Dead):
        world.create(repo=MortalRepo(of=world.repo))
    assert world.repo.tip() is None
    (lost,) = world.at_storage("data")
    assert lost not in world.storage.settled
    report = world.create()
    assert [found.snapshot.handle for found in report.snapshots.adopted] == [lost]
    assert world.handles("data")[1:] == [lost]
    assert world.at_storage("data") == set(world.handles("data")) <= world.storage.settled
    assert "adopted" in world.repo.commit(report.commit).message


def test_killed_in_the_middle_of_the_cuts_nothing_is_lost_to_sight() -> None:
    world = World("a", "b", "c")
    for stop_after in range(12):
        world.pass_time(60)
        steps = create(world.target, world.repo, world.taker(), clock=lambda: world.now)
        for _ in range(stop_after):
            next(steps, None)
        assert isinstance(steps, GeneratorType)
        steps.close()
    world.create()
    for name in "abc":
        handles = world.handles(name)
        assert set(handles) == world.at_storage(name)
        assert len(set(handles)) == len(handles)


def test_an_adopted_one_that_was_not_ready_is_completed_too() -> None:
    world = World("data")
    world.storage.ready_after[DATA] = NEVER
    with pytest.raises(Dead):
        world.create(repo=MortalRepo(of=world.repo))
    (lost,) = world.at_storage("data")
    world.storage.snapshots[lost].polls = 0
    world.storage.ready_after.clear()
    world.create()
    assert [entry.snapshot.is_ready for entry in world.record("data").entries] == [True, True]


def test_a_snapshot_of_a_claim_that_nobody_knows_is_an_orphan() -> None:
    world = World("data", "gone")
    with pytest.raises(Dead):
        world.create(repo=MortalRepo(of=world.repo))
    world.target.remove("PersistentVolumeClaim", "shop", "gone")
    report = world.create()
    assert [found.claim.name for found in report.snapshots.orphans] == ["gone"]
    assert "snapshots/shop/gone.yaml" not in world.files


def test_a_failed_push_settles_nothing_until_it_succeeds() -> None:
    world = World("data")
    world.create()
    first = set(world.storage.settled)
    world.remote.is_unreachable = True
    report = world.create()
    assert "could not be reached" in report.push_error
    assert world.storage.settled == first
    world.remote.is_unreachable = False
    world.create()
    assert world.storage.settled == world.at_storage("data")


# ── two runs at once ─────────────────────────────────────────────────────────────────────────


def test_a_run_beside_another_takes_none() -> None:
    world = World("data")
    told: list[str] = []

    def run_another(_: object) -> None:
        holder = world.held.holder

        def pause(seconds: float) -> None:
            world.pass_time(seconds)
            assert world.lease(holder).claim()

        world.pause = pause
        taker = world.taker()
        *_, report = list(create(world.target, FakeRepo(), taker, clock=lambda: world.now))
        assert isinstance(report, CreateReport)
        assert not report.snapshots.is_complete
        told.extend((holder, *report.snapshots.failures))

    world.storage.before_cut = run_another
    assert outcomes(world.create()) == {"data": "ready"}
    holder, failure = told
    assert failure == (
        f"Another run ({holder}) is taking the snapshots of this cluster. This run takes none."
    )
    assert len(world.at_storage("data")) == 1


def test_a_run_that_waited_for_another_to_end_takes_none() -> None:
    world = World("data")
    first = world.lease("first")
    assert first.claim()
    world.now -= timedelta(seconds=60)
    world.pause = lambda _: first.release()
    report = world.create()
    assert report.snapshots.failures == (
        "Another run (first) has just taken the snapshots of this cluster. This run takes none.",
    )
    assert world.held.holder == ""


def test_a_run_that_ends_lets_the_next_begin_at_once() -> None:
    world = World("data")
    world.create()
    assert world.held.holder == ""
    begun = world.now
    world.create()
    assert (world.now - begun).total_seconds() == 60


def test_a_run_after_one_that_died_waits_until_that_is_certain() -> None:
    world = World("data")
    world.pass_time(60)
    assert world.lease("dead").claim()
    world.pass_time(-60)
    begun = world.now
    assert outcomes(world.create()) == {"data": "ready"}
    assert (world.now - begun).total_seconds() == 60 + 16


def test_without_the_right_to_leases_a_run_says_so_and_goes_on() -> None:
    world = World("data")
    world.held.error = ClusterDeniedError("cannot read the Lease")
    report = world.create()
    assert outcomes(report) == {"data": "ready"}
    assert report.snapshots.is_complete
    (warning,) = report.snapshots.warnings
    assert warning.startswith("No Lease is held: cannot read the Lease. So only the lock of")


def test_a_cluster_that_goes_away_is_told_in_the_report() -> None:
    world = World("data")
    world.storage.before_cut = lambda _: setattr(world.target, "is_unreachable", True)
    report = world.create()
    assert outcomes(report) == {"data": "ready"}
    world.target.is_unreachable = True
    with pytest.raises(ClusterUnreachableError):
        world.create()
