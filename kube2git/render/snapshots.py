"""Runs over volumes, records, and what retention decided: tables and JSON data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kube2git.core.message import Change
from kube2git.core.snapshots import ClaimRef, Existence, Snapshot, Stage
from kube2git.core.snapshots.outcomes import SnapshotReport, VolumeOutcome
from kube2git.core.snapshots.records import VolumeRecord, size_text, time_text
from kube2git.flows.snapshotting import CopyReport, CreateReport, PruneReport, VerifyReport
from kube2git.render.style import Paint

_ROLES = {
    Stage.READY: Change.ADDED,
    Stage.CUT: Change.CHANGED,
    Stage.FAILED: Change.REMOVED,
    Stage.SKIPPED: "dim",
}


def outcome_lines(report: SnapshotReport, paint: Paint) -> Iterator[str]:
    """Yield a line for each claim."""
    for outcome in report.outcomes:
        if report.is_dry_run and outcome.stage is Stage.CUT:
            yield f"{outcome.claim}: {outcome.reason}"
        else:
            yield paint(outcome.line(), _ROLES[outcome.stage])


def problems(report: SnapshotReport) -> Iterator[str]:
    """Yield what people must know beyond the outcomes: it goes to stderr."""
    for failure in report.failures:
        yield f"warning: {failure}"
    for warning in report.warnings:
        yield f"warning: {warning}"
    for found in report.adopted:
        yield (
            f"note: {found.claim}: {found.snapshot.method} {found.snapshot.handle} of the run "
            f"{found.snapshot.run}, which ended early, is in the record now."
        )
    for claim, snapshot in report.completed:
        yield f"note: {claim}: {snapshot.method} {snapshot.handle} is ready by now."
    if report.orphans:
        handles = ", ".join(found.snapshot.handle for found in report.orphans[:5])
        more = f" and {len(report.orphans) - 5} more" if len(report.orphans) > 5 else ""
        yield (
            f"note: Snapshots of claims that are gone and have no record: {handles}{more}. "
            "`kube2git snapshot prune --orphans` deletes them."
        )


def taken_ids(report: SnapshotReport) -> Iterator[str]:
    """Yield the ids of a run's snapshots, for when its commit did not reach the remote."""
    taken = [outcome for outcome in report.outcomes if outcome.snapshot is not None]
    if taken:
        yield "note: The commit names these snapshots, and they are marked with the run besides:"
    for outcome in taken:
        yield f"  {outcome.line()}"


def created(report: CreateReport, paint: Paint) -> Iterator[str]:
    """Yield the answer of ``snapshot create``."""
    yield from outcome_lines(report.snapshots, paint)
    counts = report.snapshots.counts() or "No claim is selected"
    if report.snapshots.is_dry_run:
        yield "Nothing was done."
    elif report.commit:
        yield f"Committed {report.commit[:10]}: {counts}."
    else:
        yield f"{counts}; nothing to commit."


def snapshot_data(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "handle": snapshot.handle,
        "method": snapshot.method,
        "created": time_text(snapshot.created),
        "ready": snapshot.is_ready,
        "restoreSize": snapshot.restore_size or None,
        "class": snapshot.snapshot_class or None,
        "group": snapshot.group or None,
        "run": snapshot.run or None,
        "error": snapshot.error or None,
    }


def claim_data(claim: ClaimRef) -> dict[str, str]:
    return {"namespace": claim.namespace, "name": claim.name}


def report_data(report: SnapshotReport) -> dict[str, Any]:
    """Return a run as JSON data; see docs/json.md."""
    return {
        "outcomes": [_outcome_data(outcome) for outcome in report.outcomes],
        "adopted": [
            {"claim": claim_data(found.claim), "snapshot": snapshot_data(found.snapshot)}
            for found in report.adopted
        ],
        "completed": [
            {"claim": claim_data(claim), "snapshot": snapshot_data(snapshot)}
            for claim, snapshot in report.completed
        ],
        "orphans": [
            {"claim": claim_data(found.claim), "snapshot": snapshot_data(found.snapshot)}
            for found in report.orphans
        ],
        "failures": list(report.failures),
        "warnings": list(report.warnings),
    }


def _outcome_data(outcome: VolumeOutcome) -> dict[str, Any]:
    return {
        "claim": claim_data(outcome.claim),
        "outcome": str(outcome.stage),
        "method": outcome.method or None,
        "snapshot": snapshot_data(outcome.snapshot) if outcome.snapshot else None,
        "reason": outcome.reason or None,
    }


def create_data(report: CreateReport) -> dict[str, Any]:
    return {
        "run": report.run,
        "commit": report.commit or None,
        "pushError": report.push_error or None,
        **report_data(report.snapshots),
    }


def record_lines(records: Sequence[VolumeRecord]) -> Iterator[str]:
    """Yield a table of snapshots, and of claims that have none."""
    rows = [("NAMESPACE", "CLAIM", "CREATED", "METHOD", "HANDLE", "SIZE", "STATE")]
    for record in records:
        where = (record.claim.namespace, record.claim.name)
        for entry in record.entries:
            one = entry.snapshot
            state = "ready" if one.is_ready else "not ready"
            size = size_text(one.restore_size) if one.restore_size else ""
            rows.append((*where, time_text(one.created), one.method, one.handle, size, state))
        if record.trouble is not None:
            stage, reason, _ = record.trouble
            rows.append((*where, "", "", "", "", f"{stage}: {reason}"))
    yield from table(rows)


def record_data(record: VolumeRecord) -> dict[str, Any]:
    volume, trouble = record.volume, record.trouble
    return {
        "claim": claim_data(record.claim),
        "volume": volume.volume or None,
        "driver": volume.driver or None,
        "handle": volume.handle or None,
        "storageClass": volume.storage_class or None,
        "zone": volume.zone or None,
        "snapshots": [snapshot_data(entry.snapshot) for entry in record.entries],
        "trouble": {"outcome": str(trouble.stage), "reason": trouble.reason} if trouble else None,
    }


def copied_lines(report: CopyReport, paint: Paint) -> Iterator[str]:
    """Yield a line for each claim, and the sum."""
    for outcome in report.outcomes:
        yield paint(outcome.line(), _ROLES[outcome.stage])
    count = sum(one.stage in (Stage.CUT, Stage.READY) for one in report.outcomes)
    where = f"Committed {report.commit[:10]}" if report.commit else "Nothing to commit"
    yield f"{where}: {count} of {len(report.outcomes)} snapshots have copies in {report.region}."


def copied_data(report: CopyReport) -> dict[str, Any]:
    return {
        "region": report.region,
        "commit": report.commit or None,
        "outcomes": [_outcome_data(outcome) for outcome in report.outcomes],
        "unreadable": list(report.unreadable),
        "pushError": report.push_error or None,
    }


def pruned_lines(report: PruneReport, paint: Paint) -> Iterator[str]:
    """Yield a line for each snapshot that goes, would go, or (dry run) stays, and the sum."""
    gone = 0
    for one in report.snapshots:
        snapshot, decision = one.decision.snapshot, one.decision
        text = f"{one.claim}: {snapshot.method} {snapshot.handle}"
        if one.problem:
            yield paint(f"! {text}: {one.problem}", Change.CHANGED)
        elif not decision.stays:
            gone += 1
            yield paint(f"- {text}: {decision.reason}", Change.REMOVED)
        elif report.dry_run or one.is_orphan:
            yield paint(f"  {text}: {decision.reason}", "dim")
    what = "would be deleted" if report.dry_run else "deleted"
    where = f"; committed {report.commit[:10]}" if report.commit else ""
    yield f"{gone} of {len(report.snapshots)} snapshots {what}{where}."


def prune_problems(report: PruneReport) -> Iterator[str]:
    """Yield what people must know beyond the answer: it goes to stderr."""
    for problem in filter(None, (report.note, *report.problems)):
        yield f"warning: {problem}"
    if report.push_error:
        yield f"warning: The commit is in the local repository only: {report.push_error}"


def pruned_data(report: PruneReport) -> dict[str, Any]:
    return {
        "commit": report.commit or None,
        "dryRun": report.dry_run,
        "snapshots": [
            {
                "claim": claim_data(one.claim),
                "snapshot": snapshot_data(one.decision.snapshot),
                "stays": one.decision.stays,
                "reason": one.decision.reason,
                "orphan": one.is_orphan,
                "deleted": one.is_deleted,
                "problem": one.problem or None,
            }
            for one in report.snapshots
        ],
        "problems": list(report.problems),
        "pushError": report.push_error or None,
    }


def verified_lines(report: VerifyReport, paint: Paint) -> Iterator[str]:
    """Yield a table of what was found of each snapshot."""
    rows = [("NAMESPACE", "CLAIM", "METHOD", "HANDLE", "FOUND")]
    for claim, finding in report.findings:
        state = str(finding.existence)
        if finding.existence is Existence.EXISTS and not finding.snapshot.is_ready:
            state += ", not ready"
        if finding.reason:
            state += f": {finding.reason}"
        rows.append((*claim, finding.snapshot.method, finding.snapshot.handle, state))
    heading, *lines = table(rows)
    yield heading
    for line, (_, finding) in zip(lines, report.findings, strict=True):
        lost = finding.existence is not Existence.EXISTS
        yield paint(line, Change.REMOVED) if lost else line


def verified_data(report: VerifyReport) -> dict[str, Any]:
    return {
        "commit": report.commit,
        "snapshots": [
            {
                "claim": claim_data(claim),
                "snapshot": snapshot_data(finding.snapshot),
                "found": str(finding.existence),
                "reason": finding.reason or None,
            }
            for claim, finding in report.findings
        ],
        "unreadable": list(report.unreadable),
    }


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their columns aligned."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()
