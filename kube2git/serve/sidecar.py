"""The sidecar: snapshotters behind a Unix socket, for an exporter without rights on the storage.

HTTP with JSON (core/snapshots/messages.py). The socket's file mode alone says who may use it. It
remembers nothing: an order that broke off is given again, and what was done is found by its marks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self, cast

from kube2git import __version__
from kube2git.core import wire
from kube2git.core.ports import SnapshotCopier, Snapshotter
from kube2git.core.snapshots import SnapshotEvent, messages
from kube2git.errors import Kube2gitError, UsageError

Log = Callable[[str], None]
"""Takes one line for the operator."""

_LARGEST_ORDER = 64 * 2**20
_STOPPING_SECONDS = 10.0


class SidecarServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves until ``stop``; a context manager that removes its socket.

    Raise UsageError when the path cannot be used, or another sidecar listens there.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(
        self,
        path: Path,
        snapshotters: Mapping[str, Snapshotter],
        *,
        mode: int = 0o600,
        beat: float = 5.0,
        log: Log,
    ) -> None:
        self.snapshotters = snapshotters
        self.beat = beat
        self.log = log
        self.is_stopping = threading.Event()
        self._path = path
        self._running = 0
        self._idle = threading.Condition()
        _make_way(path)
        # Between binding and chmod nobody else may connect.
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Handler)
        except OSError as error:
            raise UsageError(
                f"the socket {path} cannot be made: {error.strerror or error}.",
                hint="Its folder must exist, be writable, and its path be shorter than about 100 "
                "characters.",
            ) from None
        finally:
            os.umask(before)
        path.chmod(mode)

    def __exit__(self, *_: object) -> None:
        self.server_close()

    def __enter__(self) -> Self:
        return self

    def server_close(self) -> None:
        super().server_close()
        self._path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Take no further orders; break off those that run at the next thing they tell."""
        self.is_stopping.set()
        self.shutdown()
        end = time.monotonic() + _STOPPING_SECONDS
        with self._idle:
            while self._running and time.monotonic() < end:
                self._idle.wait(0.2)

    @contextlib.contextmanager
    def order(self) -> Iterator[None]:
        """Count an order as running."""
        with self._idle:
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()


def _make_way(path: Path) -> None:
    """Remove the socket that a killed sidecar left."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise UsageError(f"{path} exists and is not a socket; name another path.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise UsageError(
                f"the socket {path} cannot be used: {error.strerror or error}."
            ) from None
        else:
            raise UsageError(f"another sidecar listens at {path} already.")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    server_version = f"kube2git/{__version__}"
    sys_version = ""
    timeout = 60

    @property
    def _sidecar(self) -> SidecarServer:
        return cast(SidecarServer, self.server)

    def do_GET(self) -> None:
        match self.path:
            case messages.HEALTH:
                self._answer(200, wire.encode({"status": "ok"}))
            case messages.CAPABILITIES:
                self._answer(200, wire.encode(capabilities(self._sidecar.snapshotters)))
            case _:
                self._refuse(404, f"there is nothing at {self.path}.")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _LARGEST_ORDER:
            self._refuse(413, "the order is empty or too large.")
            return
        # Read before anything is refused: a client that is still writing would not hear why.
        data = self.rfile.read(length)
        shape = messages.ORDERS.get(self.path)
        if shape is None:
            self._refuse(404, f"there is nothing at {self.path}.")
            return
        product = self.headers.get("User-Agent", "").partition("/")[2]
        if problem := messages.skew(self.headers.get(messages.HEADER, ""), product):
            self._refuse(409, problem, "Run the same version of kube2git on both sides.")
            return
        try:
            order = wire.convert(wire.decode(data), shape)
        except wire.MalformedJsonError as error:
            self._refuse(400, f"the order is not understood: {error}.")
            return
        snapshotter = self._sidecar.snapshotters.get(order.method)
        if snapshotter is None:
            self._refuse(404, f"this sidecar has no snapshotter {order.method}.")
            return
        with self._sidecar.order(), contextlib.suppress(ConnectionError):
            self._stream(order, carry_out(self.path, snapshotter, order))

    def _stream(self, order: messages.Order, items: Iterator[Any]) -> None:
        self._head(200, "application/jsonl")
        started, count = time.monotonic(), 0
        with contextlib.closing(_Voice(self._write, self._sidecar.beat)) as voice:
            try:
                for item in items:
                    if self._sidecar.is_stopping.is_set():
                        ending = "broken off, since the sidecar stops"
                        break
                    voice.say(messages.BEAT if item is None else messages.item(item))
                    count += item is not None
                else:
                    voice.say(messages.DONE)
                    ending = "done"
            except Kube2gitError as error:
                voice.say(messages.failure(error))
                ending = f"failed: {error}"
            finally:
                # A client that went away wants nothing more to be begun.
                close = getattr(items, "close", None)
                if close is not None:
                    close()
        seconds = time.monotonic() - started
        self._sidecar.log(f"{self.path} {order.method}: {count} told in {seconds:.1f} s, {ending}")

    def _write(self, line: bytes) -> None:
        self.wfile.write(line + b"\n")

    def _head(self, status: int, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def _answer(self, status: int, body: bytes) -> None:
        self._head(status, "application/json", len(body) + 1)
        self._write(body)

    def _refuse(self, status: int, message: str, hint: str = "") -> None:
        self._answer(status, messages.failure(UsageError(message, hint=hint)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the library
        """Say nothing for each request; ``_stream`` tells what came of the work."""


class _Voice:
    """Writes lines, and by itself a sign of life whenever nothing was written for a while.

    By itself, since a snapshotter may be inside one long call.
    """

    def __init__(self, write: Callable[[bytes], None], beat: float) -> None:
        self._write = write
        self._beat = beat
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._last = time.monotonic()
        self._thread = threading.Thread(target=self._keep_alive, daemon=True)
        self._thread.start()

    def say(self, line: bytes) -> None:
        with self._lock:
            self._last = time.monotonic()
            self._write(line)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _keep_alive(self) -> None:
        while not self._closed.wait(self._beat / 2):
            if time.monotonic() - self._last >= self._beat:
                try:
                    self.say(messages.BEAT)
                except OSError:
                    # The client went away; the next item's line tells the handler.
                    return


def capabilities(snapshotters: Mapping[str, Snapshotter]) -> messages.Capabilities:
    """Return what a sidecar with these snapshotters tells of itself."""
    copying = [name for name, one in snapshotters.items() if isinstance(one, SnapshotCopier)]
    return messages.Capabilities(methods=tuple(snapshotters), copying=tuple(copying))


def carry_out(path: str, snapshotter: Snapshotter, order: messages.Order) -> Iterator[Any]:
    """Return what comes of an order: items, and None as a sign of life."""
    match order:
        case messages.CreateOrder():
            return snapshotter.create(order.requests, wait=order.wait, seconds=order.seconds)
        case messages.RestoreOrder() if path == "/why-not-restore":
            return (snapshotter.why_not_restore(request) for request in order.requests)
        case messages.RestoreOrder():
            return snapshotter.restore(order.requests, run=order.run, seconds=order.seconds)
        case messages.FindOrder():
            return snapshotter.find(order.cluster)
        case messages.CopyOrder():
            return _copied(snapshotter, order)
        case messages.SnapshotsOrder() if path == "/verify":
            return snapshotter.verify(order.snapshots)
        case messages.SnapshotsOrder() if path == "/prune":
            return snapshotter.delete(order.snapshots, seconds=order.seconds)
        case messages.SnapshotsOrder():
            return _settled(snapshotter, order)
        case messages.VolumesOrder():
            return _told(path, snapshotter, order)


def _copied(snapshotter: Snapshotter, order: messages.CopyOrder) -> Iterator[SnapshotEvent | None]:
    if not isinstance(snapshotter, SnapshotCopier):
        raise UsageError(f"the snapshotter {order.method} makes no copies in other regions")
    yield from snapshotter.copy(
        order.snapshots,
        cluster=order.cluster,
        region=order.region,
        key=order.key,
        seconds=order.seconds,
    )


def _settled(snapshotter: Snapshotter, order: messages.SnapshotsOrder) -> Iterator[None]:
    snapshotter.settle(order.snapshots)
    yield None


def _told(
    path: str, snapshotter: Snapshotter, order: messages.VolumesOrder
) -> Iterator[str | bool]:
    if path == "/can-group":
        yield snapshotter.can_group(order.volumes)
    else:
        yield from (snapshotter.why_not(volume) for volume in order.volumes)
