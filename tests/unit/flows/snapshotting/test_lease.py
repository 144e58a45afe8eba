"""The fake lease does what every lease must, and who has lost one does not get it back."""

from __future__ import annotations

import pytest

from kube2git.flows.snapshotting.lease import SnapshotLease, Task
from tests.conformance.lease_port import LeaseConformance
from tests.fakes.lease import FakeHeld, FakeLease


class FakeWorld:
    """A lease in memory."""

    def __init__(self) -> None:
        self.held, self.now = FakeHeld(), 0.0

    def open(self, holder: str) -> FakeLease:
        return FakeLease(holder, self.held, lambda: self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


class TestFakeLease(LeaseConformance):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()


def test_a_lease_that_another_run_has_had_stays_lost() -> None:
    world = FakeWorld()
    lease = SnapshotLease(
        lambda: world.open("prune-one"), Task.PRUNE, world.pass_time, lambda: world.now
    )
    assert lease.loss() == ""
    with lease.held():
        world.pass_time(20)
        assert lease.loss() == ""
        world.pass_time(20)
        assert world.open("take-two").claim()
        for _ in range(2):
            world.pass_time(20)  # it has died since
            assert lease.loss() == "Another run (take-two) has taken the Lease over."
