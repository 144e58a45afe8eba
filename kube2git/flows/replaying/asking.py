"""Settle the plan's candidates: ask the server what each write would do, all at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from kube2git.core import fieldpath
from kube2git.core.answers import RETRYABLE, Category, Refusal, classify
from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.planning import nodeports, settling
from kube2git.core.planning.adapting import Adapted, under_temporary_name, with_owner_uids
from kube2git.core.planning.graph import Graph
from kube2git.core.planning.leftovers import Extra, removal_patch
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, PlannedAction
from kube2git.core.planning.settling import Settled
from kube2git.core.planning.stances import Yielded, parse_conflicts, resolve
from kube2git.core.ports import Verb, WriteAnswer, WriteRequest
from kube2git.core.report import Progress
from kube2git.core.wire import Json
from kube2git.flows.replaying.choice import NAMESPACE
from kube2git.flows.replaying.drafting import Draft
from kube2git.flows.replaying.target import TargetView

_NOT_TOLD = frozenset({Category.MISSING, Category.DENIED, Category.INVALID})
"""Refusals that may only mean that something the object needs is not there yet."""


_ATTEMPTS = 4


@dataclass
class Asker:
    """Asks for one draft; the answers land in ``draft.settled``."""

    draft: Draft
    view: TargetView
    is_dry_run: bool
    """Nothing will be written: what this identity may not try is compared only."""

    @cached_property
    def _graph(self) -> Graph:
        """What waits for what; only a refusal asks for it."""
        return self.draft.computed.write_graph(self.draft.plan)

    def settle(self) -> Iterator[Progress]:
        """Ask about every candidate that can be asked about, and put the answers into the plan."""
        draft = self.draft
        self._creating = {
            action.ref for action in draft.plan.actions if action.action is Action.CREATE
        }
        self._lock = threading.Lock()
        self._unasked: set[str] = set()
        candidates = [action for action in draft.plan.actions if self._can_be_asked(action)]
        if not candidates:
            return
        yield Progress("asking the target what would change", objects=len(candidates))

        def ask(action: PlannedAction) -> None:
            settled = self._settle(action)
            with self._lock:
                draft.settled[action.ref] = settled

        self.view.target.in_parallel([partial(ask, action) for action in candidates])
        plan = draft.plan.with_actions(settled.action for settled in draft.settled.values())
        if self._unasked:
            warning = (
                "This identity may not write "
                f"{', '.join(sorted(self._unasked))}, so these were compared without asking the "
                "API server."
            )
            plan = replace(plan, warnings=(*plan.warnings, warning))
        draft.plan = plan

    def _can_be_asked(self, action: PlannedAction) -> bool:
        if action.action not in (Action.CREATE, Action.UPDATE):
            return False
        type = self.view.type_of(action.ref, action.api_version)
        if type is None or type.version not in (type.versions or (type.version,)):
            # A definition of the same commit is to bring it.
            return False
        home = action.ref.namespace
        if home and ObjectRef("", NAMESPACE, "", home) in self._creating:
            return False
        known = self.draft.live.objects.get(action.ref)
        return known is None or not known.is_terminating

    def _settle(self, action: PlannedAction) -> Settled:
        draft, policy = self.draft, self.draft.request.policy
        adapted = draft.computed.adapted[action.ref]
        type = self.view.type_of(action.ref, action.api_version)
        if type is None:
            return Settled(action)
        known = self._known(action, type)
        body, _ = with_owner_uids(adapted.body, self.view.uid_of)
        is_forced, yielded = False, tuple[Yielded, ...]()
        for _ in range(4):
            answer = self._send(Verb.APPLY, type, action.ref, body, is_forced=is_forced)
            if answer.is_ok:
                return self._accepted(action, adapted, known, answer, type, yielded)
            refusal = classify(answer.status, answer.body, action.ref.kind_group)
            if _is_for_want_of_ports(adapted, known, refusal):
                body = nodeports.without(body, adapted.ports_of_others)
                continue
            if refusal.category is not Category.CONFLICT:
                break
            resolution = resolve(body, parse_conflicts(answer.body or {}), policy.owners)
            if resolution.refused:
                return Settled(settling.refused(action, refusal, policy, resolution=resolution))
            yielded = (*yielded, *resolution.yielded)
            body, is_forced = resolution.body, is_forced or resolution.is_forced
        return Settled(self._refused(action, adapted, known, refusal, type, yielded))

    def _known(self, action: PlannedAction, type: ResourceType) -> LiveObject | None:
        """Return the live object in the version that it is going to be written in."""
        known = self.draft.live.objects.get(action.ref)
        if known is None or known.manifest.body.get("apiVersion") == action.api_version:
            return known
        raw = self.view.target.get(type, action.ref.namespace, action.ref.name)
        clean = self.draft.cleaner.clean(raw).body if raw else None
        return LiveObject.of(raw, Manifest.of(clean)) if raw and clean else known

    def _send(
        self,
        verb: Verb,
        type: ResourceType,
        ref: ObjectRef,
        body: Json | Sequence[Json],
        *,
        is_forced: bool = False,
        name: str = "",
    ) -> WriteAnswer:
        return self.view.target.send(
            WriteRequest(
                verb, type, ref.namespace, name or ref.name, body, is_forced, is_dry_run=True
            )
        )

    def _accepted(
        self,
        action: PlannedAction,
        adapted: Adapted,
        known: LiveObject | None,
        answer: WriteAnswer,
        type: ResourceType,
        yielded: Sequence[Yielded],
    ) -> Settled:
        raw = answer.body or {}
        cleaned = self.draft.cleaner.clean(raw)
        if cleaned.body is None:
            rule = cleaned.left_out.reason if cleaned.left_out else ""
            warning = f"An export of the target would leave it out: {rule}"
            return Settled(replace(action, warnings=(*action.warnings, warning)))
        outcome = cleaned.body
        if adapted.ports_of_others:
            wanted = fieldpath.without(adapted.manifest.body, [field.path for field in yielded])
            outcome = nodeports.as_wanted(outcome, wanted, adapted.ports_of_others)
        managers = raw.get("metadata", {}).get("managedFields") or ()
        policy = self.draft.request.policy
        settled = settling.accepted(
            action, adapted, known, outcome, managers, policy, yielded=yielded
        )
        removals = settled.leftovers.removals
        if not removals or known is None or action.action is not Action.UPDATE:
            return settled
        came = settling.came_back(removals, self._without(removals, action, type) or {})
        if not came:
            return settled
        return settling.accepted(
            action,
            adapted,
            known,
            outcome,
            managers,
            policy,
            yielded=yielded,
            returning=came,
        )

    def _without(
        self, removals: Iterable[Extra], action: PlannedAction, type: ResourceType
    ) -> Json | None:
        """Return the live object, cleaned, as a dry run takes the removals out of it."""
        ref = action.ref
        live = self.view.target.get(type, ref.namespace, ref.name)
        if live is None:
            return None
        operations = removal_patch(removals, live, live["metadata"]["resourceVersion"])
        if not operations:
            return None
        answer = self._send(Verb.EDIT, type, ref, operations)
        return self.draft.cleaner.clean(answer.body).body if answer.is_ok and answer.body else None

    def _can_be_replaced(
        self,
        adapted: Adapted,
        known: LiveObject,
        type: ResourceType,
        ref: ObjectRef,
        yielded: Sequence[Yielded],
    ) -> bool:
        """Find out whether the server would take a PUT of the whole object."""
        for _ in range(_ATTEMPTS):
            raw = self.view.target.get(type, ref.namespace, ref.name)
            if raw is None:
                return False
            body = settling.replacement(adapted, raw, known, self.draft.request.policy, yielded)
            body, _ = with_owner_uids(body, self.view.uid_of)
            answer = self._send(Verb.REPLACE, type, ref, body)
            # A controller that writes the status meanwhile makes the body stale; that says nothing.
            if answer.status != 409:
                return answer.is_ok
        return False

    def _refused(
        self,
        action: PlannedAction,
        adapted: Adapted,
        known: LiveObject | None,
        refusal: Refusal,
        type: ResourceType,
        yielded: Sequence[Yielded],
    ) -> PlannedAction:
        policy, ref = self.draft.request.policy, action.ref
        if refusal.category is Category.IMMUTABLE:
            new = self.draft.computed.for_creation(ref)
            body = under_temporary_name(nodeports.without(new.body, new.ports_of_others))
            body, _ = with_owner_uids(body, self.view.uid_of)
            created = self._send(Verb.CREATE, type, ref, body)
            return settling.refused(action, refusal, policy, can_be_created=created.is_ok)
        if refusal.category is Category.INVALID and known is not None:
            can_be_replaced = self._can_be_replaced(adapted, known, type, ref, yielded)
            return settling.refused(action, refusal, policy, can_be_replaced=can_be_replaced)
        if (
            self.is_dry_run
            and refusal.category is Category.DENIED
            and " cannot " in refusal.message
        ):
            with self._lock:
                self._unasked.add(type.resource_group)
            return action
        needs = self._graph.needs(ref)
        waits = [edge.before for edge in needs if edge.before in self._creating]
        if refusal.category in RETRYABLE:
            warning = f"The dry run did not tell what would happen: {refusal.message}"
            return replace(action, warnings=(*action.warnings, warning))
        if refusal.category in _NOT_TOLD and waits and action.action is Action.CREATE:
            warning = f"The dry run could not tell, because {waits[0]} does not exist yet."
            return replace(action, warnings=(*action.warnings, warning))
        return settling.refused(action, refusal, policy)


def _is_for_want_of_ports(adapted: Adapted, known: LiveObject | None, refusal: Refusal) -> bool:
    """Tell whether an object is refused only for node ports that others still have."""
    wanted = [".nodePort"]
    if known is None or not known.health_port:
        # Of one that has such a port, it never changes.
        wanted.append("spec.healthCheckNodePort")
    return bool(adapted.ports_of_others and refusal.fields) and all(
        field.endswith(tuple(wanted)) for field in refusal.fields
    )
