"""The examples of RFC 6902, appendix A, and RFC 7386, appendix A, and a few that bite."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.remap import patching
from kube2git.core.remap.patching import PatchError, TestFailedError


def op(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {"op": kind, "path": path, **more}


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        # RFC 6902, A.1 to A.16 in their order.
        ({"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["a", "c"]}, [op("add", "/foo/1", value="b")], {"foo": ["a", "b", "c"]}),
        ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
        ({"baz": "qux"}, [op("replace", "/baz", value="boo")], {"baz": "boo"}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        (
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)],
            {"baz": "qux", "foo": ["a", 2, "c"]},
        ),
        (
            {"foo": "bar"},
            [op("add", "/child", value={"grandchild": {}})],
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": "bar"}, [op("add", "/baz", value="qux", xyz=123)], {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
        ({"foo": ["a"]}, [op("add", "/foo/-", value=["b", "c"])], {"foo": ["a", ["b", "c"]]}),
        # Further.
        ({"a": 1}, [op("add", "", value=[1])], [1]),
        ({"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}),
        ({"a": [1]}, [op("replace", "/a/0", value=2)], {"a": [2]}),
        ({"a": [1]}, [op("add", "/a/1", value=2)], {"a": [1, 2]}),
        ({"a": 1}, [op("add", "/a", value=None)], {"a": None}),
        ({"a/b": 1}, [op("replace", "/a~1b", value=2)], {"a/b": 2}),
        ({"": 1}, [op("replace", "/", value=2)], {"": 2}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": [1], "c": [1]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": 1, "ab": 2}, [{"op": "move", "from": "/a", "path": "/ab"}], {"ab": 1}),
        ({"a": 1}, [op("test", "", value={"a": 1.0})], {"a": 1}),
    ],
)  # fmt: skip
def test_json_patch(document: Any, patch: list[dict[str, Any]], expected: Any) -> None:
    before = copy.deepcopy(document)

    assert patching.problems_of(patch) == []
    assert patching.apply_json_patch(document, patch) == expected
    assert document == before


@pytest.mark.parametrize(
    ("document", "operation", "error"),
    [
        ({"foo": "bar"}, op("add", "/baz/bat", value="qux"), "there is nothing at /baz/bat"),
        ({"a": [1]}, op("add", "/a/2", value=2), "the list has no place /a/2"),
        ({"a": [1]}, op("add", "/a/01", value=2), "the list has no place /a/01"),
        ({"a": [1]}, op("add", "/a/x", value=2), "the list has no place /a/x"),
        ({"a": [1]}, op("remove", "/a/-"), "there is nothing at /a/-"),
        ({"a": [1]}, op("replace", "/a/1", value=2), "there is nothing at /a/1"),
        ({"a": 1}, op("remove", "/b"), "there is nothing at /b"),
        ({"a": 1}, op("replace", "/b", value=2), "there is nothing at /b"),
        ({"a": "text"}, op("add", "/a/b", value=1), "leads into a value that has no fields"),
        ({"a": {"b": 1}}, {"op": "move", "from": "/a", "path": "/a/b"}, "cannot be moved into"),
        ({"a": 1}, {"op": "copy", "from": "/b", "path": "/c"}, "there is nothing at /b"),
    ],
)
def test_a_json_patch_that_does_not_fit(document: Any, operation: Any, error: str) -> None:
    with pytest.raises(PatchError, match=error):
        patching.apply_json_patch(document, [operation])


@pytest.mark.parametrize(
    ("document", "value"),
    [({"a": 1}, True), ({"a": 0}, False), ({"a": "10"}, 10), ({"a": None}, 0), ({"a": [1]}, [1, 2])]
)  # fmt: skip
def test_a_test_compares_as_json_does(document: Any, value: Any) -> None:
    with pytest.raises(TestFailedError, match="/a holds something else"):
        patching.apply_json_patch(document, [op("test", "/a", value=value)])


def test_a_patch_fails_as_a_whole() -> None:
    document = {"a": [1]}

    with pytest.raises(PatchError):
        patching.apply_json_patch(document, [op("add", "/a/-", value=2), op("remove", "/b")])
    assert document == {"a": [1]}


NO_POINTER = (
    "must be a JSON pointer such as /spec/replicas, '/' in a key written as ~1 and '~' as ~0."
)


@pytest.mark.parametrize(
    ("patch", "problem"),
    [
        ({}, "a JSON patch is a list of operations."),
        ([], "a JSON patch is a list of operations."),
        (["add"], "operation 1 is not a mapping."),
        ([op("x", "/a")], f"operation 1: op must be one of {', '.join(patching.OPERATIONS)}."),
        ([op("add", "/a")], "operation 1: add needs a value."),
        ([op("remove", "a")], f"operation 1: path {NO_POINTER}"),
        ([op("remove", "/a"), op("copy", "/a")], f"operation 2: from {NO_POINTER}"),
        ([op("remove", "/a~2")], f"operation 1: path {NO_POINTER}"),
        ([{"op": "remove", "path": None}], f"operation 1: path {NO_POINTER}"),
    ],
)
def test_a_patch_that_is_none(patch: Any, problem: str) -> None:
    assert patching.problems_of(patch) == [problem]


@pytest.mark.parametrize(
    "line",
    """\
    {"a":"b"}           | {"a":"c"}                  | {"a":"c"}
    {"a":"b"}           | {"b":"c"}                  | {"a":"b","b":"c"}
    {"a":"b"}           | {"a":null}                 | {}
    {"a":"b","b":"c"}   | {"a":null}                 | {"b":"c"}
    {"a":["b"]}         | {"a":"c"}                  | {"a":"c"}
    {"a":"c"}           | {"a":["b"]}                | {"a":["b"]}
    {"a":{"b":"c"}}     | {"a":{"b":"d","c":null}}   | {"a":{"b":"d"}}
    {"a":[{"b":"c"}]}   | {"a":[1]}                  | {"a":[1]}
    ["a","b"]           | ["c","d"]                  | ["c","d"]
    {"a":"b"}           | ["c"]                      | ["c"]
    {"a":"foo"}         | null                       | null
    {"a":"foo"}         | "bar"                      | "bar"
    {"e":null}          | {"a":1}                    | {"e":null,"a":1}
    [1,2]               | {"a":"b","c":null}         | {"a":"b"}
    {}                  | {"a":{"bb":{"ccc":null}}}  | {"a":{"bb":{}}}""".splitlines(),
)
def test_merge_patch(line: str) -> None:
    document, patch, expected = map(json.loads, line.split(" | "))
    before = copy.deepcopy(document)

    assert patching.apply_merge_patch(document, patch) == expected
    assert document == before


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text("ab~/", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(_json, _json)
def test_replacing_the_whole_gives_the_other(one: Any, other: Any) -> None:
    patched = patching.apply_json_patch(one, [op("replace", "", value=other)])

    assert patching.is_same(patched, other)
    assert patching.is_same(one, other) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@given(st.dictionaries(st.text("ab~/", max_size=3), _json, min_size=1), _json)
def test_what_is_added_is_found_and_can_be_removed(document: Any, value: Any) -> None:
    key = next(iter(document))
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")

    patched = patching.apply_json_patch(
        document, [op("add", pointer, value=value), op("test", pointer, value=value)]
    )
    removed = patching.apply_json_patch(patched, [op("remove", pointer)])

    assert patching.is_same(patched, {**document, key: value})
    assert key not in removed
