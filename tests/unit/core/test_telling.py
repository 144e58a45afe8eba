"""telling: paths and owners, never values; of a sealed kind only names of fields."""

from __future__ import annotations

from kube2git.core.fieldpath import Key, Path, Value
from kube2git.core.objects import ObjectRef
from kube2git.core.ownership import Owner
from kube2git.core.planning.leftovers import Extra
from kube2git.core.planning.plan import FieldNote, Kept, Removal
from kube2git.core.planning.policy import Policy
from kube2git.core.planning.stances import Yielded
from kube2git.core.telling import Teller
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import obj

OPEN, SEALED = Teller(is_sealed=False), Teller(is_sealed=True)
USER: Path = ("spec", "users", Key.of({"name": "hush"}), "on")
TOKEN: Path = ("spec", "tokens", Value("hush"))


def foo(*names: str) -> Json:
    return obj("x.io/v1", "Foo", "a", "b", spec={"users": [{"name": name} for name in names]})


def test_the_policy_says_which_kinds_are_sealed() -> None:
    assert Teller.of(ObjectRef("", "Secret", "a", "b"), Policy()) == SEALED
    assert Teller.of(ObjectRef("x.io", "Secret", "a", "b"), Policy()) == OPEN


def test_a_sealed_kind_s_paths_end_before_an_item() -> None:
    assert (OPEN.path(USER), OPEN.path(TOKEN)) == ("spec.users[hush].on", "spec.tokens[hush]")
    assert (SEALED.path(USER), SEALED.path(TOKEN)) == ("spec.users", "spec.tokens")
    written = '.spec.users[name="hush"].on'
    assert OPEN.server_text(written) == 'spec.users[name="hush"].on'
    assert SEALED.server_text(written) == "spec.users"


def test_changes_are_named_once_and_not_those_told_elsewhere() -> None:
    old, new = foo("a", "b"), foo("c", "d")
    told: list[Path] = [("spec", "users", Key.of({"name": "a"}))]
    assert OPEN.changes(old, new, told) == (
        FieldNote("spec.users[b]", "removed"),
        FieldNote("spec.users[c]", "added"),
        FieldNote("spec.users[d]", "added"),
    )
    assert SEALED.changes(old, new, []) == (
        FieldNote("spec.users", "removed"),
        FieldNote("spec.users", "added"),
    )


def test_owners_are_named() -> None:
    owners = (Owner("kube-controller-manager", "scale"), Owner("helm"))
    names = ("helm", "kube-controller-manager/scale")
    assert OPEN.removals([Extra(USER, owners)]) == (Removal("spec.users[hush].on", names),)
    assert SEALED.kept([Yielded(TOKEN, owners, "why")] * 2) == (Kept("spec.tokens", names, "why"),)
    (kept,) = OPEN.kept_extras([Extra(TOKEN, ())])
    assert kept == Kept("spec.tokens[hush]", (), "--keep-extra leaves what the commit lacks")
