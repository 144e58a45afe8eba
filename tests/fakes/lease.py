"""The port ``Lease`` in memory; what several of them share says who holds it.

Passes the same suite as the real one: tests/conformance/lease_port.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube2git.errors import Kube2gitError


@dataclass
class FakeHeld:
    """Who holds it, since when."""

    holder: str = ""
    renewed: float = 0.0
    error: Kube2gitError | None = None
    """When set, every claim raises it."""


@dataclass
class FakeLease:
    """Claimed by one of several holders; another is gone after 15 seconds without a renewal."""

    holder: str
    held: FakeHeld
    monotonic: Callable[[], float]
    other: str = ""

    def claim(self) -> bool:
        if self.held.error is not None:
            raise self.held.error
        now = self.monotonic()
        self.other = "" if self.held.holder == self.holder else self.held.holder
        if self.other and now - self.held.renewed <= 15:
            return False
        self.held.holder, self.held.renewed = self.holder, now
        return True

    def release(self) -> None:
        if self.held.holder == self.holder:
            self.held.holder = ""
