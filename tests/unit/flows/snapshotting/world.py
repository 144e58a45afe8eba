"""A cluster with claims, a storage, a repository, and runs over them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from kube2git.core import layout
from kube2git.core.report import Progress
from kube2git.core.selection import Patterns
from kube2git.core.snapshots import ClaimRef
from kube2git.core.snapshots.records import VolumeRecord
from kube2git.flows.snapshotting import (
    CreateReport,
    PruneReport,
    PruneRequest,
    SnapshotRequest,
    Snapshotting,
    VerifyReport,
    create,
    prune,
    verify,
)
from tests.fakes.lease import FakeHeld, FakeLease
from tests.fakes.repo import FakeRemote, FakeRepo
from tests.fakes.snapshotter import FakeCommands, FakeSnapshotter, FakeStorage
from tests.fakes.target import FakeTarget
from tests.unit.core.snapshots.objects import claim, pod, volume

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class World:
    """Everything a run over the volumes meets."""

    def __init__(self, *claims: str) -> None:
        self.now = START
        self.target = FakeTarget()
        self.remote = FakeRemote()
        self.repo = FakeRepo(remote=self.remote)
        self.storage = FakeStorage(clock=lambda: self.now)
        self.snapshotter = FakeSnapshotter(self.storage)
        self.snapshotters = {"fake": self.snapshotter}
        self.commands = FakeCommands(self.storage.log)
        self.held = FakeHeld()
        self.pause: Callable[[float], None] = self.pass_time
        for name in claims:
            self.put(name)

    def put(self, name: str, **more: Any) -> None:
        """Make a bound claim."""
        self.target.put(claim(name, **more))
        self.target.put(volume(name))

    def put_pod(self, name: str, *claims: str, **more: Any) -> None:
        self.target.put(pod(name, *claims, **more))

    def pass_time(self, seconds: float = 0, **more: float) -> None:
        self.now += timedelta(seconds=seconds, **more)

    def taker(self, **request: Any) -> Snapshotting:
        return Snapshotting(
            self.target,
            self.snapshotters,
            self.commands,
            SnapshotRequest(**{"seconds": 5.0, **request}),
            lease=self.lease(),
            pause=self.pause,
        )

    def lease(self, holder: str = "") -> FakeLease:
        """Return the cluster's lease, as a run that nobody knows yet sees it."""
        name = holder or f"run-{uuid.uuid4().hex[:8]}"
        return FakeLease(name, self.held, lambda: self.now.timestamp())

    def create(
        self, *, push: bool = True, dry_run: bool = False, repo: FakeRepo | None = None, **more: Any
    ) -> CreateReport:
        """Run once, a minute after whatever was before."""
        self.pass_time(60)
        events = create(
            self.target,
            repo or self.repo,
            self.taker(**more),
            clock=lambda: self.now,
            push=push,
            dry_run=dry_run,
        )
        *progress, report = list(events)
        assert all(isinstance(event, Progress) for event in progress)
        assert isinstance(report, CreateReport)
        return report

    def prune(self, *, repo: FakeRepo | None = None, **request: Any) -> PruneReport:
        events = prune(
            repo or self.repo,
            self.snapshotters,
            PruneRequest(**request),
            clock=lambda: self.now,
            find_lease=lambda: self.lease(f"prune-{uuid.uuid4().hex[:8]}"),
            pause=self.pause,
            monotonic=lambda: self.now.timestamp(),
        )
        *_, report = list(events)
        assert isinstance(report, PruneReport)
        return report

    def verify(self, revision: str = "HEAD") -> VerifyReport:
        *_, report = list(verify(self.repo, self.snapshotters, revision, Patterns()))
        assert isinstance(report, VerifyReport)
        return report

    @property
    def files(self) -> dict[str, bytes]:
        tip = self.repo.tip()
        tree = self.repo.tree(tip) if tip else {}
        return dict(zip(tree, self.repo.read(tree.values()), strict=True))

    def record(self, name: str, namespace: str = "shop") -> VolumeRecord:
        path = layout.snapshots_path(namespace, name)
        return VolumeRecord.decode(self.files[path], path)

    def handles(self, name: str) -> list[str]:
        """Return the handles in a claim's record, newest first."""
        return [entry.snapshot.handle for entry in self.record(name).entries]

    def at_storage(self, name: str, namespace: str = "shop") -> set[str]:
        """Return the handles of a claim's snapshots at the storage."""
        wanted = ClaimRef(namespace, name)
        kept = self.storage.snapshots.items()
        return {handle for handle, one in kept if one.claim == wanted}

    def commit_by_hand(self, files: dict[str, bytes | None]) -> None:
        with self.repo.writer(self.repo.tip()) as writer:
            blobs = {p: None if data is None else writer.add(data) for p, data in files.items()}
            writer.commit("by hand", self.now, blobs)


def outcomes(report: CreateReport) -> dict[str, str]:
    return {one.claim.name: str(one.stage) for one in report.snapshots.outcomes}
