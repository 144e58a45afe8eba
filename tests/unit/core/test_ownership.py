"""ownership: managedFields are read as the API server means them."""

from __future__ import annotations

from kube2git.core import ownership
from kube2git.core.fieldpath import Key, Value
from kube2git.core.ownership import Fields, Owner
from tests.unit.core.planning.planned import managed

WEB = 'k:{"name":"web"}'
HELM, KUBECTL = Owner("helm", "", "Update"), Owner("kubectl", "", "Update")
FIELDS = Fields.read(
    [
        managed("helm", {"f:spec": {"f:replicas": {}, "f:list": {WEB: {".": {}, "f:image": {}}}}}),
        managed("kubectl", {"f:spec": {"f:list": {WEB: {"f:env": {}}}, "f:selector": {}}}),
        managed("hpa", {"f:spec": {"f:replicas": {}}}, subresource="scale"),
        managed("a", {"f:metadata": {"f:finalizers": {".": {}, 'v:"x/y"': {}}}}),
    ]
)


def test_every_owner_of_a_field_is_known() -> None:
    owners = ownership.owners_of(FIELDS, ("spec", "replicas"))
    assert ownership.names(owners) == ("helm", "hpa/scale")


def test_an_owner_of_the_whole_owns_its_parts() -> None:
    assert ownership.owners_of(FIELDS, ("spec", "selector", "matchLabels", "a")) == {KUBECTL}


def test_nobody_owns_what_stands_beside() -> None:
    assert ownership.owners_of(FIELDS, ("spec", "paused")) == set()
    assert ownership.owners_of(FIELDS, ("data", "a", "b")) == set()


def test_items_are_told_apart_by_their_keys_or_their_values() -> None:
    items = FIELDS.below("spec").below("list")  # type: ignore[union-attr]
    assert items is not None
    assert items.keys() == ("name",)
    assert not items.is_set
    web = items.below(Key.of({"name": "web"}))
    assert web is not None
    assert web.owners == {HELM}
    assert web.all_owners() == {HELM, KUBECTL}
    finalizers = FIELDS.below("metadata").below("finalizers")  # type: ignore[union-attr]
    assert finalizers is not None
    assert finalizers.is_set
    assert finalizers.keys() == ()
    assert finalizers.below(Value("x/y")) is not None


def test_an_entry_that_cannot_be_read_owns_nothing() -> None:
    fields = Fields.read([managed("x", {"k:{": {}, "v:": {}, "q:a": {}}), {"manager": "y"}])
    assert fields.is_leaf
    assert fields.keys() == ()
