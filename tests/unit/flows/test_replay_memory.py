"""What exports remember spares a replay the decoding, and never changes its plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube2git.core.cleaning import RuleSet
from kube2git.core.planning.plan import Action, Plan
from kube2git.core.planning.policy import Allowance, Policy, Prune
from kube2git.flows import exporting, replaying
from kube2git.flows.exporting import ExportRequest
from kube2git.flows.replaying import Draft, DryRun, ReplayRequest
from tests.fakes.repo import FakeRepo
from tests.fakes.target import FakeTarget
from tests.unit.flows.test_exporting import Memory
from tests.unit.flows.test_replaying import NOW, SHOP, config_map

Json = dict[str, Any]
RULES = RuleSet.default()
MIRROR = Policy(prune=Prune.ALL, allowed=frozenset(Allowance))


def deployment(replicas: int) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": []}}},
    }


@pytest.fixture
def repo() -> FakeRepo:
    return FakeRepo()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def target(repo: FakeRepo, memory: Memory) -> FakeTarget:
    """A cluster that was just exported."""
    target = FakeTarget(objects=[*SHOP, deployment(3)])
    list(
        exporting.export(
            target, repo, ExportRequest(), rules=RULES, memory=memory, clock=lambda: NOW
        )
    )
    return target


def draft(target: FakeTarget, repo: FakeRepo, memory: Memory | None, **choices: Any) -> Draft:
    request = ReplayRequest(
        "main", **{"policy": MIRROR, "dry_run": DryRun.CLIENT, "inventory_namespace": "", **choices}
    )
    later = datetime(2024, 6, 6, tzinfo=UTC)
    *_, found = replaying.make_plan(
        target, repo, request, rules=RULES, clock=lambda: later, memory=memory
    )
    assert isinstance(found, Draft)
    return found


def decided(plan: Plan) -> dict[str, Action]:
    return {str(action.ref): action.action for action in plan.actions}


def test_what_is_remembered_is_not_decoded(
    target: FakeTarget, repo: FakeRepo, memory: Memory
) -> None:
    found = draft(target, repo, memory)
    assert {ref.name for ref, _ in found.live.settled.values()} == {"a", "b", "web"}
    assert not {ref.kind for ref in found.live.objects} & {"ConfigMap", "Deployment"}
    assert found.plan.writes == ()
    assert decided(found.plan) == decided(draft(target, repo, None).plan)


def test_what_has_changed_since_is_planned_as_without_a_memory(
    target: FakeTarget, repo: FakeRepo, memory: Memory
) -> None:
    target.put(config_map("a", k="2"))
    target.put(config_map("c", k="1"))
    target.remove("Deployment.apps", "shop", "web")
    found = draft(target, repo, memory)
    assert {ref.name for ref, _ in found.live.settled.values()} == {"b"}
    assert {str(one.ref): one.action for one in found.plan.writes} == {
        "configmap/a -n shop": "update",
        "configmap/c -n shop": "delete",
        "deployment.apps/web -n shop": "create",
    }
    assert decided(found.plan) == decided(draft(target, repo, None).plan)


def test_an_object_that_was_made_anew_is_looked_at(
    target: FakeTarget, repo: FakeRepo, memory: Memory
) -> None:
    target.remove("ConfigMap", "shop", "a")
    target.put(config_map("a", k="1"))
    found = draft(target, repo, memory)
    assert "a" not in {ref.name for ref, _ in found.live.settled.values()}
    assert found.plan.writes == ()


def test_an_older_commit_is_compared_by_its_own_files(
    target: FakeTarget, repo: FakeRepo, memory: Memory
) -> None:
    before = repo.tip()
    target.put(config_map("a", k="2"))
    list(
        exporting.export(
            target, repo, ExportRequest(), rules=RULES, memory=memory, clock=lambda: NOW
        )
    )
    request = ReplayRequest(str(before), policy=MIRROR, dry_run=DryRun.CLIENT)
    *_, found = replaying.make_plan(
        target, repo, request, rules=RULES, clock=lambda: NOW, memory=memory
    )
    assert isinstance(found, Draft)
    assert [str(one.ref) for one in found.plan.writes] == ["configmap/a -n shop"]


def test_a_memory_of_another_cluster_or_other_rules_counts_for_nothing(
    target: FakeTarget, repo: FakeRepo, memory: Memory
) -> None:
    target.uid = "99999999-2222-4333-8444-555555555555"
    assert draft(target, repo, memory).live.settled == {}


@pytest.mark.parametrize(
    "choices",
    [
        {"policy": Policy(replicas=0)},
        {"maps": ("shop=store",)},
        {"is_strict": True},
        {"is_rehearsal": True, "policy": Policy()},
    ],
    ids=["scaled", "renamed", "strict", "rehearsal"],
)
def test_where_bodies_matter_all_are_read(
    target: FakeTarget, repo: FakeRepo, memory: Memory, choices: Json
) -> None:
    assert draft(target, repo, memory, **choices).live.settled == {}
