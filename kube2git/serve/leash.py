"""The pipe by which the daemon holds a run: while word comes, the run may write.

Both ends. The daemon says until when the run may write, on the clock that all processes of a
machine share; a run that hears nothing more, because the daemon died or hangs, stops by itself.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import struct
import threading
import time

_FORM = struct.Struct("d")


class Holder:
    """The daemon's end. ``descriptor`` is the run's end, to be passed on and then closed."""

    def __init__(self) -> None:
        self.descriptor, self._ours = os.pipe()
        os.set_blocking(self._ours, False)

    def allow_until(self, moment: float) -> None:
        """Let the run write until a moment of ``time.monotonic``; infinity: as long as we live."""
        # A run that has ended needs no word, and one whose pipe is full has word enough.
        with contextlib.suppress(BrokenPipeError, BlockingIOError):
            os.write(self._ours, _FORM.pack(moment))

    def pass_on(self) -> None:
        """Forget the run's end, once the run has it."""
        os.close(self.descriptor)

    def close(self) -> None:
        """Let go; a run that still goes on stops."""
        os.close(self._ours)


class Leash:
    """The run's end: says whether it may still write, and ends the process with the daemon."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._until = -math.inf
        self._has_word = threading.Event()
        threading.Thread(target=self._listen, name="leash", daemon=True).start()

    def is_superseded(self) -> bool:
        """Tell whether the run must not write any more."""
        self._has_word.wait()
        return time.monotonic() >= self._until

    def _listen(self) -> None:
        while data := os.read(self._descriptor, _FORM.size):
            (self._until,) = _FORM.unpack(data)
            self._has_word.set()
        self._until = -math.inf
        self._has_word.set()
        os.kill(os.getpid(), signal.SIGTERM)
