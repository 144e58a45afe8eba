"""fielddiff: a difference is never missed, told in a person's terms, and never shows a Secret."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core import fielddiff, wire, yamlio
from kube2git.core.fielddiff import FieldChange, ItemKey, changes, dotted
from kube2git.core.wire import Json
from tests.unit.core import nasty

DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app.kubernetes.io/version": "1"}},
    "spec": {
        "replicas": 2,
        "template": {
            "spec": {
                "containers": [
                    {
                        "name": "web",
                        "image": "web:1",
                        "args": ["serve", "--port=80", "--verbose"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
                        "volumeMounts": [{"mountPath": "/a", "name": "v"}],
                    },
                    {"name": "proxy", "image": "proxy:1"},
                ]
            }
        },
    },
}
ROLE: Json = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "Role",
    "metadata": {"name": "a", "namespace": "b"},
    "rules": [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list"]},
    ],
}
SECRET: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "a", "namespace": "b"},
    "data": {"password": "aHVudGVyMg==", "user": "YWRtaW4="},
}


def edited(body: Json, *path: str | int, to: Any) -> Json:
    """Return a copy of an object with one value replaced."""
    result = copy.deepcopy(body)
    value: Any = result
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = to
    return result


def lines(old: Json | None, new: Json | None) -> list[str]:
    """Return the changes as a person sees them."""
    marks = {"added": "+", "removed": "-", "changed": "~"}
    return [
        f"{marks[change.kind]} {dotted(change.path)}: {change.old!r} -> {change.new!r}"
        for change in changes(old, new)
    ]


CONTAINERS = ("spec", "template", "spec", "containers")
WEB = DEPLOYMENT["spec"]["template"]["spec"]["containers"][0]
PROXY = DEPLOYMENT["spec"]["template"]["spec"]["containers"][1]
IN = "spec.template.spec.containers"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (DEPLOYMENT, []),
        (edited(DEPLOYMENT, "spec", "replicas", to=3), ["~ spec.replicas: 2 -> 3"]),
        (edited(DEPLOYMENT, "spec", "replicas", to="2"), ["~ spec.replicas: 2 -> '2'"]),
        (
            edited(DEPLOYMENT, "metadata", "labels", to={"app.kubernetes.io/version": "2"}),
            ["~ metadata.labels[\"app.kubernetes.io/version\"]: '1' -> '2'"],
        ),
        (
            edited(DEPLOYMENT, "spec", "paused", to=True),
            ["+ spec.paused: None -> True"],
        ),
        (
            edited(DEPLOYMENT, "spec", to={"template": DEPLOYMENT["spec"]["template"]}),
            ["- spec.replicas: 2 -> None"],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, 0, "image", to="web:2"),
            [f"~ {IN}[web].image: 'web:1' -> 'web:2'"],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, to=[{"name": "first"}, WEB, PROXY]),
            [f"+ {IN}[first]: None -> {{'name': 'first'}}"],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, to=[PROXY, WEB]),
            [f"~ {IN}: ['web', 'proxy'] -> ['proxy', 'web']"],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, to=[PROXY, {**WEB, "image": "web:2"}]),
            [
                f"~ {IN}: ['web', 'proxy'] -> ['proxy', 'web']",
                f"~ {IN}[web].image: 'web:1' -> 'web:2'",
            ],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, 0, "env", to=[{"name": "B", "value": "3"}]),
            [
                f"- {IN}[web].env[A]: {{'name': 'A', 'value': '1'}} -> None",
                f"~ {IN}[web].env[B].value: '2' -> '3'",
            ],
        ),
        (
            edited(
                DEPLOYMENT,
                *CONTAINERS,
                0,
                "ports",
                to=[
                    {"containerPort": 53, "protocol": "UDP", "name": "dns"},
                    {"containerPort": 80},
                    {"containerPort": 53, "protocol": "TCP"},
                ],
            ),
            [
                f"~ {IN}[web].ports: ['80/TCP', '53/UDP'] -> ['53/UDP', '80/TCP', '53/TCP']",
                f"+ {IN}[web].ports[53/TCP]: None -> {{'containerPort': 53, 'protocol': 'TCP'}}",
                f"+ {IN}[web].ports[53/UDP].name: None -> 'dns'",
            ],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, 0, "volumeMounts", 0, "readOnly", to=True),
            [f"+ {IN}[web].volumeMounts[/a].readOnly: None -> True"],
        ),
        (
            edited(
                DEPLOYMENT, *CONTAINERS, 0, "args", to=["serve", "-q", "--port=81", "--verbose"]
            ),
            [
                f"~ {IN}[web].args[1]: '--port=80' -> '-q'",
                f"+ {IN}[web].args[2]: None -> '--port=81'",
            ],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, 0, "args", to=["--port=80", "--verbose"]),
            [f"- {IN}[web].args[0]: 'serve' -> None"],
        ),
        (
            edited(DEPLOYMENT, *CONTAINERS, 0, "args", to=["--verbose", "serve", "--port=80"]),
            [f"~ {IN}[web].args: {WEB['args']!r} -> ['--verbose', 'serve', '--port=80']"],
        ),
    ],
)
def test_changes_of_a_deployment(new: Json, expected: list[str]) -> None:
    assert lines(DEPLOYMENT, new) == expected


def test_a_service_port_is_named_by_number_and_protocol() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "spec": {"ports": [{"port": 80, "name": "a"}]},
    }
    new = edited(service, "spec", "ports", 0, "name", to="b")
    assert lines(service, new) == ["~ spec.ports[80/TCP].name: 'a' -> 'b'"]


def test_a_subject_is_named_by_what_makes_it_one() -> None:
    alice = {"kind": "User", "name": "alice"}
    robot = {"kind": "ServiceAccount", "namespace": "ci", "name": "robot"}
    old = {"apiVersion": "v1", "kind": "A", "subjects": [alice]}
    assert lines(old, {**old, "subjects": [robot, {**alice, "apiGroup": "x"}]}) == [
        f"+ subjects[ServiceAccount/ci/robot]: None -> {robot!r}",
        "+ subjects[User/alice].apiGroup: None -> 'x'",
    ]


def test_a_path_keeps_the_fields_that_name_an_item() -> None:
    new = edited(DEPLOYMENT, *CONTAINERS, 0, "ports", 1, "name", to="dns")
    (change,) = changes(DEPLOYMENT, new)
    container, port = change.path[4], change.path[6]
    assert isinstance(container, ItemKey)
    assert isinstance(port, ItemKey)
    assert container.fields == (("name", "web"),)
    assert port.fields == (("containerPort", 53), ("protocol", "UDP"))


@pytest.mark.parametrize(
    "items",
    [
        [{"name": "a"}, {"name": "a", "value": 1}],
        [{"name": "a"}, {"value": "b"}],
        [{"name": {"a": 1}}, {"name": "b"}],
        [{"name": "a"}, "b"],
    ],
)
def test_items_that_do_not_all_have_a_name_of_their_own_go_by_index(items: list[Any]) -> None:
    old = {"apiVersion": "v1", "kind": "A", "list": [items[1]]}
    assert lines(old, {**old, "list": items}) == [f"+ list[0]: None -> {items[0]!r}"]


# Lists without names: rules of a Role.


def test_an_inserted_rule_is_one_addition() -> None:
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
    new = edited(ROLE, "rules", to=[rule, *ROLE["rules"]])
    assert lines(ROLE, new) == [f"+ rules[0]: None -> {rule!r}"]


def test_a_changed_rule_is_told_by_what_changed_in_it() -> None:
    new = edited(ROLE, "rules", 1, "verbs", to=["get", "list", "watch"])
    assert lines(ROLE, new) == ["+ rules[1].verbs[2]: None -> 'watch'"]


def test_rules_that_changed_while_another_was_inserted_are_found_by_likeness() -> None:
    rule = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create"]}
    pods, deployments = copy.deepcopy(ROLE["rules"])
    pods["verbs"].append("watch")
    deployments["verbs"].append("patch")
    assert lines(ROLE, edited(ROLE, "rules", to=[rule, pods, deployments])) == [
        f"+ rules[0]: None -> {rule!r}",
        "+ rules[1].verbs[1]: None -> 'watch'",
        "+ rules[2].verbs[2]: None -> 'patch'",
    ]


def test_rules_in_another_order_are_one_change() -> None:
    turned = ROLE["rules"][::-1]
    assert lines(ROLE, edited(ROLE, "rules", to=turned)) == [
        f"~ rules: {ROLE['rules']!r} -> {turned!r}"
    ]


def test_keys_that_deepdiff_takes_for_private_are_seen() -> None:
    old = {"apiVersion": "v1", "kind": "A", "x": [{"__a": 1, "b": "1", "c": "1"}]}
    new = {**old, "x": [{"d": 1}, {"__a": 2, "b": "1", "c": "1"}]}
    assert lines(old, new) == ["+ x[0]: None -> {'d': 1}", "~ x[1].__a: 1 -> 2"]


def test_a_very_long_list_is_one_change() -> None:
    old = {"apiVersion": "v1", "kind": "A", "x": list(range(1001))}
    assert [change.path for change in changes(old, {**old, "x": [0]})] == [("x",)]


# All objects.


def test_an_object_that_appears_or_goes_is_one_change() -> None:
    assert changes(None, None) == []
    assert changes(None, ROLE) == [FieldChange((), fielddiff.Kind.ADDED, None, ROLE)]
    assert changes(ROLE, None) == [FieldChange((), fielddiff.Kind.REMOVED, ROLE, None)]


@pytest.mark.parametrize(
    ("old", "new"), [(1, True), (0, False), (1, 1.0), (0.0, -0.0), (None, ""), ("1", 1), ([], {})]
)
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"y": [[x]]}])
def test_values_that_are_one_to_python_are_told_apart(
    old: Any, new: Any, wrap: Callable[[Any], Any]
) -> None:
    (change,) = changes({"x": wrap(old)}, {"x": wrap(new)})
    assert change.kind == "changed"
    assert repr((change.old, change.new)) == repr((old, new))


@settings(max_examples=50)
@given(nasty.any_mapping, nasty.any_mapping)
def test_there_are_changes_exactly_when_the_digests_differ(old: Json, new: Json) -> None:
    assert (changes(old, new) == []) == (wire.digest(old) == wire.digest(new))


_names = st.sampled_from(["a", "b", "c", "__d"])
_scalars = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 1.0, -0.0, "", "0", "x\ny"]))
_small = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(_names, inner, max_size=3),
        st.lists(st.fixed_dictionaries({"name": _names, "v": inner}), max_size=3),
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.dictionaries(_names, _small), st.dictionaries(_names, _small))
def test_no_difference_between_alike_objects_is_missed(old: Json, new: Json) -> None:
    found = changes(old, new)
    assert (found == []) == (wire.digest(old) == wire.digest(new))
    for change in found:
        assert wire.digest(change.old) != wire.digest(change.new) or change.kind != "changed"
        assert dotted(change.path)
    tops = {change.path[0] for change in found}
    assert tops == {
        key
        for key in old.keys() | new.keys()
        if (key in old) != (key in new) or wire.digest(old[key]) != wire.digest(new[key])
    }


@given(st.dictionaries(_names, _small), st.dictionaries(_names, _small))
def test_the_same_input_gives_the_same_sorted_changes(old: Json, new: Json) -> None:
    found = changes(old, new)
    assert found == changes(copy.deepcopy(old), copy.deepcopy(new))
    keys = [[(isinstance(part, str), part) for part in change.path] for change in found]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec", "replicas"), "spec.replicas"),
        (("data", "app.conf"), 'data["app.conf"]'),
        (("app.conf",), '["app.conf"]'),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        (("data", 'a"b\n\x9b'), 'data["a\\"b\\n\\u009b"]'),
        (("data", "grün"), 'data["grün"]'),
        (("x", 0, "y"), "x[0].y"),
        (("x", ItemKey((("name", "web"),)), "y"), "x[web].y"),
        (("x", ItemKey((("name", "0"),))), 'x["0"]'),
        (("x", ItemKey((("name", "a]\n"),))), 'x["a]\\n"]'),
        (("x", ItemKey((("port", 80), ("protocol", "TCP")))), "x[80/TCP]"),
    ],
)
def test_the_look_of_a_path(path: fielddiff.Path, text: str) -> None:
    assert dotted(path) == text


# Secrets.


def test_a_changed_secret_shows_that_it_changed_and_not_to_what() -> None:
    new = {**SECRET, "data": {"password": "bmV3", "user": "YWRtaW4=", "token": "eA=="}}
    assert lines(SECRET, new) == [
        "~ data.password: '***' -> '*** (changed)'",
        "+ data.token: None -> '***'",
    ]


def test_a_secret_that_appears_goes_or_loses_its_data_shows_no_value() -> None:
    bare = {key: value for key, value in SECRET.items() if key != "data"}
    hidden = {"password": "***", "user": "***"}
    assert lines(bare, SECRET) == [f"+ data: None -> {hidden!r}"]
    assert lines(SECRET, bare) == [f"- data: {hidden!r} -> None"]
    assert lines(SECRET, {**SECRET, "data": None}) == [f"~ data: {hidden!r} -> None"]
    assert lines(None, SECRET) == [f"+ : None -> { ({**SECRET, 'data': hidden})!r}"]
    assert lines(SECRET, None) == [f"- : { ({**SECRET, 'data': hidden})!r} -> None"]


LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def test_the_copy_that_kubectl_keeps_is_masked_on_every_kind() -> None:
    old = edited(ROLE, "metadata", "annotations", to={LAST_APPLIED: "hunter2"})
    new = edited(ROLE, "metadata", "annotations", to={LAST_APPLIED: "hunter3"})
    assert "hunter" not in str(lines(old, new) + lines(None, new) + lines(ROLE, new))
    assert lines(old, new) == [
        f"~ metadata.annotations[\"{LAST_APPLIED}\"]: '***' -> '*** (changed)'"
    ]


def test_only_secrets_of_core_are_masked_by_default() -> None:
    other = {**SECRET, "apiVersion": "example.org/v1"}
    assert lines(other, {**other, "data": {}}) == [
        "- data.password: 'aHVudGVyMg==' -> None",
        "- data.user: 'YWRtaW4=' -> None",
    ]


def test_other_fields_can_be_masked_with_all_that_is_below_them() -> None:
    old = {"apiVersion": "v1", "kind": "A", "spec": {"auth": {"key": "hunter2"}, "x": 1}}
    new = {"apiVersion": "v1", "kind": "A", "spec": {"auth": {"key": "hunter3", "b": 1}, "x": 2}}
    found = changes(old, new, masked=lambda path: path == ("spec", "auth"))
    assert found == [
        FieldChange(("spec", "auth"), fielddiff.Kind.CHANGED, "***", "*** (changed)"),
        FieldChange(("spec", "x"), fielddiff.Kind.CHANGED, 1, 2),
    ]


@given(st.dictionaries(_names, nasty.any_text), st.dictionaries(_names, nasty.any_text))
def test_no_value_of_a_secret_ever_shows(old: dict[str, str], new: dict[str, str]) -> None:
    def secret(data: dict[str, str]) -> Json:
        return {**SECRET, "data": {key: f"hunter2{value}" for key, value in data.items()}}

    one, other = secret(old), secret(new)
    shown = [changes(one, other), changes(None, other), fielddiff.masked_pair(one, other)]
    assert "hunter2" not in repr(shown)


def test_a_masked_pair_differs_where_the_secrets_do() -> None:
    new = {**SECRET, "data": {"password": "bmV3", "user": "YWRtaW4=", "token": "eA=="}}
    shown_old, shown_new = fielddiff.masked_pair(SECRET, new)
    assert shown_old == {**SECRET, "data": {"password": "***", "user": "***"}}
    assert shown_new == {
        **SECRET,
        "data": {"password": "*** (changed)", "user": "***", "token": "***"},
    }
    assert fielddiff.masked_pair(SECRET, SECRET) == (shown_old, shown_old)
    assert fielddiff.masked_pair(None, SECRET) == (None, shown_old)
    assert fielddiff.masked_pair(SECRET, None) == (shown_old, None)


@settings(max_examples=50)
@given(nasty.any_mapping, nasty.any_mapping)
def test_a_masked_pair_of_other_kinds_is_what_it_was(old: Json, new: Json) -> None:
    shown_old, shown_new = fielddiff.masked_pair({**old, "kind": "A"}, {**new, "kind": "A"})
    assert yamlio.encode(shown_old or {}) == yamlio.encode({**old, "kind": "A"})
    assert yamlio.encode(shown_new or {}) == yamlio.encode({**new, "kind": "A"})


def test_deepdiff_is_not_imported_until_it_is_needed() -> None:
    script = (
        "import sys; from kube2git.core import fielddiff as f;"
        "f.changes({'a': [{'name': 'x', 'b': 1}, 1]}, {'a': [{'name': 'x', 'b': 2}, 1]});"
        "sys.exit('deepdiff' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
