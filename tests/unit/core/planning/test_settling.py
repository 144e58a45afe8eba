"""settling: a dry run's answer makes the final action; what is invalid is never deleted for it."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.answers import Category, Refusal
from kube2git.core.fieldpath import text
from kube2git.core.objects import Manifest
from kube2git.core.ownership import Owner
from kube2git.core.planning.adapting import Adapted
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, PlannedAction, Removal, Write
from kube2git.core.planning.planner import compute
from kube2git.core.planning.policy import Jobs, Policy
from kube2git.core.planning.settling import Settled, accepted, came_back, refused, replacement
from kube2git.core.planning.stances import Conflict, Resolution, Yielded
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import config_map, deployment, job, live, managed, obj

SCALE = managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")


def candidate(
    desired: Json, known: LiveObject | None, policy: Policy | None = None
) -> tuple[PlannedAction, Adapted]:
    manifest = Manifest.of(desired)
    target = {manifest.ref: known} if known else {}
    computed = compute([manifest], target, policy or Policy())
    return computed.plan.actions[0], computed.adapted[manifest.ref]


def settle(
    desired: Json,
    known: LiveObject | None,
    result: Json,
    *managers: Json,
    policy: Policy | None = None,
    **more: Any,
) -> Settled:
    policy = policy or Policy()
    action, adapted = candidate(desired, known, policy)
    return accepted(action, adapted, known, result, managers, policy, **more)


def test_a_create_that_passes_stays_a_create() -> None:
    found = settle(config_map(a="1"), None, config_map(a="1"))
    assert found.action.action is Action.CREATE
    assert found.action.warnings == ()


def test_when_the_server_changes_nothing_it_is_unchanged() -> None:
    known = live(deployment(progressDeadlineSeconds=600))
    own = managed("kube2git", {"f:spec": {"f:selector": {}}}, "Apply")
    found = settle(deployment(), known, deployment(progressDeadlineSeconds=600), own)
    assert found.action.action is Action.UNCHANGED
    assert found.action.changes == ()
    assert found.leftovers.removals == ()


def test_what_apply_would_leave_is_taken_out() -> None:
    known = live(config_map(a="1", b="2"))
    other = managed("kubectl", {"f:data": {"f:b": {}}})
    found = settle(config_map(a="1"), known, config_map(a="1", b="2"), other)
    assert found.action.action is Action.UPDATE
    assert found.action.removals == (Removal("data.b", ("kubectl",)),)
    assert [text(extra.path) for extra in found.leftovers.removals] == ["data.b"]
    assert found.action.write is Write.APPLY


def test_without_pods_to_replace_a_change_and_a_removal_are_two_requests() -> None:
    known = live(config_map(a="1", b="2"))
    other = managed("kubectl", {"f:data": {"f:b": {}}})
    found = settle(config_map(a="9"), known, config_map(a="9", b="2"), other)
    assert found.action.changes
    assert found.action.write is Write.APPLY


def test_what_comes_back_at_once_is_left() -> None:
    creator = managed("kubectl-create", {"f:spec": {"f:progressDeadlineSeconds": {}}})
    result = deployment(progressDeadlineSeconds=600)
    first = settle(deployment(), live(result), result, creator)
    back = came_back(first.leftovers.removals, result)
    assert [text(path) for path in back] == ["spec.progressDeadlineSeconds"]
    assert came_back(first.leftovers.removals, deployment()) == ()
    again = settle(deployment(), live(result), result, creator, returning=back)
    assert again.action.action is Action.UNCHANGED


def test_extra_fields_can_be_kept() -> None:
    known = live(config_map(a="1", b="2"))
    other = managed("kubectl", {"f:data": {"f:b": {}}})
    policy = Policy(keep_extra=True)
    found = settle(config_map(a="9"), known, config_map(a="9", b="2"), other, policy=policy)
    assert found.leftovers.removals == ()
    assert [kept.path for kept in found.action.kept] == ["data.b"]


def test_yielded_fields_are_left_and_told_once() -> None:
    known = live(deployment(replicas=7), managed_fields=(managed("x", {}),))
    path = ("spec", "replicas")
    given = Yielded(
        path, (Owner("kube-controller-manager", "scale"),), "an autoscaler sets the replicas"
    )
    found = settle(deployment(replicas=2), known, deployment(replicas=7), SCALE, yielded=[given])
    assert found.action.action is Action.UNCHANGED
    assert [kept.path for kept in found.action.kept] == ["spec.replicas"]
    assert found.action.warnings == ()


def test_a_yielded_field_that_cleaning_takes_out_is_no_surprise() -> None:
    known = live(deployment(paused=True))
    given = Yielded(("spec", "replicas"), (Owner("x"),), "why")
    found = settle(deployment(replicas=2), known, deployment(), yielded=[given])
    assert found.action.warnings == ()


def test_what_admission_changes_is_told() -> None:
    found = settle(config_map(a="1"), None, config_map(a="2"))
    (warning,) = found.action.warnings
    assert "other values than the commit: data.a" in warning


def test_another_version_s_answer_is_compared_as_a_whole() -> None:
    desired, result = obj("x.io/v2", "Foo", "a", "b", spec={"n": 2}), {"n": 2}
    same = obj("x.io/v2", "Foo", "a", "b", spec=result)
    assert settle(desired, live(same), same).action.action is Action.UNCHANGED
    other = live(obj("x.io/v1", "Foo", "a", "b", spec={"m": 2}))
    answer = obj("x.io/v1", "Foo", "a", "b", spec={"m": 3})
    assert settle(desired, other, answer).action.action is Action.UPDATE


ENV = {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]}
ENV_FIELDS: Json = {
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {".": {}, "f:env": {".": {}, 'k:{"name":"A"}': {".": {}}}}
                }
            }
        }
    }
}


def test_pods_are_replaced_only_once() -> None:
    known = live(deployment(pod={"containers": [ENV]}), managed_fields=(managed("x", ENV_FIELDS),))
    desired = deployment(pod={"containers": [{"name": "web", "image": "web:2"}]})
    result = deployment(pod={"containers": [{**ENV, "image": "web:2"}]})
    found = settle(desired, known, result, managed("x", ENV_FIELDS))
    assert found.action.write is Write.REPLACE
    only = settle(deployment(), known, known.manifest.body, managed("x", ENV_FIELDS))
    assert (only.action.action, only.action.write) == (Action.UPDATE, Write.APPLY)


def test_a_replacement_is_the_commit_s_object_with_what_is_not_its_own() -> None:
    raw = deployment(replicas=7, strategy={"type": "RollingUpdate", "rollingUpdate": {}})
    raw["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    clean = deployment(replicas=7, strategy=raw["spec"]["strategy"])
    known = live(clean, managed_fields=(SCALE,))
    desired = deployment(replicas=2, strategy={"type": "Recreate"})
    policy = Policy()
    _, adapted = candidate(desired, known, policy)
    body = replacement(adapted, raw, known, policy)
    assert body["spec"]["strategy"] == {"type": "Recreate"}
    assert body["spec"]["replicas"] == 7
    assert body["metadata"]["resourceVersion"] == "7"


# ── Refusals ─────────────────────────────────────────────────────────────────────────────────

UPDATE = PlannedAction(Manifest.of(deployment()).ref, Action.UPDATE)
IMMUTABLE = Refusal(Category.IMMUTABLE, "spec.selector never changes.", ("spec.selector",))


def test_a_conflict_names_owners_fields_and_what_to_do() -> None:
    conflicts = [
        (Conflict(Owner("kubectl"), ".data.a"), "somebody"),
        (Conflict(Owner("kubectl"), ".data.b"), "somebody"),
        (Conflict(Owner("helm"), ".data.c"), "Helm"),
    ]
    resolution = Resolution({}, False, (), (), tuple(conflicts))
    refusal = Refusal(Category.CONFLICT, "x")
    found = refused(UPDATE, refusal, Policy(), resolution=resolution)
    assert found.action is Action.BLOCKED
    assert found.reason == (
        "kubectl owns data.a, data.b (somebody); helm owns data.c (Helm). To write the commit's "
        "values, add --take-over=kubectl; to leave these fields, --yield=kubectl."
    )


def test_an_immutable_field_names_the_flag_and_what_it_costs() -> None:
    found = refused(UPDATE, IMMUTABLE, Policy(), can_be_created=True)
    assert found.action is Action.BLOCKED
    assert found.reason == (
        "spec.selector never changes. Add --recreate to delete and create it anew. "
        "Its Pods stop and start again."
    )


def test_an_immutable_field_is_changed_by_recreating_when_asked() -> None:
    found = refused(UPDATE, IMMUTABLE, Policy(recreate=True), can_be_created=True)
    assert (found.action, found.reason) == (Action.RECREATE, "spec.selector never changes.")
    assert found.warnings == ("Its Pods stop and start again.",)


@pytest.mark.parametrize(("jobs", "words"), [(Jobs.SUSPEND, "suspended"), (Jobs.RUN, "runs from")])
def test_a_recreated_job_is_told_to_run_or_not(jobs: Jobs, words: str) -> None:
    action = PlannedAction(Manifest.of(job()).ref, Action.UPDATE)
    policy = Policy(recreate=True, jobs=jobs)
    found = refused(action, IMMUTABLE, policy, can_be_created=True)
    assert found.action is Action.RECREATE
    assert words in found.warnings[0]


@pytest.mark.parametrize(
    ("refusal", "can_be_created"),
    [
        (IMMUTABLE, False),
        (Refusal(Category.IMMUTABLE, "x.", ("spec.selector",), ("spec.template",)), True),
    ],
)
def test_an_object_that_would_not_come_back_is_never_deleted(
    refusal: Refusal, can_be_created: bool
) -> None:
    found = refused(UPDATE, refusal, Policy(recreate=True), can_be_created=can_be_created)
    assert found.action is Action.BLOCKED


@pytest.mark.parametrize("kind", ["PersistentVolumeClaim", "PersistentVolume", "Namespace"])
def test_what_holds_data_is_never_recreated(kind: str) -> None:
    action = PlannedAction(Manifest.of(obj("v1", kind, "a")).ref, Action.UPDATE)
    found = refused(action, IMMUTABLE, Policy(recreate=True), can_be_created=True)
    assert found.action is Action.BLOCKED


@pytest.mark.parametrize(
    "category", [category for category in Category if category is not Category.IMMUTABLE]
)
def test_nothing_but_an_immutable_field_leads_to_a_delete(category: Category) -> None:
    for can_be_replaced in (False, True):
        found = refused(
            UPDATE,
            Refusal(category, "No."),
            Policy(recreate=True),
            can_be_created=True,
            can_be_replaced=can_be_replaced,
        )
        replaces = category is Category.INVALID and can_be_replaced
        assert found.action is (Action.UPDATE if replaces else Action.BLOCKED)
        assert found.write is (Write.REPLACE if replaces else Write.APPLY)


def test_keeping_what_others_set_excludes_replacing_it() -> None:
    refusal = Refusal(Category.INVALID, "No.")
    found = refused(UPDATE, refusal, Policy(keep_extra=True), can_be_replaced=True)
    assert (found.action, found.reason) == (Action.BLOCKED, "No.")
