"""What a dry run's answer makes of a planned action. Pure: the requests are the flow's.

A dry run is no proof (a taken cluster IP passes it), but it knows what no local comparison does:
defaults, conversions, admission. An object that is merely refused is never deleted for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kube2git.core import fieldpath
from kube2git.core.answers import Category, Refusal
from kube2git.core.equality import normalise_for_comparison
from kube2git.core.fieldpath import Path
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.adapting import Adapted
from kube2git.core.planning.immutable import recreation
from kube2git.core.planning.leftovers import Extra, Leftovers, leftovers
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, PlannedAction, Write
from kube2git.core.planning.policy import Jobs, Policy
from kube2git.core.planning.stances import Resolution, Yielded
from kube2git.core.planning.transplant import transplant
from kube2git.core.telling import Teller
from kube2git.core.wire import Json
from kube2git.core.workloads import POD_SPECS


@dataclass(frozen=True)
class Settled:
    """The final action on one object, and what carrying it out needs besides."""

    action: PlannedAction
    leftovers: Leftovers = field(default_factory=Leftovers)
    """``removals`` are those to take out after the apply: leftovers.removal_patch."""


def accepted(
    action: PlannedAction,
    adapted: Adapted,
    known: LiveObject | None,
    result: Json,
    managed_fields: Sequence[Mapping[str, Any]],
    policy: Policy,
    *,
    yielded: Sequence[Yielded] = (),
    returning: Collection[Path] = (),
) -> Settled:
    """Decide an object whose dry-run apply went through.

    ``result`` is the answer, cleaned, and ``managed_fields`` are the answer's. ``yielded``: the
    fields that were left out of the body to settle a conflict. ``returning``: removals that the
    server puts back at once (``came_back``).
    """
    paths = [field.path for field in yielded]
    wanted = normalise_for_comparison(fieldpath.without(adapted.manifest.body, paths))
    outcome = normalise_for_comparison(result)
    comparable = wanted.get("apiVersion") == outcome.get("apiVersion")
    found = (
        leftovers(wanted, outcome, managed_fields, policy.owners, is_applied=True)
        if comparable
        else Leftovers()
    )
    removals = tuple(extra for extra in found.removals if extra.path not in returning)
    found = replace(found, removals=removals)
    teller = Teller.of(action.ref, policy)
    kept = teller.kept((*yielded, *found.yielded))
    if policy.keep_extra:
        kept += teller.kept_extras(found.removals)
        found = replace(found, removals=())
    warnings = action.warnings
    if found.altered:
        names = ", ".join(dict.fromkeys(map(teller.path, found.altered)))
        warning = (
            f"The target gives other values than the commit: {names}. An admission webhook or "
            "policy there changes them."
        )
        warnings = (*warnings, warning)
    final = replace(action, removals=teller.removals(found.removals), kept=kept, warnings=warnings)
    if known is not None and not known.is_terminating:
        before = normalise_for_comparison(known.manifest.body)
        if outcome == before and not found.removals:
            reason = "The API server says that nothing would change."
            return Settled(replace(final, action=Action.UNCHANGED, reason=reason, changes=()))
        final = replace(final, action=Action.UPDATE)
        if final.changes and _rolls_pods(action.ref, found.removals):
            reason = "It is written in one request, so that its Pods are replaced only once."
            final = replace(final, write=Write.REPLACE, reason=reason)
    return Settled(final, found)


def _rolls_pods(ref: ObjectRef, removals: Iterable[Extra]) -> bool:
    """Tell whether taking something out replaces the Pods of a workload."""
    way = POD_SPECS.get(ref.kind_group, ())[:-1]
    return bool(way) and any(extra.path[: len(way)] == way for extra in removals)


def replacement(
    adapted: Adapted,
    raw: Json,
    known: LiveObject,
    policy: Policy,
    yielded: Sequence[Yielded] = (),
) -> Json:
    """Return the body of the PUT that ``Write.REPLACE`` means; ``raw`` is the live object."""
    wanted = normalise_for_comparison(adapted.manifest.body)
    present = normalise_for_comparison(known.manifest.body)
    found = leftovers(wanted, present, known.managed_fields, policy.owners, is_applied=False)
    keep = [field.path for field in (*yielded, *found.yielded)]
    return transplant(raw, known.manifest.body, adapted.body, keep)


def refused(
    action: PlannedAction,
    refusal: Refusal,
    policy: Policy,
    *,
    resolution: Resolution | None = None,
    can_be_created: bool = False,
    can_be_replaced: bool = False,
) -> PlannedAction:
    """Decide an object whose dry-run apply was refused for good.

    ``resolution``: of the conflicts, when it still refuses some (otherwise apply again by it).
    ``can_be_created``: a dry-run create under another name went through.
    ``can_be_replaced``: a dry-run PUT of the transplanted object went through.
    """
    if refusal.category is Category.CONFLICT and resolution is not None:
        return replace(
            action,
            action=Action.BLOCKED,
            reason=_conflict_text(resolution, Teller.of(action.ref, policy)),
        )
    if refusal.category is Category.IMMUTABLE:
        return _recreate(action, refusal, policy, can_be_created=can_be_created)
    if refusal.category is Category.INVALID and can_be_replaced and not policy.keep_extra:
        reason = (
            "It is replaced as a whole: what others have set excludes what the commit says, and "
            "an apply would keep both."
        )
        return replace(action, action=Action.UPDATE, write=Write.REPLACE, reason=reason)
    return replace(action, action=Action.BLOCKED, reason=refusal.message)


def _recreate(
    action: PlannedAction, refusal: Refusal, policy: Policy, *, can_be_created: bool
) -> PlannedAction:
    may = recreation(action.ref.kind_group)
    if not may.is_allowed:
        return replace(action, action=Action.BLOCKED, reason=f"{refusal.message} {may.reason}")
    if refusal.others or not can_be_created:
        reason = f"{refusal.message} The new object would not be accepted either, so the old stays."
        return replace(action, action=Action.BLOCKED, reason=reason)
    if not policy.recreate:
        reason = f"{refusal.message} Add --recreate to delete and create it anew. {may.reason}"
        return replace(action, action=Action.BLOCKED, reason=reason)
    warnings = (*action.warnings, may.reason)
    if action.ref.kind_group == "Job.batch" and policy.jobs is not Jobs.RUN:
        warnings = (*action.warnings, "Its Pods are deleted, and the new Job is suspended.")
    return replace(action, action=Action.RECREATE, reason=refusal.message, warnings=warnings)


def _conflict_text(resolution: Resolution, teller: Teller) -> str:
    owners: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for conflict, reason in resolution.refused:
        name = str(conflict.owner)
        owners.setdefault(name, []).append(teller.server_text(conflict.field))
        reasons[name] = reason
    told = [f"{name} owns {', '.join(fields)} ({reasons[name]})" for name, fields in owners.items()]
    first = resolution.refused[0][0].owner.manager
    return (
        f"{'; '.join(told)}. To write the commit's values, add --take-over={first}; to leave "
        f"these fields, --yield={first}."
    )


def came_back(removals: Iterable[Extra], outcome: Json) -> tuple[Path, ...]:
    """Return which removals a dry run of the removal patch did not take out.

    ``outcome`` is its answer, cleaned. The server fills these in again: leave them, or every
    replay would remove them anew.
    """
    body = normalise_for_comparison(outcome)
    return tuple(extra.path for extra in removals if fieldpath.locate(extra.path, body) is not None)
