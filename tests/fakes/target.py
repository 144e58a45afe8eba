"""The port ``Target`` in memory: a FakeCluster that takes writes, one after the other.

    target = FakeTarget()
    target.refuse("configmap/a -n shop", 422, "Invalid")
    target.before_write = lambda request: ...

It knows no field managers: an apply replaces the object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kube2git.core.ports import (
    ObjectChanged,
    Stopped,
    Verb,
    WatchEvent,
    WatchPlace,
    WriteAnswer,
    WriteRequest,
)
from kube2git.core.wire import Json
from tests.fakes.cluster import FakeCluster


def never() -> bool:
    return False


@dataclass
class FakeTarget(FakeCluster):
    """A cluster that is written to, and refuses what it is told to."""

    sent: list[WriteRequest] = field(default_factory=list)
    """Every write that was no dry run."""
    dry_runs: list[WriteRequest] = field(default_factory=list)
    before_write: Callable[[WriteRequest], None] | None = None
    _refusals: dict[str, WriteAnswer] = field(default_factory=dict)

    def refuse(self, name: str, status: int, reason: str, **more: Any) -> None:
        """Answer writes of one object, named as its ref's text is, with a Status."""
        body = {"kind": "Status", "reason": reason, "code": status, **more}
        self._refusals[name] = WriteAnswer(status, body)

    def allow_all(self) -> None:
        self._refusals.clear()

    def written(self) -> list[str]:
        """Return what was written, as ``verb ref``."""
        return [f"{one.verb} {one.type.ref(one.namespace, one.name)}" for one in self.sent]

    def send(self, request: WriteRequest) -> WriteAnswer:
        self._reach()
        (self.dry_runs if request.is_dry_run else self.sent).append(request)
        if self.before_write and not request.is_dry_run:
            self.before_write(request)
        name = str(request.type.ref(request.namespace, request.name))
        if name in self._refusals:
            return self._refusals[name]
        known = self.get(request.type, request.namespace, request.name)
        if request.verb is Verb.DELETE:
            return self._delete(request, known)
        if not isinstance(request.body, Mapping) or request.verb is Verb.EDIT:
            raise AssertionError("this fake knows no patches")
        version = (request.body.get("metadata") or {}).get("resourceVersion")
        if version and known and version != known["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        if request.verb is Verb.CREATE and known:
            return _status(409, "AlreadyExists")
        code = 200 if known else 201
        if request.is_dry_run:
            return WriteAnswer(code, dict(request.body))
        made = dict(request.body)
        if request.type.kind_group == "Namespace":
            made["status"] = {"phase": "Active"}
        return WriteAnswer(code, self.put(made))

    def _delete(self, request: WriteRequest, known: Json | None) -> WriteAnswer:
        if known is None:
            return _status(404, "NotFound")
        assert isinstance(request.body, Mapping)
        wanted = request.body["preconditions"]
        if any(known["metadata"][name] != value for name, value in wanted.items()):
            return _status(409, "Conflict")
        self.remove(request.type.kind_group, request.namespace, request.name)
        return WriteAnswer(200, {"kind": "Status", "status": "Success"})

    def in_parallel(self, tasks: Iterable[Callable[[], None]], is_stopped: Stopped = never) -> None:
        for task in tasks:
            if is_stopped():
                return
            task()

    def watch(self, places: Sequence[WatchPlace], seconds: float) -> Iterator[WatchEvent | None]:
        del seconds
        for place in places:
            for body in self.store.at(place.type.kind_group).values():
                yield ObjectChanged(body)


def _status(code: int, reason: str) -> WriteAnswer:
    return WriteAnswer(code, {"kind": "Status", "reason": reason, "code": code})
