"""Keep the processes of one control plane alive for as long as their owner wants them.

Rule: whatever happens to the owner, no process and no data stay behind.
Boundary: a script of its own (`python keeper.py DIRECTORY`), standard library only, that takes
orders as JSON lines on standard input and answers each with one line; it knows no Kubernetes.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOCK = "keeper.lock"  # held for as long as the keeper lives
STOP = "keeper.stop"  # a named pipe: any byte ends the keeper
LOG = "keeper.log"  # what the keeper itself has to say
DATA = "data"  # removed at the end

TICK_SECONDS = 0.5
RESTARTS = 5  # of one child that is to be restarted: what ends again and again is broken
PR_SET_PDEATHSIG = 1

Message = dict[str, Any]


class Stopped(Exception):  # noqa: N818 - the way out, not an error
    """Somebody asked for the end, or nobody is there any more who could."""


class Keeper:
    """Children by name, and the orders that concern them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.owner: int | None = os.getppid()
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts: dict[str, tuple[Message, int]] = {}
        self.pending = b""
        self.orders: dict[str, Callable[[Message], Message]] = {
            "start": self.start,
            "signal": self.signal,
            "end": self.end,
            "status": self.status,
            "detach": self.detach,
        }

    def start(self, order: Message) -> Message:
        """Start a child in a session of its own that dies with this process."""
        name = order["name"]
        if name in self.children and self.children[name].poll() is None:
            raise ValueError(f"{name} is already running")
        self.restarts[name] = (order, RESTARTS if order["restarts"] else 0)
        return {"pid": self.spawn(order)}

    def spawn(self, order: Message) -> int:
        name = order["name"]
        with Path(order["log"]).open("ab") as log:
            self.children[name] = subprocess.Popen(
                order["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=order["environment"],
                cwd=self.directory,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
        return self.children[name].pid

    def signal(self, order: Message) -> Message:
        """Send a child a signal; as nobody else reaps it, the pid is still its own."""
        self.children[order["name"]].send_signal(order["signal"])
        return {}

    def end(self, order: Message) -> Message:
        """Kill a child with all that it started, and wait until it is gone."""
        child = self.children[order["name"]]
        self.restarts.pop(order["name"], None)
        kill_session(child)
        return {"exit": child.wait(timeout=10)}

    def status(self, _order: Message) -> Message:
        """Tell the pid of each child, and its exit status if it has ended for good."""
        self.revive()
        return {name: {"pid": c.pid, "exit": c.returncode} for name, c in self.children.items()}

    def detach(self, _order: Message) -> Message:
        """Stay when the owner goes."""
        self.owner = None
        return {}

    def answer(self, line: bytes) -> Message:
        order: Message = json.loads(line)
        if order["do"] == "stop":
            raise Stopped
        try:
            return self.orders[order["do"]](order)
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            return {"error": f"The order {order['do']!r} failed: {error}."}

    def serve(self, stop_pipe: int) -> None:
        """Carry out orders until one of them, or somebody's absence, says to stop."""
        with selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(stop_pipe, selectors.EVENT_READ)
            while True:
                ready = [key.fd for key, _ in selector.select(TICK_SECONDS)]
                if stop_pipe in ready:
                    raise Stopped
                if 0 in ready and not self.read_orders():
                    selector.unregister(0)
                self.look_around()

    def read_orders(self) -> bool:
        """Answer the orders that have arrived; false when no more will come."""
        received = os.read(0, 1 << 16)
        if not received:
            if self.owner is not None:
                raise Stopped
            return False
        *lines, self.pending = (self.pending + received).split(b"\n")
        for line in lines:
            os.write(1, json.dumps(self.answer(line)).encode() + b"\n")
        return True

    def look_around(self) -> None:
        """Reap the dead, and stop when the owner died or the directory was removed."""
        self.revive()
        if self.owner is not None and os.getppid() != self.owner:
            raise Stopped
        if not (self.directory / LOCK).exists():
            raise Stopped

    def revive(self) -> None:
        """Reap the dead, and start those again that are to be restarted."""
        for name, child in list(self.children.items()):
            order, left = self.restarts.get(name, ({}, 0))
            if child.poll() is not None and left:
                self.restarts[name] = (order, left - 1)
                self.spawn(order)

    def end_all(self) -> None:
        """Kill every child and remove the data; the logs stay, for whoever asks why."""
        for child in self.children.values():
            kill_session(child)
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)
        shutil.rmtree(self.directory / DATA, ignore_errors=True)


def kill_session(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)


def die_with_parent() -> Callable[[], None] | None:
    """Make what a child runs before its program, so that even a killed keeper leaves nothing."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    keeper = os.getpid()

    def set_up() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:
            os._exit(1)

    return set_up


def hold_lock(directory: Path) -> None:
    """Lock the directory until this process is gone, however it goes."""
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(10):  # whoever asks whether the lock is held, holds it for a moment
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.05)
    sys.exit(f"Another keeper already holds {directory}.")


def open_stop_pipe(directory: Path) -> int:
    """Open a named pipe for reading and writing, so that it never comes to its end."""
    path = directory / STOP
    path.unlink(missing_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR)


def main() -> None:
    directory = Path(sys.argv[1])
    keeper = Keeper(directory)
    hold_lock(directory)
    stop_pipe = open_stop_pipe(directory)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.write(1, b"{}\n")
    try:
        keeper.serve(stop_pipe)
    except (Stopped, BrokenPipeError):
        pass
    finally:
        keeper.end_all()


if __name__ == "__main__":
    main()
