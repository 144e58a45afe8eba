"""The few writes that snapshots need, each told as "" or why it failed."""

from __future__ import annotations

from kube2git.adapters.csi.bodies import GROUP_LABEL, sentence
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Target, Verb, WriteAnswer, WriteRequest
from kube2git.core.snapshots import ClaimRef
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

TRIES = 5
CONFLICT = 409


def refusal(answer: WriteAnswer) -> str:
    """Return why the API server refused a write; "" when it did not."""
    if answer.is_ok:
        return ""
    message = dig(answer.body, "message")
    return sentence(str(message) if message else f"The API server answered {answer.status}")


def create(target: Target, type: ResourceType, body: Json) -> WriteAnswer:
    metadata = body["metadata"]
    where = str(metadata.get("namespace") or "")
    return target.send(WriteRequest(Verb.CREATE, type, where, metadata["name"], body))


def apply(target: Target, type: ResourceType, body: Json) -> WriteAnswer:
    """Set fields of an object that exists, whoever owned them before."""
    name = body["metadata"]["name"]
    return target.send(WriteRequest(Verb.APPLY, type, "", name, body, is_forced=True))


def delete(target: Target, type: ResourceType, body: Json) -> str:
    """Delete exactly this object; that it is gone already is no failure."""
    metadata = body["metadata"]
    options = {"preconditions": {"uid": metadata["uid"]}}
    where = str(metadata.get("namespace") or "")
    answer = target.send(WriteRequest(Verb.DELETE, type, where, metadata["name"], options))
    # 409: another object has the name by now.
    return "" if answer.status in (404, CONFLICT) else refusal(answer)


def label_claim(target: Target, type: ResourceType, claim: ClaimRef, group: str) -> str:
    """Put the label on a claim by which a group selects it; "" takes it off."""
    for _ in range(TRIES):
        body = target.get(type, claim.namespace, claim.name)
        if body is None:
            return f"The claim {claim.name} in {claim.namespace} is gone."
        metadata = body["metadata"]
        labels = dict(metadata.get("labels") or {})
        if labels.get(GROUP_LABEL, "") == group:
            return ""
        labels.pop(GROUP_LABEL, None)
        if group:
            labels[GROUP_LABEL] = group
        patch: list[Json] = [
            {
                "op": "test",
                "path": "/metadata/resourceVersion",
                "value": metadata["resourceVersion"],
            },
            {"op": "add", "path": "/metadata/labels", "value": labels},
        ]
        answer = target.send(WriteRequest(Verb.EDIT, type, claim.namespace, claim.name, patch))
        if answer.is_ok or answer.status not in (CONFLICT, 422):
            return refusal(answer)
    return f"The claim {claim.name} in {claim.namespace} changes too often to be labelled."
