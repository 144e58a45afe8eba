"""The fake lease does what every lease must."""

from __future__ import annotations

import pytest

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
