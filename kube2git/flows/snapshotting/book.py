"""The records of one run: as they were, what is learnt, and as they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kube2git.core import layout
from kube2git.core.snapshots import (
    ClaimRef,
    Existence,
    Finding,
    FoundSnapshot,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)
from kube2git.core.snapshots.choosing import Chosen
from kube2git.core.snapshots.outcomes import SnapshotReport, VolumeOutcome
from kube2git.core.snapshots.records import (
    Entry,
    Trouble,
    VolumeRecord,
    identity,
    read_records,
)
from kube2git.flows.snapshotting.claims import Claims


class Book:
    """What one run knows of every claim; a record that cannot be read is never written over."""

    def __init__(self, run: str, files: Mapping[str, bytes]) -> None:
        self._run, self._files = run, files
        self._records, self._unreadable = read_records(files)
        self._removed: list[str] = []
        self._found: set[tuple[str, str]] = set()
        self._adopted: list[FoundSnapshot] = []
        self._completed: list[tuple[ClaimRef, Snapshot]] = []
        self._orphans: list[FoundSnapshot] = []
        self.outcomes: dict[ClaimRef, VolumeOutcome] = {}
        self.failures: list[str] = []
        self.warnings = list(self._unreadable.values())

    def record(self, claim: ClaimRef, volume: Volume) -> VolumeRecord:
        return self._records.get(claim) or VolumeRecord(volume)

    def why_unreadable(self, claim: ClaimRef) -> str:
        """Return why a claim's record cannot be used; "" when it can, or when there is none."""
        reason = self._unreadable.get(layout.snapshots_path(*claim))
        return f"{reason} Correct it, or remove it." if reason else ""

    def methods(self) -> set[str]:
        """Return the methods of all snapshots that the records name."""
        return {e.snapshot.method for one in self._records.values() for e in one.entries}

    # ── earlier runs ─────────────────────────────────────────────────────────────────────────

    def adopt(self, found: FoundSnapshot, volume: Volume | None) -> None:
        """Enter a snapshot that no record names, if its claim is known at all."""
        key = identity(found.snapshot)
        self._found.add(key)
        known = {identity(e.snapshot) for one in self._records.values() for e in one.entries}
        if key in known or self.why_unreadable(found.claim):
            return
        record = self._records.get(found.claim)
        if record is None and volume is None:
            self._orphans.append(found)
            return
        if record is None:
            assert volume is not None  # noqa: S101 - told to the type checker
            record = VolumeRecord(volume)
        same = volume if volume is not None and volume.driver == found.driver else record.volume
        source = same if same.driver == found.driver else replace(same, driver=found.driver)
        self._records[found.claim] = record.having(Entry(source, found.snapshot))
        self._adopted.append(found)

    def pending(self, method: str) -> list[Entry]:
        """Return entries that were not ready when they were written."""
        return [
            entry
            for record in self._records.values()
            for entry in record.entries
            if entry.snapshot.method == method and not entry.snapshot.is_ready
        ]

    def complete(self, finding: Finding) -> None:
        """Take over what is known now of a snapshot that was not ready."""
        for claim, record in self._records.items():
            changed = record.seen(finding)
            if changed is record:
                continue
            self._records[claim] = changed
            if finding.existence is Existence.GONE:
                self.warnings.append(
                    f"{claim}: the snapshot {finding.snapshot.handle}, which was not ready, "
                    "does not exist any more."
                )
            else:
                self._completed.append((claim, replace(finding.snapshot, error="")))
            return

    # ── this run ─────────────────────────────────────────────────────────────────────────────

    def plan(self, chosen: Sequence[Chosen]) -> None:
        for one in chosen:
            reason = f"A snapshot would be taken by {one.method}."
            self.outcomes[one.volume.claim] = VolumeOutcome(
                one.volume.claim, Stage.CUT, one.method, reason=reason
            )

    def leave(self, volume: Volume, stage: Stage, reason: str) -> None:
        """Note that nobody takes a volume: SKIPPED, or FAILED where somebody should have."""
        claim = volume.claim
        self.outcomes[claim] = VolumeOutcome(claim, stage, reason=reason)
        record = self.record(claim, volume)
        if volume.driver:
            record = replace(record, volume=volume)
        run = self._run if stage is Stage.FAILED else ""
        self._records[claim] = replace(record, trouble=Trouble(stage, reason, run))

    def fail(self, one: Chosen, reason: str) -> None:
        claim = one.volume.claim
        self.note(SnapshotEvent(claim, Stage.FAILED, None, reason), one)
        self.write({claim: one})

    def note(self, event: SnapshotEvent, one: Chosen) -> None:
        """Take over news; what has been cut stays a snapshot, whatever happens later."""
        before = self.outcomes.get(event.claim)
        snapshot = event.snapshot or (before.snapshot if before else None)
        stage = event.stage
        if before is not None and stage is Stage.FAILED and event.snapshot is None and snapshot:
            stage = Stage.CUT
        if before is not None and before.stage is Stage.READY:
            return
        self.outcomes[event.claim] = VolumeOutcome(
            event.claim, stage, one.method, snapshot, event.reason
        )

    def write(self, chosen: Mapping[ClaimRef, Chosen]) -> None:
        """Write outcomes into the records."""
        for claim, one in chosen.items():
            outcome = self.outcomes[claim]
            record = replace(self.record(claim, one.volume), volume=one.volume, trouble=None)
            if outcome.snapshot is not None:
                snapshot = replace(outcome.snapshot, error=outcome.snapshot.error or outcome.reason)
                record = record.having(Entry(one.volume, snapshot))
            elif outcome.stage is Stage.FAILED:
                record = replace(record, trouble=Trouble(Stage.FAILED, outcome.reason, self._run))
            elif outcome.stage is Stage.SKIPPED:
                record = replace(record, trouble=Trouble(Stage.SKIPPED, outcome.reason))
            self._records[claim] = record

    def forget_stale(self, claims: Claims, *, is_whole: bool) -> None:
        """Remove records that name no snapshot and are of claims nobody asks for any more."""
        if not (claims.is_complete and is_whole):
            return
        wanted = set(claims.wanted)
        for claim, record in list(self._records.items()):
            if not record.entries and claim not in wanted:
                del self._records[claim]
                self._removed.append(layout.snapshots_path(*claim))

    # ── what follows from it ─────────────────────────────────────────────────────────────────

    def settled(self) -> list[tuple[str, Entry]]:
        """Return ready entries of this run, and those whose marks are still there."""
        return [
            (entry.snapshot.method, entry)
            for record in self._records.values()
            for entry in record.entries
            if entry.snapshot.is_ready
            and (entry.snapshot.run == self._run or identity(entry.snapshot) in self._found)
        ]

    def report(self, wait: Wait, *, is_dry_run: bool) -> SnapshotReport:
        files: dict[str, bytes | None] = {
            path: None for path in self._removed if path in self._files
        }
        for claim, record in self._records.items():
            path, data = layout.snapshots_path(*claim), record.encode()
            if self._files.get(path) != data:
                files[path] = data
        return SnapshotReport(
            outcomes=tuple(outcome for _, outcome in sorted(self.outcomes.items())),
            files={} if is_dry_run else files,
            adopted=tuple(self._adopted),
            completed=tuple(self._completed),
            orphans=tuple(self._orphans),
            failures=tuple(self.failures),
            warnings=tuple(self.warnings),
            waits_for_ready=wait is Wait.READY,
            is_dry_run=is_dry_run,
        )
