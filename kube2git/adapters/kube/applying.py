"""The Target port on a real API server: single writes, many at a time, as fast as it bears."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from kube2git.adapters.kube.cluster import KubeCluster
from kube2git.adapters.kube.connection import Connection
from kube2git.adapters.kube.retrying import APPLY
from kube2git.adapters.kube.waiting import watch
from kube2git.core import wire
from kube2git.core.planning.stances import OWN_MANAGER
from kube2git.core.ports import (
    Stopped,
    Verb,
    WatchEvent,
    WatchPlace,
    WriteAnswer,
    WriteRequest,
)

_METHODS = {
    Verb.APPLY: ("PATCH", APPLY),
    Verb.CREATE: ("POST", "application/json"),
    Verb.REPLACE: ("PUT", "application/json"),
    Verb.EDIT: ("PATCH", "application/json-patch+json"),
    Verb.DELETE: ("DELETE", "application/json"),
}


class KubeTarget(KubeCluster):
    """A Kubernetes API server that is written to."""

    def __init__(
        self,
        connection: Connection,
        *,
        connections: int = 4,
        page_size: int = 500,
        writers: int = 16,
    ) -> None:
        super().__init__(connection, connections=connections, page_size=page_size)
        self._writers = writers
        self._throttle = Throttle(writers)

    def send(self, request: WriteRequest) -> WriteAnswer:
        """Write once, trying again where that does no harm; called by several threads."""
        method, content_type = _METHODS[request.verb]
        is_new = request.verb is Verb.CREATE
        path = request.type.path(request.namespace, "" if is_new else request.name)
        query: list[tuple[str, str]] = []
        if request.verb is not Verb.DELETE:
            query.append(("fieldManager", OWN_MANAGER))
        if request.verb is Verb.APPLY:
            query.append(("force", "true" if request.is_forced else "false"))
        if request.is_dry_run:
            query.append(("dryRun", "All"))
        encode = wire.apply_body if request.verb is Verb.APPLY else wire.encode
        with self._throttle:
            response = self._connection.request(
                method,
                path,
                query,
                body=encode(request.body),
                content_type=content_type,
                pause=self._throttle.pause,
            )
        try:
            body: Any = wire.decode(response.body)
        except wire.MalformedJsonError:
            body = None
        return WriteAnswer(response.status, body if isinstance(body, dict) else None)

    def in_parallel(
        self, tasks: Iterable[Callable[[], None]], is_stopped: Stopped = lambda: False
    ) -> None:
        """Run tasks, as many at a time as the server bears; return when all have ended."""
        pending = deque(tasks)
        errors: list[BaseException] = []

        def work() -> None:
            while not errors and not is_stopped():
                try:
                    task = pending.popleft()
                except IndexError:
                    return
                try:
                    task()
                except BaseException as error:  # noqa: BLE001 - raised again below
                    errors.append(error)

        # Daemons: a second Ctrl-C must not wait for a server that does not answer.
        count = min(self._writers, len(pending))
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException as error:
            errors.append(error)
            raise
        if errors:
            raise errors[0]

    def watch(self, places: Sequence[WatchPlace], seconds: float) -> Iterator[WatchEvent | None]:
        """Yield what happens for so long at most; None, often, so that the caller can look up."""
        return watch(self._connection, places, seconds)


class Throttle:
    """How many writes run at once: halved when the server groans, one more after a while.

    The rule of TCP (additive increase, multiplicative decrease). The server groans when a request
    has to be sent again (429 and 5xx above all), or when answers become slow.
    """

    SLOW = 2.0
    """Seconds; an answer is slow when it takes longer, and ten times longer than usual."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._busy = 0
        self._halved = 0.0
        self._usual = 0.0
        self._free = threading.Condition()
        self._own = threading.local()

    @property
    def limit(self) -> int:
        """How many writes may run at once now."""
        return int(self._limit)

    def __enter__(self) -> None:
        with self._free:
            self._free.wait_for(lambda: self._busy < int(self._limit))
            self._busy += 1
        self._own.begun = time.monotonic()
        self._own.has_paused = False

    def __exit__(self, *_: object) -> None:
        took = time.monotonic() - self._own.begun
        if self._own.has_paused:
            took = 0.0
        elif took > self.SLOW and took > 10 * self._usual:
            self.relieve()
        with self._free:
            self._busy -= 1
            if took:
                self._usual += (took - self._usual) / 16
                self._limit = min(self._most, self._limit + 1 / self._limit)
            self._free.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait before a request is sent again."""
        self._own.has_paused = True
        self.relieve()
        time.sleep(seconds)

    def relieve(self) -> None:
        """Halve the number of writes at once; what they all suffer from at once counts once."""
        with self._free:
            if time.monotonic() - self._halved > 1.0:
                self._halved = time.monotonic()
                self._limit = max(1.0, self._limit / 2)
