"""The port ``Cluster`` in memory.

    cluster = FakeCluster()
    cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {...}, "data": {...}})
    cluster.forbid("Secret")

Passes the same suite as the real adapter: tests/conformance/cluster_port.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    ClusterIdentity,
    Discovery,
    KindRead,
    KindStatus,
    PageRead,
    SweepEvent,
    SweepFinished,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.selection import LabelSelector
from kube2git.core.wire import Json, RawObject
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError
from tests.fakes.store import Store

UID = "11111111-2222-4333-8444-555555555555"


@dataclass
class FakeCluster:
    """A cluster that holds what it is given and fails as it is told."""

    objects: Iterable[Json] = ()
    uid: str = UID
    server_version: str = "v1.37.1"
    context: str = "fake"
    page_size: int = 500
    store: Store = field(default_factory=Store)
    restarts: int = 0
    """How often the next sweeps start again because the revision was forgotten (410)."""
    is_unreachable: bool = False
    before_kind: Callable[[ResourceType], None] | None = None
    """Called before a kind is listed, for what happens in the middle of a sweep."""
    sees_namespaces: bool = True
    """A kind that is forbidden but in some namespaces is looked for there without being told."""
    _forbidden: dict[str, frozenset[str]] = field(default_factory=dict)
    _failing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if ("", "kube-system") not in self.store.at("Namespace"):
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}})
        for body in self.objects:
            self.put(body)

    # ── what happens in the cluster ──────────────────────────────────────────────────────────

    def put(self, body: Json) -> Json:
        """Create or replace an object; return it as the server keeps it."""
        return self.store.put(body)

    def remove(self, kind_group: str, namespace: str, name: str) -> None:
        self.store.remove(kind_group, namespace, name)

    def add_type(self, type: ResourceType) -> None:
        self.store.types[type.kind_group] = type

    def remove_type(self, kind_group: str) -> None:
        del self.store.types[kind_group]

    def split(self, kind_group: str, revision: int = 7) -> None:
        """Give a kind a store of its own, so that it has no list at the sweep's revision."""
        self.store.split(kind_group, revision)

    def forbid(self, kind_group: str, *, except_in: Iterable[str] = ()) -> None:
        """Let the identity list a kind nowhere, or in these namespaces only."""
        self._forbidden[kind_group] = frozenset(except_in)

    def fail(self, kind_group: str, reason: str = "The API server answered 500.") -> None:
        """Let every list of a kind fail."""
        self._failing[kind_group] = reason

    def heal(self) -> None:
        """Undo all troubles."""
        self._forbidden.clear()
        self._failing.clear()
        self.store.down.clear()
        self.is_unreachable = False

    # ── the port ─────────────────────────────────────────────────────────────────────────────

    def identity(self) -> ClusterIdentity:
        self._reach()
        return ClusterIdentity(self.uid, self.server_version, self.context)

    def discover(self) -> Discovery:
        self._reach()
        groups = {name.partition("/")[0] for name in self.store.down}
        types = tuple(type for type in self.store.types.values() if type.group not in groups)
        return Discovery(types, dict(self.store.down))

    def get(self, type: ResourceType, namespace: str, name: str) -> Json | None:
        self._reach()
        allowed = self._forbidden.get(type.kind_group)
        if allowed is not None and namespace not in allowed:
            raise ClusterDeniedError(f"reading {type.ref(namespace, name)}: 403 Forbidden")
        return self.store.at(type.kind_group).get((namespace if type.namespaced else "", name))

    def sweep(self, request: SweepRequest) -> Iterator[SweepEvent]:
        self._reach()
        attempt = 1
        while self.restarts:
            self.restarts -= 1
            events = list(self._attempt(request, attempt))
            yield from events[: len(events) // 2]
            attempt += 1
        yield from self._attempt(request, attempt)

    def _attempt(self, request: SweepRequest, attempt: int) -> Iterator[SweepEvent]:
        revision = self.store.counters[""]
        yield SweepStarted(str(revision), attempt)
        apart, read = [], []
        for type in (type for phase in request.phases for type in phase):
            if self.before_kind:
                self.before_kind(type)
            for event in self._read(type, request, revision):
                if isinstance(event, KindRead):
                    read.append(event)
                    if event.revision:
                        apart.append(type.resource_group)
                yield event
        for result in read:
            has_list = result.status in (KindStatus.LISTED, KindStatus.PARTIAL)
            if has_list and result.type.kind_group not in self.store.types:
                yield KindRead(result.type, KindStatus.FAILED, "It vanished.")
        reason = f"Not in the store of the other kinds: {', '.join(apart)}." if apart else ""
        yield SweepFinished(str(revision), not apart, reason)

    def _read(
        self, type: ResourceType, request: SweepRequest, revision: int
    ) -> Iterator[PageRead | KindRead]:
        kind = type.kind_group
        if kind not in self.store.types:
            yield KindRead(type, KindStatus.FAILED, "The API server does not serve it any more.")
            return
        if kind in self._failing:
            yield KindRead(type, KindStatus.FAILED, self._failing[kind])
            return
        is_apart = kind in self.store.stores
        held = self.store.at(kind, None if is_apart else revision)
        own = str(self.store.newest(kind)) if is_apart else ""
        allowed = self._forbidden.get(kind)
        asked = request.namespaces if type.namespaced else None
        readable = self._readable(allowed, asked)
        labels = LabelSelector.parse("" if kind in request.whole else request.label_selector)
        found = [
            body
            for (namespace, _), body in held.items()
            if (readable is None or namespace in readable)
            and labels.match(body["metadata"].get("labels") or {})
        ]
        refused = f"This identity may not list {type.resource_group}: {missing_right(type)}."
        if allowed is not None and not readable:
            yield KindRead(type, KindStatus.FORBIDDEN, refused)
            return
        for start in range(0, len(found), self.page_size):
            yield PageRead(type, page(found[start : start + self.page_size]))
        if readable is None or allowed is None or readable == self._wanted(asked):
            yield KindRead(type, KindStatus.LISTED, revision=own, count=len(found))
        else:
            names = tuple(sorted(readable))
            yield KindRead(type, KindStatus.PARTIAL, refused, names, own, len(found))

    def _wanted(self, asked: Sequence[str] | None) -> frozenset[str]:
        live = (name for _, name in self.store.at("Namespace"))
        return frozenset(live if asked is None else asked)

    def _readable(
        self, allowed: frozenset[str] | None, asked: Sequence[str] | None
    ) -> frozenset[str] | None:
        """Return the namespaces that are listed; None: all of them, in one list."""
        if allowed is None:
            return None if asked is None else frozenset(asked)
        if asked is None and not self.sees_namespaces:
            return frozenset()
        return allowed & self._wanted(asked)

    def _reach(self) -> None:
        if self.is_unreachable:
            raise ClusterUnreachableError(
                "the API server gave no usable answer", hint="Is it running?"
            )


def missing_right(type: ResourceType) -> str:
    rule = f'apiGroups: ["{type.group}"], resources: ["{type.plural}"], verbs: ["list"]'
    return f"a role with the rule {{{rule}}} would allow it"


def page(bodies: Sequence[Json]) -> list[RawObject]:
    """Return objects as they come in one page of a list, without apiVersion and kind."""
    items = [
        {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
        for body in bodies
    ]
    return wire.skim(wire.encode({"kind": "List", "metadata": {}, "items": items})).items
