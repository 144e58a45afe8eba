"""Which replica works: a thread that claims the Lease, and until when the claim holds.

A claim holds for two thirds of the time after which others take over, counted from before the
request: who hangs, or whose clock runs, has stopped before another one begins.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from kube2git.core.ports import Lease
from kube2git.errors import Kube2gitError


class Alone:
    """No Lease: this daemon is the only one, and always works."""

    is_leading = True
    until = math.inf
    problem = ""

    def start(self) -> None:
        """Begin nothing."""

    def stop(self) -> None:
        """End nothing."""


class Leadership:
    """Claims a Lease as long as it runs."""

    def __init__(self, lease: Lease, seconds: float, on_renewed: Callable[[float], None]) -> None:
        """``on_renewed`` is called, by the thread, with the moment until which a claim holds."""
        self._lease = lease
        self._seconds = seconds
        self._on_renewed = on_renewed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._claim, name="lease", daemon=True)
        self.until = -math.inf
        """On the clock of ``time.monotonic``."""
        self.problem = "The Lease has not been asked for yet."
        """Why nobody knows who leads; "" while the Lease answers."""

    @property
    def is_leading(self) -> bool:
        """Tell whether this replica may work now."""
        return time.monotonic() < self.until

    def start(self) -> None:
        """Begin to claim the Lease."""
        self._thread.start()

    def stop(self) -> None:
        """Give the Lease up."""
        self._ended.set()
        self._thread.join(self._seconds)
        self.until = -math.inf

    def _claim(self) -> None:
        pause = 0.0
        while not self._ended.wait(pause):
            pause = self._seconds / 7.5
            asked = time.monotonic()
            try:
                is_ours = self._lease.claim()
            except Kube2gitError as error:
                self.problem = str(error)
                continue
            self.problem = ""
            self.until = asked + self._seconds * 2 / 3 if is_ours else -math.inf
            if is_ours:
                self._on_renewed(self.until)
        try:
            self._lease.release()
        except Kube2gitError as error:
            self.problem = str(error)
