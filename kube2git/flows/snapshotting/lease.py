"""One run at a time over a cluster's volumes: a Lease that its holder renews while it lives.

Where this identity may not write Leases, only the lock of the repository keeps runs apart.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from kube2git.core.ports import Lease
from kube2git.errors import Kube2gitError

DURATION = 15.0
"""Seconds that a holder may be silent."""
_RENEWAL = 5.0
_PATIENCE = 20
"""Seconds after which a holder that has not been found dead is alive."""

Pause = Callable[[float], None]


class SnapshotLease:
    """Held from ``acquire`` to ``release``, renewed by a thread in between."""

    def __init__(self, lease: Lease, pause: Pause) -> None:
        self._lease, self._pause = lease, pause
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None
        self.note = ""
        """Why there is no lease, a whole sentence."""

    def acquire(self) -> str:
        """Take the lease; return why another run goes first, a whole sentence, "" otherwise.

        A holder that died is waited for. One that ended meanwhile has just taken the snapshots.
        """
        try:
            if self._lease.claim():
                self._start()
                return ""
            holder = self._lease.other
            for _ in range(_PATIENCE):
                self._pause(1.0)
                if self._lease.claim():
                    if self._lease.other:
                        self._start()
                        return ""
                    self._lease.release()
                    return f"Another run ({holder}) has just taken the snapshots of this cluster."
        except Kube2gitError as error:
            self.note = (
                f"No Lease is held: {error}. So only the lock of the repository keeps two runs "
                "apart; docs/snapshots.md has the rights that it takes."
            )
            return ""
        return f"Another run ({holder}) is taking the snapshots of this cluster."

    def release(self) -> None:
        """Give the lease up, if it is held."""
        if self._renewer is not None:
            self._stopped.set()
            self._renewer.join()
            self._renewer = None
            # One that cannot be given up runs out by itself.
            with contextlib.suppress(Kube2gitError):
                self._lease.release()

    def _start(self) -> None:
        self._renewer = threading.Thread(target=self._renew, daemon=True)
        self._renewer.start()

    def _renew(self) -> None:
        while not self._stopped.wait(_RENEWAL):
            with contextlib.suppress(Kube2gitError):
                self._lease.claim()
