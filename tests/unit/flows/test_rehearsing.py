"""Rehearsals on fakes: only their own namespaces come, and they go again, whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from kube2git.core.cleaning import REHEARSAL as LABEL
from kube2git.core.planning.plan import Action
from kube2git.core.planning.policy import Policy
from kube2git.core.planning.rehearsal import Lack
from kube2git.core.ports import Verb, WriteRequest
from kube2git.core.remap.engine import ALWAYS_THERE
from kube2git.errors import InterruptedRunError, Kube2gitError, UsageError
from kube2git.flows import replaying
from kube2git.flows.replaying import Draft, Outcome, RehearsalReport, ReplayRequest
from tests.fakes.repo import FakeRepo
from tests.fakes.target import FakeTarget
from tests.unit.flows.test_replaying import PROVISIONED, SHOP, commit, config_map, namespace, plan

Json = dict[str, Any]
DRILL = "shop-drill-20240506070809"
REHEARSAL = ReplayRequest("main", is_rehearsal=True, waits=True, inventory_namespace="", timeout=1)


@pytest.fixture
def repo() -> FakeRepo:
    repo = FakeRepo()
    commit(repo, *SHOP)
    return repo


def rehearse(target: FakeTarget, draft: Draft, **options: Any) -> RehearsalReport:
    *_, report = replaying.rehearse(target, draft, **options)
    assert isinstance(report, RehearsalReport)
    return report


def namespaces(target: FakeTarget) -> set[str]:
    return {name for _, name in target.store.at("Namespace")} - ALWAYS_THERE


def test_all_is_made_beside_the_original_and_the_namespace_goes_again(repo: FakeRepo) -> None:
    target = FakeTarget(objects=[namespace("shop"), config_map("a", k="live")])
    report = rehearse(target, plan(target, repo, REHEARSAL))
    assert report.is_complete
    assert {outcome.verdict for outcome in report.replay.outcomes} == {"created"}
    assert target.written()[0] == f"create namespace/{DRILL}"
    assert target.written()[-1] == f"delete namespace/{DRILL}"
    assert namespaces(target) == {"shop"}
    assert target.store.at("ConfigMap")["shop", "a"]["data"] == {"k": "live"}
    assert not [one for one in target.written() if "inventory" in one]
    assert {"comparison", "writing", "removing"} <= report.seconds.keys()
    assert report.recovery_seconds <= sum(report.seconds.values())


def test_what_was_made_can_stay(repo: FakeRepo) -> None:
    target = FakeTarget()
    report = rehearse(target, plan(target, repo, REHEARSAL), is_kept=True)
    assert report.is_complete
    assert namespaces(target) == {DRILL}
    assert target.store.at("ConfigMap")[DRILL, "a"]["data"] == {"k": "1"}


def stopped(target: FakeTarget) -> Callable[[], bool]:
    return lambda: f"apply configmap/a -n {DRILL}" in target.written()


def test_after_an_interruption_it_is_removed_too(repo: FakeRepo) -> None:
    target = FakeTarget()
    report = rehearse(target, plan(target, repo, REHEARSAL), is_stopped=stopped(target))
    assert report.replay.is_interrupted
    assert not report.is_complete
    assert namespaces(target) == set()


def crash_at(error: type[BaseException], verb: Verb, name: str) -> Callable[[WriteRequest], None]:
    def crash(request: WriteRequest) -> None:
        if (request.verb, request.name) == (verb, name):
            raise error

    return crash


def test_after_a_hard_end_it_is_removed_too(repo: FakeRepo) -> None:
    target = FakeTarget(before_write=crash_at(SystemExit, Verb.APPLY, "b"))
    with pytest.raises(SystemExit):
        rehearse(target, plan(target, repo, REHEARSAL))
    assert namespaces(target) == set()


def test_a_second_interruption_is_told_what_was_not_waited_for(repo: FakeRepo) -> None:
    target = FakeTarget(before_write=crash_at(KeyboardInterrupt, Verb.APPLY, "b"))
    with pytest.raises(InterruptedRunError, match=f"deletion of {DRILL} was not waited") as caught:
        rehearse(target, plan(target, repo, REHEARSAL))
    assert f"kubectl delete namespace -l {LABEL}=" in caught.value.hint
    assert namespaces(target) == set()


def test_an_interrupted_request_may_have_left_its_namespace(repo: FakeRepo) -> None:
    target = FakeTarget(before_write=crash_at(KeyboardInterrupt, Verb.CREATE, DRILL))
    with pytest.raises(InterruptedRunError, match=f"it leaves {DRILL} behind") as caught:
        rehearse(target, plan(target, repo, REHEARSAL))
    assert f"kubectl delete namespace -l {LABEL}=" in caught.value.hint


def test_a_second_interruption_waits_for_no_answer(repo: FakeRepo) -> None:
    crash, answered = crash_at(KeyboardInterrupt, Verb.APPLY, "b"), threading.Event()

    def hang(request: WriteRequest) -> None:
        crash(request)
        if request.verb is Verb.DELETE:
            answered.wait(30)

    target = FakeTarget(before_write=hang)
    with pytest.raises(InterruptedRunError, match=f"it leaves {DRILL} behind") as caught:
        rehearse(target, plan(target, repo, REHEARSAL))
    assert not answered.is_set()
    answered.set()
    assert f"kubectl delete namespace -l {LABEL}=" in caught.value.hint


def test_who_stops_listening_is_told_too(repo: FakeRepo) -> None:
    target = FakeTarget()
    events = replaying.rehearse(target, plan(target, repo, REHEARSAL))
    next(event for event in events if isinstance(event, Outcome))
    assert namespaces(target) == {DRILL}
    with pytest.raises(InterruptedRunError, match=DRILL):
        events.close()
    assert namespaces(target) == set()
    replaying.rehearse(target, plan(target, repo, REHEARSAL)).close()


def test_a_namespace_of_somebody_else_is_neither_used_nor_removed(repo: FakeRepo) -> None:
    target = FakeTarget()
    draft = plan(target, repo, REHEARSAL)
    target.put(namespace(DRILL))
    with pytest.raises(Kube2gitError, match=f"the namespace {DRILL} cannot be made"):
        rehearse(target, draft)
    assert namespaces(target) == {DRILL}
    assert target.store.at("ConfigMap") == {}


def test_a_namespace_that_was_made_anew_by_somebody_is_not_removed(repo: FakeRepo) -> None:
    target = FakeTarget()

    def swap(request: WriteRequest) -> None:
        if request.verb is Verb.DELETE:
            target.remove("Namespace", "", DRILL)
            target.put(namespace(DRILL))

    target.before_write = swap
    report = rehearse(target, plan(target, repo, REHEARSAL))
    assert namespaces(target) == {DRILL}
    assert not report.scratch[0].is_removed
    assert "could not be deleted" in report.scratch[0].message
    assert not report.is_complete


def test_the_mark_is_of_one_run(repo: FakeRepo) -> None:
    marks = set()
    for _ in range(2):
        target = FakeTarget()
        rehearse(target, plan(target, repo, REHEARSAL), is_kept=True)
        body = target.store.at("Namespace")["", DRILL]
        marks.add(target.sent[0].body["metadata"]["labels"][LABEL])  # type: ignore[call-overload]
        assert body["metadata"]["name"] == DRILL
    assert len(marks) == 2


def widget_definition() -> Json:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }


def in_shop(api_version: str, kind: str, **more: Any) -> Json:
    metadata = {"name": "x", "namespace": "shop"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def test_what_a_recovery_would_have_missed(repo: FakeRepo) -> None:
    secret = in_shop("v1", "Secret", data={"p": "ENC[AES256_GCM,data:xx]"}, sops={"mac": "x"})
    subject = {"kind": "ServiceAccount", "name": "a", "namespace": "elsewhere"}
    binding = in_shop(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        subjects=[subject],
        roleRef={"kind": "ClusterRole", "name": "none", "apiGroup": "rbac.authorization.k8s.io"},
    )
    unknown = in_shop("example.org/v1", "Gadget")
    widget = in_shop("example.com/v1", "Widget")
    commit(repo, *SHOP, secret, binding, unknown, widget, widget_definition())
    target = FakeTarget()
    draft = plan(target, repo, REHEARSAL)
    report = rehearse(target, draft)
    found = {(one.lack, one.ref.kind) for one in report.missing}
    assert found == {
        (Lack.SECRET, "Secret"),
        (Lack.REFERENCE, "RoleBinding"),
        (Lack.CLUSTER_OBJECT, "RoleBinding"),
        (Lack.KIND, "Gadget"),
        (Lack.KIND, "Widget"),
    }
    assert not report.is_complete
    assert target.store.at("CustomResourceDefinition.apiextensions.k8s.io") == {}
    (held,) = [one for one in draft.plan.actions if one.ref.kind == "CustomResourceDefinition"]
    assert held.action is Action.SKIP
    assert "A replay creates it" in held.reason


def test_a_selection_without_namespaces_cannot_be_rehearsed(repo: FakeRepo) -> None:
    commit(repo, widget_definition())
    with pytest.raises(UsageError, match="holds no namespace that could be rehearsed"):
        plan(FakeTarget(), repo, REHEARSAL)


def test_the_policy_s_scale_holds_in_a_rehearsal(repo: FakeRepo) -> None:
    pods: Json = {"containers": []}
    deployment = in_shop("apps/v1", "Deployment", spec={"replicas": 3, "template": {"spec": pods}})
    commit(repo, *SHOP, deployment)
    target = FakeTarget()
    request = ReplayRequest(
        "main", is_rehearsal=True, inventory_namespace="", policy=Policy(replicas=0)
    )
    rehearse(target, plan(target, repo, request), is_kept=True)
    assert target.store.at("Deployment.apps")[DRILL, "x"]["spec"]["replicas"] == 0


def test_a_free_volume_that_a_provisioner_made_is_not_bound_either(repo: FakeRepo) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"storageClassName": "fast"},
    }
    commit(repo, *SHOP, claim)
    volume: Json = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "pvc-1", **PROVISIONED},
        "spec": {"storageClassName": "fast"},
        "status": {"phase": "Available"},
    }
    actions = {
        action.ref.name: action.action
        for action in plan(FakeTarget(objects=[volume]), repo, REHEARSAL).plan.actions
    }
    assert (actions["data"], actions["a"]) == (Action.SKIP, Action.CREATE)
