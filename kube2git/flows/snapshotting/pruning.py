"""Deleting snapshots in two steps: the storage confirms, then the record loses the entry.

A crash in between leaves an entry of a snapshot that is gone; the next prune finds it gone, and
finishes. What was not ready when it was recorded is looked at first: nothing goes for being late
that has become ready since. Who has lost the Lease begins no further deletion: another run may rely
on what was about to go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from kube2git.core import layout, message
from kube2git.core.ports import Clock, Repo, Snapshotter
from kube2git.core.report import Progress
from kube2git.core.selection import Patterns
from kube2git.core.snapshots import (
    ClaimRef,
    Existence,
    Finding,
    FoundSnapshot,
    Snapshot,
    Volume,
)
from kube2git.core.snapshots.records import (
    Entry,
    VolumeRecord,
    foreign_region,
    identity,
    read_records,
)
from kube2git.core.snapshots.retention import Decision, Retention, decide
from kube2git.errors import Kube2gitError, UsageError
from kube2git.flows.snapshotting import keeping
from kube2git.flows.snapshotting.completing import Completion
from kube2git.flows.snapshotting.lease import FindLease, Pause, SnapshotLease, Task, no_lease

YOUNG = timedelta(hours=1)
"""An orphan may be the snapshot of a run that is about to write its record."""


@dataclass(frozen=True)
class PruneRequest:
    """What may go."""

    retention: Retention = field(default_factory=Retention)
    namespaces: Patterns = field(default_factory=Patterns)
    dry_run: bool = False
    orphans: bool = False
    """Delete orphans too."""
    push: bool = True
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Pruned:
    """One snapshot, what was decided, and what came of it."""

    claim: ClaimRef
    decision: Decision
    is_orphan: bool = False
    is_deleted: bool = False
    problem: str = ""
    """What stood against its deletion, a whole sentence."""


@dataclass(frozen=True)
class PruneReport:
    """The answer of a prune."""

    snapshots: tuple[Pruned, ...]
    commit: str
    problems: tuple[str, ...]
    push_error: str
    dry_run: bool
    note: str = ""
    """Why no Lease keeps other runs away, a whole sentence."""

    @property
    def is_complete(self) -> bool:
        return not self.problems and not any(one.problem for one in self.snapshots)


def prune(
    repo: Repo,
    snapshotters: Mapping[str, Snapshotter],
    request: PruneRequest,
    *,
    clock: Clock,
    find_lease: FindLease = no_lease,
    pause: Pause = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Progress | PruneReport]:
    """Delete what retention lets go; yield progress, and the report last.

    Raise RepositoryLockedError while another run is at work on the snapshots of this cluster.
    """
    wanted = no_lease if request.dry_run else find_lease
    lease = SnapshotLease(wanted, Task.PRUNE, pause, monotonic)
    with repo.lock(), lease.held():
        yield from _Prune(repo, snapshotters, request, clock(), lease).run()


class _Prune:
    def __init__(
        self,
        repo: Repo,
        snapshotters: Mapping[str, Snapshotter],
        request: PruneRequest,
        now: datetime,
        lease: SnapshotLease,
    ) -> None:
        self._repo, self._snapshotters = repo, snapshotters
        self._request, self._now, self._lease = request, now, lease
        self._problems: list[str] = []
        self._pruned: dict[tuple[str, str], Pruned] = {}
        self._entries: dict[tuple[str, str], Entry] = {}

    def run(self) -> Iterator[Progress | PruneReport]:
        keeping.fetch(self._repo)
        base = self._repo.tip()
        records, unreadable = read_records(keeping.read_files(self._repo, base))
        self._problems += unreadable.values()
        chosen = {
            claim: record
            for claim, record in records.items()
            if self._request.namespaces.match(claim.namespace)
        }
        completion = Completion(chosen, self._snapshotters)
        yield from completion.run()
        self._problems += completion.problems
        for record in completion.records.values():
            self._decide(record, completion.hidden)
        yield Progress("looking for orphans")
        self._find_orphans(records, unreadable, keeping.cluster_of(self._repo, base))
        commit = push_error = ""
        if not self._request.dry_run:
            yield from self._delete()
            commit = self._commit(base, records, completion)
            if self._request.push:
                push_error = keeping.push(self._repo)
        found = sorted(self._pruned.values(), key=lambda one: (one.is_orphan, one.claim))
        yield PruneReport(
            tuple(found),
            commit,
            tuple(self._problems),
            push_error,
            self._request.dry_run,
            self._lease.note,
        )

    def _decide(self, record: VolumeRecord, hidden: Set[tuple[str, str]]) -> None:
        self._entries.update({identity(entry.snapshot): entry for entry in record.entries})
        # A copy in another region takes the place of none at home.
        by_place: dict[str, list[Snapshot]] = {}
        for entry in record.entries:
            by_place.setdefault(foreign_region(entry), []).append(entry.snapshot)
        for snapshots in by_place.values():
            for decision in decide(snapshots, self._request.retention, self._now):
                if identity(decision.snapshot) in hidden and not decision.stays:
                    decision = decision._replace(
                        stays=True,
                        reason="It was not ready when it was recorded, and cannot be looked at.",
                    )
                self._pruned[identity(decision.snapshot)] = Pruned(record.claim, decision)

    def _find_orphans(
        self, records: Mapping[ClaimRef, VolumeRecord], unreadable: Mapping[str, str], cluster: str
    ) -> None:
        if not cluster:
            if self._request.orphans:
                raise UsageError(
                    "orphans are told by the marks of the cluster, and this repository does not "
                    "say which cluster it holds",
                    hint="Export once, then prune.",
                )
            return
        known = {identity(e.snapshot) for record in records.values() for e in record.entries}
        # A storage that nobody uses is not asked: there may be no credentials for it.
        used = {method for method, _ in known}
        for method, snapshotter in self._snapshotters.items():
            if method not in used and not self._request.orphans:
                continue
            try:
                found = list(snapshotter.find(cluster))
            except Kube2gitError as error:
                self._problems.append(f"Orphans of {method} could not be looked for: {error}.")
                continue
            for one in found:
                is_known = identity(one.snapshot) in known
                is_hidden = layout.snapshots_path(*one.claim) in unreadable
                if not (is_known or is_hidden) and self._request.namespaces.match(
                    one.claim.namespace
                ):
                    self._add_orphan(one)

    def _add_orphan(self, found: FoundSnapshot) -> None:
        snapshot, key = found.snapshot, identity(found.snapshot)
        if self._now - snapshot.created < YOUNG:
            decision = Decision(snapshot, True, "No record names it yet; it is very young.")
        elif self._request.orphans:
            decision = Decision(snapshot, False, "No record names it.")
        else:
            decision = Decision(snapshot, True, "No record names it; --orphans would delete it.")
        volume = Volume(found.claim, "", "", found.driver, "")
        self._entries[key] = Entry(volume, snapshot)
        self._pruned[key] = Pruned(found.claim, decision, is_orphan=True)

    def _delete(self) -> Iterator[Progress]:
        doomed: dict[str, list[Entry]] = {}
        for key, one in self._pruned.items():
            if not one.decision.stays:
                doomed.setdefault(one.decision.snapshot.method, []).append(self._entries[key])
        total, ended = sum(map(len, doomed.values())), 0
        for method, entries in doomed.items():
            snapshotter = self._snapshotters.get(method)
            if snapshotter is None:
                self._note(entries, f"No snapshotter named {method} is installed.")
                continue
            yield Progress(f"deleting {total} snapshots, {ended} done")
            told = set()
            try:
                for finding in self._while_held(
                    snapshotter.delete(entries, seconds=self._request.seconds)
                ):
                    if finding is not None:
                        told.add(identity(finding.snapshot))
                        is_gone = finding.existence is Existence.GONE
                        reason = finding.reason or "The storage did not confirm that it is gone."
                        self._set(finding.snapshot.method, finding.snapshot.handle, is_gone, reason)
                        ended += 1
                    yield Progress(f"deleting {total} snapshots, {ended} done")
                silent = self._lease.loss() or "The storage did not answer."
            except Kube2gitError as error:
                silent = f"{error}."
            self._note([one for one in entries if identity(one.snapshot) not in told], silent)

    def _while_held(self, findings: Iterator[Finding | None]) -> Iterator[Finding | None]:
        """Pass findings on until the lease is lost; a snapshotter left alone begins no more."""
        while not self._lease.loss():
            try:
                finding = next(findings)
            except StopIteration:
                return
            yield finding

    def _note(self, entries: Sequence[Entry], problem: str) -> None:
        for entry in entries:
            self._set(entry.snapshot.method, entry.snapshot.handle, False, problem)

    def _set(self, method: str, handle: str, is_deleted: bool, problem: str) -> None:
        one = self._pruned[(method, handle)]
        self._pruned[(method, handle)] = Pruned(
            one.claim, one.decision, one.is_orphan, is_deleted, "" if is_deleted else problem
        )

    def _commit(
        self,
        base: str | None,
        records: Mapping[ClaimRef, VolumeRecord],
        completion: Completion,
    ) -> str:
        gone: dict[ClaimRef, list[Pruned]] = {}
        for one in self._pruned.values():
            if one.is_deleted and not one.is_orphan:
                gone.setdefault(one.claim, []).append(one)
        left, lines = dict(completion.records), []
        for claim, pruned in sorted(gone.items()):
            snapshots = [one.decision.snapshot for one in pruned]
            left[claim] = left[claim].without(snapshots)
            lines += [f"{claim}: {one.method} {one.handle}, deleted" for one in snapshots]
        count = len(lines)
        subject = f"{count} deleted" if count else f"{len(completion.completed)} ready by now"
        files = {
            layout.snapshots_path(*claim): record.encode()
            for claim, record in sorted(left.items())
            if record != records[claim]
        }
        when = self._now.astimezone(UTC)
        return keeping.commit_files(
            self._repo,
            base,
            files,
            self._now,
            f"snapshot: {subject}",
            [*lines, *completion.lines()],
            {message.RUN: f"prune-{when:%Y%m%d%H%M%S}"},
        )
