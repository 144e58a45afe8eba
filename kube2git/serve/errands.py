"""What takes too long for the daemon's loop: a thread does it again and again.

The loop looks at what came of it last. Only failures that are meant for people are kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from kube2git.errors import Kube2gitError

Result = TypeVar("Result")


class Errand(Generic[Result]):
    """Done at once, and then with a pause in between, until it is stopped."""

    def __init__(self, name: str, do: Callable[[], Result], seconds: float) -> None:
        self._do = do
        self._seconds = seconds
        self._is_over = threading.Event()
        self.last: Result | Kube2gitError | None = None
        """What it came to, or why it failed; None before its first end."""
        threading.Thread(target=self._repeat, name=name, daemon=True).start()

    def stop(self) -> None:
        """Do it no more; does not wait for one that is under way."""
        self._is_over.set()

    def _repeat(self) -> None:
        pause = 0.0
        while not self._is_over.wait(pause):
            pause = self._seconds
            try:
                self.last = self._do()
            except Kube2gitError as error:
                self.last = error
