"""fieldpath: a path means the same field before and after cleaning, and in a server's message."""

from __future__ import annotations

import copy

import pytest

from kube2git.core import fieldpath
from kube2git.core.fieldpath import Key, Path, Value, locate, read_server_text, text, without
from kube2git.core.wire import Json

BODY: Json = {
    "metadata": {"labels": {"a.b/c": "1", "a": {"b/c": "x"}}, "finalizers": ["one/x", "two/y"]},
    "spec": {
        "containers": [
            {
                "name": "web",
                "ports": [
                    {"containerPort": 80, "protocol": "TCP"},
                    {"containerPort": 80, "protocol": "UDP"},
                ],
            },
            {"name": "side car", "on": True},
        ]
    },
}
UDP: Path = (
    "spec",
    "containers",
    Key.of({"name": "web"}),
    "ports",
    Key.of({"protocol": "UDP", "containerPort": 80}),
)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ((), ""),
        (("spec", "replicas"), "spec.replicas"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        (UDP, "spec.containers[web].ports[80/UDP]"),
        (("metadata", "finalizers", Value("one/x")), "metadata.finalizers[one/x]"),
        (("l", Key.of({"name": "side car"})), 'l["side car"]'),
        (("l", Value(7)), 'l["7"]'),
    ],
)
def test_a_path_is_shown_as_people_write_it(path: Path, shown: str) -> None:
    assert text(path) == shown


def test_items_are_found_by_what_they_are() -> None:
    assert locate(UDP, BODY) == ("spec", "containers", 0, "ports", 1)
    assert locate(("metadata", "finalizers", Value("two/y")), BODY) == ("metadata", "finalizers", 1)


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "nope"),
        ("metadata", "finalizers", Value("three")),
        ("spec", Key.of({"name": "web"})),
        ("spec", "containers", "name"),
        ("spec", "containers", Key.of({"name": "side car"}), "on", "deeper"),
    ],
)
def test_what_is_not_there_is_not_found(path: Path) -> None:
    assert locate(path, BODY) is None


def test_true_is_not_one() -> None:
    assert fieldpath.index_of(Value(1), [True, 1]) == 1
    assert fieldpath.index_of(Key.of({"on": 1}), [{"on": True}]) is None


def test_pointers_are_escaped() -> None:
    assert fieldpath.pointer(("metadata", "labels", "a.b/c~d", 0)) == "/metadata/labels/a.b~1c~0d/0"


def test_names_alone_leave_the_items_out() -> None:
    assert fieldpath.fields_only((*UDP, "hostPort")) == "spec.containers.ports.hostPort"


def test_taking_out_what_is_not_there_changes_nothing() -> None:
    nowhere: list[Path] = [
        ("metadata", "labels", "a.b/c", "1"),
        ("metadata", "labels", Value("a")),
        ("spec", "containers", "name"),
        ("spec", "containers", Key.of({"name": "gone"}), "on"),
    ]
    assert without(BODY, nowhere) == BODY


def test_taking_out_leaves_the_input_as_it_is() -> None:
    before = copy.deepcopy(BODY)
    result = without(BODY, [UDP, ("metadata", "finalizers", Value("one/x")), ("spec", "nope"), ()])
    assert result["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert result["metadata"]["finalizers"] == ["two/y"]
    assert before == BODY


@pytest.mark.parametrize(
    ("written", "path"),
    [
        (".spec.containers", ("spec", "containers")),
        ('.spec.containers[name="web"].ports[containerPort=80,protocol="UDP"]', UDP),
        (
            '.spec.containers[name="side car"].on',
            ("spec", "containers", Key.of({"name": "side car"}), "on"),
        ),
        ('.metadata.finalizers[="one/x"]', ("metadata", "finalizers", Value("one/x"))),
        (".metadata.labels.a.b/c", ("metadata", "labels", "a.b/c")),
        ("", ()),
        (".spec.replicas", None),
        ('.spec.containers[name="other"]', None),
        (".spec.containers[0]", None),
        (".spec.containers[", None),
        ('.spec.containers[name="web"', None),
        ("[name=", None),
        (".spec.containers.name", None),
    ],
)
def test_a_server_s_path_is_read_by_what_the_object_holds(written: str, path: Path | None) -> None:
    assert read_server_text(written, BODY) == path
