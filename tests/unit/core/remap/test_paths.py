from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.remap import paths

BODY: dict[str, Any] = {
    "kind": "K",
    "metadata": {"annotations": {"a.b/c": 1, "x": 2}},
    "spec": {
        "from": [{"name": "one", "kind": "User"}, {"name": "two", "kind": "Group"}],
        "to": [{"name": "three"}],
        "rules": [{"resources": ["a", "b"], "names": ["r"]}, {"resources": ["c"], "names": ["s"]}],
        "deep": {"secretRef": {"name": "n"}, "list": [{"fooSecretRef": {"name": "m"}}]},
    },
}


def found(path: str) -> list[tuple[str, Any]]:
    graph = paths.Graph([(path, None)])
    return [(paths.render(steps), value) for steps, value, _ in paths.visit(BODY, graph.start)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("kind", [("kind", "K")]),
        ('metadata.annotations["a.b/c"]', [('metadata.annotations["a.b/c"]', 1)]),
        ('metadata.annotations["a.*"]', [('metadata.annotations["a.b/c"]', 1)]),
        (
            "metadata.annotations.*",
            [('metadata.annotations["a.b/c"]', 1), ("metadata.annotations.x", 2)],
        ),
        ("spec.from[].name", [("spec.from[0].name", "one"), ("spec.from[1].name", "two")]),
        ("spec.from[]{kind=Group}.name", [("spec.from[1].name", "two")]),
        ("spec.from[]{kind=Group}{name=one}.name", []),
        ("spec.from[]{kind=Group}{name=two}.name", [("spec.from[1].name", "two")]),
        ("spec.rules[]{resources=b}.names[]", [("spec.rules[0].names[0]", "r")]),
        ("spec.from|to[]{kind=User}.name", [("spec.from[0].name", "one")]),
        ("spec.to|gone[+].name", [("spec.to[0].name", "three")]),
        (
            "spec.**.*ecretRef.name",
            [("spec.deep.secretRef.name", "n"), ("spec.deep.list[0].fooSecretRef.name", "m")],
        ),
        ("spec.**.deep.secretRef.name", [("spec.deep.secretRef.name", "n")]),
        ("spec.deep[]", []),
        ("spec.from.name", []),
        ("spec.none.name", []),
    ],
)
def test_a_path_finds(path: str, expected: list[tuple[str, Any]]) -> None:
    assert found(path) == expected


@pytest.mark.parametrize(
    "path", ["a..b", ".a", "a[", "a b", "a[0]", "a{kind}", 'a["b]', "a.[]", "a.{k=v}"]
)
def test_what_is_no_path_is_said(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be read from character"):
        paths.parse(path)


def test_a_condition_is_judged_anew_for_every_item() -> None:
    graph = paths.Graph([("[]{a=1}{b=2}.x", None)])
    items = [
        {"a": "1", "b": "2", "x": 1},
        {"a": "1", "b": "3", "x": 2},
        {"a": "0", "b": "2", "x": 3},
        {"a": "1", "b": "2", "x": 4},
    ]

    values = [value for _, value, _ in paths.visit(items, graph.start)]

    assert values == [1, 4]


def test_many_paths_are_one_walk_and_keep_their_payloads_in_order() -> None:
    graph = paths.Graph([("spec.to[+].name", "first"), ("spec.**.name", "second")])
    item = graph.start.key("spec").key("to").item()

    assert item.key("name").found == ("first", "second")
    assert item.repeating == ("first",)


def test_a_graph_remembers_only_so_many_keys() -> None:
    state = paths.Graph([("data.*", None)]).start.key("data")

    assert all(state.key(str(number)).found for number in range(5000))
    assert len(state._keys) < 5000


def test_replace_copies_only_what_changes() -> None:
    body = copy.deepcopy(BODY)
    graph = paths.Graph([("spec.to[].name", None)])

    new = paths.replace(body, graph.start, lambda value, _, steps: f"{value}!{paths.render(steps)}")

    assert new["spec"]["to"] == [{"name": "three!spec.to[0].name"}]
    assert body == BODY
    assert new["metadata"] is body["metadata"]
    assert paths.replace(body, graph.start, lambda value, _, __: value) is body


_json: st.SearchStrategy[Any] = st.recursive(
    st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_json)
def test_a_path_of_any_depth_visits_every_value_once(value: Any) -> None:
    def count(node: Any) -> int:
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        return 1 + sum(map(count, inner))

    visited = list(paths.visit(value, paths.Graph([("**", None)]).start))

    assert len(visited) == len({steps for steps, _, _ in visited}) == count(value)
