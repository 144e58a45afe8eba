"""Plans and reports of replays: a table for people, differences, JSON, names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from kube2git.core import fielddiff
from kube2git.core.fielddiff import Masked, Path
from kube2git.core.message import Change
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.plan import Action, Plan, PlannedAction
from kube2git.core.report import ObjectDiff
from kube2git.core.sealing import Opener, hidden_in
from kube2git.core.wire import Json
from kube2git.flows.replaying import Draft, Outcome, ReplayReport, Verdict
from kube2git.render import differences
from kube2git.render.differences import ref_data
from kube2git.render.style import Paint

MAX_LINES = 200
"""Objects that are listed for people; JSON has all."""
MAX_FIELDS = 12
"""Fields of one object that are listed."""
MAX_NAMED = 5

_STYLES: dict[Action, tuple[str, str]] = {
    Action.CREATE: ("+", Change.ADDED),
    Action.UPDATE: ("~", Change.CHANGED),
    Action.RECREATE: ("±", Change.REMOVED),
    Action.DELETE: ("-", Change.REMOVED),
    Action.BLOCKED: ("!", Change.REMOVED),
}
_FIELD_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_WORDS = {
    Action.CREATE: "to create",
    Action.UPDATE: "to change",
    Action.RECREATE: "to delete and create anew",
    Action.DELETE: "to delete",
    Action.BLOCKED: "blocked",
    Action.SKIP: "left alone",
    Action.UNCHANGED: "unchanged",
}


def as_table(draft: Draft, paint: Paint) -> Iterator[str]:
    """Yield what will be done and why, the counts last."""
    plan = draft.plan
    yield from _head(draft, paint)
    told = [action for action in plan.actions if action.action in _STYLES]
    for action in told[:MAX_LINES]:
        yield from _action(action, paint)
    if len(told) > MAX_LINES:
        yield f"… and {len(told) - MAX_LINES:,} more (-o json lists all)"
    yield from left_alone(plan, paint)
    yield from _findings(draft, paint)
    yield summary(plan)


def _head(draft: Draft, paint: Paint) -> Iterator[str]:
    plan, commit = draft.plan, draft.commit
    header = plan.header
    yield paint(
        f"Replay of {commit.id[:10]} ({commit.time:%Y-%m-%d %H:%M:%S %z}) into context "
        f"{header.target_context} ({header.target_version})",
        "bold",
    )
    if header.signed_by:
        yield f"Signed by {header.signed_by}"
    if header.maps:
        pairs = ", ".join(f"{old} -> {new}" for old, new in header.maps)
        yield f"Namespaces: {pairs}"
    if header.selection:
        yield f"Selection: {header.selection}"
    for warning in plan.warnings:
        yield paint(f"Note: {warning}", "dim")
    yield ""


def _action(action: PlannedAction, paint: Paint) -> Iterator[str]:
    mark, role = _STYLES[action.action]
    word = "" if action.action in (Action.CREATE, Action.UPDATE) else f" ({action.action})"
    yield paint(f"{mark} {action.ref}{word}", role)
    if action.reason:
        yield f"      {action.reason}"
    lines = [f"{_FIELD_MARKS[note.kind]} {note.path}" for note in action.changes]
    lines += [
        f"- {removal.path} (of {', '.join(removal.owners)})"
        if removal.owners
        else f"- {removal.path}"
        for removal in action.removals
    ]
    lines += [
        f"= {kept.path} stays with {', '.join(kept.owners) or 'its owner'}: {kept.reason}"
        for kept in action.kept
    ]
    for line in lines[:MAX_FIELDS]:
        yield f"      {line}"
    if len(lines) > MAX_FIELDS:
        yield f"      … and {len(lines) - MAX_FIELDS} more"
    for warning in action.warnings:
        yield paint(f"      {warning}", "dim")


def left_alone(plan: Plan, paint: Paint) -> Iterator[str]:
    """Yield the objects that are left alone, one line a reason."""
    reasons: dict[str, list[ObjectRef]] = {}
    for action in plan.actions:
        if action.action is Action.SKIP:
            reasons.setdefault(action.reason, []).append(action.ref)
    for reason, refs in reasons.items():
        yield paint(f"Left alone: {_named(refs)}. {reason}", "dim")


def _findings(draft: Draft, paint: Paint) -> Iterator[str]:
    """Yield what people must know of the renaming, the companions and the problems."""
    remapped = draft.remapped
    for companion in draft.along[:MAX_LINES]:
        yield paint(f"Comes along: {companion.ref}, {companion.reasons[0]}", "dim")
    for rewrite in remapped.guessed[:MAX_LINES]:
        yield (f"Guessed: {rewrite.ref} {rewrite.path}: {rewrite.old} -> {rewrite.new}")
    for found in remapped.open_references[:MAX_LINES]:
        yield (
            f"Open: {found.ref} {found.path} names {found.namespace}, which is neither replayed "
            "nor in the target"
        )
    for mention in remapped.mentions[:MAX_LINES]:
        text = f": {mention.text}" if mention.text else ""
        yield f"Not touched: {mention.ref} {mention.path} mentions {mention.name}{text}"
    for change in draft.changes[:MAX_LINES]:
        what = f" {change.path}: {change.old} -> {change.new}" if change.path else ""
        yield f"Changed on the way: {change.ref}{what} (by {change.by})"
    for problem in draft.plan.problems:
        yield paint(f"Problem: {problem.sentence}", Change.REMOVED)
    for guard in draft.plan.guards:
        flag = f" If that is meant, add {guard.flag}." if guard.flag else ""
        yield paint(f"Stop: {guard.sentence}{flag}", Change.REMOVED)


def _named(refs: list[ObjectRef]) -> str:
    shown = ", ".join(map(str, refs[:MAX_NAMED]))
    return shown + (f" and {len(refs) - MAX_NAMED:,} more" if len(refs) > MAX_NAMED else "")


def summary(plan: Plan) -> str:
    """Return the counts as a sentence."""
    parts = [f"{count:,} {_WORDS[action]}" for action, count in plan.counts.items()]
    if not plan.writes and not plan.counts.get(Action.BLOCKED):
        parts.insert(0, "nothing to do")
    text = ", ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def question(plan: Plan) -> str:
    """Return what the user is asked before anything is written."""
    counts = [f"{plan.counts[item]:,} {_WORDS[item]}" for item in plan.counts if item.writes]
    return f"Write to context {plan.header.target_context}: {', '.join(counts)}?"


def diffs(draft: Draft) -> list[ObjectDiff]:
    """Return each planned write as the difference between the target and what it will be."""
    return [_diff(draft, live, wanted) for live, wanted, _ in _states(draft, draft.plan.writes)]


def drift(draft: Draft, *, reveals: bool = False) -> list[ObjectDiff]:
    """Return how the target differs from the commit: what a replay would write or cannot.

    ``reveals``: values that were sealed may be shown.
    """
    told = [one for one in draft.plan.actions if one.action.writes or one.action is Action.BLOCKED]
    found = []
    for live, wanted, ref in _states(draft, told):
        old = draft.sealed.get(ref) if wanted is None else wanted
        if old is not None or live is not None:
            found.append(
                ObjectDiff.between(old, live, Opener(reveals=True))
                if reveals
                else _diff(draft, old, live)
            )
    return sorted(found, key=lambda diff: (diff.ref.namespace, diff.ref))


def _states(
    draft: Draft, actions: Iterable[PlannedAction]
) -> Iterator[tuple[Json | None, Json | None, ObjectRef]]:
    """Yield what the target has of each object, and what it is to have."""
    for action in actions:
        known = draft.live.objects.get(action.ref)
        adapted = draft.computed.adapted.get(action.ref)
        yield (
            known.manifest.body if known and not known.is_terminating else None,
            adapted.manifest.body if adapted else None,
            action.ref,
        )


def _diff(draft: Draft, old: Json | None, new: Json | None) -> ObjectDiff:
    diff = ObjectDiff.between(old, new)
    sealed = draft.sealed.get(diff.ref)
    if sealed is None:
        return diff
    hidden = _hidden(diff, sealed)
    fields = () if old is None or new is None else fielddiff.changes(old, new, masked=hidden)
    return replace(diff, hidden=hidden, fields=tuple(fields))


def _hidden(diff: ObjectDiff, sealed: Json) -> Masked:
    """Return what tells which values must not be shown, by the file that seals them."""
    is_sealed = hidden_in(sealed)

    def is_hidden(path: Path) -> bool:
        return is_sealed(path) or (diff.hidden is not None and diff.hidden(path))

    return is_hidden


def outcome_line(outcome: Outcome, paint: Paint) -> str:
    """Return for example ``deployment.apps/web -n shop configured``."""
    role = Change.REMOVED if not outcome.is_done else Change.ADDED
    message = f": {outcome.message}" if outcome.message else ""
    return f"{outcome.ref} {paint(outcome.verdict, role)}{message}"


def report_lines(report: ReplayReport, paint: Paint) -> Iterator[str]:
    """Yield what failed or is not ready, and the summary last."""
    for ref, health in report.not_ready.items():
        yield paint(f"Not ready: {ref} {health.message}", Change.REMOVED)
    for warning in report.warnings:
        yield f"Note: {warning}"
    if report.stopped:
        yield paint(report.stopped, Change.REMOVED)
    counts: dict[Verdict, int] = {}
    for outcome in report.outcomes:
        counts[outcome.verdict] = counts.get(outcome.verdict, 0) + 1
    parts = [f"{counts[verdict]:,} {verdict}" for verdict in Verdict if verdict in counts]
    if report.blocked:
        parts.append(f"{len(report.blocked):,} blocked")
    if report.not_ready:
        parts.append(f"{len(report.not_ready):,} not ready")
    seconds = sum(report.seconds.values())
    yield f"Replay {report.name}: {', '.join(parts) or 'nothing to do'}; {seconds:.1f} s."
    if report.is_interrupted or report.stopped:
        yield "It was not finished: run the same command again to go on."


def as_names(items: Iterable[ObjectRef]) -> Iterator[str]:
    """Yield the objects' names."""
    return map(str, items)


def as_data(draft: Draft, report: ReplayReport | None) -> dict[str, Any]:
    """Return plan, findings and report as JSON data; see docs/json.md."""
    remapped = draft.remapped
    return {
        "name": draft.name,
        "plan": draft.plan.to_json(),
        "along": [
            {"object": ref_data(item.ref), "reasons": list(item.reasons)} for item in draft.along
        ],
        "guessed": [
            {
                "object": ref_data(item.ref),
                "path": item.path,
                "from": item.old,
                "to": item.new,
            }
            for item in remapped.guessed
        ],
        "openReferences": [
            {"object": ref_data(item.ref), "path": item.path, "namespace": item.namespace}
            for item in remapped.open_references
        ],
        "mentions": [
            {
                "object": ref_data(item.ref),
                "path": item.path,
                "namespace": item.name,
                "text": item.text,
                "times": item.times,
            }
            for item in remapped.mentions
        ],
        "changedOnTheWay": [
            {
                "object": ref_data(item.ref),
                "by": item.by,
                "path": item.path,
                "from": item.old,
                "to": item.new,
            }
            for item in draft.changes
        ],
        "report": _report_data(report) if report else None,
        "seconds": {
            phase: round(value, 4)
            for phase, value in (report.seconds if report else draft.seconds).items()
        },
    }


def _report_data(report: ReplayReport) -> dict[str, Any]:
    return {
        "complete": report.is_complete,
        "interrupted": report.is_interrupted,
        "stopped": report.stopped or None,
        "outcomes": [
            {
                "object": ref_data(outcome.ref),
                "verdict": str(outcome.verdict),
                "message": outcome.message or None,
                "warnings": list(outcome.warnings),
            }
            for outcome in report.outcomes
        ],
        "blocked": [ref_data(ref) for ref in report.blocked],
        "notReady": [
            {"object": ref_data(ref), "status": str(health.status), "message": health.message}
            for ref, health in report.not_ready.items()
        ],
        "warnings": list(report.warnings),
    }


def as_unified(draft: Draft, paint: Paint) -> Iterator[str]:
    """Yield a unified diff of the YAML of every write, values of Secrets masked."""
    return differences.as_unified(diffs(draft), paint)
