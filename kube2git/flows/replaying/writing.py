"""Carry out one planned action, with the retries and preconditions that its answers call for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kube2git.core import fieldpath
from kube2git.core.answers import Category, Refusal, classify
from kube2git.core.equality import normalise_for_comparison
from kube2git.core.objects import Manifest, ObjectRef, ResourceType, ref_of
from kube2git.core.planning import settling
from kube2git.core.planning.adapting import Adapted, with_owner_uids
from kube2git.core.planning.immutable import recreation
from kube2git.core.planning.leftovers import leftovers, removal_patch
from kube2git.core.planning.live import LiveObject, node_ports
from kube2git.core.planning.plan import Action, PlannedAction, Write
from kube2git.core.planning.stances import OWN_MANAGER, Yielded, parse_conflicts, resolve
from kube2git.core.ports import Verb, WriteAnswer, WriteRequest
from kube2git.core.snapshots import Restoration
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of
from kube2git.errors import Kube2gitError
from kube2git.flows.replaying.drafting import Draft
from kube2git.flows.replaying.readiness import Waiter, absence
from kube2git.flows.replaying.request import SUCCESS, Outcome, Verdict
from kube2git.flows.replaying.survey import REPLAY_LABEL
from kube2git.flows.replaying.target import TargetView

ATTEMPTS = 8
LONGEST_PAUSE = 2.0
PATIENCE = 30.0
"""Seconds for a Service to give up its node ports."""
_NOT_YET = (
    "error looking up service account",
    "status unknown for quota",
    "no matches for kind",
)
"""Parts of denials that pass by themselves within moments of a namespace or quota being made."""
_PASSING = frozenset({Category.STALE, Category.BUSY, Category.UNAVAILABLE, Category.MISSING})

Result = tuple[Outcome, Json | None]


class RefusedWriteError(Kube2gitError):
    """The server refused a write for good; the message is a whole sentence without its dot."""


@dataclass
class Writer:
    """Writes single objects of one draft; used by several threads."""

    draft: Draft
    view: TargetView
    waiter: Waiter
    restorations: Mapping[ObjectRef, Restoration]
    """Claims whose data is at hand."""
    deadline: Callable[[], float]
    hasten: Callable[[ObjectRef], None]
    """Has another action begin that is due and has not."""

    def carry_out(self, action: PlannedAction) -> Result:
        """Return what came of an action, and the object as the server has it now."""
        if action.action is Action.DELETE:
            return self._delete(action)
        type = self.view.type_of(action.ref, action.api_version)
        if type is None:
            message = f"The target does not serve the kind {action.ref.kind_group}."
            return Outcome(action.ref, Verdict.FAILED, message), None
        if action.action is Action.RECREATE:
            return self._recreate(action, type)
        known = self.draft.live.objects.get(action.ref)
        if known is not None and known.is_terminating:
            held = self.waiter.wait({action.ref: absence(known.uid)}, {}, self.deadline())
            if held:
                message = f"The old object {held[action.ref].message}."
                return Outcome(action.ref, Verdict.FAILED, message), None
            self.view.forget(action.ref)
        if action.ref in self.restorations:
            return self._create_with_data(action, type)
        if action.write is Write.REPLACE:
            return self._replace(action, type)
        return self._apply(action, type, self.draft.computed.adapted[action.ref])

    def _send(
        self,
        verb: Verb,
        type: ResourceType,
        ref: ObjectRef,
        body: Json | Sequence[Json],
        *,
        is_forced: bool = False,
    ) -> WriteAnswer:
        return self.view.target.send(
            WriteRequest(verb, type, ref.namespace, ref.name, body, is_forced)
        )

    def _labelled(self, body: Json) -> tuple[Json, tuple[str, ...]]:
        """Return the body with its owners' uids and the label of this replay."""
        body, told = with_owner_uids(body, self.view.uid_of)
        metadata = body.get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), REPLAY_LABEL: self.draft.name}
        return {**body, "metadata": {**metadata, "labels": labels}}, told

    def _apply(self, action: PlannedAction, type: ResourceType, adapted: Adapted) -> Result:
        ref, policy = action.ref, self.draft.request.policy
        self._await_ports(adapted, type)
        labelled, told = self._labelled(adapted.body)
        body, is_forced, yielded = labelled, False, tuple[Yielded, ...]()
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._send(Verb.APPLY, type, ref, body, is_forced=is_forced)
            if answer.is_ok and answer.body is not None:
                raw = answer.body
                if action.action is Action.UPDATE and not policy.keep_extra:
                    left = self._remove_leftovers(action, type, adapted, raw, yielded)
                    if left is None:
                        continue
                    raw = left
                self.view.note(ref, raw)
                is_theirs = answer.status == 200 and not _is_only_ours(raw)
                verdict = SUCCESS[action.action]
                if verdict is Verdict.CREATED and is_theirs:
                    verdict = Verdict.CONFIGURED
                return Outcome(ref, verdict, "", told), raw
            refusal = classify(answer.status, answer.body, ref.kind_group)
            if refusal.category is Category.CONFLICT:
                resolution = resolve(body, parse_conflicts(answer.body or {}), policy.owners)
                if resolution.refused:
                    blocked = settling.refused(action, refusal, policy, resolution=resolution)
                    return Outcome(ref, Verdict.FAILED, blocked.reason, told), None
                yielded = (*yielded, *resolution.yielded)
                body, is_forced = resolution.body, is_forced or resolution.is_forced
                continue
            if action.action is Action.CREATE and _are_taken(ref, refusal):
                told = (*told, "A node port or cluster IP is taken in the target: it gets another.")
                body = _without_addresses(body)
                continue
            if attempt == ATTEMPTS or not self._is_passing(answer, refusal.category):
                return Outcome(ref, Verdict.FAILED, refusal.message, told), None
            self._pause(attempt)
        return Outcome(ref, Verdict.FAILED, "It changes faster than it can be written."), None

    def _await_ports(self, adapted: Adapted, type: ResourceType) -> None:
        """Wait a little until others of this run have given up the node ports of this Service."""
        until = min(self.deadline(), time.monotonic() + PATIENCE)
        for port, holder in adapted.ports_of_others.items():
            while not self.waiter.is_stopped() and time.monotonic() < until:
                found = self.view.target.get(type, holder.namespace, holder.name)
                if found is None or port not in node_ports(found):
                    break
                self.hasten(holder)
                time.sleep(0.1)

    def _create_with_data(self, action: PlannedAction, type: ResourceType) -> Result:
        """Create a claim and what its data comes from.

        It is not applied: a later apply without the data source would mean to take it out, and
        the server lets nobody change that.
        """
        ref, restoration = action.ref, self.restorations[action.ref]
        for body in restoration.objects:
            source = ref_of(body)
            kind = self.view.type_of(source, str(body["apiVersion"]))
            if kind is None:
                message = f"The target does not serve the kind {source.kind_group}."
                return Outcome(ref, Verdict.FAILED, message), None
            answer, refusal = self._create(kind, source, body)
            if refusal and answer.status != 409:
                message = f"What its data comes from could not be made. {refusal}"
                return Outcome(ref, Verdict.FAILED, message), None
            if not refusal and answer.body is not None:
                self.view.note(source, answer.body)
        body, told = self._labelled(self.draft.computed.adapted[ref].body)
        body = {**body, "spec": {**(body.get("spec") or {}), **restoration.claim_spec}}
        answer, refusal = self._create(type, ref, body)
        if refusal or answer.body is None:
            return Outcome(ref, Verdict.FAILED, refusal, told), None
        self.view.note(ref, answer.body)
        return Outcome(ref, Verdict.CREATED, "", told), answer.body

    def _create(self, type: ResourceType, ref: ObjectRef, body: Json) -> tuple[WriteAnswer, str]:
        """Create an object; return the last answer, and why it was refused, "" when it was not."""
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._send(Verb.CREATE, type, ref, body)
            if answer.is_ok:
                return answer, ""
            refusal = classify(answer.status, answer.body, ref.kind_group)
            if attempt == ATTEMPTS or not self._is_passing(answer, refusal.category):
                break
            self._pause(attempt)
        return answer, refusal.message

    def _is_passing(self, answer: WriteAnswer, category: Category) -> bool:
        if self.waiter.is_stopped() or time.monotonic() > self.deadline():
            return False
        if category in _PASSING:
            return True
        message = str((answer.body or {}).get("message") or "")
        return category is Category.DENIED and any(part in message for part in _NOT_YET)

    def _pause(self, attempt: int) -> None:
        time.sleep(min(0.1 * 2.0**attempt, LONGEST_PAUSE))

    def _remove_leftovers(
        self,
        action: PlannedAction,
        type: ResourceType,
        adapted: Adapted,
        raw: Json,
        yielded: Sequence[Yielded],
    ) -> Json | None:
        """Take out what others own and the plan said goes; None: it has changed, apply again."""
        settled = self.draft.settled.get(action.ref)
        planned = {extra.path for extra in settled.leftovers.removals} if settled else set()
        clean = self.draft.cleaner.clean(raw).body
        if not planned or clean is None:
            return raw
        wanted = fieldpath.without(adapted.manifest.body, [field.path for field in yielded])
        found = leftovers(
            normalise_for_comparison(wanted),
            normalise_for_comparison(clean),
            dig(raw, "metadata", "managedFields") or (),
            self.draft.request.policy.owners,
            is_applied=True,
        )
        operations = removal_patch(
            [extra for extra in found.removals if extra.path in planned],
            raw,
            raw["metadata"]["resourceVersion"],
        )
        if not operations:
            return raw
        answer = self._send(Verb.EDIT, type, action.ref, operations)
        if answer.is_ok and answer.body is not None:
            return answer.body
        refusal = classify(answer.status, answer.body, action.ref.kind_group)
        if refusal.category in _PASSING:
            return None
        raise RefusedWriteError(f"What the commit lacks could not be removed. {refusal.message}")

    def _fresh(self, action: PlannedAction, type: ResourceType) -> Json | None:
        """Return the live object if it is still the one that was planned for, by content.

        A status that has changed since then does not count, a changed spec or label does.
        """
        raw = self.view.target.get(type, action.ref.namespace, action.ref.name)
        if raw is None or dig(raw, "metadata", "uid") != action.uid:
            return None
        known = self.draft.live.objects.get(action.ref)
        if known is None or dig(raw, "metadata", "resourceVersion") == known.resource_version:
            return raw
        clean = self.draft.cleaner.clean(raw).body
        is_same = clean is not None and Manifest.of(clean).digest == known.manifest.digest
        return raw if is_same else None

    def _changed(self, action: PlannedAction) -> Result:
        message = "It has changed since the plan was made. Run the same command again."
        return Outcome(action.ref, Verdict.FAILED, message), None

    def _replace(self, action: PlannedAction, type: ResourceType) -> Result:
        ref = action.ref
        adapted = self.draft.computed.adapted[ref]
        settled = self.draft.settled.get(ref)
        for attempt in range(1, ATTEMPTS + 1):
            raw = self._fresh(action, type)
            clean = self.draft.cleaner.clean(raw).body if raw else None
            if raw is None or clean is None:
                return self._changed(action)
            known = LiveObject.of(raw, Manifest.of(clean))
            yielded = settled.leftovers.yielded if settled else ()
            policy = self.draft.request.policy
            body = settling.replacement(adapted, raw, known, policy, yielded)
            body, told = self._labelled(body)
            answer = self._send(Verb.REPLACE, type, ref, body)
            if answer.is_ok and answer.body is not None:
                self.view.note(ref, answer.body)
                return Outcome(ref, Verdict.CONFIGURED, "", told), answer.body
            refusal = classify(answer.status, answer.body, ref.kind_group)
            if attempt == ATTEMPTS or not self._is_passing(answer, refusal.category):
                break
            self._pause(attempt)
        return Outcome(ref, Verdict.FAILED, refusal.message), None

    def _recreate(self, action: PlannedAction, type: ResourceType) -> Result:
        """Delete, wait until it is gone, create; what was deleted is told if the create fails."""
        propagation = "Orphan" if recreation(action.ref.kind_group).orphans else "Background"
        refusal = self._send_deletion(action, type, propagation)
        if refusal:
            return Outcome(action.ref, Verdict.FAILED, refusal), None
        held = self.waiter.wait({action.ref: absence(action.uid)}, {}, self.deadline())
        if held:
            message = f"It {held[action.ref].message}. The same command goes on from here."
            return Outcome(action.ref, Verdict.FAILED, message), None
        self.view.forget(action.ref)
        outcome, body = self._apply(action, type, self.draft.computed.for_creation(action.ref))
        if not outcome.is_done:
            message = f"It was deleted, and could not be created again: {outcome.message}"
            return Outcome(action.ref, Verdict.FAILED, message, outcome.warnings), None
        return outcome, body

    def _delete(self, action: PlannedAction) -> Result:
        type = self.draft.types.get(action.ref.kind_group)
        if type is None:
            return self._changed(action)
        refusal = self._send_deletion(action, type, "Background")
        if refusal:
            return Outcome(action.ref, Verdict.FAILED, refusal), None
        return Outcome(action.ref, Verdict.DELETED), {}

    def _send_deletion(self, action: PlannedAction, type: ResourceType, propagation: str) -> str:
        """Delete exactly what was planned for; return why not, "" when it is deleted."""
        version = action.resource_version
        for attempt in range(1, ATTEMPTS + 1):
            options = {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "preconditions": {"uid": action.uid, "resourceVersion": version},
                "propagationPolicy": propagation,
            }
            answer = self._send(Verb.DELETE, type, action.ref, options)
            if answer.is_ok or answer.status == 404:
                return ""
            refusal = classify(answer.status, answer.body, action.ref.kind_group)
            if attempt == ATTEMPTS or not self._is_passing(answer, refusal.category):
                return refusal.message
            self._pause(attempt)
            raw = self._fresh(action, type)
            if raw is None:
                break
            version = str(raw["metadata"]["resourceVersion"])
        outcome, _ = self._changed(action)
        return outcome.message


_ADDRESSES = re.compile(r"spec\.(ports\[\d+\]\.nodePort|clusterIPs?(\[\d+\])?|healthCheckNodePort)")


def _are_taken(ref: ObjectRef, refusal: Refusal) -> bool:
    """Tell whether a Service is refused only for addresses that another one has."""
    return (
        ref.kind_group == "Service"
        and refusal.category in (Category.INVALID, Category.IMMUTABLE)
        and bool(refusal.fields)
        and all(_ADDRESSES.fullmatch(field) for field in refusal.fields)
    )


def _without_addresses(service: Json) -> Json:
    spec = service.get("spec") or {}
    dropped = ("clusterIP", "clusterIPs", "healthCheckNodePort")
    kept = {name: value for name, value in spec.items() if name not in dropped}
    kept["ports"] = [
        {name: value for name, value in port.items() if name != "nodePort"}
        for port in items_of(service, "spec", "ports")
    ]
    return {**service, "spec": kept}


def _is_only_ours(raw: Json) -> bool:
    """Tell whether nobody but kube2git has written an object, whatever its status says."""
    return all(
        entry.get("manager") == OWN_MANAGER or entry.get("subresource") == "status"
        for entry in items_of(raw, "metadata", "managedFields")
    )
