"""The report of an export, and its progress on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube2git.core.message import count_changes
from kube2git.core.report import ExportReport
from kube2git.render import snapshots
from kube2git.render.differences import ref_data
from kube2git.render.style import Paint

MAX_LINES = 200
"""Changed objects that are listed for people; JSON has all."""


def as_table(report: ExportReport, paint: Paint) -> Iterator[str]:
    """Yield the changed objects, and the summary last."""
    for change in report.changes[:MAX_LINES]:
        yield paint(change.line(), change.change)
    if len(report.changes) > MAX_LINES:
        yield f"… and {len(report.changes) - MAX_LINES:,} more (-o json lists all)"
    if report.snapshots is not None:
        yield from snapshots.outcome_lines(report.snapshots, paint)
    yield summary(report)


def summary(report: ExportReport) -> str:
    """Return one sentence: what was done, over what, in how long."""
    counts = count_changes(change.change for change in report.changes)
    if report.snapshots is not None and (taken := report.snapshots.counts()):
        counts = f"{counts}{', ' if counts else ''}snapshots: {taken}"
    if report.commit:
        head = f"Committed {report.commit[:10]}: {counts or 'coverage changed'}"
    elif report.dry_run:
        head = f"Would commit: {counts}" if counts else "Nothing would change"
    else:
        head = "Nothing changed"
    left = sum(report.left_out.values())
    at = f" at revision {report.revision}" if report.revision else ""
    return (
        f"{head}; {report.objects:,} objects of {report.kinds} kinds{at}, "
        f"{left:,} left out, {report.seconds['total']:.1f} s."
    )


def problems(report: ExportReport) -> Iterator[str]:
    """Yield what people must know beyond the answer: it goes to stderr."""
    for warning in report.warnings:
        yield f"warning: {warning}"
    if not report.atomic:
        yield f"warning: Not every kind was read at one revision: {report.reason}"
    elif report.reason:
        yield f"note: {report.reason}"
    if report.terminating:
        names = ", ".join(map(str, report.terminating[:5]))
        more = f" and {len(report.terminating) - 5} more" if len(report.terminating) > 5 else ""
        yield f"note: Being deleted, and exported while they exist: {names}{more}."
    for group, why in sorted(report.missing_groups.items()):
        yield f"warning: The API group {group} did not tell its kinds; its files stay. {why}"
    for read in report.incomplete:
        yield f"warning: {read.type.resource_group} is {read.status}; its files stay. {read.reason}"
    if report.snapshots is not None:
        yield from snapshots.problems(report.snapshots)
    for item in report.withheld:
        yield f"warning: {item.subject} was not written; its old file stays. {item.reason}"
    if report.push_error:
        yield (
            f"warning: The commits are in the local repository only: {report.push_error} "
            "The next run sends them."
        )
        if report.snapshots is not None:
            yield from snapshots.taken_ids(report.snapshots)


def as_data(report: ExportReport) -> dict[str, Any]:
    """Return the report as JSON data; see docs/json.md."""
    return {
        "run": report.run,
        "commit": report.commit or None,
        "dryRun": report.dry_run,
        "revision": report.revision or None,
        "atomic": report.atomic,
        "note": report.reason or None,
        "kinds": report.kinds,
        "objects": report.objects,
        "changes": [
            {
                "object": ref_data(change.ref),
                "change": str(change.change),
                "fields": list(change.fields),
                "managers": list(change.managers),
            }
            for change in report.changes
        ],
        "leftOut": report.left_out,
        "terminating": [ref_data(ref) for ref in report.terminating],
        "incomplete": [
            {
                "kind": read.type.kind_group,
                "status": str(read.status),
                "reason": read.reason,
                "namespaces": list(read.namespaces),
            }
            for read in report.incomplete
        ],
        "missingGroups": report.missing_groups,
        "withheld": [{"object": item.subject, "reason": item.reason} for item in report.withheld],
        "warnings": list(report.warnings),
        "remote": report.synced.remote or None,
        "pushed": report.synced.pushed,
        "pushError": report.push_error or None,
        "repository": {
            "objects": report.by_kind,
            "unpushed": report.state.unpushed,
            "bytes": report.state.size,
        },
        "snapshots": snapshots.report_data(report.snapshots) if report.snapshots else None,
        "seconds": {phase: round(value, 4) for phase, value in report.seconds.items()},
    }


def profile(report: ExportReport) -> Iterator[str]:
    """Yield where the time went, a line a phase."""
    total = report.seconds["total"] or 1.0
    for phase, seconds in report.seconds.items():
        yield f"{phase:12} {seconds:8.3f} s {seconds / total:6.1%}"
