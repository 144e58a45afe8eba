from __future__ import annotations

from typing import Any

import pytest
import yaml

from kube2git.core.objects import Manifest
from kube2git.core.remap import velero
from kube2git.core.remap.findings import Moved
from kube2git.core.remap.transforms import Transformed, transform
from kube2git.errors import UsageError
from tests.unit.core.remap.test_engine import make


def read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def config_map(text: str) -> dict[str, Any]:
    return make("ConfigMap", "modifiers", "velero", data={"modifiers.yaml": text}).body


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"version": "v1", "resourceModifierRules": list(entries)}


def run(manifest: Manifest, modifiers: dict[str, Any], namespace: str = "bar") -> Transformed:
    source = manifest.ref._replace(namespace=namespace if manifest.ref.namespace else "")
    return transform([Moved(source, manifest)], [velero.parse(modifiers, read)])


def body(result: Transformed) -> Any:
    return result.objects[0].manifest.body


CLAIM = make(
    "PersistentVolumeClaim",
    "mysql-0",
    "new",
    metadata={"labels": {"foo": "bar", "t": "x"}},
    spec={"storageClassName": "premium", "size": 1},
)
TO_FAST = {"operation": "replace", "path": "/spec/storageClassName", "value": "fast"}


def conditions(**more: Any) -> dict[str, Any]:
    return {"groupResource": "persistentvolumeclaims", **more}


def test_a_config_map_of_velero_is_accepted_as_it_is() -> None:
    modifiers = config_map(
        """\
version: v1
resourceModifierRules:
- conditions:
    groupResource: persistentvolumeclaims
    resourceNameRegex: "^mysql.*$"
    namespaces:
    - bar
    - foo
    labelSelector:
      matchLabels:
        foo: bar
    matches:
    - path: "/spec/storageClassName"
      value: "premium"
  patches:
  - operation: replace
    path: "/spec/storageClassName"
    value: "fast"
  - operation: remove
    path: "/metadata/labels/t"
- conditions:
    groupResource: persistentvolumeclaims
  mergePatches:
  - patchData: |
      {"metadata": {"labels": {"foo": null}}}
  - patchData: |
      spec:
        size: 2
- conditions:
    groupResource: persistentvolumeclaims
  strategicPatches:
  - patchData: |
      metadata:
        annotations: {a: b}
"""
    )

    result = run(CLAIM, modifiers)

    assert body(result)["spec"] == {"storageClassName": "fast", "size": 2}
    assert body(result)["metadata"] == {
        "name": "mysql-0",
        "namespace": "new",
        "labels": {},
        "annotations": {"a": "b"},
    }
    assert [change.by for change in result.changes] == [
        "resource modifier rule 1",
        "resource modifier rule 2",
        "resource modifier rule 3",
    ]


@pytest.mark.parametrize(
    "condition",
    [
        {"groupResource": "persistentvolumes"},
        {"groupResource": "persistentvolumeclaims.apps"},
        {"groupResource": "persistentvolumeclaim"},
        conditions(resourceNameRegex="^ysql"),
        conditions(namespaces=["new"]),
        conditions(labelSelector={"matchLabels": {"foo": "baz"}}),
        conditions(matches=[{"path": "/spec/storageClassName", "value": "gold"}]),
        conditions(matches=[{"path": "/spec/gone", "value": "gold"}]),
    ],
)
def test_what_a_rule_is_not_for_stays(condition: dict[str, Any]) -> None:
    result = run(CLAIM, rules({"conditions": condition, "patches": [TO_FAST]}))

    assert result.objects[0].manifest is CLAIM
    assert result.problems == []


@pytest.mark.parametrize(
    "condition",
    [
        {"groupResource": "*"},
        {"groupResource": "persistentvolume*"},
        {"groupResource": "{pods,persistentvolumeclaims}"},
        {"groupResource": "persistentvolumeclaim?"},
        {"groupResource": "**"},
        conditions(resourceNameRegex="sql"),
        conditions(namespaces=["b*"]),
        conditions(labelSelector={"matchExpressions": [{"key": "t", "operator": "Exists"}]}),
        conditions(matches=[{"path": "/spec/size", "value": "1"}]),
    ],
)
def test_what_a_rule_is_for_changes(condition: dict[str, Any]) -> None:
    result = run(CLAIM, rules({"conditions": condition, "patches": [TO_FAST]}))

    assert body(result)["spec"]["storageClassName"] == "fast"


@pytest.mark.parametrize(
    ("glob", "is_match"),
    [
        ("deployments.apps", True),
        ("*.apps", True),
        ("*", False),
        ("**", True),
        ("d*.a*", True),
        ("deploymentsxapps", False),
    ],
)
def test_a_star_does_not_cross_a_dot(glob: str, is_match: bool) -> None:
    web = make("Deployment.apps", "web", "new", spec={})
    patch = {"operation": "add", "path": "/spec/paused", "value": "true"}

    result = run(web, rules({"conditions": {"groupResource": glob}, "patches": [patch]}))

    assert body(result)["spec"] == ({"paused": True} if is_match else {})


def test_namespaces_do_not_matter_for_cluster_scoped_objects() -> None:
    volume = make("PersistentVolume", "v", spec={"storageClassName": "a"})
    condition = {"groupResource": "persistentvolumes", "namespaces": ["other"]}

    result = run(volume, rules({"conditions": condition, "patches": [TO_FAST]}))

    assert body(result)["spec"] == {"storageClassName": "fast"}


def test_conditions_are_judged_before_the_first_rule_changes_anything() -> None:
    def rename(old: str, new: str) -> dict[str, Any]:
        match = {"path": "/spec/storageClassName", "value": old}
        return {"conditions": conditions(matches=[match]), "patches": [{**TO_FAST, "value": new}]}

    result = run(CLAIM, rules(rename("premium", "b"), rename("b", "c")))

    assert body(result)["spec"]["storageClassName"] == "b"


def test_a_failing_test_skips_the_rule_and_a_misfit_is_a_problem() -> None:
    test = {"operation": "test", "path": "/spec/storageClassName", "value": "gold"}
    misfit = {"operation": "remove", "path": "/spec/gone"}

    skipped = run(CLAIM, rules({"conditions": conditions(), "patches": [test, TO_FAST]}))
    failed = run(CLAIM, rules({"conditions": conditions(), "patches": [misfit]}))

    assert skipped.objects[0].manifest is CLAIM
    assert skipped.problems == []
    assert failed.problems == [
        (
            "The resource modifiers cannot be applied to persistentvolumeclaim/mysql-0 -n new: "
            "rule 1: there is nothing at /spec/gone."
        )
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("fast", "fast"),
        ("", ""),
        (None, ""),
        ("12", 12),
        ("1.5", 1.5),
        ("true", True),
        ("False", False),
        ("null", None),
        ('"12"', "12"),
        ('"true"', "true"),
        ('{"a": [1]}', {"a": [1]}),
        ("[1, 2]", [1, 2]),
        ("1.29.0", "1.29.0"),
        ("1e3x", "1e3x"),
        ('"', '"'),
    ],
)
def test_values_are_read_as_velero_reads_them(text: Any, value: Any) -> None:
    patch = {"operation": "Add", "path": "/spec/x", "value": text}

    result = run(CLAIM, rules({"conditions": conditions(), "patches": [patch]}))

    assert body(result)["spec"]["x"] == value
    assert type(body(result)["spec"]["x"]) is type(value)


def test_move_and_copy() -> None:
    patches = [
        {"operation": "copy", "from": "/spec/size", "path": "/spec/copied"},
        {"operation": "move", "from": "/spec/size", "path": "/spec/moved"},
    ]

    result = run(CLAIM, rules({"conditions": conditions(), "patches": patches}))

    assert body(result)["spec"] == {"storageClassName": "premium", "copied": 1, "moved": 1}


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("Deployment.apps", "deployments.apps"),
        ("NetworkPolicy.networking.k8s.io", "networkpolicies.networking.k8s.io"),
        ("Ingress.networking.k8s.io", "ingresses.networking.k8s.io"),
        ("StorageClass.storage.k8s.io", "storageclasses.storage.k8s.io"),
        ("Endpoints", "endpoints"),
        ("Pod", "pods"),
    ],
)
def test_plurals_that_nobody_told_are_guessed(kind: str, resource: str) -> None:
    assert velero.guess_resource(make(kind, "x").ref) == resource


def test_the_servers_plurals_beat_the_guess() -> None:
    widget = make("Widget.example.com", "w", "new", spec={})
    patch = {"operation": "add", "path": "/spec/x", "value": "1"}
    entry = {"conditions": {"groupResource": "widgetry.example.com"}, "patches": [patch]}
    plurals = {"Widget.example.com": "widgetry.example.com"}

    modifiers = velero.parse(rules(entry), read, plurals)
    result = transform([Moved(widget.ref, widget)], [modifiers])

    assert body(result)["spec"] == {"x": 1}


def test_all_problems_of_all_rules_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        velero.parse(
            {
                "version": "v2",
                "resourceModifierRules": [
                    "x",
                    {"conditions": {}},
                    {
                        "conditions": {
                            "groupResource": "pods",
                            "groupKind": "pods",
                            "resourceNameRegex": "(",
                            "namespaces": "a",
                            "labelSelector": {"x": 1},
                            "matches": [{"path": "a"}],
                        },
                        "patches": [{"operation": "merge", "path": "/a", "value": 1}, "x"],
                    },
                    {
                        "conditions": {"groupResource": "pods"},
                        "mergePatches": [{"patchData": "[1]"}, {"patchData": ":\n:"}, {}],
                    },
                    {
                        "conditions": {"groupResource": "pods"},
                        "strategicPatches": [
                            {"patchData": "spec: {containers: [{name: a, image: b}]}"},
                            {"patchData": "spec: {$patch: replace}"},
                        ],
                    },
                    {
                        "conditions": {"groupResource": "pods"},
                        "patches": [{"operation": "add", "path": "/a", "value": "{"}],
                        "mergePatches": [{"patchData": "a: 1"}],
                    },
                ],
            },
            read,
        )

    strategic = (
        "- rule 5: a strategic merge patch with lists or $ directives means something else for "
        "every kind, which only its API server knows; write it as patches or mergePatches."
    )
    pointer = "must be a JSON pointer such as /spec/replicas, '/' in a key written as ~1 and '~' as"
    assert str(caught.value).splitlines() == [
        "The resource modifiers cannot be used:",
        "- version 'v2' is not v1.",
        "- rule 1 is not a mapping.",
        "- rule 2: it needs one of patches, mergePatches or strategicPatches.",
        "- rule 2: conditions.groupResource is missing, for example deployments.apps.",
        (
            "- rule 3: the field 'groupKind' is unknown; there are groupResource, "
            "resourceNameRegex, namespaces, labelSelector, matches."
        ),
        (
            "- rule 3: the label selector's field 'x' is unknown; there are matchLabels, "
            "matchExpressions."
        ),
        "- rule 3: every value must be a text; write numbers in quotes.",
        "- rule 3: each of patches must be a mapping.",
        "- rule 3: operation 1: op must be one of add, replace, test, move, copy, remove.",
        "- rule 3: conditions.resourceNameRegex is not a regular expression.",
        "- rule 3: conditions.namespaces is not a list of names.",
        f"- rule 3: operation 1: path {pointer} ~0.",
        "- rule 4: each of mergePatches needs patchData with a mapping.",
        ("- rule 4: the patchData of mergePatches cannot be read: while parsing a block mapping"),
        "- rule 4: each of mergePatches needs patchData with a mapping.",
        strategic,
        strategic,
        "- rule 6: a value that begins with { or [ is not JSON.",
        "- rule 6: it needs one of patches, mergePatches or strategicPatches.",
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (make("ConfigMap", "m", "v").body, "the ConfigMap must hold exactly one text."),
        (config_map("[1]"), "the text is not a mapping."),
        (config_map("a: [\n"), "the text cannot be read: while parsing a flow node"),
        ({"version": "v1"}, "resourceModifierRules is not a list."),
    ],
)
def test_what_is_no_set_of_rules(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        velero.parse(given, read)

    assert str(caught.value).splitlines()[1:] == [f"- {problem}"]
