"""Replays that bring the data of claims back, on fakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from kube2git.core import layout, yamlio
from kube2git.core.coverage import Coverage, KindCoverage
from kube2git.core.objects import ref_of
from kube2git.core.planning.plan import Action, PlannedAction
from kube2git.core.planning.policy import Policy, Volumes
from kube2git.core.ports import KindStatus, Snapshotter, Verb, WriteRequest
from kube2git.core.snapshots import (
    ClaimRef,
    Existence,
    Finding,
    Restoration,
    Snapshot,
    Volume,
)
from kube2git.core.snapshots.records import Entry, VolumeRecord
from kube2git.errors import ClusterUnreachableError, RefusedError, SnapshotterError
from kube2git.flows import replaying
from kube2git.flows.replaying import Draft, DryRun, ReplayReport, ReplayRequest, Verdict
from tests.fakes.repo import FakeRepo
from tests.fakes.snapshotter import FakeSnapshotter, FakeStorage, Kept
from tests.fakes.target import FakeTarget
from tests.unit.flows.test_replaying import NOW, RULES, namespace

Json = dict[str, Any]
CUT = datetime(2024, 5, 1, 2, 3, 4, tzinfo=UTC)
RESTORE = Policy(volumes=Volumes.RESTORE)


def claim(name: str, size: str = "1Gi", **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": "fast",
            **spec,
        },
    }


def record(name: str, *snapshots: Snapshot) -> VolumeRecord:
    volume = Volume(
        ClaimRef("shop", name), "u", f"pv-{name}", "fake.example.com", f"vol-{name}", "fast"
    )
    return VolumeRecord(volume, tuple(Entry(volume, one) for one in snapshots))


def snapshot(handle: str, **fields: Any) -> Snapshot:
    return Snapshot(handle, "fake", CUT, "nightly-20240501020304", is_ready=True, **fields)


class World:
    """A repository with claims and records, a storage, and a target whose volumes bind at once."""

    def __init__(self) -> None:
        self.repo = FakeRepo()
        self.target = FakeTarget()
        self.storage = FakeStorage()
        self.snapshotter: Snapshotter = FakeSnapshotter(self.storage)
        self.binds = True
        self.target.before_write = self._bind

    def _bind(self, request: WriteRequest) -> None:
        if request.type.kind == "PersistentVolumeClaim" and isinstance(request.body, dict):
            request.body["status"] = {"phase": "Bound" if self.binds else "Pending"}

    def keep(self, *snapshots: Snapshot) -> None:
        for one in snapshots:
            self.storage.snapshots[one.handle] = Kept(
                one, ClaimRef("shop", "data"), "fake.example.com", "source", 9
            )

    def commit(self, claims: list[Json], records: list[VolumeRecord]) -> None:
        bodies = [namespace("shop"), *claims]
        kinds = {
            kind: KindCoverage(KindStatus.LISTED, ("v1",))
            for kind in ("Namespace", "PersistentVolumeClaim")
        }
        data = {layout.path_of(ref_of(body)): yamlio.encode(body) for body in bodies}
        data[layout.COVERAGE] = yamlio.encode(Coverage("source", kinds).to_data())
        for one in records:
            data[layout.snapshots_path(*one.claim)] = one.encode()
        with self.repo.writer(None) as writer:
            writer.commit("made", NOW, {path: writer.add(text) for path, text in data.items()})

    def plan(self, policy: Policy = RESTORE, **fields: Any) -> Draft:
        *_, draft = replaying.make_plan(
            self.target,
            self.repo,
            ReplayRequest("main", policy=policy, **fields),
            rules=RULES,
            clock=lambda: NOW,
            find_snapshotters=lambda: {self.snapshotter.method: self.snapshotter},
        )
        assert isinstance(draft, Draft)
        return draft

    def action(self, name: str, policy: Policy = RESTORE, **fields: Any) -> PlannedAction:
        actions = self.plan(policy, **fields).plan.actions
        (found,) = [action for action in actions if action.ref.name == name]
        return found

    def replay(self, policy: Policy = RESTORE, **fields: Any) -> ReplayReport:
        *_, report = replaying.carry_out(self.target, self.plan(policy, **fields))
        assert isinstance(report, ReplayReport)
        return report

    def live(self, name: str, home: str = "shop") -> Json:
        return self.target.store.at("PersistentVolumeClaim")[home, name]


@pytest.fixture
def world() -> World:
    world = World()
    world.keep(snapshot("snap-1"))
    world.commit([claim("data")], [record("data", snapshot("snap-1"))])
    return world


def test_a_claim_comes_back_from_the_snapshot_of_its_record(world: World) -> None:
    planned = world.action("data")
    assert planned.action is Action.CREATE
    assert planned.reason == (
        "Its data comes back as of 2024-05-01 02:03:04 UTC, from fake snapshot snap-1."
    )
    report = world.replay()
    assert report.is_complete
    assert world.live("data")["spec"]["volumeName"] == "restored-shop-data"
    # Applied without its data source later on, the server would refuse the change.
    assert [one.verb for one in world.target.sent if one.name == "data"] == [Verb.CREATE]
    world.target.sent.clear()


def test_nothing_is_written_while_nobody_said_whether_data_comes_back(world: World) -> None:
    draft = world.plan(Policy())
    assert [guard.flag for guard in draft.plan.guards] == ["--volumes=restore"]
    with pytest.raises(RefusedError, match="--volumes=empty"):
        world.replay(Policy())
    assert world.target.sent == []
    assert world.replay(Policy(volumes=Volumes.EMPTY)).is_complete
    assert "volumeName" not in world.live("data")["spec"]


def test_claims_are_left_out_on_request(world: World) -> None:
    skip = Policy(volumes=Volumes.SKIP)
    assert world.action("data", skip).action is Action.SKIP
    world.replay(skip)
    assert ("shop", "data") not in world.target.store.at("PersistentVolumeClaim")


def test_a_claim_that_exists_is_left_with_its_data(world: World) -> None:
    world.target.put(namespace("shop"))
    world.target.put(claim("data"))
    world.storage.snapshots.clear()
    for policy in (RESTORE, Policy()):
        assert world.action("data", policy).action is Action.UNCHANGED
        assert world.plan(policy).plan.guards == ()


def test_where_only_data_is_wanted_what_exists_is_left_alone_and_nothing_comes_back_empty() -> None:
    world = World()
    world.keep(snapshot("snap-1"))
    there = claim("there")
    there["metadata"]["labels"] = {"tier": "commit"}
    world.commit(
        [claim("data"), there, claim("bare")],
        [record("data", snapshot("snap-1")), record("there", snapshot("snap-1"))],
    )
    world.target.put(namespace("shop"))
    world.target.put(claim("there"))
    only_data = replace(RESTORE, only_data=True)
    planned = {action.ref.name: action for action in world.plan(only_data).plan.actions}
    assert planned["data"].action is Action.CREATE
    assert (planned["there"].action, planned["there"].reason) == (
        Action.SKIP,
        "It exists, and is left alone.",
    )
    assert planned["bare"].action is Action.BLOCKED
    assert planned["bare"].reason == "The commit has no snapshot of it."
    report = world.replay(only_data)
    assert [outcome.ref.name for outcome in report.outcomes] == ["data"]
    assert not report.is_complete
    assert "labels" not in world.live("there")["metadata"]
    assert world.action("there", RESTORE).action is Action.UPDATE


@pytest.mark.parametrize(
    ("kept", "recorded", "words"),
    [
        ([], [snapshot("snap-1")], "snap-1 is gone"),
        ([], [], "no snapshot that can be used"),
        ([], [snapshot("snap-1", error="it broke")], "no snapshot that can be used"),
    ],
)
def test_a_claim_whose_data_cannot_be_had_does_not_come_back_empty(
    kept: list[Snapshot], recorded: list[Snapshot], words: str
) -> None:
    world = World()
    world.keep(*kept)
    world.commit([claim("data")], [record("data", *recorded)])
    planned = world.action("data")
    assert planned.action is Action.BLOCKED
    assert words in planned.reason
    assert not world.replay().is_complete
    assert ("shop", "data") not in world.target.store.at("PersistentVolumeClaim")


def test_a_snapshot_that_is_not_ready_is_not_restored(world: World) -> None:
    kept = world.storage.snapshots["snap-1"]
    kept.snapshot = replace(kept.snapshot, is_ready=False)
    assert "not ready yet" in world.action("data").reason


def test_what_the_target_lacks_is_told_before_anything_is_written(world: World) -> None:
    world.storage.unrestorable["snap-1"] = "The target serves no such snapshots."
    planned = world.action("data")
    assert (planned.action, planned.reason) == (
        Action.BLOCKED,
        "The target serves no such snapshots.",
    )


def test_a_file_system_does_not_come_back_as_a_raw_device() -> None:
    world = World()
    world.keep(snapshot("snap-1"))
    bodies = [claim("data", volumeMode="Block"), claim("well", volumeMode="Filesystem")]
    names = ("data", "well")
    world.commit(bodies, [record(name, snapshot("snap-1")) for name in names])
    planned = world.action("data")
    assert planned.action is Action.BLOCKED
    assert "asks for a volume in mode Block, and the snapshot snap-1 is of one in mode" in (
        planned.reason
    )
    assert world.action("well").action is Action.CREATE


def test_without_anything_that_knows_the_storage_the_claim_is_blocked(world: World) -> None:
    world.snapshotter = FakeSnapshotter(world.storage, method="other")
    planned = world.action("data")
    assert planned.action is Action.BLOCKED
    assert "fake snapshot snap-1" in planned.reason


def test_the_newest_snapshot_that_did_not_fail_is_chosen() -> None:
    world = World()
    later = datetime(2024, 5, 2, tzinfo=UTC)
    old, new = snapshot("old"), replace(snapshot("new"), created=later)
    bad = replace(snapshot("bad", error="it broke"), created=NOW)
    world.keep(old, new, bad)
    world.commit([claim("data")], [record("data", old, new, bad)])
    assert "snapshot new." in world.action("data").reason


def test_a_claim_asks_for_the_size_that_the_snapshot_needs(world: World) -> None:
    world.keep(snapshot("snap-1", restore_size=3 << 30))
    world.replay()
    assert world.live("data")["spec"]["resources"]["requests"] == {"storage": "3Gi"}
    again = world.action("data")
    assert again.action is Action.UNCHANGED
    assert "cannot shrink" in again.warnings[0]


def test_a_claim_without_a_record_comes_back_empty_and_the_plan_says_so() -> None:
    world = World()
    world.commit([claim("data")], [])
    assert "comes back empty" in world.action("data").warnings[0]
    assert world.replay().is_complete


def test_data_follows_a_renamed_namespace(world: World) -> None:
    assert world.replay(maps=("shop=store",)).is_complete
    assert world.live("data", "store")["spec"]["volumeName"] == "restored-store-data"


def test_a_broken_record_is_named_before_anything_is_written(world: World) -> None:
    world.repo = FakeRepo()
    world.commit([claim("data")], [record("data", snapshot("snap-1"))])
    tip = world.repo.tip()
    with world.repo.writer(tip) as writer:
        path = layout.snapshots_path("shop", "data")
        writer.commit("broken", NOW, {path: writer.add(b"format: 1\nclaim: {}\n")})
    with pytest.raises(Exception, match=r"snapshots/shop/data\.yaml"):
        world.plan()
    assert world.target.sent == []


def test_a_volume_that_cannot_be_prepared_fails_its_claim_and_no_other() -> None:
    world = World()
    world.keep(snapshot("snap-1"), snapshot("snap-2"))
    world.commit(
        [claim("data"), claim("other")],
        [record("data", snapshot("snap-1")), record("other", snapshot("snap-2"))],
    )
    draft = world.plan()
    del world.storage.snapshots["snap-1"]
    *_, report = replaying.carry_out(world.target, draft)
    assert isinstance(report, ReplayReport)
    told = {outcome.ref.name: outcome for outcome in report.outcomes}
    assert told["data"].verdict is Verdict.FAILED
    assert "snap-1 does not exist" in told["data"].message
    assert told["other"].verdict is Verdict.CREATED


def test_a_storage_that_fails_as_a_whole_fails_the_claims_and_says_why(world: World) -> None:
    draft = world.plan()
    assert isinstance(world.snapshotter, FakeSnapshotter)
    world.snapshotter.error = ClusterUnreachableError("the storage does not answer")
    *_, report = replaying.carry_out(world.target, draft)
    assert isinstance(report, ReplayReport)
    (failed,) = [one for one in report.outcomes if one.ref.name == "data"]
    assert failed.verdict is Verdict.FAILED
    assert "the storage does not answer" in failed.message


class WithHelpers(FakeSnapshotter):
    """Restores by way of a ConfigMap that is not needed once the claim is bound."""

    def restore(self, requests: Any, *, run: str, seconds: float) -> Any:
        del run, seconds
        for request in requests:
            helper = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "helper", "namespace": request.claim.namespace},
            }
            yield Restoration(
                request.claim, (helper,), {"dataSource": {"name": "helper"}}, (helper,)
            )


def test_what_only_served_for_the_restore_goes_when_the_claim_is_bound(world: World) -> None:
    world.snapshotter = WithHelpers(world.storage)
    assert world.replay().is_complete
    written = [text for text in world.target.written() if "inventory" not in text]
    assert written == [
        "apply namespace/shop",
        "create configmap/helper -n shop",
        "create persistentvolumeclaim/data -n shop",
        "delete configmap/helper -n shop",
    ]


def test_what_a_claim_is_made_of_stays_while_it_is_not_bound(world: World) -> None:
    world.snapshotter = WithHelpers(world.storage)
    world.binds = False
    report = world.replay(timeout=0.05)
    assert [ref.name for ref in report.not_ready] == ["data"]
    assert "configmap/helper -n shop" in report.warnings[0]
    assert ("shop", "helper") in world.target.store.at("ConfigMap")


# ── who may not look ─────────────────────────────────────────────────────────────────────────


class Unseen(FakeSnapshotter):
    """Cannot look at a snapshot."""

    def verify(self, snapshots: Any) -> Any:
        for _, snapshot in snapshots:
            yield Finding(snapshot, Existence.UNREACHABLE, "contents is forbidden.")


SEEN_LATER = (
    "The fake snapshot snap-1 could not be looked at: contents is forbidden. "
    "It will be looked at when the replay runs."
)


def test_a_dry_run_of_one_who_may_not_look_tells_so_and_the_run_itself_looks(world: World) -> None:
    seeing, world.snapshotter = world.snapshotter, Unseen(world.storage)
    planned = world.action("data", dry_run=DryRun.CLIENT)
    assert (planned.action, planned.warnings) == (Action.CREATE, (SEEN_LATER,))
    assert world.action("data").action is Action.BLOCKED
    assert isinstance(seeing, FakeSnapshotter)
    world.snapshotter = seeing
    seeing.error = SnapshotterError("contents is forbidden")
    assert world.action("data", dry_run=DryRun.CLIENT).warnings == (SEEN_LATER,)
    with pytest.raises(SnapshotterError):
        world.plan()
    seeing.error = None
    world.storage.snapshots.clear()
    assert world.action("data", dry_run=DryRun.CLIENT).action is Action.BLOCKED
