"""The port ``Snapshotter`` over a storage in memory, and commands in Pods that only count.

    storage = FakeStorage()
    snapshotter = FakeSnapshotter(storage)
    storage.ready_after[claim] = 3

A second FakeSnapshotter on the same storage is the next run. A heartbeat stands for one second, so
that time limits need no waiting. Passes tests/conformance/snapshotter_port.py.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from kube2git.core.ports import CommandRequest
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Existence,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)

NEVER = 1_000_000


@dataclass
class Kept:
    """One snapshot at the storage."""

    snapshot: Snapshot
    claim: ClaimRef
    driver: str
    cluster: str
    polls: int
    """Looks at it until it is ready."""


@dataclass
class FakeStorage:
    """Volumes and snapshots, and what goes wrong with them."""

    driver: str = "fake.example.com"
    snapshots: dict[str, Kept] = field(default_factory=dict)
    """By handle."""
    broken: dict[ClaimRef, str] = field(default_factory=dict)
    """Claim -> why its snapshots fail."""
    ready_after: dict[ClaimRef, int] = field(default_factory=dict)
    """Claim -> looks until its snapshots are ready; 0 otherwise."""
    undeletable: dict[str, str] = field(default_factory=dict)
    """Handle -> what stands against its deletion."""
    unrestorable: dict[str, str] = field(default_factory=dict)
    """Handle -> why no claim comes back from it here."""
    can_group: bool = True
    log: list[str] = field(default_factory=list)
    """What happened, in order: ``cut data``, ``run freeze``, …"""
    before_cut: Callable[[CutRequest], None] | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    settled: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)


@dataclass
class FakeSnapshotter:
    """Snapshots in memory."""

    storage: FakeStorage
    method: str = "fake"
    error: Exception | None = None
    """When set, every call that reaches the storage raises it."""

    def why_not(self, volume: Volume) -> str:
        if volume.driver == self.storage.driver:
            return ""
        return f"The volumes of {volume.driver} are not in memory."

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        return self.storage.can_group and not any(map(self.why_not, volumes))

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        self._reach()
        waiting: list[Kept] = []
        for request in requests:
            if self.storage.before_cut:
                self.storage.before_cut(request)
            for volume in request.volumes:
                event, kept = self._cut(request, volume)
                yield event
                if kept is not None:
                    waiting.append(kept)
        while waiting and seconds > 0:
            yield None
            seconds -= 1
            for kept in list(waiting):
                if self._look(kept).is_ready:
                    waiting.remove(kept)
                    yield SnapshotEvent(kept.claim, Stage.READY, kept.snapshot)
            if wait is Wait.CUT:
                return

    def _cut(self, request: CutRequest, volume: Volume) -> tuple[SnapshotEvent, Kept | None]:
        storage, claim = self.storage, volume.claim
        if reason := self.why_not(volume):
            return SnapshotEvent(claim, Stage.SKIPPED, None, reason), None
        if claim in storage.broken:
            return SnapshotEvent(claim, Stage.FAILED, None, storage.broken[claim]), None
        mark = f"{request.cluster} {claim} {request.run}"
        handle = f"fake-{hashlib.sha256(mark.encode()).hexdigest()[:17]}"
        with storage.lock:
            storage.log.append(f"cut {claim.name}")
            if handle not in storage.snapshots:
                polls = storage.ready_after.get(claim, 0)
                snapshot = Snapshot(handle, self.method, storage.clock(), request.run)
                if len(request.volumes) > 1:
                    names = " ".join(str(one.claim) for one in request.volumes)
                    mark = hashlib.sha256(f"{names} {request.run}".encode()).hexdigest()[:17]
                    snapshot = replace(snapshot, group=f"group-{mark}")
                kept = Kept(snapshot, claim, volume.driver, request.cluster, polls)
                storage.snapshots[handle] = kept
            kept = storage.snapshots[handle]
        cut = replace(kept.snapshot, is_ready=False)
        return SnapshotEvent(claim, Stage.CUT, cut), kept

    def _look(self, kept: Kept) -> Snapshot:
        with self.storage.lock:
            kept.polls -= 1
            if kept.polls < 0:
                kept.snapshot = replace(kept.snapshot, is_ready=True, restore_size=1 << 30)
            return kept.snapshot

    def verify(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> Iterator[Finding | None]:
        self._reach()
        for _, snapshot in snapshots:
            kept = self.storage.snapshots.get(snapshot.handle)
            yield None
            if kept is None:
                yield Finding(snapshot, Existence.GONE, "Nobody remembers it.")
            else:
                yield Finding(self._look(kept), Existence.EXISTS)

    def find(self, cluster: str) -> Iterator[FoundSnapshot]:
        self._reach()
        for kept in list(self.storage.snapshots.values()):
            if kept.cluster == cluster:
                yield FoundSnapshot(kept.claim, kept.driver, kept.snapshot)

    def settle(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> None:
        self.storage.settled |= {snapshot.handle for _, snapshot in snapshots}

    def delete(
        self, snapshots: Sequence[tuple[Volume, Snapshot]], *, seconds: float
    ) -> Iterator[Finding | None]:
        del seconds
        self._reach()
        for _, snapshot in snapshots:
            yield None
            if reason := self.storage.undeletable.get(snapshot.handle):
                yield Finding(snapshot, Existence.EXISTS, reason)
                continue
            self.storage.snapshots.pop(snapshot.handle, None)
            yield Finding(snapshot, Existence.GONE)

    def why_not_restore(self, request: RestoreRequest) -> str:
        self._reach()
        return self.storage.unrestorable.get(request.snapshot.handle, "")

    def restore(
        self, requests: Sequence[RestoreRequest], *, run: str, seconds: float
    ) -> Iterator[Restoration | None]:
        del run, seconds
        self._reach()
        for request in requests:
            yield None
            if request.snapshot.handle in self.storage.snapshots:
                name = f"restored-{request.claim.namespace}-{request.claim.name}"
                yield Restoration(request.claim, claim_spec={"volumeName": name})
            else:
                reason = f"The snapshot {request.snapshot.handle} does not exist."
                yield Restoration(request.claim, reason=reason)

    def _reach(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class FakeCommands:
    """The port ``CommandRunner``: notes what was run, and fails as it is told."""

    log: list[str] = field(default_factory=list)
    """``run <command>``; share a storage's log to see the order."""
    failing: dict[str, str] = field(default_factory=dict)
    """First word of a command -> why it fails."""
    requests: list[CommandRequest] = field(default_factory=list)
    during: Callable[[CommandRequest], None] | None = None

    def run(self, request: CommandRequest) -> str:
        self.requests.append(request)
        self.log.append(f"run {request.command[0]} in {request.pod}")
        if self.during:
            self.during(request)
        return self.failing.get(request.command[0], "")
