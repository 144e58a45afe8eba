"""From what should be and what is to a plan, by comparing alone: no request, no clock.

An identity that may only read can plan with this. Where the target allows dry runs, settling
turns each candidate's answer into the final action.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kube2git.core.equality import normalise_for_comparison
from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.ownership import Owner
from kube2git.core.planning.adapting import Adapted, Adapter
from kube2git.core.planning.adoption import SharedStorage
from kube2git.core.planning.graph import Graph
from kube2git.core.planning.guards import Scope, guard_deletions, plan_deletions, set_size
from kube2git.core.planning.leftovers import Extra, leftovers
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import (
    Action,
    Guard,
    Header,
    Plan,
    PlannedAction,
    Problem,
    fingerprint,
    live_state,
)
from kube2git.core.planning.policy import Policy
from kube2git.core.planning.stances import OWN_MANAGER
from kube2git.core.telling import Teller


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file of the commit whose object could not be had (not decoded, not unsealed)."""

    path: str
    reason: str
    """A whole sentence."""
    ref: ObjectRef | None = None
    """Known when only its values are sealed: then the object is never taken for deleted."""
    is_sealed: bool = False
    """True when a key is missing, which --without-secrets passes over."""


@dataclass(frozen=True)
class Context:
    """What planning must know besides the objects."""

    header: Header = field(default_factory=Header)
    types: Mapping[str, ResourceType] | None = None
    """The target's kinds by kind_group; None: take every kind as served."""
    scope: Scope = field(default_factory=Scope)
    unreadable: Sequence[Unreadable] = ()
    storage: SharedStorage = field(default_factory=SharedStorage)
    problems: Sequence[Problem] = ()
    warnings: Sequence[str] = ()
    settled: Mapping[ObjectRef, tuple[str, str]] = field(default_factory=dict)
    """(uid, resourceVersion) of objects that are known to be what the commit says, unread."""


@dataclass(frozen=True)
class Computed:
    """A plan, and the objects that carrying it out needs. Bodies never go into the plan."""

    plan: Plan
    adapted: Mapping[ObjectRef, Adapted]
    _adapter: Adapter
    _originals: Mapping[ObjectRef, Manifest]
    _live: Mapping[ObjectRef, LiveObject]

    def for_creation(self, ref: ObjectRef) -> Adapted:
        """Return an object as it must be created after its predecessor was deleted."""
        return self._adapter.adapt(self._originals[ref], None)

    def write_graph(self, plan: Plan) -> Graph:
        """Order what ``plan`` writes; what is blocked stands in it too, so that others see it."""
        involved = (Action.CREATE, Action.UPDATE, Action.RECREATE, Action.BLOCKED)
        return Graph.of(
            self.adapted[action.ref].manifest
            for action in plan.actions
            if action.action in involved and action.ref in self.adapted
        )

    def deletion_graph(self, plan: Plan) -> Graph:
        """Order what ``plan`` deletes: read its ``deletion_waves``."""
        return Graph.of(
            self._live[action.ref].manifest
            for action in plan.actions
            if action.action is Action.DELETE
        )


def compute(
    desired: Iterable[Manifest],
    live: Mapping[ObjectRef, LiveObject],
    policy: Policy,
    context: Context | None = None,
) -> Computed:
    """Compare what should be with what is; no request, no clock, the same plan for any order.

    ``desired`` is selected, remapped and unsealed, each object once; ``live`` is the target,
    cleaned by the exporter's rules. With ``prune=all`` everything in ``live`` that
    ``context.scope.selects`` is compared with the commit.
    """
    context = context or Context()
    originals = {manifest.ref: manifest for manifest in sorted(desired, key=lambda m: m.ref)}
    adapter = Adapter(originals.values(), live, policy, context.types, context.storage)
    adapted: dict[ObjectRef, Adapted] = {}
    actions: list[PlannedAction] = []
    for ref in originals:
        known = live.get(ref)
        current = None if known is not None and known.is_terminating else known
        adapted[ref] = adapter.adapt(originals[ref], current)
        actions.append(_compare(adapted[ref], known, policy))
    actions += [
        PlannedAction(ref, Action.UNCHANGED, uid=uid, resource_version=version)
        for ref, (uid, version) in context.settled.items()
    ]
    if policy.only_data:
        actions = [_left_alone(action) for action in actions]
    actions += _unreadable_actions(context.unreadable, live, policy)
    refs = (
        frozenset(originals)
        | context.settled.keys()
        | {entry.ref for entry in context.unreadable if entry.ref}
    )
    deletions = plan_deletions(refs, live, policy, context.scope)
    actions += deletions
    guards = guard_deletions(
        deletions,
        len(refs),
        set_size([*live, *context.settled], refs, policy, context.scope),
        [entry.path for entry in context.unreadable if entry.ref is None],
        policy,
    )
    problems = [
        *context.problems,
        *(
            Problem(f"{entry.path} cannot be replayed: {entry.reason}")
            for entry in context.unreadable
            if entry.ref is None
        ),
    ]
    plan = _assemble(context, actions, guards, problems)
    return Computed(plan, adapted, adapter, originals, live)


def _assemble(
    context: Context,
    actions: Iterable[PlannedAction],
    guards: tuple[Guard, ...],
    problems: Iterable[Problem],
) -> Plan:
    warnings = list(context.warnings)
    if context.header.is_foreign:
        warnings.append("The commit was exported from another cluster than the target.")
    ordered = tuple(sorted(actions, key=lambda action: action.ref))
    return Plan(context.header, ordered, guards, tuple(problems), tuple(warnings))


def _unreadable_actions(
    unreadable: Iterable[Unreadable], live: Mapping[ObjectRef, LiveObject], policy: Policy
) -> list[PlannedAction]:
    found = []
    for entry in unreadable:
        if entry.ref is None:
            continue
        known = live.get(entry.ref)
        passes = entry.is_sealed and policy.without_secrets
        found.append(
            PlannedAction(
                entry.ref,
                Action.SKIP if passes else Action.BLOCKED,
                entry.reason,
                uid=known.uid if known else "",
                resource_version=known.resource_version if known else "",
            )
        )
    return found


def _compare(adapted: Adapted, known: LiveObject | None, policy: Policy) -> PlannedAction:
    """Decide one object by its two states alone."""
    manifest = adapted.manifest
    action = PlannedAction(
        manifest.ref,
        Action.CREATE,
        api_version=str(manifest.body.get("apiVersion")),
        digest=fingerprint(manifest, policy.sealed_kinds),
        uid=known.uid if known else "",
        resource_version=known.resource_version if known else "",
        state=live_state(known, policy.sealed_kinds) if known else "",
        warnings=adapted.warnings,
    )
    if known is not None and not known.is_terminating:
        action = _compare_states(action, manifest, known, policy)
    elif known is not None:
        reason = "The old object is still being deleted; it is created when that one is gone."
        action = replace(action, reason=reason)
    if adapted.action is not None and action.action.writes:
        bare = replace(action, changes=(), removals=(), kept=())
        return replace(bare, action=adapted.action, reason=adapted.reason)
    return action


def _left_alone(action: PlannedAction) -> PlannedAction:
    if action.action not in (Action.UPDATE, Action.RECREATE, Action.UNCHANGED):
        return action
    bare = replace(action, changes=(), removals=(), kept=(), warnings=())
    return replace(bare, action=Action.SKIP, reason="It exists, and is left alone.")


def _compare_states(
    action: PlannedAction, manifest: Manifest, known: LiveObject, policy: Policy
) -> PlannedAction:
    if manifest.digest == known.manifest.digest:
        return replace(action, action=Action.UNCHANGED)
    body, live_body = manifest.body, known.manifest.body
    if body.get("apiVersion") != live_body.get("apiVersion"):
        reason = (
            f"It is read as {live_body.get('apiVersion')}; only the API server can compare the "
            "two versions."
        )
        return replace(action, action=Action.UPDATE, reason=reason)
    wanted, present = normalise_for_comparison(body), normalise_for_comparison(live_body)
    if wanted == present:
        reason = "It is written otherwise, and the API server stores both alike."
        return replace(action, action=Action.UNCHANGED, reason=reason)
    found = leftovers(wanted, present, known.managed_fields, policy.owners, is_applied=False)
    teller = Teller.of(manifest.ref, policy)
    own = [extra for extra in found.removals if _is_only_ours(extra)]
    others = [extra for extra in found.removals if not _is_only_ours(extra)]
    told = [*(entry.path for entry in found.yielded), *(extra.path for extra in others)]
    kept = teller.kept(found.yielded)
    if policy.keep_extra:
        kept += teller.kept_extras(others)
        others = []
    if not (own or others or found.altered):
        reason = "What differs is left to its owners." if kept else "What differs are defaults."
        return replace(action, action=Action.UNCHANGED, reason=reason, kept=kept)
    return replace(
        action,
        action=Action.UPDATE,
        changes=teller.changes(present, wanted, [*told, *found.defaulted]),
        removals=teller.removals(others),
        kept=kept,
    )


def _is_only_ours(extra: Extra) -> bool:
    """Tell whether an apply takes this out by itself, since nobody but kube2git applied it."""
    return set(extra.owners) == {Owner(OWN_MANAGER, "", "Apply")}
