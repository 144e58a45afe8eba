"""Hooks around the cut, and limits: order, failures, and that what was frozen is released."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from types import GeneratorType

import pytest

from kube2git.core.ports import CommandRequest
from kube2git.core.snapshots import ClaimRef, CutRequest, SnapshotEvent, Stage, Volume, Wait
from kube2git.errors import SnapshotterError
from kube2git.flows.snapshotting import create
from kube2git.flows.snapshotting.cutting import Batch, Cutting
from tests.fakes.snapshotter import NEVER, FakeCommands, FakeSnapshotter, FakeStorage
from tests.unit.core.snapshots.test_hooks import annotated
from tests.unit.flows.snapshotting.world import World, outcomes

DATA = ClaimRef("shop", "data")
HOOKS = annotated(pre_command='["freeze"]', post_command='["thaw"]')


@pytest.fixture
def world() -> World:
    world = World("data", "logs", "other")
    world.put_pod("db", "data", "logs", annotations=HOOKS)
    return world


def around_the_cut(world: World) -> list[str]:
    """Return what happened to the volumes of the Pod, without the wait for readiness."""
    return [line for line in world.storage.log if line != "cut other"]


def test_volumes_of_a_pod_are_frozen_cut_together_and_released(world: World) -> None:
    report = world.create()
    assert outcomes(report) == dict.fromkeys(("data", "logs", "other"), "ready")
    assert around_the_cut(world)[:4] == [
        "run freeze in db",
        "cut data",
        "cut logs",
        "run thaw in db",
    ]
    groups = {world.record(name).entries[0].snapshot.group for name in ("data", "logs")}
    assert len(groups) == 1
    assert groups != {""}
    assert len(world.at_storage("data")) == 1


def test_nobody_stays_frozen_until_the_snapshot_is_ready(world: World) -> None:
    world.storage.ready_after[DATA] = NEVER
    report = world.create()
    assert outcomes(report)["data"] == "cut"
    assert around_the_cut(world)[3] == "run thaw in db"


def test_all_pods_that_mount_a_volume_are_frozen_and_released_in_reverse(world: World) -> None:
    world.put_pod("web", "logs", annotations=HOOKS)
    world.create()
    assert around_the_cut(world)[:6] == [
        "run freeze in db",
        "run freeze in web",
        "cut data",
        "cut logs",
        "run thaw in web",
        "run thaw in db",
    ]


def test_a_hook_that_fails_before_the_cut_means_no_snapshot_and_still_a_release(
    world: World,
) -> None:
    world.commands.failing["freeze"] = "It ended with exit code 1."
    report = world.create()
    assert outcomes(report) == {"data": "failed", "logs": "failed", "other": "ready"}
    reason = report.snapshots.outcomes[0].reason
    assert reason == (
        "The hook before the snapshot failed in pod/db -n shop: It ended with exit code 1."
    )
    assert around_the_cut(world) == ["run freeze in db", "run thaw in db"]


def test_a_hook_may_be_one_that_does_not_matter(world: World) -> None:
    world.put_pod("db", "data", annotations={**HOOKS, **annotated(pre_on_error="continue")})
    world.commands.failing["freeze"] = "It ended with exit code 1."
    assert outcomes(world.create())["data"] == "ready"


def test_a_hook_that_fails_after_the_cut_is_told_and_the_snapshot_counts(world: World) -> None:
    world.commands.failing["thaw"] = "It did not end within 30 seconds."
    report = world.create()
    assert outcomes(report)["data"] == "ready"
    assert not report.snapshots.is_complete
    assert report.snapshots.failures == (
        "The hook after the snapshot failed in pod/db -n shop: It did not end within 30 seconds.",
    )


def test_annotations_that_make_no_sense_mean_no_snapshot(world: World) -> None:
    world.put_pod("db", "data", annotations=annotated(pre_command="[1]"))
    report = world.create()
    assert outcomes(report) == {"data": "failed", "logs": "ready", "other": "ready"}
    assert "pod/db -n shop" in report.snapshots.outcomes[0].reason
    assert not world.at_storage("data")
    assert world.record("data").trouble is not None


def test_a_storage_that_breaks_while_a_pod_is_frozen(world: World) -> None:
    def fail(request: CutRequest) -> None:
        raise SnapshotterError(f"no answer for {len(request.volumes)} volumes")

    world.storage.before_cut = fail
    report = world.create()
    assert outcomes(report)["data"] == "failed"
    assert around_the_cut(world) == ["run freeze in db", "run thaw in db"]


def test_a_snapshotter_that_has_a_bug_does_not_end_the_run(world: World) -> None:
    def fail(request: CutRequest) -> None:
        raise KeyError(request.run)

    world.storage.before_cut = fail
    report = world.create()
    assert "The snapshotter broke: KeyError." in report.snapshots.outcomes[0].reason
    assert around_the_cut(world)[-1] == "run thaw in db"


def test_what_breaks_after_the_cut_leaves_the_snapshot_in_the_record(world: World) -> None:
    def thawed(request: CommandRequest) -> None:
        if request.command == ("thaw",):
            world.snapshotter.error = SnapshotterError("the token has expired")

    world.storage.ready_after[DATA] = NEVER
    world.commands.during = thawed
    report = world.create()
    assert outcomes(report)["data"] == "cut"
    (entry,) = world.record("data").entries
    assert (entry.snapshot.is_ready, entry.snapshot.error) == (False, "the token has expired.")


def interrupt_once_frozen(world: World) -> None:
    """Begin a run, and leave it when its first Pod is frozen."""
    frozen = threading.Event()
    world.commands.during = lambda request: frozen.set() if request.command == ("freeze",) else None
    steps = create(world.target, world.repo, world.taker(seconds=60), clock=lambda: world.now)
    while not frozen.is_set():
        next(steps)
    assert isinstance(steps, GeneratorType)
    steps.close()


def test_an_interrupted_run_releases_what_it_froze(world: World) -> None:
    world.storage.ready_after = dict.fromkeys((DATA, ClaimRef("shop", "other")), NEVER)
    interrupt_once_frozen(world)
    assert world.storage.log.count("run freeze in db") == 1
    assert world.storage.log.count("run thaw in db") == 1


class Endless(FakeSnapshotter):
    """A storage that goes on and on with its cut."""

    is_left = False

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        del requests, wait, seconds
        try:
            while True:
                threading.Event().wait(0.01)
                yield None
        finally:
            self.is_left = True


def test_a_cut_in_a_frozen_pod_is_left_when_the_run_is_interrupted(world: World) -> None:
    world.snapshotter = endless = Endless(world.storage)
    world.snapshotters = {"fake": endless}
    interrupt_once_frozen(world)
    assert endless.is_left
    assert world.storage.log.count("run thaw in db") == 1


class Silent(FakeSnapshotter):
    """A storage that never answers, not even at the time limit."""

    released = threading.Event()

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        del requests, wait, seconds
        self.released.wait(60)
        yield from ()


def test_a_storage_that_never_answers_holds_nobody_back_beyond_the_limit() -> None:
    silent, good = Silent(FakeStorage(), "silent"), FakeSnapshotter(FakeStorage(), "good")
    cutting = Cutting(
        {"silent": silent, "good": good},
        FakeCommands(),
        wait=Wait.READY,
        seconds=0.2,
        freeze=1,
        patience=0.2,
    )
    volumes = {
        name: Volume(ClaimRef("shop", name), "", name, "fake.example.com", name)
        for name in ("silent", "good")
    }
    batches = [
        Batch({name: [CutRequest("run-1", "uid", (volume,))]}) for name, volume in volumes.items()
    ]
    events = [event for event in cutting.run(batches) if isinstance(event, SnapshotEvent)]
    silent.released.set()
    assert [(event.claim.name, event.stage) for event in events] == [
        ("good", Stage.CUT),
        ("good", Stage.READY),
    ]
