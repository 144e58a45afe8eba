"""leftovers: what the commit lacks goes by exact paths, and what is another's right stays."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.fieldpath import Key, Path, Value, text
from kube2git.core.ownership import Owner
from kube2git.core.planning.leftovers import Extra, Leftovers, leftovers, removal_patch
from kube2git.core.planning.stances import DEFAULT_RULES
from kube2git.core.wire import Json
from tests.unit.core.planning.planned import config_map, deployment, managed, obj

CONTAINERS = ("spec", "template", "spec", "containers")
WEB = (*CONTAINERS, Key.of({"name": "web"}))


def compare(desired: Json, observed: Json, *managers: Json, is_applied: bool = True) -> Leftovers:
    return leftovers(desired, observed, managers, DEFAULT_RULES, is_applied=is_applied)


def shown(extras: tuple[Extra, ...]) -> list[tuple[str, list[str]]]:
    return [(text(extra.path), [str(owner) for owner in extra.owners]) for extra in extras]


def patched(body: Json, operations: list[Json]) -> Json:
    """Apply the operations as RFC 6902 says."""
    result = copy.deepcopy(body)
    for operation in operations:
        *way, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        node: Any = result
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if operation["op"] == "replace":
            node[last] = operation["value"]
        elif isinstance(node, list):
            del node[int(last)]
        else:
            del node[last]
    return result


def test_a_key_of_another_manager_is_removed_and_its_owner_named() -> None:
    found = compare(
        config_map(a="1"),
        config_map(a="1", b="2"),
        managed("kube2git", {"f:data": {"f:a": {}}}, "Apply"),
        managed("kubectl-edit", {"f:data": {"f:b": {}}}),
    )
    assert shown(found.removals) == [("data.b", ["kubectl-edit"])]
    assert found == Leftovers(removals=found.removals)


def test_equal_objects_leave_nothing() -> None:
    assert compare(deployment(), deployment()) == Leftovers()


def test_items_of_lists_are_told_apart_by_their_keys() -> None:
    side = {"name": "side", "image": "s"}
    env = [{"name": "A", "value": "1"}]
    observed = deployment(pod={"containers": [side, {"name": "web", "image": "web:1", "env": env}]})
    mine: Json = {
        "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}}}}}}
    }
    other = {
        "f:spec": {
            "f:template": {
                "f:spec": {
                    "f:containers": {
                        'k:{"name":"web"}': {"f:env": {".": {}, 'k:{"name":"A"}': {".": {}}}},
                        'k:{"name":"side"}': {".": {}, "f:image": {}},
                    }
                }
            }
        }
    }
    found = compare(deployment(), observed, managed("kube2git", mine, "Apply"), managed("x", other))
    assert shown(found.removals) == [
        ("spec.template.spec.containers[side]", ["x"]),
        ("spec.template.spec.containers[web].env", ["x"]),
    ]
    assert found.altered == ()


def test_an_item_that_leaves_a_defaulted_key_out_is_the_same_item() -> None:
    desired = deployment(pod={"containers": [{"name": "web", "ports": [{"containerPort": 80}]}]})
    port = {"containerPort": 80, "protocol": "TCP"}
    observed = deployment(pod={"containers": [{"name": "web", "ports": [port]}]})
    ports: Json = {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
    containers = {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:ports": ports}}
    fields: Json = {"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}}
    found = compare(desired, observed, managed("kube2git", fields, "Apply"))
    assert found.removals == ()
    assert [text(path) for path in found.defaulted] == [
        "spec.template.spec.containers[web].ports[80/TCP].protocol"
    ]


def test_items_of_sets_are_told_apart_by_their_values() -> None:
    desired = obj("v1", "ConfigMap", "c", metadata={"finalizers": ["a/b"]})
    observed = obj("v1", "ConfigMap", "c", metadata={"finalizers": ["x/y", "a/b"]})
    found = compare(
        desired,
        observed,
        managed("x", {"f:metadata": {"f:finalizers": {".": {}, 'v:"x/y"': {}, 'v:"a/b"': {}}}}),
    )
    assert shown(found.removals) == [("metadata.finalizers[x/y]", ["x"])]


def test_what_the_server_filled_in_is_left() -> None:
    observed = deployment(progressDeadlineSeconds=600)
    found = compare(deployment(), observed, managed("kube2git", {"f:spec": {"f:x": {}}}, "Apply"))
    assert found == Leftovers(defaulted=(("spec", "progressDeadlineSeconds"),))


def test_what_only_people_choose_is_removed_though_nobody_owns_it() -> None:
    desired = config_map(a="1")
    observed = {**config_map(a="1", b="2")}
    observed["metadata"] = {**observed["metadata"], "labels": {"x": "y"}}
    found = compare(desired, observed, managed("kube2git", {"f:data": {"f:a": {}}}, "Apply"))
    assert shown(found.removals) == [("metadata.labels", []), ("data.b", [])]


def test_without_managed_fields_every_extra_counts() -> None:
    found = compare(deployment(), deployment(paused=True))
    assert shown(found.removals) == [("spec.paused", [])]


def test_a_controller_s_field_is_yielded() -> None:
    scale = managed("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale")
    found = compare(deployment(replicas=2), deployment(replicas=5), scale)
    assert [(text(entry.path), entry.reason) for entry in found.yielded] == [
        ("spec.replicas", "an autoscaler sets the replicas")
    ]
    assert found.altered == ()
    extra = compare(deployment(), deployment(replicas=5), scale)
    assert [text(entry.path) for entry in extra.yielded] == ["spec.replicas"]
    assert extra.removals == ()


def test_a_part_that_is_yielded_does_not_save_the_rest() -> None:
    observed = obj(
        "v1",
        "ConfigMap",
        "c",
        metadata={"annotations": {"mine": "1", "theirs": "2"}, "finalizers": ["a/b", "c/d"]},
    )
    found = compare(
        obj("v1", "ConfigMap", "c"),
        observed,
        managed(
            "kube-controller-manager",
            {"f:metadata": {"f:annotations": {"f:theirs": {}}, "f:finalizers": {'v:"c/d"': {}}}},
        ),
        managed(
            "kubectl",
            {
                "f:metadata": {
                    "f:annotations": {".": {}, "f:mine": {}},
                    "f:finalizers": {".": {}, 'v:"a/b"': {}},
                }
            },
        ),
    )
    assert shown(found.removals) == [
        ("metadata.annotations.mine", ["kubectl"]),
        ("metadata.finalizers[a/b]", ["kubectl"]),
    ]
    assert [text(entry.path) for entry in found.yielded] == [
        "metadata.annotations.theirs",
        "metadata.finalizers[c/d]",
    ]


def test_other_values_and_missing_fields_are_told() -> None:
    found = compare(deployment(replicas=2, paused=True), deployment(replicas=3))
    assert [text(path) for path in found.altered] == ["spec.replicas", "spec.paused"]


@pytest.mark.parametrize(("one", "other"), [({}, "a"), ("a", {}), ([], {}), ({}, []), (1, True)])
def test_another_type_is_another_value(one: Any, other: Any) -> None:
    desired, observed = obj("x.io/v1", "Foo", "a", spec=one), obj("x.io/v1", "Foo", "a", spec=other)
    assert compare(desired, observed) == Leftovers(altered=(("spec",),))


def test_an_item_that_the_server_did_not_take_is_told() -> None:
    names = [{"name": "a"}, {"name": "b"}]
    owner = managed("x", {"f:spec": {'k:{"name":"a"}': {".": {}}}})
    desired, observed = (obj("x.io/v1", "Foo", "a", spec=items) for items in (names, names[:1]))
    found = compare(desired, observed, owner)
    assert found == Leftovers(altered=(("spec", Key.of({"name": "b"})),))


def test_another_order_is_another_value() -> None:
    one, two = {"name": "a", "image": "a"}, {"name": "b", "image": "b"}
    fields: Json = {'k:{"name":"a"}': {".": {}}, 'k:{"name":"b"}': {".": {}}}
    manager = managed(
        "kube2git", {"f:spec": {"f:template": {"f:spec": {"f:containers": fields}}}}, "Apply"
    )
    found = compare(
        deployment(pod={"containers": [one, two]}),
        deployment(pod={"containers": [two, one]}),
        manager,
    )
    assert found == Leftovers(altered=(CONTAINERS,))


def test_a_list_without_names_is_one_value() -> None:
    found = compare(
        deployment(pod={"containers": [{"name": "web", "args": ["a"]}]}),
        deployment(pod={"containers": [{"name": "web", "args": ["a", "b"]}]}),
        managed(
            "kube2git",
            {
                "f:spec": {
                    "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:args": {}}}}}
                }
            },
            "Apply",
        ),
    )
    assert found == Leftovers(altered=((*WEB, "args"),))


def test_defaults_in_a_list_that_was_sent_as_a_whole_are_the_server_s() -> None:
    def limits(*items: Json) -> Json:
        return obj("v1", "LimitRange", "a", "b", spec={"limits": list(items)})

    own = managed("kube2git", {"f:spec": {"f:limits": {}}}, "Apply")
    item, filled = {"default": {"cpu": "1"}}, {"default": {"cpu": "1"}, "type": "Container"}
    path = ("spec", "limits")
    assert compare(limits(item), limits(filled), own) == Leftovers(defaulted=(path,))
    before = compare(limits(item), limits(filled), own, is_applied=False)
    assert before == Leftovers(altered=(path,))
    for other in (limits(filled, filled), limits({"default": {"cpu": "2"}}), limits({})):
        assert compare(limits(item), other, own) == Leftovers(altered=(path,))


def test_an_empty_list_of_which_nothing_is_known_is_another_value() -> None:
    desired, observed = obj("x.io/v1", "Foo", "a", spec=[]), obj("x.io/v1", "Foo", "a", spec=["x"])
    assert compare(desired, observed) == Leftovers(altered=(("spec",),))


def test_items_without_the_keys_of_their_list_are_another_value() -> None:
    owner = managed("x", {"f:spec": {'k:{"name":"a"}': {".": {}}}})
    named = obj("x.io/v1", "Foo", "a", spec=[{"name": "a"}])
    tokens = managed("x", {"f:spec": {'v:"a"': {}}})
    assert compare(named, named | {"spec": [{"b": 1}]}, tokens) == Leftovers(altered=(("spec",),))
    for item in ("a", {"other": 1}, {"name": ["a"]}):
        odd = obj("x.io/v1", "Foo", "a", spec=[item])
        assert compare(named, odd, owner) == Leftovers(altered=(("spec",),))
    twice = obj("x.io/v1", "Foo", "a", spec=[{"name": "a"}, {"name": "a"}])
    assert compare(named, twice, owner) == Leftovers(altered=(("spec",),))


def test_own_fields_are_an_apply_s_to_take_out() -> None:
    own = managed("kube2git", {"f:spec": {"f:selector": {}, "f:paused": {}}}, "Apply")
    before = compare(deployment(), deployment(paused=True), own, is_applied=False)
    assert before.removals == (Extra(("spec", "paused"), (Owner("kube2git", "", "Apply"),)),)
    after = compare(deployment(), deployment(paused=True), own)
    assert after.removals == ()


def test_the_patch_begins_with_its_precondition_and_works_from_the_end() -> None:
    raw = obj(
        "v1",
        "ConfigMap",
        "c",
        metadata={"resourceVersion": "5", "finalizers": ["kept/one", "a/b", "c/d"]},
        data={"x/y~z": "1"},
    )
    removals = [
        Extra(("metadata", "finalizers", Value("a/b")), ()),
        Extra(("metadata", "finalizers", Value("c/d")), ()),
        Extra(("data", "x/y~z"), ()),
        Extra(("data", "gone"), ()),
    ]
    operations = removal_patch(removals, raw, "6")
    assert operations[0] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "6"}
    assert [operation["path"] for operation in operations[1:]] == [
        "/metadata/finalizers/2",
        "/metadata/finalizers/1",
        "/data/x~1y~0z",
    ]
    assert patched(raw, operations)["metadata"]["finalizers"] == ["kept/one"]


def test_nothing_to_take_out_is_no_patch() -> None:
    assert removal_patch([], config_map(), "1") == []
    assert removal_patch([Extra(("data", "gone"), ())], config_map(), "1") == []


# ── Property: what is taken out makes the object equal ───────────────────────────────────────

_ENV = (*WEB, "env", Key.of({"name": "NEW"}))
_PLACES: dict[str, tuple[Path, Any]] = {
    "label": (("metadata", "labels", "added.io/x"), "1"),
    "annotation": (("metadata", "annotations", "note"), "text"),
    "finalizer": (("metadata", "finalizers", Value("x/y")), "x/y"),
    "container": ((*CONTAINERS, Key.of({"name": "side"})), {"name": "side", "image": "s"}),
    "variable": (_ENV, {"name": "NEW", "value": "1"}),
    "flag": (("spec", "paused"), True),
}
_MANAGERS = ("kubectl-edit", "some-operator", "kube-controller-manager")


def _fields_of(path: Path) -> Json:
    tree: Json = {}
    for step in reversed(path):
        if isinstance(step, Key):
            name = 'k:{"name":"' + str(dict(step.pairs)["name"]) + '"}'
            tree = {name: {".": {}, **tree}}
        elif isinstance(step, Value):
            tree = {f'v:"{step.value}"': tree}
        else:
            tree = {f"f:{step}": tree}
    return tree


def _insert(body: Json, path: Path, value: Any, at_end: bool) -> None:
    node: Any = body
    for step in path[:-1]:
        if isinstance(step, Key):
            node = next(item for item in node if step.matches(item))
        else:
            node = node.setdefault(step, [] if step in ("env", "finalizers") else {})
    if isinstance(node, list):
        node.insert(len(node) if at_end else 0, value)
    else:
        node[path[-1]] = value


@settings(max_examples=80)
@given(
    st.dictionaries(
        st.sampled_from(sorted(_PLACES)), st.tuples(st.sampled_from(_MANAGERS), st.booleans())
    )
)
def test_taking_out_the_leftovers_gives_the_commit_s_object(
    added: dict[str, tuple[str, bool]],
) -> None:
    web = {"name": "web", "image": "web:1", "env": [{"name": "OLD", "value": "0"}]}
    desired = deployment(pod={"containers": [web]})
    desired["metadata"] |= {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["k/l"]}
    observed, yielded = copy.deepcopy(desired), copy.deepcopy(desired)
    managers = [
        managed("kube2git", _fields_of((*WEB, "env", Key.of({"name": "OLD"}))), "Apply"),
        managed("kube2git", _fields_of(("metadata", "finalizers", Value("k/l"))), "Apply"),
        managed("kube2git", _fields_of(("metadata", "labels", "a")), "Apply"),
        managed("kube2git", _fields_of(("metadata", "annotations", "c")), "Apply"),
    ]
    for what, (manager, at_end) in added.items():
        path, value = _PLACES[what]
        _insert(observed, path, value, at_end)
        managers.append(managed(manager, _fields_of(path)))
        if manager == "kube-controller-manager":
            _insert(yielded, path, value, at_end)
    found = compare(desired, observed, *managers)
    operations = removal_patch(found.removals, observed, "1")
    assert patched(observed, operations[1:]) == yielded
    assert len(found.removals) == sum(
        manager != "kube-controller-manager" for manager, _ in added.values()
    )
    again = compare(desired, yielded, *managers)
    assert again.removals == ()
    assert again.altered == ()
