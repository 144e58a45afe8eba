"""One export, step by step: read the branch, sweep, compare, commit, push.

Nothing is visible before the branch moves at the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kube2git.core import layout, message, yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.coverage import FORMAT, Listing
from kube2git.core.message import Change, ObjectChange
from kube2git.core.ports import (
    Cluster,
    ClusterIdentity,
    CommitWriter,
    Discovery,
    Memory,
    Repo,
    Stopped,
    Synced,
)
from kube2git.core.reading import SECRET, Kinds, choose_kinds
from kube2git.core.report import ExportReport, Progress, SnapshotTaker
from kube2git.core.sealing import MalformedSealError, Sealer, Sealing, Seals
from kube2git.core.snapshots.outcomes import SnapshotReport
from kube2git.errors import PushError, RefusedError, RepositoryNotFoundError
from kube2git.flows.exporting.changing import object_changes, removed_paths
from kube2git.flows.exporting.collecting import Collector
from kube2git.flows.exporting.request import ExportRequest
from kube2git.flows.exporting.tip import Tip

FEW_REMOVALS = 10
"""Up to so many removals never trip the guard against mass removal."""


@dataclass
class Run:
    """One export; the repository is locked by whoever runs it."""

    cluster: Cluster
    repo: Repo
    request: ExportRequest
    rules: RuleSet
    memory: Memory
    started: datetime
    sealing: Sealing | None
    is_superseded: Stopped
    taker: SnapshotTaker | None
    snapshots: SnapshotReport | None = None
    push_error: str = ""
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"{self.request.schedule}-{self.started.astimezone(UTC):%Y%m%d%H%M%S}"

    def steps(self) -> Iterator[Progress | ExportReport]:
        """Run; yield progress, and the report last."""
        begun = time.perf_counter()
        if self.taker is not None and not self.request.dry_run:
            yield Progress("waiting for other runs over the snapshots")
            self.taker.begin()
        yield Progress("fetching")
        synced = self._fetch()
        tip = Tip(self.repo)
        self._lap("repository", begun)

        lap = time.perf_counter()
        yield Progress("discovering")
        identity = self.cluster.identity()
        self._guard_identity(tip, identity)
        discovery = self.cluster.discover()
        sealer = self._make_sealer(tip)
        kinds = self._choose_kinds(discovery, sealer)
        self._lap("discovery", lap)

        lap = time.perf_counter()
        with ExitStack() as stack:
            writer: CommitWriter | None = (
                None if self.request.dry_run else stack.enter_context(self.repo.writer(tip.commit))
            )
            store = writer.add if writer is not None else self.repo.blob_id
            collector = Collector(
                tip.tree,
                self.request.selection,
                kinds,
                sealer,
                blob_id=self.repo.blob_id,
                store=store,
            )
            yield from collector.sweep(self.cluster, identity, self.rules, self.memory.load())
            self._lap("sweep", lap)

            lap = time.perf_counter()
            got = collector.got
            yield Progress("writing", objects=got.objects)
            listing = Listing(
                tip.coverage,
                discovery,
                self.request.selection,
                kinds.exported,
                kinds.left_out,
                got.results,
            )
            removed = removed_paths(tip, got, listing, self.request.selection)
            updates: dict[str, str | None] = {
                **{path: got.paths[path] for path in got.differing},
                **dict.fromkeys(removed),
            }
            for path, data in self._own_files(listing, identity, sealer, removed):
                if tip.tree.get(path) != self.repo.blob_id(data):
                    updates[path] = store(data)
            changes = object_changes(tip, got, removed)
            self._guard_removal(tip, changes)
            if self.taker is not None:
                # Last of all, since a refused run must not leave snapshots behind.
                self._lap("writing", lap)
                lap = time.perf_counter()
                yield from self._snapshot(self.taker, tip, identity.uid)
                self._lap("snapshots", lap)
                lap = time.perf_counter()
            if self.snapshots is not None:
                for path, record in self.snapshots.files.items():
                    updates[path] = None if record is None else store(record)
            self._guard_right("wrote anything")
            commit = ""
            if updates and writer is not None:
                text = self._message(collector, listing, identity, changes)
                commit = writer.commit(text, self.started, updates)
            self._lap("commit", lap)
        if not self.request.dry_run:
            self.memory.save(collector.seen().encode())

        lap = time.perf_counter()
        if self.request.push and not self.request.dry_run:
            yield Progress("pushing", objects=got.objects)
            self._guard_right("pushed its commit, which the next run sends")
            synced = self._push(synced)
        self._lap("push", lap)
        if self.taker is not None and not (self.request.dry_run or self.push_error):
            self.taker.settle()
        self.seconds["total"] = time.perf_counter() - begun
        files = {path for path, blob in {**tip.tree, **updates}.items() if blob is not None}
        yield self._report(collector, listing, commit, changes, files, synced)

    def _lap(self, phase: str, since: float) -> None:
        self.seconds[phase] = time.perf_counter() - since

    # ── repository ───────────────────────────────────────────────────────────────────────────

    def _fetch(self) -> Synced:
        try:
            return self.repo.fetch()
        except (PushError, RepositoryNotFoundError) as error:
            # What is committed locally goes with a later push; but without any history at hand
            # the remote's own would be missing below the first commit.
            if self.repo.tip() is None:
                raise
            self.push_error = str(error)
            return Synced("")

    def _push(self, fetched: Synced) -> Synced:
        try:
            pushed = self.repo.push()
        except (PushError, RepositoryNotFoundError) as error:
            self.push_error = f"{error}" + (f" {error.hint}" if error.hint else "")
            return fetched
        self.push_error = ""
        return Synced(
            pushed.remote or fetched.remote,
            fetched.fetched + pushed.fetched,
            fetched.rebuilt + pushed.rebuilt,
            pushed.pushed,
        )

    # ── what is read, and for whom it is sealed ──────────────────────────────────────────────

    def _make_sealer(self, tip: Tip) -> Sealer | None:
        """Return what seals this run's objects; None when there is nobody to seal for."""
        if self.sealing is None:
            return None
        before = Seals()
        try:
            data = tip.parsed(layout.SEALS)
            before = Seals.parse(data) if isinstance(data, dict) else before
        except (MalformedSealError, yamlio.YamlError):
            self.warnings.append("The file seals.yaml cannot be read; all is sealed again once.")
        sealer = Sealer.of_commit(self.sealing, before, tip.sops_rules(), self.started)
        if not sealer.can_seal:
            return None
        if sealer.is_first_with_key:
            self.warnings.append(
                "The fingerprint key is another one than at the last export, so that every "
                "Secret is sealed again once, changed or not."
            )
        return sealer

    def _choose_kinds(self, discovery: Discovery, sealer: Sealer | None) -> Kinds:
        sealed = frozenset(self.sealing.rules) if self.sealing and sealer else frozenset()
        kinds = choose_kinds(discovery, self.request.selection, self.rules, sealed)
        unknown = self.request.selection.unknown_kinds(discovery.types)
        # One of a group whose backend is down is told as such.
        if unknown and not discovery.failed:
            self.warnings.append(
                f"The selection names {', '.join(unknown)}, and the cluster has no such kind."
            )
        if SECRET in kinds.left_out:
            self.warnings.append(
                "Secrets are left out, because no recipient is configured to seal their values. "
                "Set sealing.recipients to an age public key; `kube2git init` makes one."
            )
        return kinds

    # ── guards ───────────────────────────────────────────────────────────────────────────────

    def _guard_identity(self, tip: Tip, identity: ClusterIdentity) -> None:
        known = tip.coverage.cluster
        if known and identity.uid and known != identity.uid and not self.request.adopt:
            raise RefusedError(
                f"the repository holds another cluster: its kube-system has uid {known}, the one "
                f"of context {identity.context} has {identity.uid}",
                hint="Choose another --prefix for this cluster, or say --adopt if it replaces "
                "the old one.",
            )

    def _guard_removal(self, tip: Tip, changes: Sequence[ObjectChange]) -> None:
        removed = sum(change.change is Change.REMOVED for change in changes)
        before = sum(layout.place_of(path) is not None for path in tip.tree)
        allowed = max(FEW_REMOVALS, before * self.request.max_removal_share)
        if removed > allowed and not self.request.allow_mass_removal:
            raise RefusedError(
                f"this run would remove {removed} of the {before} objects in the repository",
                hint="If they are really gone, say --allow-mass-removal; else look at the "
                "context and the selection.",
            )

    def _guard_right(self, before: str) -> None:
        if self.is_superseded():
            raise RefusedError(
                f"another replica has taken over, so that this run ended before it {before}",
                hint="Nothing is to be done; the other replica exports.",
            )

    # ── what is written ──────────────────────────────────────────────────────────────────────

    def _snapshot(self, taker: SnapshotTaker, tip: Tip, cluster: str) -> Iterator[Progress]:
        files = tip.snapshot_records()
        for event in taker.take(self.name, cluster, files, is_dry_run=self.request.dry_run):
            if isinstance(event, Progress):
                yield event
            else:
                self.snapshots = event

    def _own_files(
        self,
        listing: Listing,
        identity: ClusterIdentity,
        sealer: Sealer | None,
        removed: Sequence[str],
    ) -> Iterator[tuple[str, bytes]]:
        """Give the files that say how the others were made."""
        yield layout.FORMAT, yamlio.encode(FORMAT)
        yield layout.COVERAGE, yamlio.encode(listing.coverage(identity.uid).to_data())
        if sealer is not None:
            yield layout.SEALS, yamlio.encode(sealer.seals(frozenset(removed)).render())

    def _message(
        self,
        collector: Collector,
        listing: Listing,
        identity: ClusterIdentity,
        changes: Sequence[ObjectChange],
    ) -> str:
        got = collector.got
        trailers = {message.REVISION: got.revision} if got.revision else {}
        if (finished := got.finished) is not None:
            why = f"false ({finished.reason})" if finished.reason else "false"
            trailers[message.ATOMIC] = "true" if finished.atomic else why
            if finished.atomic and finished.reason:
                trailers[message.NOTE] = finished.reason
        if identity.uid:
            trailers[message.CLUSTER] = identity.uid
        trailers[message.SERVER] = identity.server_version
        missing = [
            *(f"{read.type.kind_group} {read.status}" for read in listing.incomplete()),
            *(f"{group} failed" for group in sorted(listing.discovery.failed)),
        ]
        if missing:
            trailers[message.INCOMPLETE] = ", ".join(missing)
        if self.snapshots is not None and (counts := self.snapshots.counts()):
            trailers[message.SNAPSHOTS] = counts
        trailers[message.RUN] = self.name
        lines = list(self.snapshots.lines()) if self.snapshots is not None else []
        return message.compose(changes, trailers, subject=self.request.message, snapshots=lines)

    def _report(
        self,
        collector: Collector,
        listing: Listing,
        commit: str,
        changes: tuple[ObjectChange, ...],
        files: set[str],
        synced: Synced,
    ) -> ExportReport:
        got, finished = collector.got, collector.got.finished
        places = filter(None, map(layout.place_of, files))
        return ExportReport(
            run=self.name,
            commit=commit,
            revision=got.revision,
            atomic=finished is not None and finished.atomic,
            reason=finished.reason if finished else "",
            kinds=len(listing.exported),
            objects=got.objects,
            by_kind=dict(sorted(Counter(place.kind_group for place in places).items())),
            changes=changes,
            left_out=dict(sorted(got.left_out.items())),
            terminating=tuple(got.terminating),
            incomplete=listing.incomplete(),
            missing_groups=dict(listing.discovery.failed),
            withheld=tuple(got.withheld),
            warnings=(*self.warnings, *collector.filing.warnings),
            synced=synced,
            push_error=self.push_error,
            state=self.repo.state(),
            seconds=dict(self.seconds),
            dry_run=self.request.dry_run,
            snapshots=self.snapshots,
        )
