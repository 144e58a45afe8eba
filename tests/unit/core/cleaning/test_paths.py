"""The path language: what it reads, what it refuses, what it matches."""

from __future__ import annotations

import pytest

from kube2git.core.cleaning.paths import EVERY_ITEM, PathError, Step, any_glob, parse, shown


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("spec.replicas", (Step("spec"), Step("replicas"))),
        ('metadata.annotations["a.b/c"]', (Step("metadata"), Step("annotations"), Step("a.b/c"))),
        ("spec.ports[].nodePort", (Step("spec"), Step("ports"), EVERY_ITEM, Step("nodePort"))),
        ('a[]["b*"][]', (Step("a"), EVERY_ITEM, Step("b*"), EVERY_ITEM)),
        (r'data["a\"]b"]', (Step("data"), Step('a"]b'))),
        ("$ref.a-b_c", (Step("$ref"), Step("a-b_c"))),
    ],
)
def test_a_path_is_read(text: str, steps: tuple[Step, ...]) -> None:
    assert parse(text) == steps


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        (".spec", 1),
        ("spec.", 5),
        ("spec..a", 5),
        ("spec[0]", 5),
        ("spec.*", 5),
        ('a["b]', 2),
        ('a[""]', 2),
        ("a[]b", 4),
        ("a b", 2),
        (r'a["\x"]', 2),
    ],
)
def test_what_is_no_path_is_refused_with_the_place(text: str, position: int) -> None:
    with pytest.raises(PathError, match=f"from character {position} on"):
        parse(text)


def test_a_star_stands_for_any_characters_and_nothing_else_is_special() -> None:
    step = Step("a.b/*x?")
    assert [name for name in ("a.b/x?", "a.b/c\nx?", "aXb/x?", "a.b/xy") if step.matches(name)] == [
        "a.b/x?",
        "a.b/c\nx?",
    ]


def test_every_item_is_not_a_name() -> None:
    assert not EVERY_ITEM.matches("")


def test_any_of_several_patterns_may_match() -> None:
    kinds = any_glob(("Event", "*.metrics.k8s.io"))
    wanted = ("Event", "PodMetrics.metrics.k8s.io", "A.custom.metrics.k8s.io")
    others = ("Events", "Event.events.k8s.io", "metrics.k8s.io.x")
    assert [kind for kind in wanted + others if kinds.fullmatch(kind)] == list(wanted)


def test_a_place_is_written_as_a_path_is_read() -> None:
    assert shown(["spec", "ports", 0, "nodePort"]) == "spec.ports[0].nodePort"
    assert shown(["metadata", "labels", 'a.b/"c"']) == r'metadata.labels["a.b/\"c\""]'
    assert parse(shown(["metadata", "labels", 'a.b/"c"']))[-1] == Step('a.b/"c"')
