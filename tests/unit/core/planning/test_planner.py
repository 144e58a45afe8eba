"""planning: comparing alone decides what it can, and never writes or deletes on a guess."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.planning.guards import Scope
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, FieldNote, Header, Kept, PlannedAction, Removal
from kube2git.core.planning.planner import Computed, Context, Unreadable, compute
from kube2git.core.planning.policy import Policy, Prune
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import (
    GOLDEN,
    RBAC,
    config_map,
    deployment,
    job,
    live,
    managed,
    manifests,
    obj,
    read_documents,
    volume,
)
from tests.unit.core.planning.test_guards import covered

REF = ObjectRef("", "ConfigMap", "shop", "c")


def planned(
    desired: list[Json], target: list[LiveObject], context: Context | None = None, **choices: Any
) -> Computed:
    known = {entry.manifest.ref: entry for entry in target}
    return compute(manifests(*desired), known, Policy(**choices), context)


def action_on(desired: Json, target: LiveObject | None, **choices: Any) -> PlannedAction:
    (action,) = planned([desired], [target] if target else [], **choices).plan.actions
    return action


def test_what_is_missing_is_created() -> None:
    assert action_on(config_map(a="1"), None) == PlannedAction(
        REF,
        Action.CREATE,
        api_version="v1",
        digest=Manifest.of(config_map(a="1")).digest,
    )


def test_what_is_equal_is_unchanged() -> None:
    action = action_on(config_map(a="1"), live(config_map(a="1")))
    assert (action.action, action.reason) == (Action.UNCHANGED, "")
    assert (action.uid, action.resource_version) == ("uid-c", "7")


def test_what_the_server_stores_alike_is_unchanged() -> None:
    role = obj(RBAC, "Role", "r", "shop", rules=[])
    action = action_on(role, live(obj(RBAC, "Role", "r", "shop", rules=None)))
    assert action.action is Action.UNCHANGED
    assert "stores both alike" in action.reason


def test_what_differs_is_updated_and_its_fields_are_named() -> None:
    action = action_on(config_map(a="1", b="2"), live(config_map(a="9")))
    assert action.action is Action.UPDATE
    assert action.changes == (FieldNote("data.a", "changed"), FieldNote("data.b", "added"))
    assert action.removals == ()


def test_what_another_manager_added_is_a_removal_with_its_owner() -> None:
    managers = (managed("kubectl-edit", {"f:data": {"f:b": {}}}),)
    target = live(config_map(a="1", b="2"), managed_fields=managers)
    action = action_on(config_map(a="1"), target)
    assert (action.action, action.changes) == (Action.UPDATE, ())
    assert action.removals == (Removal("data.b", ("kubectl-edit",)),)


def test_extra_fields_can_be_kept() -> None:
    managers = (managed("kubectl-edit", {"f:data": {"f:b": {}}}),)
    target = live(config_map(a="1", b="2"), managed_fields=managers)
    action = action_on(config_map(a="1"), target, keep_extra=True)
    assert action.action is Action.UNCHANGED
    reason = "--keep-extra leaves what the commit lacks"
    assert action.kept == (Kept("data.b", ("kubectl-edit",), reason),)


def test_what_kube2git_alone_has_applied_goes_by_applying_again() -> None:
    managers = (managed("kube2git", {"f:data": {"f:a": {}, "f:b": {}}}, "Apply"),)
    target = live(config_map(a="1", b="2"), managed_fields=managers)
    action = action_on(config_map(a="1"), target, keep_extra=True)
    assert action.action is Action.UPDATE
    assert action.changes == (FieldNote("data.b", "removed"),)
    assert action.removals == ()


def test_a_controller_s_field_alone_is_no_reason_to_write() -> None:
    scale = managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    target = live(deployment(replicas=7), managed_fields=(scale,))
    action = action_on(deployment(replicas=2), target)
    assert action.action is Action.UNCHANGED
    assert [kept.path for kept in action.kept] == ["spec.replicas"]


def test_defaults_of_a_newer_server_are_no_reason_to_write() -> None:
    own = managed("kube2git", {"f:spec": {"f:selector": {}}}, "Apply")
    target = live(deployment(progressDeadlineSeconds=600), managed_fields=(own,))
    action = action_on(deployment(), target)
    assert (action.action, action.reason) == (Action.UNCHANGED, "What differs are defaults.")


def test_without_managed_fields_a_difference_is_a_difference() -> None:
    action = action_on(deployment(), live(deployment(progressDeadlineSeconds=600)))
    assert action.action is Action.UPDATE
    assert action.removals == (Removal("spec.progressDeadlineSeconds"),)


def test_two_versions_are_for_the_server_to_compare() -> None:
    target = live(obj("x.io/v1", "Foo", "a", "b", spec={"n": 1}))
    action = action_on(obj("x.io/v2", "Foo", "a", "b", spec={"n": 1}), target)
    assert action.action is Action.UPDATE
    assert "only the API server can compare" in action.reason


def test_what_is_being_deleted_is_created_when_it_is_gone() -> None:
    action = action_on(config_map(a="1"), live(config_map(a="1"), is_terminating=True))
    assert (action.action, action.uid) == (Action.CREATE, "uid-c")
    assert "still being deleted" in action.reason


def test_what_is_left_out_is_unchanged_when_it_is_equal_and_skipped_when_not() -> None:
    known = live(volume())
    assert action_on(volume(), known).action is Action.UNCHANGED
    other = action_on(volume(storageClassName="a"), known)
    assert other.action is Action.SKIP
    assert other.changes == ()
    assert action_on(volume(), None).action is Action.SKIP


def test_a_suspended_job_stays_unchanged_at_the_next_replay() -> None:
    computed = planned([job()], [])
    (sent,) = computed.adapted.values()
    assert action_on(job(), live(sent.body)).action is Action.UNCHANGED


def test_a_job_is_recreated_without_running() -> None:
    computed = planned([job(suspend=False)], [live(job(suspend=False, completions=2))])
    (ref,) = computed.adapted
    assert computed.adapted[ref].body["spec"]["suspend"] is False
    assert computed.for_creation(ref).body["spec"]["suspend"] is True


def test_no_value_of_a_secret_is_in_a_plan() -> None:
    desired = obj("v1", "Secret", "s", "shop", data={"password": "bmV3"})
    target = live(obj("v1", "Secret", "s", "shop", data={"password": "b2xk", "more": "aHVzaA=="}))
    computed = planned([desired], [target])
    text = str(computed.plan.to_json())
    assert not any(value in text for value in ("bmV3", "b2xk", "aHVzaA"))
    assert Manifest.of(desired).digest not in text
    (action,) = computed.plan.actions
    assert action.changes == (FieldNote("data.password", "changed"),)
    assert action.removals == (Removal("data.more"),)
    assert "bmV3" not in repr(computed.plan) + repr(computed.adapted)


def test_a_sealed_kind_s_items_are_not_named() -> None:
    def foo(name: str) -> Json:
        return obj("x.io/v1", "Foo", "a", "b", spec={"users": [{"name": name, "on": True}]})

    action = action_on(foo("hush"), live(foo("hunter2")), sealed_kinds=frozenset({"Foo.x.io"}))
    assert action.action is Action.UPDATE
    assert "hush" not in str(action)
    assert "hunter2" not in str(action)


# ── Files that cannot be read ────────────────────────────────────────────────────────────────

SEALED = Unreadable("p", "No key opens it.", ObjectRef("", "Secret", "shop", "s"), is_sealed=True)


def test_a_sealed_object_without_a_key_is_blocked_and_never_pruned() -> None:
    target = live(obj("v1", "Secret", "s", "shop"))
    context = Context(scope=Scope(covered()), unreadable=[SEALED])
    (action,) = planned([], [target], context, prune=Prune.ALL).plan.actions
    assert (action.action, action.reason) == (Action.BLOCKED, "No key opens it.")
    (action,) = planned([], [target], context, prune=Prune.ALL, without_secrets=True).plan.actions
    assert action.action is Action.SKIP


def test_a_file_without_an_object_is_a_problem_and_guards_deletions() -> None:
    context = Context(scope=Scope(covered()), unreadable=[Unreadable("x.yaml", "It is not YAML.")])
    plan = planned([], [live(config_map())], context, prune=Prune.ALL).plan
    assert [problem.sentence for problem in plan.problems] == [
        "x.yaml cannot be replayed: It is not YAML."
    ]
    assert any(not guard.flag for guard in plan.guards)


def test_only_a_file_without_an_object_stops_deletions_and_counts_for_nothing() -> None:
    target = [live(config_map())]
    known = Context(scope=Scope(covered()), unreadable=[SEALED])
    plan = planned([], target, known, prune=Prune.ALL).plan
    assert plan.problems == ()
    assert [guard.flag for guard in plan.guards] == ["--allow-prune=many"]
    nameless = Context(scope=Scope(covered()), unreadable=[Unreadable("x.yaml", "Odd.")])
    flags = [guard.flag for guard in planned([], target, nameless, prune=Prune.ALL).plan.guards]
    assert flags == ["", "--allow-prune=empty", "--allow-prune=many"]


# ── Pruning and the header ───────────────────────────────────────────────────────────────────


def test_deletions_and_their_guards_are_part_of_the_plan() -> None:
    context = Context(scope=Scope(covered()))
    plan = planned([config_map()], [live(config_map("x"))], context, prune=Prune.ALL).plan
    assert [(action.ref.name, action.action) for action in plan.actions] == [
        ("c", Action.CREATE),
        ("x", Action.DELETE),
    ]
    assert [guard.flag for guard in plan.guards] == ["--allow-prune=many"]


def test_without_prune_nothing_else_is_in_the_plan() -> None:
    assert len(planned([config_map()], [live(config_map("x"))]).plan.actions) == 1


def test_a_commit_of_another_cluster_is_told() -> None:
    context = Context(Header(source_cluster="one", target_cluster="two"))
    assert planned([], [], context).plan.warnings == (
        "The commit was exported from another cluster than the target.",
    )


# ── Order ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_written_or_blocked_is_ordered_and_the_rest_is_not_waited_for() -> None:
    types = {
        type.kind_group: type
        for type in (
            ResourceType("", "v1", "ConfigMap", "configmaps", namespaced=True),
            ResourceType("", "v1", "Namespace", "namespaces", namespaced=False),
        )
    }
    desired = [
        config_map("new"),
        config_map("old"),
        obj("v1", "Namespace", "shop"),
        obj("x.io/v1", "Foo", "a", "shop"),
    ]
    computed = planned(desired, [live(config_map("old"))], Context(types=types))
    graph = computed.write_graph(computed.plan)
    assert [[ref.name for ref in wave.refs] for wave in graph.waves] == [["shop"], ["new", "a"]]


def test_deletions_are_ordered_backwards() -> None:
    target = [live(obj("v1", "Namespace", "shop")), live(config_map())]
    context = Context(scope=Scope(covered()))
    computed = planned([], target, context, prune=Prune.ALL)
    waves = computed.deletion_graph(computed.plan).deletion_waves
    assert [[ref.kind for ref in wave.refs] for wave in waves] == [["ConfigMap"], ["Namespace"]]


# ── Properties ───────────────────────────────────────────────────────────────────────────────


def everything() -> list[Json]:
    return [
        document
        for path in sorted((GOLDEN / "graph").glob("*.yaml"))
        for document in read_documents(path)
    ]


def test_comparing_a_set_with_itself_changes_nothing() -> None:
    bodies = everything()
    computed = planned(bodies, [live(body) for body in bodies])
    assert computed.plan.counts == {Action.UNCHANGED: len(bodies)}
    assert computed.plan.guards == ()


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_input_does_not_matter(seed: int) -> None:
    bodies = everything()
    target = [live(body) for body in bodies[::3]] + [live(config_map("x"))]
    context = Context(scope=Scope(covered()))
    expected = planned(bodies, target, context, prune=Prune.ALL).plan
    shuffler = random.Random(seed)
    shuffler.shuffle(bodies)
    shuffler.shuffle(target)
    assert planned(bodies, target, context, prune=Prune.ALL).plan == expected


_data = st.dictionaries(st.sampled_from("abc"), st.text("xy", max_size=2), max_size=3)


@settings(max_examples=80)
@given(_data, _data)
def test_a_plan_is_empty_exactly_when_the_content_is_equal(
    wanted: dict[str, str], present: dict[str, str]
) -> None:
    action = action_on(config_map(**wanted), live(config_map(**present)))
    assert (action.action is Action.UNCHANGED) == (wanted == present)
    changed = {note.path for note in action.changes} | {gone.path for gone in action.removals}
    different = {key for key in {*wanted, *present} if wanted.get(key) != present.get(key)}
    if wanted and present:
        assert changed == {f"data.{key}" for key in different}
