"""What a run came to: outcomes, the list of what is missing, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kube2git.core import fielddiff
from kube2git.core.fielddiff import FieldChange
from kube2git.core.message import Change, ObjectChange
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.ports import Commit, KindRead, RepoState, Synced
from kube2git.core.sealing import Opener, hidden_in, legible
from kube2git.core.snapshots.outcomes import SnapshotReport
from kube2git.core.wire import Json

INCOMPLETE = 3
"""Exit code: finished, but something was skipped or failed, and is listed."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running export stands."""

    phase: str
    """A present participle for people: reading, writing, pushing."""
    kinds_done: int = 0
    kinds_total: int = 0
    objects: int = 0


@dataclass(frozen=True, slots=True)
class Withheld:
    """One object that was not written; its old file stays."""

    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The answer of an export."""

    run: str
    commit: str
    """Id of the new commit; "" when nothing had changed, or in a dry run."""
    revision: str
    """The etcd revision that every kind was read at; "" when there was not one."""
    atomic: bool
    reason: str
    """Why it was not atomic, or what else is worth knowing of the sweep."""
    kinds: int
    objects: int
    """Objects in the repository that this run has seen."""
    by_kind: dict[str, int]
    """kind.group -> objects in the repository after this run, those of other selections too."""
    changes: tuple[ObjectChange, ...]
    left_out: dict[str, int]
    """Rule id -> objects."""
    terminating: tuple[ObjectRef, ...]
    """Objects that are being deleted; they are exported while they exist."""
    incomplete: tuple[KindRead, ...]
    """Kinds that were not listed completely."""
    missing_groups: dict[str, str]
    """API groups whose backend did not answer discovery -> why."""
    withheld: tuple[Withheld, ...]
    warnings: tuple[str, ...]
    synced: Synced
    push_error: str
    """Why the commits did not reach the remote; they stay, and the next run sends them."""
    state: RepoState
    seconds: dict[str, float]
    """Phase -> seconds spent in it, and "total"."""
    dry_run: bool
    snapshots: SnapshotReport | None = None
    """None when none were asked for."""

    @property
    def is_complete(self) -> bool:
        has_snapshots = self.snapshots is None or self.snapshots.is_complete
        return has_snapshots and not (self.incomplete or self.missing_groups or self.withheld)


class SnapshotTaker(Protocol):
    """Takes the snapshots that belong into a commit; an export is given one by the wiring."""

    def begin(self) -> None:
        """Keep other runs away until ``close``.

        Before the records are read, so that they are the newest; not in a dry run.
        """
        ...

    def take(
        self, run: str, cluster: str, files: Mapping[str, bytes], *, is_dry_run: bool
    ) -> Iterator[Progress | SnapshotReport]:
        """Yield progress, and the report last; what goes wrong is in the report, never raised.

        ``files`` are the records so far, by path.
        """
        ...

    def settle(self) -> None:
        """Learn that the records of the report are committed, and pushed where that was asked."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """One object that differs between two states of the cluster."""

    change: Change
    ref: ObjectRef
    fields: tuple[FieldChange, ...]
    """Field by field, values of Secrets masked; empty when the object was added or removed."""
    old: Json | None
    new: Json | None
    hidden: fielddiff.Masked | None = field(default=None, compare=False, repr=False)
    """Tells which values of ``old`` and ``new`` must not be shown."""
    problem: str = ""
    """Why there are no states to compare: a file that cannot be read."""

    @classmethod
    def between(
        cls, old: Json | None, new: Json | None, opener: Opener | None = None
    ) -> ObjectDiff:
        """Compare two states of one object, of which one may be missing.

        What is sealed is opened where ``opener`` can; values that are or were sealed are masked,
        unless it reveals them.
        """
        body = new if new is not None else old
        if body is None:
            raise ValueError("one of the two states must exist")
        ref = ref_of(body)
        sealed, secret = hidden_in(old, new), fielddiff.secret_values(body)
        opened = opener or Opener()

        def hidden(path: fielddiff.Path) -> bool:
            return not opened.reveals and (secret(path) or sealed(path))

        old = None if old is None else opened.open(old)
        new = None if new is None else opened.open(new)
        if opened.reveals:
            old = None if old is None else legible(old)
            new = None if new is None else legible(new)
        if old is None or new is None:
            change = Change.ADDED if old is None else Change.REMOVED
            return cls(change, ref, (), old, new, hidden)
        fields = tuple(fielddiff.changes(old, new, masked=hidden))
        return cls(Change.CHANGED, ref, fields, old, new, hidden)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One commit, as far as it is about what was asked for."""

    commit: Commit
    diffs: tuple[ObjectDiff, ...]
    managers: Mapping[ObjectRef, tuple[str, ...]]
    """Field managers that the commit names for an object."""
