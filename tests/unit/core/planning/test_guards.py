"""guards: every line of defence against a deletion holds, and says how it is lifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from kube2git.core.coverage import Coverage, KindCoverage
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.guards import Scope, guard_deletions, plan_deletions, set_size
from kube2git.core.planning.plan import Action, PlannedAction
from kube2git.core.planning.policy import Allowance, Policy, Prune
from kube2git.core.ports import KindStatus
from tests.unit.core.planning.planned import config_map, live, obj

EXTRA = config_map("extra")
REF = ObjectRef("", "ConfigMap", "shop", "extra")


def covered(status: KindStatus = KindStatus.LISTED, **rest: Any) -> Coverage:
    return Coverage(
        kinds={kind: KindCoverage(status, **rest) for kind in ("ConfigMap", "Namespace")}
    )


def deletions(
    policy: Policy | None = None,
    scope: Scope | None = None,
    desired: frozenset[ObjectRef] = frozenset(),
    **facts: Any,
) -> list[tuple[Action, str]]:
    target = {REF: live(EXTRA, **facts)}
    policy = policy or Policy(prune=Prune.ALL)
    found = plan_deletions(desired, target, policy, scope or Scope(covered()))
    assert all((action.ref, action.uid) == (REF, "uid-extra") for action in found)
    return [(action.action, action.reason) for action in found]


def test_nothing_is_deleted_unless_asked() -> None:
    assert deletions(Policy()) == []


def test_what_the_commit_lacks_is_deleted_when_asked() -> None:
    assert deletions() == [(Action.DELETE, "The commit does not hold it.")]


def test_what_the_commit_holds_stays() -> None:
    assert deletions(desired=frozenset({REF})) == []


def test_what_is_being_deleted_is_not_deleted_again() -> None:
    assert deletions(is_terminating=True) == []


def test_what_the_selection_does_not_hold_stays() -> None:
    assert deletions(scope=Scope(covered(), selects=lambda ref: ref.name != "extra")) == []


@pytest.mark.parametrize(
    ("owned", "count"), [({REF: "uid-extra"}, 1), ({REF: "uid-of-another"}, 0), ({}, 0)]
)
def test_owned_means_made_by_an_earlier_replay(owned: Mapping[ObjectRef, str], count: int) -> None:
    found = deletions(Policy(prune=Prune.OWNED), Scope(covered(), owned=owned))
    assert len(found) == count


@pytest.mark.parametrize(
    "coverage",
    [
        Coverage(),
        covered(KindStatus.FORBIDDEN),
        covered(KindStatus.FAILED),
        covered(KindStatus.PARTIAL),
        covered(KindStatus.PARTIAL, namespaces=("other",)),
        covered(KindStatus.PARTIAL, namespaces=("shop",), selector="a=b"),
    ],
)
@pytest.mark.parametrize("prune", [Prune.ALL, Prune.OWNED])
def test_a_kind_that_was_not_listed_is_never_pruned(coverage: Coverage, prune: Prune) -> None:
    everything = frozenset(Allowance)
    policy = Policy(prune=prune, allowed=everything)
    ((action, reason),) = deletions(policy, Scope(coverage, owned={REF: "uid-extra"}))
    assert action is Action.SKIP
    assert "does not tell whether it is complete for ConfigMap" in reason


def test_a_namespace_that_was_exported_completely_can_be_pruned() -> None:
    partial = covered(KindStatus.PARTIAL, namespaces=("shop",))
    assert deletions(scope=Scope(partial))[0][0] is Action.DELETE
    source = covered(KindStatus.PARTIAL, namespaces=("prod",))
    assert deletions(scope=Scope(source, origins={"shop": "prod"}))[0][0] is Action.DELETE
    assert deletions(scope=Scope(partial, origins={"shop": "prod"}))[0][0] is Action.SKIP


def test_another_tool_s_object_is_told_and_left() -> None:
    ((action, reason),) = deletions(other_tool="Helm release shop")
    assert (action, reason) == (
        Action.SKIP,
        "The commit does not hold it, but Helm release shop keeps it.",
    )
    allowed = Policy(prune=Prune.ALL, allowed=frozenset({Allowance.OTHERS}))
    assert deletions(allowed, other_tool="Helm release shop")[0][0] is Action.DELETE


@pytest.mark.parametrize(
    "body", [config_map(namespace="kube-system"), obj("v1", "Namespace", "kube-system")]
)
def test_the_cluster_s_own_namespaces_are_never_pruned_unless_named(body: Any) -> None:
    known = live(body)
    target = {known.manifest.ref: known}
    policy = Policy(prune=Prune.ALL)
    (action,) = plan_deletions(frozenset(), target, policy, Scope(covered()))
    assert action.action is Action.SKIP
    named = Policy(prune=Prune.ALL, named_namespaces=frozenset({"kube-system"}))
    (action,) = plan_deletions(frozenset(), target, named, Scope(covered()))
    assert action.action is Action.DELETE


def deleted(kind: str = "ConfigMap", count: int = 1, group: str = "") -> list[PlannedAction]:
    return [
        PlannedAction(ObjectRef(group, kind, "", f"n{number}"), Action.DELETE)
        for number in range(count)
    ]


def guards(
    actions: list[PlannedAction],
    *allowed: Allowance,
    desired: int = 100,
    size: int = 100,
    unreadable: tuple[str, ...] = (),
) -> list[str]:
    policy = Policy(prune=Prune.ALL, allowed=frozenset(allowed))
    return [guard.flag for guard in guard_deletions(actions, desired, size, unreadable, policy)]


CRD = ("CustomResourceDefinition", 1, "apiextensions.k8s.io")


@pytest.mark.parametrize(
    ("actions", "allowance", "sizes"),
    [
        (deleted(), Allowance.EMPTY, {"desired": 0}),
        (deleted(count=11), Allowance.MANY, {}),
        (deleted("Namespace"), Allowance.NAMESPACES, {}),
        (deleted(*CRD), Allowance.CRDS, {}),
        (deleted("PersistentVolume"), Allowance.VOLUMES, {}),
        (deleted("PersistentVolumeClaim"), Allowance.CLAIMS, {}),
    ],
)
def test_each_guard_refuses_and_names_the_flag_that_lifts_it(
    actions: list[PlannedAction], allowance: Allowance, sizes: dict[str, int]
) -> None:
    assert guards(actions, **sizes) == [f"--allow-prune={allowance}"]  # type: ignore[arg-type]
    assert guards(actions, allowance, **sizes) == []  # type: ignore[arg-type]
    others = frozenset(Allowance) - {allowance}
    assert guards(actions, *others, **sizes) == [f"--allow-prune={allowance}"]  # type: ignore[arg-type]


def test_a_tenth_of_the_set_may_go_and_no_more() -> None:
    assert guards(deleted(count=10)) == []
    assert guards(deleted(count=11)) == ["--allow-prune=many"]
    assert guards(deleted(), size=9) == ["--allow-prune=many"]


def test_a_deletion_that_is_left_out_needs_no_leave() -> None:
    skipped = [PlannedAction(ObjectRef("", "Namespace", "", "a"), Action.SKIP)]
    assert guards(skipped, desired=0, size=1, unreadable=("x",)) == []


def test_a_file_that_cannot_be_read_stops_every_deletion() -> None:
    everything = tuple(Allowance)
    assert guards(deleted(), *everything, unreadable=("namespaces/a/Foo/b.yaml",)) == [""]


def test_a_guard_names_some_of_the_objects() -> None:
    (guard,) = guard_deletions(deleted("Namespace", 7), 100, 100, (), Policy(prune=Prune.ALL))
    assert guard.sentence == (
        "A Namespace goes with everything in it, and namespace/n0, namespace/n1, namespace/n2, "
        "namespace/n3, namespace/n4 and 2 more would be deleted."
    )


def test_the_set_is_the_inventory_or_the_selection() -> None:
    refs = [ObjectRef("", "ConfigMap", "shop", name) for name in "abc"]
    scope = Scope(owned={REF: "u"}, selects=lambda ref: ref.name == "b")
    desired = frozenset(refs[:1])
    assert set_size(refs, desired, Policy(prune=Prune.OWNED), scope) == 1
    assert set_size(refs, desired, Policy(prune=Prune.ALL), scope) == 2
