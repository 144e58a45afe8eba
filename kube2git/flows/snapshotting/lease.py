"""One run at a time over a cluster's snapshots: a Lease that its holder renews while it lives.

Records are whole files: of two runs that change one at a time, in clones of their own, the second
would undo the first. Where this identity may not write Leases, only the lock of the repository
keeps runs apart.
"""

from __future__ import annotations

import contextlib
import enum
import itertools
import threading
import time
from collections.abc import Callable, Iterator

from kube2git.core.ports import Lease
from kube2git.errors import Kube2gitError, RepositoryLockedError

DURATION = 15.0
"""Seconds that a holder may be silent."""
_RENEWAL = 5.0
_HOLDS = 10.0
"""Seconds after a claim from which on its holder asks again before it deletes anything."""
_PATIENCE = 20
"""Seconds after which a holder that has not been found dead is alive."""
_PATIENCE_OF_TAKERS = 120
"""With those that delete or copy: a night without snapshots would be worse than waiting."""


class Task(enum.StrEnum):
    """What a run does; the names of holders begin with it."""

    TAKE = "take"
    COPY = "copy"
    PRUNE = "prune"

    @classmethod
    def of(cls, holder: str) -> Task:
        """Return what a holder does, by its name."""
        word = holder.partition("-")[0]
        return cls(word) if word in (cls.COPY, cls.PRUNE) else cls.TAKE


_DOING = {Task.TAKE: "taking", Task.COPY: "copying", Task.PRUNE: "deleting"}

Pause = Callable[[float], None]
FindLease = Callable[[], "Lease | None"]
"""Connects to the Lease; None where none is wanted. Raises Kube2gitError."""


def no_lease() -> None:
    """Want none."""
    return


class SnapshotLease:
    """Held from ``acquire`` to ``release``, renewed by a thread in between."""

    def __init__(
        self,
        find: FindLease,
        task: Task,
        pause: Pause,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find, self._task, self._pause = find, task, pause
        self._monotonic = monotonic
        self._hold: _Hold | None = None
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None
        self.note = ""
        """Why there is no lease, a whole sentence."""

    def acquire(self) -> str:
        """Take the lease; return why another run goes first, a whole sentence, "" otherwise.

        A holder that died is waited for. Where the task is to take snapshots, one that took them,
        and ended meanwhile, has done it.
        """
        try:
            lease = self._find()
            return "" if lease is None else self._wait(lease)
        except Kube2gitError as error:
            self.note = (
                f"No Lease is held: {error}. So only the lock of the repository keeps two runs "
                "apart; docs/snapshots.md has the rights that it takes."
            )
            return ""

    def _wait(self, lease: Lease) -> str:
        before = ""
        for second in itertools.count():
            if lease.claim():
                is_done = before and not lease.other and self._task is Task.of(before) is Task.TAKE
                if is_done:
                    lease.release()
                    return f"Another run ({before}) has just taken the snapshots of this cluster."
                self._start(lease)
                return ""
            before = lease.other
            is_tidied = self._task is Task.TAKE is not Task.of(before)
            if second == (_PATIENCE_OF_TAKERS if is_tidied else _PATIENCE):
                break
            self._pause(1.0)
        doing = _DOING[Task.of(before)]
        return f"Another run ({before}) is {doing} the snapshots of this cluster."

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lease; raise RepositoryLockedError when another run goes first."""
        if reason := self.acquire():
            raise RepositoryLockedError(
                f"{reason[0].lower()}{reason[1:].rstrip('.')}",
                hint="Give the same command again when that has ended.",
            )
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Give the lease up, if it is held."""
        if self._renewer is not None:
            self._stopped.set()
            self._renewer.join()
            self._renewer = None

    def loss(self) -> str:
        """Return why the lease is not held any more, a whole sentence; "" while it is.

        Where none is wanted, or none can be had, none is lost.
        """
        return self._hold.loss() if self._hold is not None else ""

    def _start(self, lease: Lease) -> None:
        self._hold = _Hold(lease, self._monotonic)
        self._stopped.clear()
        self._renewer = threading.Thread(target=self._renew, args=(lease, self._hold), daemon=True)
        self._renewer.start()

    def _renew(self, lease: Lease, hold: _Hold) -> None:
        while not self._stopped.wait(_RENEWAL):
            with contextlib.suppress(Kube2gitError):
                hold.renew()
        # One that cannot be given up runs out by itself.
        with contextlib.suppress(Kube2gitError):
            lease.release()


class _Hold:
    """A lease that has been claimed: renewed by a thread, and asked about by the run."""

    def __init__(self, lease: Lease, monotonic: Callable[[], float]) -> None:
        self._lease, self._monotonic = lease, monotonic
        self._lock = threading.Lock()
        self._until = monotonic() + _HOLDS
        self._usurper = ""

    def renew(self) -> None:
        """Claim it once more; raise what a claim raises."""
        with self._lock:
            asked = self._monotonic()
            if self._lease.claim():
                self._until = asked + _HOLDS
            # One who held it meanwhile, and died, has changed the records, too.
            self._usurper = self._usurper or self._lease.other

    def loss(self) -> str:
        """Return why it is not held any more; ask anew where no renewal has come through lately."""
        reason = "it changes too often"
        if self._monotonic() >= self._until:
            try:
                self.renew()
            except Kube2gitError as error:
                reason = str(error)
        if self._usurper:
            return f"Another run ({self._usurper}) has taken the Lease over."
        is_held = self._monotonic() < self._until
        return "" if is_held else f"The Lease could not be renewed: {reason}."
