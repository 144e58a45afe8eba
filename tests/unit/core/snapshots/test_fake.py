"""The fake snapshotter does what every snapshotter must."""

from __future__ import annotations

import uuid

import pytest

from kube2git.core.snapshots import ClaimRef, Snapshot, Volume
from tests.conformance.snapshotter_port import SnapshotterConformance
from tests.fakes.snapshotter import FakeSnapshotter, FakeStorage


class FakeWorld:
    """A storage in memory."""

    seconds = 60.0
    knows_existence = True

    def __init__(self, *, can_group: bool) -> None:
        self.can_group = can_group
        self.storage = FakeStorage(can_group=can_group)

    def open(self) -> FakeSnapshotter:
        return FakeSnapshotter(self.storage)

    def new_volume(self) -> Volume:
        return volume(self.storage.driver)

    def foreign_volume(self) -> Volume:
        return volume("other.example.com")

    def break_volume(self, volume: Volume) -> None:
        self.storage.broken[volume.claim] = "The disk is broken."

    def exists(self, snapshot: Snapshot) -> bool:
        return snapshot.handle in self.storage.snapshots

    def lose(self, snapshot: Snapshot) -> None:
        del self.storage.snapshots[snapshot.handle]


def volume(driver: str) -> Volume:
    name = f"data-{uuid.uuid4().hex[:8]}"
    return Volume(ClaimRef("shop", name), str(uuid.uuid4()), f"pv-{name}", driver, f"vol-{name}")


class TestFakeSnapshotter(SnapshotterConformance):
    @pytest.fixture(params=[True, False], ids=["groups", "no groups"])
    def world(self, request: pytest.FixtureRequest) -> FakeWorld:
        return FakeWorld(can_group=request.param)
