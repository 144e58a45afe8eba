"""What the flows need of the world, as protocols; adapters and the tests' fakes implement them.

The cluster speaks kinds and raw JSON and never hears of Git; the repository speaks paths and
bytes and never hears of Kubernetes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from kube2git.core.objects import ResourceType
from kube2git.core.snapshots import (
    CutRequest,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Volume,
    Wait,
)
from kube2git.core.wire import Json, RawObject

# ── Cluster ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ClusterIdentity:
    """Which cluster this is, and as whom we speak to it."""

    uid: str
    """uid of the Namespace kube-system; "" when this identity may not read it."""
    server_version: str
    """gitVersion, for example v1.37.1."""
    context: str
    """Name of the kubeconfig context, or "in-cluster"."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """Which kinds the server serves: each listable kind once, at its best version."""

    types: tuple[ResourceType, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """API group (or group/version) whose backend gave no resources -> why."""

    def is_failed(self, group: str) -> bool:
        """Tell whether kinds of this group may be missing because its backend is down."""
        return any(name == group or name.startswith(f"{group}/") for name in self.failed)


class KindStatus(enum.StrEnum):
    """How completely a kind was listed. Only what was listed may lead to a deletion."""

    LISTED = "listed"
    PARTIAL = "partial"
    """Listed in some namespaces only: ``KindResult.namespaces``."""
    FORBIDDEN = "forbidden"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What to list: kinds, in this order of phases, and where."""

    phases: Sequence[Sequence[ResourceType]]
    """Kinds of an earlier phase are listed completely before those of a later one begin."""
    namespaces: tuple[str, ...] | None = None
    """List namespaced kinds in these only; None: everywhere, with one request a page."""
    label_selector: str = ""
    whole: frozenset[str] = frozenset()
    """kind_groups that are listed whatever their labels."""


@dataclass(frozen=True, slots=True)
class SweepStarted:
    """Every list from here on is read at ``revision``. Forget all that came before."""

    revision: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PageRead:
    type: ResourceType
    items: Sequence[RawObject]


@dataclass(frozen=True, slots=True)
class KindRead:
    """The last word on one kind."""

    type: ResourceType
    status: KindStatus
    reason: str = ""
    """For people: why it is not ``listed``, a whole sentence, with the remedy when there is one."""
    namespaces: tuple[str, ...] = ()
    """When partial: the namespaces that were listed completely."""
    revision: str = ""
    """The revision it was read at, when that is not the sweep's."""
    count: int = 0


@dataclass(frozen=True, slots=True)
class SweepFinished:
    revision: str
    atomic: bool
    """True when every kind that was listed was read at ``revision``."""
    reason: str = ""
    """Why not, or what else is worth knowing (a CRD that changed after R)."""


SweepEvent = SweepStarted | PageRead | KindRead | SweepFinished


class Cluster(Protocol):
    """A Kubernetes API server. Errors: ClusterUnreachableError, ClusterDeniedError."""

    def identity(self) -> ClusterIdentity: ...

    def discover(self) -> Discovery: ...

    def sweep(self, request: SweepRequest) -> Iterator[SweepEvent]:
        """List every kind at one revision; what could not be listed is told, never raised."""
        ...

    def get(self, type: ResourceType, namespace: str, name: str) -> Json | None:
        """Return one live object, or None when there is none."""
        ...


# ── Repository ───────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Commit:
    id: str
    """Full hexadecimal id."""
    parents: tuple[str, ...]
    author: str
    time: datetime
    """Of the commit, with its zone."""
    message: str
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a commit's signature is worth."""

    is_trusted: bool
    """It is good, and made with a key that the settings allow."""
    signer: str = ""
    """As the allowed-signers file, or gpg, calls whoever holds the key."""
    key: str = ""
    """Fingerprint."""
    reason: str = ""
    """Why it is not trusted, a whole sentence."""

    def __str__(self) -> str:
        return f"{self.signer} ({self.key})" if self.signer else self.key


@dataclass(frozen=True, slots=True)
class PathChange:
    """One path that differs between two trees; None where it does not exist."""

    path: str
    old: str | None
    """Blob id."""
    new: str | None


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of exchanging commits with the remote."""

    remote: str
    """Its address without credentials; "" when the repository has none."""
    fetched: int = 0
    """Commits of others that were taken over."""
    rebuilt: int = 0
    """Own commits that were built again on top of them."""
    pushed: int = 0
    """Commits that the remote has taken."""


@dataclass(frozen=True, slots=True)
class RepoState:
    """What operators watch of a repository."""

    unpushed: int
    """Commits that the remote has not taken, as far as is known here; 0 without a remote."""
    size: int
    """Bytes that it takes up here."""


class CommitWriter(Protocol):
    """One commit in the making. Nothing is visible in the branch before ``commit`` returns."""

    def add(self, data: bytes) -> str:
        """Store a file's bytes; return their blob id."""
        ...

    def commit(self, message: str, when: datetime, changes: Mapping[str, str | None]) -> str:
        """Commit ``changes`` (path -> blob id, None removes) and move the branch; return the id."""
        ...


class Repo(Protocol):
    """A Git repository, one branch and one prefix of it. Paths are relative to the prefix.

    Errors: RepositoryNotFoundError, RepositoryLockedError, PushError.
    """

    def lock(self) -> AbstractContextManager[None]:
        """Hold the repository against other runs; raise RepositoryLockedError after the wait."""
        ...

    def tip(self) -> str | None:
        """Return the branch's commit id, or None when the branch has no commit."""
        ...

    def resolve(self, revision: str) -> str:
        """Return the commit id that a Git revision names; ``main@{yesterday}`` works too."""
        ...

    def commit(self, commit: str) -> Commit: ...

    def signature(self, commit: str) -> Signature:
        """Tell who signed a commit, and whether the settings allow that signer."""
        ...

    def tree(self, commit: str) -> dict[str, str]:
        """Return every file below the prefix: path -> blob id."""
        ...

    def read(self, blobs: Iterable[str]) -> Iterator[bytes]:
        """Yield the bytes of blobs, in order."""
        ...

    def file_above(self, commit: str, name: str) -> tuple[bytes, str] | None:
        """Return the nearest file of a name in the prefix or a folder above it.

        With it comes the path of the prefix as seen from the file's folder, "" when it is the same.
        """
        ...

    def blob_id(self, data: bytes) -> str:
        """Return the id that these bytes have, or would have, in this repository."""
        ...

    def writer(self, parent: str | None) -> AbstractContextManager[CommitWriter]:
        """Begin a commit on top of ``parent``; leaving without ``commit`` leaves no trace."""
        ...

    def log(self, revision: str, paths: Sequence[str] = ()) -> Iterator[Commit]:
        """Yield commits reachable from a revision that touched the paths, newest first."""
        ...

    def removed_paths(self, revision: str, pattern: str) -> list[str]:
        """Return paths that match a glob and that a commit before the revision removed.

        In the glob, ``*`` stands for any characters, ``/`` too.
        """
        ...

    def changes(self, old: str | None, new: str) -> list[PathChange]:
        """Return what differs below the prefix between two commits; None: the empty tree."""
        ...

    def fetch(self) -> Synced:
        """Take over the remote's commits; build unpushed own commits again on top of them."""
        ...

    def state(self) -> RepoState:
        """Return what operators watch; asks nobody else."""
        ...

    def check_push(self) -> str:
        """Ask the remote whether it would take a push; return its address, "" without one."""
        ...

    def check_signing(self) -> bool:
        """Sign a commit that nobody keeps; False when commits are not to be signed.

        Raises UsageError and Kube2gitError, which say what to do.
        """
        ...

    def push(self) -> Synced:
        """Send unpushed commits; when others were faster, fetch, rebuild and try again."""
        ...


class Memory(Protocol):
    """A small local file that a later run may find or not; never versioned."""

    def load(self) -> bytes | None: ...

    def save(self, data: bytes) -> None: ...


Clock = Callable[[], datetime]
"""Returns the present time, with its zone; flows take one instead of reading a clock."""


# ── Target ───────────────────────────────────────────────────────────────────────────────────


class Verb(enum.StrEnum):
    """How an object is written."""

    APPLY = "apply"
    """Server-side apply."""
    CREATE = "create"
    REPLACE = "replace"
    EDIT = "edit"
    """A JSON patch."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """One write of one object, by the field manager kube2git."""

    verb: Verb
    type: ResourceType
    namespace: str
    name: str
    body: Json | Sequence[Json] = field(repr=False)
    """The object; of an edit the operations; of a deletion the options with its preconditions."""
    is_forced: bool = False
    """An apply that takes over what other managers own."""
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What the server answered to a write, whatever it was."""

    status: int
    body: Json | None = field(repr=False)
    """The object, or the Status; None when the answer was not JSON."""

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class WatchPlace:
    """One kind to watch, in one namespace or ("") everywhere."""

    type: ResourceType
    namespace: str = ""
    revision: str = ""
    """Everything that happens after it is told."""


@dataclass(frozen=True, slots=True)
class ObjectChanged:
    body: Json = field(repr=False)
    """With apiVersion and kind."""
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class WatchEnded:
    """Nothing more comes of this place; what changed meanwhile, only a ``get`` tells."""

    place: WatchPlace
    reason: str = ""
    """Why it could not be watched, a whole sentence; "" when it may be watched again."""


WatchEvent = ObjectChanged | WatchEnded
Stopped = Callable[[], bool]
"""Tells whether the user wants no more work to begin."""


class Target(Cluster, Protocol):
    """A cluster that is written to. Errors as of Cluster."""

    def send(self, request: WriteRequest) -> WriteAnswer:
        """Write once, trying again where that does no harm; called by several threads."""
        ...

    def in_parallel(
        self, tasks: Iterable[Callable[[], None]], is_stopped: Stopped = lambda: False
    ) -> None:
        """Run tasks, as many at a time as the server bears; return when all have ended.

        When ``is_stopped``, or when a task raises, no further one begins; what a task raised is
        raised after the others have ended.
        """
        ...

    def watch(self, places: Sequence[WatchPlace], seconds: float) -> Iterator[WatchEvent | None]:
        """Yield what happens for so long at most; None, often, so that the caller can look up."""
        ...


# ── Snapshotter ──────────────────────────────────────────────────────────────────────────────


class Snapshotter(Protocol):
    """Snapshots of volumes at one kind of storage. Entry points ``kube2git.snapshotters`` add some.

    A snapshot is found again by its marks (cluster, namespace, claim, run), so that every call can
    be repeated after a crash without making a second one. Errors of single volumes are events;
    raised are only ClusterUnreachableError, ClusterDeniedError and SnapshotterError (the storage as
    a whole cannot be used). Called by several threads at once.
    """

    @property
    def method(self) -> str:
        """Name in records: ``csi``, ``ebs``."""
        ...

    def why_not(self, volume: Volume) -> str:
        """Return why this volume cannot be snapshotted here, a whole sentence; "" when it can."""
        ...

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        """Tell whether one cut over all these volumes can be had."""
        ...

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        """Take all cuts in parallel; yield news of each volume, and None, often, as a heartbeat.

        Every volume has its CUT event as soon as its data is fixed. After ``seconds`` what is not
        done is told as CUT (it has a handle) or FAILED.
        """
        ...

    def verify(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> Iterator[Finding | None]:
        """Look at each snapshot; yield what was found, in any order, and heartbeats."""
        ...

    def find(self, cluster: str) -> Iterator[FoundSnapshot]:
        """Yield every snapshot that still carries this cluster's marks."""
        ...

    def settle(self, snapshots: Sequence[tuple[Volume, Snapshot]]) -> None:
        """Learn that committed records name these ready snapshots, so that they are not lost.

        What only served to find them again (CSI: the VolumeSnapshot and its content) may go now,
        and no earlier. Settling again, or what is gone, does no harm; what fails is tried again by
        the next run and raises nothing.
        """
        ...

    def delete(
        self, snapshots: Sequence[tuple[Volume, Snapshot]], *, seconds: float
    ) -> Iterator[Finding | None]:
        """Delete snapshots; yield GONE when the storage confirmed, else what stands against it."""
        ...

    def why_not_restore(self, request: RestoreRequest) -> str:
        """Return why a claim cannot come back here, a whole sentence; "" when it can.

        Asked before anything is written, and about this cluster: whether the snapshot exists is
        for ``verify``.
        """
        ...

    def restore(
        self, requests: Sequence[RestoreRequest], *, run: str, seconds: float
    ) -> Iterator[Restoration | None]:
        """Prepare the volumes of claims that are about to be created; yield one answer a claim.

        Where the cluster's own controllers make the volume out of objects (CSI), nothing happens
        but that these objects are worked out; elsewhere (EBS) the volume is made, marked with the
        run and the claim, so that doing it again finds it. Members of one group come together.
        """
        ...


@runtime_checkable
class SnapshotCopier(Protocol):
    """What a Snapshotter may offer besides: copies of its snapshots in other regions."""

    def copy(
        self,
        snapshots: Sequence[tuple[Volume, Snapshot]],
        *,
        cluster: str,
        region: str,
        key: str = "",
        seconds: float,
    ) -> Iterator[SnapshotEvent | None]:
        """Begin copies, or find those that were begun; yield each as CUT or READY, or FAILED.

        SKIPPED are those that are in the region anyway. ``key`` encrypts the copies.
        """
        ...


@dataclass(frozen=True, slots=True)
class SnapshotterContext:
    """What a factory of the entry points ``kube2git.snapshotters`` makes its snapshotter of."""

    target: Callable[[], Target]
    """Connects to the cluster; to be called only if it is needed."""
    clock: Clock
    options: Mapping[str, Any] = field(default_factory=dict)
    """What ``snapshots.options`` of the configuration says under the entry point's name."""
    keeps_objects: bool = False
    """Leave the cluster's own snapshot objects in place when a snapshot is settled."""


SnapshotterFactory = Callable[[SnapshotterContext], Snapshotter]
"""What an entry point names. It does no input or output; raises UsageError for wrong options."""


# ── Lease ────────────────────────────────────────────────────────────────────────────────────


class Lease(Protocol):
    """Claimed by one of several holders. Errors: ClusterUnreachableError, ClusterDeniedError."""

    @property
    def other(self) -> str:
        """Who else held it at the last claim: "" when nobody did.

        After a claim that succeeded, that is a holder who died; whoever gave it up is nobody.
        """
        ...

    def claim(self) -> bool:
        """Take the Lease, or renew it; False while somebody else holds it."""
        ...

    def release(self) -> None:
        """Give the Lease up, if it is ours."""
        ...


# ── Commands in Pods ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A command to run in one container of a Pod."""

    namespace: str
    pod: str
    container: str
    command: tuple[str, ...] = field(repr=False)
    """It may hold a password, so it is never shown."""
    seconds: float


class CommandRunner(Protocol):
    """Runs commands in Pods, as ``kubectl exec`` does."""

    def run(self, request: CommandRequest) -> str:
        """Run a command to its end; return why it failed, a whole sentence, "" when it did not.

        Never raises for what the cluster says; called by several threads. What the command wrote
        is dropped, since it may hold secrets and the answer ends up in Git.
        """
        ...
