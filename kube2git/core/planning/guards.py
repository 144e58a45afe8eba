"""What may be deleted, and what stops a plan from deleting it.

Two lines of defence: an object that must not be touched is left out of the deletions, with its
reason; deletions that are allowed but look like a mistake stop the whole plan until the user names
what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kube2git.core.coverage import Coverage
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, Guard, PlannedAction, live_state
from kube2git.core.planning.policy import Allowance, Policy, Prune
from kube2git.core.ports import KindStatus


@dataclass(frozen=True)
class Scope:
    """What a replay is about, as far as deleting goes."""

    coverage: Coverage = field(default_factory=Coverage)
    """Of the commit."""
    owned: Mapping[ObjectRef, str] = field(default_factory=dict)
    """What the inventory says earlier replays of the same set made: ref -> uid."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Namespace in the target -> namespace in the commit, where they differ."""
    selects: Callable[[ObjectRef], bool] = lambda _: True
    """Whether an export of the same selection would hold an object of the target."""
    passed_over: frozenset[ObjectRef] = frozenset()
    """Objects of the commit, as they are called in the target, whose labels are not selected."""


_KIND_GUARDS: tuple[tuple[str, Allowance, str], ...] = (
    ("Namespace", Allowance.NAMESPACES, "A Namespace goes with everything in it"),
    (
        "CustomResourceDefinition.apiextensions.k8s.io",
        Allowance.CRDS,
        "A CustomResourceDefinition goes with every custom resource of its kind",
    ),
    ("PersistentVolume", Allowance.VOLUMES, "A PersistentVolume can go with its data"),
    ("PersistentVolumeClaim", Allowance.CLAIMS, "A PersistentVolumeClaim can go with its data"),
)
_NAMED = 5
"""Objects that a guard's sentence names one by one."""


def plan_deletions(
    desired: frozenset[ObjectRef],
    live: Mapping[ObjectRef, LiveObject],
    policy: Policy,
    scope: Scope,
) -> tuple[PlannedAction, ...]:
    """Return what the prune policy deletes, and what it would if nothing held it back.

    ``desired`` has every object of the commit that is selected, those that could not be read too.
    """
    if policy.prune is Prune.NONE:
        return ()
    found = []
    for ref in sorted(live.keys() - desired):
        known = live[ref]
        if known.is_terminating:
            continue
        if policy.prune is Prune.OWNED and scope.owned.get(ref) != known.uid:
            continue
        if policy.prune is Prune.ALL and not scope.selects(ref):
            continue
        held = _held_back(ref, known, policy, scope)
        action = Action.SKIP if held else Action.DELETE
        reason = held or "The commit does not hold it."
        found.append(
            PlannedAction(
                ref,
                action,
                reason,
                uid=known.uid,
                resource_version=known.resource_version,
                state=live_state(known, policy.sealed_kinds),
            )
        )
    return tuple(found)


def _held_back(ref: ObjectRef, live: LiveObject, policy: Policy, scope: Scope) -> str:
    """Return why an object that is not to be there is not deleted; "" when it is."""
    if ref in scope.passed_over:
        return "The commit holds it, with labels that are not selected."
    home = ref.name if ref.kind_group == "Namespace" else ref.namespace
    if policy.protects(home):
        return f"The commit does not hold it. The namespace {home} belongs to the cluster itself."
    if not _is_covered(ref, scope):
        return (
            f"The commit does not tell whether it is complete for {ref.kind_group}, so what it "
            "lacks may only not have been exported. Export again with the rights to list that "
            "kind."
        )
    if live.other_tool and Allowance.OTHERS not in policy.allowed:
        return f"The commit does not hold it, but {live.other_tool} keeps it."
    return ""


def _is_covered(ref: ObjectRef, scope: Scope) -> bool:
    known = scope.coverage.kinds.get(ref.kind_group)
    if known is None:
        return False
    if known.status is KindStatus.LISTED:
        return True
    # Part of a kind is complete where it was exported namespace by namespace, without a selector.
    origin = scope.origins.get(ref.namespace, ref.namespace)
    is_complete_there = bool(origin) and origin in known.namespaces and not known.selector
    return known.status is KindStatus.PARTIAL and is_complete_there


def guard_deletions(
    deletions: Sequence[PlannedAction],
    desired_count: int,
    set_size: int,
    unreadable: Sequence[str],
    policy: Policy,
) -> tuple[Guard, ...]:
    """Return why these deletions must not be carried out as they are; () when they may.

    ``set_size`` is the number of objects that pruning looks at; ``unreadable`` are files of the
    commit of which not even the object's name is known.
    """
    deleted = [action.ref for action in deletions if action.action is Action.DELETE]
    if not deleted:
        return ()
    found = []
    if unreadable:
        found.append(
            Guard(
                f"{_counted(len(unreadable), 'file')} of the commit cannot be read "
                f"({_listed(unreadable)}), so an object may look deleted that is not. Mend or "
                "remove them, or replay without --prune."
            )
        )

    def stop(allowance: Allowance, sentence: str) -> None:
        if allowance not in policy.allowed:
            found.append(Guard(sentence, f"--allow-prune={allowance}"))

    if not desired_count:
        stop(
            Allowance.EMPTY,
            f"The commit holds no object for this selection, so all {len(deleted)} that the "
            "target holds would be deleted.",
        )
    if len(deleted) > policy.prune_limit * set_size:
        stop(
            Allowance.MANY,
            f"{len(deleted)} of {_counted(set_size, 'object')} would be deleted, more than "
            f"{policy.prune_limit:.0%}.",
        )
    for kind, allowance, why in _KIND_GUARDS:
        refs = [ref for ref in deleted if ref.kind_group == kind]
        if refs:
            stop(allowance, f"{why}, and {_listed(refs)} would be deleted.")
    return tuple(found)


def _listed(things: Sequence[object]) -> str:
    shown = ", ".join(map(str, things[:_NAMED]))
    return shown + (f" and {len(things) - _NAMED} more" if len(things) > _NAMED else "")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def set_size(
    live: Iterable[ObjectRef], desired: frozenset[ObjectRef], policy: Policy, scope: Scope
) -> int:
    """Return how many objects pruning looks at: the inventory, or what the selection holds."""
    if policy.prune is Prune.OWNED:
        return len(scope.owned)
    return sum(1 for ref in live if ref in desired or scope.selects(ref))
