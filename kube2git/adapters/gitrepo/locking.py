"""The lock that keeps runs apart, and the note by which the next run tidies up after a dead one.

The lock is the kernel's (flock), so it ends with its process however that ends. Its file says who
holds it and which step is under way; a file that is not empty when the lock is taken means that
the holder died, and the note says what it may have left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kube2git.errors import Kube2gitError, RepositoryLockedError

_POLL = 0.05
_SETTLED = 1.0
"""Seconds after which a lock file of git that nobody touched has no living owner: git holds the
ones in question for milliseconds."""

Note = dict[str, Any]


class RunLock:
    """Held by one run at a time; taken again by its holder it only counts."""

    def __init__(self, path: Path, shown: str, wait: float) -> None:
        self._path = path
        self._shown = shown
        self._wait = wait
        """Seconds."""
        self.descriptor = -1
        """Of the file, while the lock is held. Who inherits it holds the lock too."""
        self._depth = 0
        self._note: Note = {}
        self._is_tidy = True

    @property
    def is_outermost(self) -> bool:
        """Tell whether the next release gives the lock up."""
        return self._depth == 1

    def acquire(self) -> Note | None:
        """Take the lock; return the note of a holder that died, or None.

        Raise RepositoryLockedError, naming the holder, when the wait is over.
        """
        if self._depth:
            self._depth += 1
            return None
        self.descriptor = self._open()
        try:
            self._take()
            text = os.pread(self.descriptor, 1 << 20, 0)
            self._note = {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()}
            self._is_tidy = not text.strip()
            if self._is_tidy:
                self._write()
        except BaseException:
            os.close(self.descriptor)
            raise
        self._depth = 1
        return None if self._is_tidy else _parse(text)

    def forget(self) -> None:
        """Replace a dead holder's note by ours, once what it left is tidied up."""
        self._is_tidy = True
        self._write()

    def release(self) -> None:
        """Give the lock up when as many releases as acquisitions have come."""
        self._depth -= 1
        if self._depth:
            return
        if self._is_tidy and "step" not in self._note:
            os.ftruncate(self.descriptor, 0)
        os.close(self.descriptor)

    @contextlib.contextmanager
    def step(self, locks: Sequence[Path], **facts: object) -> Iterator[None]:
        """Note a step that takes these lock files of git; a step that fails stays noted."""
        self._note["step"] = {"locks": [str(path) for path in locks], "at": time.time(), **facts}
        self._write()
        yield
        del self._note["step"]
        self._write()

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> Kube2gitError:
        return Kube2gitError(
            f"The repository {self._shown} cannot be written to: {error.strerror}.",
            hint="Check the free space on the disk, and the owner and permissions of its folder.",
        )

    def _take(self) -> None:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise self._busy() from None
                time.sleep(_POLL)
            else:
                return

    def _busy(self) -> RepositoryLockedError:
        holder = _parse(os.pread(self.descriptor, 1 << 20, 0))
        who = "another process"
        if holder:
            who = f"process {holder.get('pid')} on {holder.get('host')} since {holder.get('since')}"
        return RepositoryLockedError(
            f"The repository {self._shown} is in use by {who}.",
            hint="Wait for that run to end, or set a longer lock timeout.",
        )

    def _write(self) -> None:
        text = json.dumps(self._note).encode()
        try:
            os.pwrite(self.descriptor, text, 0)
            os.ftruncate(self.descriptor, len(text))
        except OSError as error:
            raise self._unwritable(error) from None


def break_stale(step: Mapping[str, Any]) -> None:
    """Remove the lock files of git that a run which died in ``step`` left behind.

    Only those that the step takes, that appeared after it began, and that nobody has touched
    for a moment.
    """
    for name in step.get("locks", ()):
        path = Path(name)
        with contextlib.suppress(FileNotFoundError):
            modified = path.stat().st_mtime
            if modified < step.get("at", 0.0) - _SETTLED:
                continue
            if time.time() - modified < _SETTLED:
                time.sleep(_SETTLED)
            if path.stat().st_mtime == modified:
                path.unlink()


def _parse(text: bytes) -> Note:
    try:
        note = json.loads(text)
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
