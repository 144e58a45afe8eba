from __future__ import annotations

import copy
from typing import Any

import pytest

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.remap.findings import Moved
from kube2git.core.remap.patches import parse_patches
from kube2git.core.remap.transforms import Change, Transformed, transform
from kube2git.errors import UsageError
from tests.unit.core.remap.test_engine import make

WEB = make("Deployment.apps", "web-1", "staging", metadata={"labels": {"app": "web"}},
           spec={"replicas": 3, "paused": True})  # fmt: skip
SOURCE = WEB.ref._replace(namespace="prod")
SCALE = {"json_patch": [{"op": "replace", "path": "/spec/replicas", "value": 1}]}


def run(*entries: Any, manifest: Manifest = WEB, source: ObjectRef = SOURCE) -> Transformed:
    return transform([Moved(source, manifest)], parse_patches(entries))


def spec(result: Transformed) -> Any:
    return result.objects[0].manifest.body["spec"]


@pytest.mark.parametrize(
    "selector",
    [
        {"kinds": ["deployment.apps"]},
        {"kinds": ["Deployments"]},
        {"kinds": ["deploy"]},
        {"kinds": ["*.apps", "!statefulset.apps"]},
        {"names": ["web-*"]},
        {"namespaces": ["prod"]},
        {"labels": "app=web"},
        {"kinds": ["deployment"], "names": ["web-1"], "namespaces": ["p*"], "labels": "app"},
    ],
)
def test_a_patch_is_for_what_it_selects(selector: dict[str, Any]) -> None:
    result = run({**selector, **SCALE})

    assert spec(result) == {"replicas": 1, "paused": True}
    assert result.changes == [Change(WEB.ref, "The patch '1'")]


@pytest.mark.parametrize(
    "selector",
    [
        {"kinds": ["statefulset.apps"]},
        {"names": ["web"]},
        {"namespaces": ["staging"]},
        {"labels": "app=api"},
        {"kinds": ["deployment"], "names": ["other"]},
    ],
)
def test_and_for_nothing_else(selector: dict[str, Any]) -> None:
    result = run({**selector, **SCALE})

    assert result.objects[0].manifest is WEB
    assert result.changes == []


def test_a_patch_by_namespace_is_not_for_cluster_scoped_objects() -> None:
    role = make("ClusterRole.rbac.authorization.k8s.io", "r")

    result = run({"namespaces": ["p*"], "merge_patch": {"x": 1}}, manifest=role, source=role.ref)

    assert result.objects[0].manifest is role


def test_patches_are_applied_one_after_the_other_and_leave_the_input_alone() -> None:
    before = copy.deepcopy(WEB.body)
    result = run(
        {"name": "scale", "kinds": ["deploy"], **SCALE},
        {"kinds": ["deploy"], "merge_patch": {"spec": {"paused": None, "replicas": 2}}},
        {"kinds": ["deploy"], "merge_patch": {"spec": {"replicas": 2}}},
    )

    assert spec(result) == {"replicas": 2}
    assert [change.by for change in result.changes] == ["The patch 'scale'", "The patch '2'"]
    assert WEB.body == before
    assert result.objects[0] == Moved(SOURCE, Manifest.of(result.objects[0].manifest.body))


def test_a_patch_whose_test_does_not_hold_is_not_applied() -> None:
    test = {"op": "test", "path": "/spec/replicas", "value": 5}

    result = run({"kinds": ["deploy"], "json_patch": [test, *SCALE["json_patch"]]})

    assert result.objects[0].manifest is WEB
    assert result.problems == []


def test_a_patch_that_does_not_fit_is_a_problem_without_values() -> None:
    secret = make("Secret", "s", "prod", stringData={"password": "hunter2"})
    patch = {"op": "replace", "path": "/stringData/gone", "value": "hunter3"}

    result = run({"kinds": ["secret"], "json_patch": [patch]}, manifest=secret, source=secret.ref)

    assert result.problems == [
        "The patch '1' cannot be applied to secret/s -n prod: there is nothing at /stringData/gone."
    ]
    assert result.objects[0].manifest is secret


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        ({"metadata": {"name": "other"}}, "it would make another object of it."),
        ({"metadata": {"namespace": "prod"}}, "it would make another object of it."),
        ({"kind": "StatefulSet"}, "it would make another object of it."),
        ({"apiVersion": None}, "it would not be an object any more."),
        ({"metadata": None}, "it would not be an object any more."),
    ],
)
def test_a_patch_may_not_change_which_object_it_is(patch: Any, error: str) -> None:
    result = run({"kinds": ["deploy"], "merge_patch": patch})

    assert result.problems == [
        f"The patch '1' cannot be applied to deployment.apps/web-1 -n staging: {error}"
    ]
    assert result.objects[0].manifest is WEB
    assert result.changes == []


def test_another_version_of_the_same_kind_is_the_same_object() -> None:
    result = run({"kinds": ["deploy"], "merge_patch": {"apiVersion": "apps/v1beta1"}})

    assert result.problems == []
    assert result.objects[0].manifest.body["apiVersion"] == "apps/v1beta1"


def test_all_problems_of_all_patches_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse_patches(
            [
                "x",
                {},
                {"kinds": "deploy", "labels": 7, "merge_patch": []},
                {"kind": ["deploy"], "labels": "=", "json_patch": [{"op": "add", "path": "/a"}]},
                {"names": ["a"], "json_patch": [], "merge_patch": {}},
            ]
        )

    fields = "name, kinds, names, namespaces, labels, json_patch, merge_patch"
    assert str(caught.value).splitlines()[1:] == [
        "- Patch 1: it is not a mapping.",
        "- Patch 2: it selects every object: say kinds, names, namespaces or labels.",
        "- Patch 2: it needs either json_patch or merge_patch.",
        "- Patch 3: kinds must be a list of names or globs.",
        "- Patch 3: labels must be a selector such as app=web.",
        "- Patch 3: merge_patch must be a mapping.",
        f"- Patch 4: the field 'kind' is unknown; there are {fields}.",
        "- Patch 4: the label selector '=' cannot be read from character 1 on.",
        "- Patch 4: operation 1: add needs a value.",
        "- Patch 5: it needs either json_patch or merge_patch.",
        "- Patch 5: a JSON patch is a list of operations.",
    ]
