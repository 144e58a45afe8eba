"""Watching: what happens to objects, told as it happens."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence

from kube2git.adapters.kube.answers import missing_right
from kube2git.adapters.kube.connection import Connection, Stream
from kube2git.core import wire
from kube2git.core.ports import ObjectChanged, WatchEnded, WatchEvent, WatchPlace
from kube2git.errors import Kube2gitError

TICK = 0.2
"""Seconds between two chances for the caller to look up."""


def watch(
    connection: Connection, places: Sequence[WatchPlace], seconds: float
) -> Iterator[WatchEvent | None]:
    """Yield what happens in all places, for so many seconds at most."""
    found: queue.Queue[WatchEvent] = queue.Queue()
    deadline = time.monotonic() + seconds
    watchers = [_Watcher(connection, place, seconds, found) for place in places]
    for watcher in watchers:
        watcher.start()
    try:
        while (left := deadline - time.monotonic()) > 0:
            try:
                yield found.get(timeout=min(TICK, left))
            except queue.Empty:
                yield None
    finally:
        for watcher in watchers:
            watcher.stop()


class _Watcher(threading.Thread):
    def __init__(
        self,
        connection: Connection,
        place: WatchPlace,
        seconds: float,
        found: queue.Queue[WatchEvent],
    ) -> None:
        super().__init__(daemon=True)
        self._connection = connection
        self._place = place
        self._seconds = seconds
        self._found = found
        self._stream: Stream | None = None
        self._is_stopped = False

    def run(self) -> None:
        try:
            reason = self._read()
        except Kube2gitError as error:
            reason = f"{error}."
        if not self._is_stopped:
            self._found.put(WatchEnded(self._place, reason))

    def stop(self) -> None:
        self._is_stopped = True
        if self._stream is not None:
            self._stream.stop()

    def _read(self) -> str:
        type = self._place.type
        query = [
            ("watch", "true"),
            ("resourceVersion", self._place.revision),
            ("timeoutSeconds", str(int(self._seconds) + 1)),
        ]
        with self._connection.stream(type.path(self._place.namespace), query) as stream:
            self._stream = stream
            if stream.status == 403:
                return (
                    f"This identity may not watch {type.resource_group}, so nothing tells when "
                    f"it is ready: {missing_right(type, 'watch')}."
                )
            if stream.status != 200:
                return "" if stream.status == 410 else f"The API server answered {stream.status}."
            for line in stream.lines():
                if self._is_stopped:
                    break
                event = wire.decode(line)
                if event.get("type") == "ERROR":
                    break
                body = event.get("object") or {}
                body = {"apiVersion": type.api_version, "kind": type.kind, **body}
                self._found.put(ObjectChanged(body, event.get("type") == "DELETED"))
        return ""
