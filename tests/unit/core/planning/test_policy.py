"""policy: the default choices delete nothing, override nobody and run nothing twice."""

from __future__ import annotations

from kube2git.core.planning.policy import Jobs, Policy, Prune


def test_the_default_is_the_careful_choice() -> None:
    policy = Policy()
    assert policy.prune is Prune.NONE
    assert policy.jobs is Jobs.SUSPEND
    assert {policy.recreate, policy.adopt_volumes} == {False}
    assert policy.allowed == frozenset()
    assert policy.sealed_kinds == {"Secret"}


def test_protection_is_lifted_by_naming_a_namespace() -> None:
    policy = Policy(protected=frozenset({"a", "b"}), named_namespaces=frozenset({"b", "c"}))
    assert [name for name in "abc" if policy.protects(name)] == ["a"]
