"""Reports of rehearsals: lines for people, and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube2git.core.message import Change
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.plan import Action
from kube2git.core.planning.rehearsal import COMPARED
from kube2git.flows.replaying import Draft, RehearsalReport, Verdict
from kube2git.render.differences import ref_data
from kube2git.render.plans import MAX_LINES, MAX_NAMED
from kube2git.render.style import Paint


def report_lines(draft: Draft, report: RehearsalReport, paint: Paint) -> Iterator[str]:
    """Yield what would have been missing, how long what took, and what was removed."""
    replay = report.replay
    for ref, health in list(replay.not_ready.items())[:MAX_LINES]:
        yield paint(f"Not ready: {ref} {health.message}", Change.REMOVED)
    for warning in replay.warnings:
        yield f"Note: {warning}"
    if replay.stopped:
        yield paint(replay.stopped, Change.REMOVED)
    for missing in report.missing[:MAX_LINES]:
        yield paint(f"Missing: {missing.ref}: {missing.sentence}", Change.REMOVED)
    if len(report.missing) > MAX_LINES:
        yield f"… and {len(report.missing) - MAX_LINES:,} more (-o json lists all)"
    pending = _cluster_scoped(draft)
    if pending:
        shown = ", ".join(map(str, pending[:MAX_NAMED]))
        more = f" and {len(pending) - MAX_NAMED:,} more" if len(pending) > MAX_NAMED else ""
        yield f"Cluster-scoped, not written by a rehearsal but by a replay: {shown}{more}"
    for one in report.scratch:
        if report.is_kept:
            yield f"Kept: namespace {one.name}, made from {one.source}"
        elif one.message:
            yield paint(f"Still there: namespace {one.name}. {one.message}", Change.REMOVED)
    for ref in report.volumes_left:
        yield f"Note: the class of {ref} keeps its volume: look for one that is Released."
    phases = ", ".join(f"{phase} {value:.1f} s" for phase, value in report.seconds.items())
    yield f"Phases: {phases}."
    done = sum(outcome.is_done for outcome in replay.outcomes)
    verdict = "complete" if report.is_complete else "NOT complete"
    yield (
        f"Rehearsal {replay.name}: {done:,} of {len(replay.outcomes):,} objects made, "
        f"{len(replay.not_ready):,} not ready, {len(report.missing):,} missing; "
        f"recovery took {report.recovery_seconds:.1f} s; {verdict}."
    )


def _cluster_scoped(draft: Draft) -> list[ObjectRef]:
    """Return the cluster-scoped objects that a replay would write."""
    return [
        action.ref
        for action in draft.plan.actions
        if action.action is Action.SKIP
        and not action.ref.namespace
        and action.reason in COMPARED.values()
    ]


def as_data(draft: Draft, report: RehearsalReport | None) -> dict[str, Any] | None:
    """Return a rehearsal's report as JSON data; see docs/json.md."""
    if report is None:
        return None
    return {
        "complete": report.is_complete,
        "recoverySeconds": round(report.recovery_seconds, 4),
        "made": sum(outcome.verdict is Verdict.CREATED for outcome in report.replay.outcomes),
        "missing": [
            {"object": ref_data(one.ref), "lack": str(one.lack), "message": one.sentence}
            for one in report.missing
        ],
        "clusterScoped": [ref_data(ref) for ref in _cluster_scoped(draft)],
        "namespaces": [
            {
                "name": one.name,
                "source": one.source,
                "uid": one.uid,
                "removed": one.is_removed,
                "message": one.message or None,
            }
            for one in report.scratch
        ],
        "kept": report.is_kept,
        "volumesLeft": [ref_data(ref) for ref in report.volumes_left],
        "seconds": {phase: round(value, 4) for phase, value in report.seconds.items()},
    }
