"""Copies of the newest snapshots in another region, entered into the records beside their sources.

A crash before the commit leaves a copy that no record names; the next call finds it by its marks,
and enters it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kube2git.core import layout, message
from kube2git.core.ports import Clock, Repo, SnapshotCopier, Snapshotter
from kube2git.core.report import Progress
from kube2git.core.selection import Patterns
from kube2git.core.snapshots import ClaimRef, SnapshotEvent, Stage
from kube2git.core.snapshots.outcomes import VolumeOutcome
from kube2git.core.snapshots.records import Entry, VolumeRecord, foreign_region, read_records
from kube2git.errors import Kube2gitError, RepositoryNotFoundError, UsageError
from kube2git.flows.snapshotting import keeping
from kube2git.flows.snapshotting.completing import Completion
from kube2git.flows.snapshotting.lease import FindLease, Pause, SnapshotLease, Task, no_lease


@dataclass(frozen=True)
class CopyRequest:
    """What to copy, and where to."""

    region: str
    key: str = ""
    """KMS key of that region; "" for the account's default one."""
    names: tuple[str, ...] = ()
    """Of claims; empty for all."""
    namespaces: Patterns = field(default_factory=Patterns)
    push: bool = True
    seconds: float = 600.0


@dataclass(frozen=True)
class CopyReport:
    """The answer of a copy. CUT: the storage is copying, and the next run completes the record."""

    region: str
    outcomes: tuple[VolumeOutcome, ...]
    commit: str
    """"" when nothing had changed."""
    unreadable: tuple[str, ...]
    """Why some files are no records, or could not be completed, whole sentences."""
    push_error: str
    note: str = ""
    """Why no Lease keeps other runs away, a whole sentence."""

    @property
    def is_complete(self) -> bool:
        return not self.unreadable and all(one.stage is not Stage.FAILED for one in self.outcomes)


def copy(
    repo: Repo,
    snapshotters: Mapping[str, Snapshotter],
    request: CopyRequest,
    *,
    clock: Clock,
    find_lease: FindLease = no_lease,
    pause: Pause = time.sleep,
) -> Iterator[Progress | CopyReport]:
    """Copy the newest ready snapshot of each claim; yield progress, and the report last.

    Raise RepositoryNotFoundError for a name without a record, UsageError where the repository
    does not say which cluster it holds, by which copies are marked, and RepositoryLockedError while
    another run is at work on the snapshots of this cluster.
    """
    lease = SnapshotLease(find_lease, Task.COPY, pause)
    with repo.lock(), lease.held():
        yield from _Copy(repo, snapshotters, request, clock(), lease.note).run()


class _Copy:
    def __init__(
        self,
        repo: Repo,
        snapshotters: Mapping[str, Snapshotter],
        request: CopyRequest,
        now: datetime,
        note: str,
    ) -> None:
        self._repo, self._snapshotters = repo, snapshotters
        self._request, self._now, self._lease_note = request, now, note
        self._sources: dict[ClaimRef, Entry] = {}
        self._outcomes: dict[ClaimRef, VolumeOutcome] = {}

    def run(self) -> Iterator[Progress | CopyReport]:
        keeping.fetch(self._repo)
        base = self._repo.tip()
        cluster = keeping.cluster_of(self._repo, base)
        if not cluster:
            raise UsageError(
                "copies are marked with the cluster, and this repository does not say which one "
                "it holds",
                hint="Export once, then copy.",
            )
        records, unreadable = read_records(keeping.read_files(self._repo, base))
        chosen = self._choose(records)
        completion = Completion(chosen, self._snapshotters)
        yield from completion.run()
        self._find_sources(completion.records)
        for method in sorted({entry.snapshot.method for entry in self._sources.values()}):
            entries = [one for one in self._sources.values() if one.snapshot.method == method]
            yield from self._copy(method, entries, cluster)
        commit = self._commit(base, chosen, completion)
        push_error = keeping.push(self._repo) if self._request.push else ""
        yield CopyReport(
            self._request.region,
            tuple(outcome for _, outcome in sorted(self._outcomes.items())),
            commit,
            (*unreadable.values(), *completion.problems),
            push_error,
            self._lease_note,
        )

    def _choose(self, records: Mapping[ClaimRef, VolumeRecord]) -> dict[ClaimRef, VolumeRecord]:
        request = self._request
        chosen = {
            claim: record
            for claim, record in records.items()
            if request.namespaces.match(claim.namespace)
            and (not request.names or claim.name in request.names)
        }
        known = {claim.name for claim in chosen}
        if missing := [name for name in request.names if name not in known]:
            raise RepositoryNotFoundError(
                f"the newest commit has no record of the claim {missing[0]}",
                hint="`kube2git snapshot list` shows all; -n names the namespace.",
            )
        return chosen

    def _find_sources(self, records: Mapping[ClaimRef, VolumeRecord]) -> None:
        for claim, record in records.items():
            ready = (
                entry
                for entry in record.entries
                if entry.snapshot.is_ready
                and not entry.snapshot.error
                and not foreign_region(entry)
            )
            entry = next(ready, None)
            if entry is None:
                self._fail(claim, "", "Its record has no snapshot that is ready.")
            else:
                self._sources[claim] = entry

    def _copy(self, method: str, entries: Sequence[Entry], cluster: str) -> Iterator[Progress]:
        copier, request = self._snapshotters.get(method), self._request
        if copier is None:
            silent = f"No snapshotter named {method} is installed."
        elif not isinstance(copier, SnapshotCopier):
            silent = (
                f"Snapshots of the method {method} cannot be copied to another region from here; "
                "use the tools of the storage."
            )
        else:
            silent = "The storage did not answer."
            yield Progress(f"copying {len(entries)} snapshots to {request.region}")
            try:
                for event in copier.copy(
                    entries,
                    cluster=cluster,
                    region=request.region,
                    key=request.key,
                    seconds=request.seconds,
                ):
                    if event is not None:
                        self._note(event, method)
                    done = f"{len(self._outcomes)} done"
                    yield Progress(f"copying {len(entries)} snapshots to {request.region}, {done}")
            except Kube2gitError as error:
                silent = f"{error}." + (f" {error.hint}" if error.hint else "")
        for entry in entries:
            if entry.volume.claim not in self._outcomes:
                self._fail(entry.volume.claim, method, silent)

    def _note(self, event: SnapshotEvent, method: str) -> None:
        self._outcomes[event.claim] = VolumeOutcome(
            event.claim, event.stage, method, event.snapshot, event.reason
        )

    def _fail(self, claim: ClaimRef, method: str, reason: str) -> None:
        self._outcomes[claim] = VolumeOutcome(claim, Stage.FAILED, method, None, reason)

    def _commit(
        self,
        base: str | None,
        records: Mapping[ClaimRef, VolumeRecord],
        completion: Completion,
    ) -> str:
        left, lines = dict(completion.records), []
        for claim, outcome in sorted(self._outcomes.items()):
            snapshot = outcome.snapshot
            if snapshot is None or outcome.stage not in (Stage.CUT, Stage.READY):
                continue
            changed = left[claim].having(Entry(self._sources[claim].volume, snapshot))
            if changed != left[claim]:
                left[claim] = changed
                lines.append(outcome.line())
        count, ready = len(lines), len(completion.completed)
        when = self._now.astimezone(UTC)
        return keeping.commit_files(
            self._repo,
            base,
            {
                layout.snapshots_path(*claim): record.encode()
                for claim, record in sorted(left.items())
                if record != records[claim]
            },
            self._now,
            f"snapshot: {count} copied to {self._request.region}"
            if count
            else f"snapshot: {ready} ready by now",
            [*lines, *completion.lines()],
            {message.RUN: f"copy-{when:%Y%m%d%H%M%S}"},
        )
