"""The owner's side of the keeper: start, signal and end processes that cannot be orphaned.

Boundary: it speaks the keeper's JSON lines and knows nothing of Kubernetes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.controlplane import keeper
from tests.controlplane.problems import ControlPlaneError


@dataclass(frozen=True)
class Status:
    """What the keeper knows of one process."""

    pid: int
    exit: int | None
    """The exit status, negative for a signal; None while it runs."""


class Processes:
    """The processes of one directory, ended at the latest when this process ends."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._turn = threading.Lock()
        with (directory / keeper.LOG).open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(directory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._hear()
        except ControlPlaneError:
            self.stop()
            raise

    @property
    def keeper_pid(self) -> int:
        return self._keeper.pid

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
        restarts: bool = False,
    ) -> int:
        """Start a process under a name and return its pid; its output is added to the log.

        One that restarts is started again when it ends by itself, a few times.
        """
        answer = self._order(
            do="start",
            name=name,
            argv=list(argv),
            log=str(log),
            environment=dict(environment),
            restarts=restarts,
        )
        return int(answer["pid"])

    def signal(self, name: str, number: int) -> None:
        self._order(do="signal", name=name, signal=int(number))

    def end(self, name: str) -> None:
        """Kill a process and all of its children, and wait until they are gone."""
        self._order(do="end", name=name)

    def status(self) -> dict[str, Status]:
        return {name: Status(**status) for name, status in self._order(do="status").items()}

    def detach(self) -> None:
        """Let the processes outlive this one; `end_keeper` ends them."""
        self._order(do="detach")
        self._close_pipes()
        self._keeper.returncode = 0  # not ours to wait for any more

    def stop(self) -> None:
        """Kill everything and wait until it is gone; a second call does nothing."""
        self._close_pipes()
        self._keeper.wait(timeout=30)

    def _close_pipes(self) -> None:
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def _order(self, **order: Any) -> dict[str, Any]:
        stdin = self._keeper.stdin
        assert stdin is not None
        with self._turn:
            try:
                stdin.write(json.dumps(order).encode() + b"\n")
                stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                raise ControlPlaneError(
                    f"The control plane in {self.directory} has been stopped."
                ) from error
            return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._keeper.stdout is not None
        line = self._keeper.stdout.readline()
        if not line:
            raise ControlPlaneError(
                f"The process that keeps the control plane in {self.directory} has ended; "
                f"{self.directory / keeper.LOG} may say why."
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ControlPlaneError(answer["error"])
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def is_kept(directory: Path) -> bool:
    """Tell whether a keeper lives in the directory: only then is its lock taken."""
    try:
        lock = os.open(directory / keeper.LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def end_keeper(directory: Path, *, timeout: float = 30) -> None:
    """Stop a detached keeper with all its processes; it is reached by name, never by a pid."""
    pipe = os.open(directory / keeper.STOP, os.O_WRONLY | os.O_NONBLOCK)
    try:
        os.write(pipe, b"\n")
    finally:
        os.close(pipe)
    deadline = time.monotonic() + timeout
    while is_kept(directory):
        if time.monotonic() > deadline:
            raise ControlPlaneError(
                f"The control plane in {directory} did not stop within {timeout:.0f} seconds; "
                f"{directory / keeper.LOG} may say why."
            )
        time.sleep(0.02)
