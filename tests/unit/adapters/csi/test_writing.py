"""Writes, and what their refusals become."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.adapters.csi import writing
from kube2git.adapters.csi.bodies import GROUP_LABEL, SINGLE
from kube2git.core.objects import ResourceType
from kube2git.core.ports import Verb, WriteAnswer, WriteRequest
from kube2git.core.snapshots import ClaimRef
from kube2git.core.wire import Json
from tests.fakes.target import FakeTarget
from tests.unit.adapters.csi.objects import body, serving, type_of

CONTENT = type_of(SINGLE.content)
CLAIMS = ResourceType("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True)
DATA = ClaimRef("shop", "data")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (WriteAnswer(201, {}), ""),
        (WriteAnswer(403, {"message": "contents is forbidden"}), "contents is forbidden."),
        (WriteAnswer(500, None), "The API server answered 500."),
        (WriteAnswer(422, {"message": ""}), "The API server answered 422."),
    ],
)
def test_a_refusal_is_a_sentence(answer: WriteAnswer, sentence: str) -> None:
    assert writing.refusal(answer) == sentence


def test_exactly_this_object_is_deleted_and_that_it_is_gone_is_no_failure() -> None:
    target = serving()
    known = target.put(body(SINGLE.content, "a"))
    target.remove(SINGLE.content, "", "a")
    assert writing.delete(target, CONTENT, known) == ""
    target.put(body(SINGLE.content, "a"))
    assert writing.delete(target, CONTENT, known) == ""  # another one has the name by now
    assert ("", "a") in target.store.at(SINGLE.content)
    (newer,) = target.store.at(SINGLE.content).values()
    target.refuse("volumesnapshotcontent.snapshot.storage.k8s.io/a", 403, "Forbidden", message="no")
    assert writing.delete(target, CONTENT, newer) == "no."
    target.allow_all()
    assert writing.delete(target, CONTENT, newer) == ""
    assert not target.store.at(SINGLE.content)


class Claims(FakeTarget):
    """Knows the JSON patch that labels a claim; ``races`` times somebody else is faster."""

    races = 0

    def send(self, request: WriteRequest) -> WriteAnswer:
        if request.verb is not Verb.EDIT:
            return super().send(request)
        self.sent.append(request)
        patch: Any = request.body
        test, change = patch
        known: Any = self.get(request.type, request.namespace, request.name)
        if self.races:
            self.races -= 1
            known = self.put(known)
        if test["value"] != known["metadata"]["resourceVersion"]:
            return WriteAnswer(422, {"message": "the test failed"})
        metadata = {**known["metadata"], "labels": change["value"]}
        return WriteAnswer(200, self.put({**known, "metadata": metadata}))


def claims(**labels: str) -> Claims:
    target = Claims()
    target.add_type(CLAIMS)
    metadata: Json = {"name": DATA.name, "namespace": DATA.namespace, "labels": labels}
    target.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata})
    return target


def labels_of(target: Claims) -> dict[str, str]:
    found: dict[str, str] = target.store.at("PersistentVolumeClaim")[DATA]["metadata"]["labels"]
    return found


def test_a_claim_is_labelled_for_its_group_and_keeps_its_own_labels() -> None:
    target = claims(app="shop")
    target.races = 2
    assert writing.label_claim(target, CLAIMS, DATA, "g-1") == ""
    assert labels_of(target) == {"app": "shop", GROUP_LABEL: "g-1"}
    before = len(target.sent)
    assert writing.label_claim(target, CLAIMS, DATA, "g-1") == ""
    assert len(target.sent) == before
    assert writing.label_claim(target, CLAIMS, DATA, "") == ""
    assert labels_of(target) == {"app": "shop"}


def test_a_claim_that_is_gone_or_never_rests_is_told() -> None:
    target = claims()
    target.races = writing.TRIES
    assert writing.label_claim(target, CLAIMS, DATA, "g-1") == (
        "The claim data in shop changes too often to be labelled."
    )
    target.remove("PersistentVolumeClaim", *DATA)
    assert writing.label_claim(target, CLAIMS, DATA, "g-1") == "The claim data in shop is gone."
