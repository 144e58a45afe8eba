"""Patterns, label selectors and object names as people write them."""

from __future__ import annotations

import pytest

from kube2git.core.objects import ObjectRef, ResourceType
from kube2git.core.selection import (
    LabelSelector,
    LabelSelectorError,
    ObjectNameError,
    Patterns,
    Selection,
    names_in_repository,
    parse_object_names,
    split_revision,
)

DEPLOYMENT = ResourceType(
    "apps", "v1", "Deployment", "deployments", True, singular="deployment", short_names=("deploy",)
)


@pytest.mark.parametrize(
    ("patterns", "matching", "others"),
    [
        ((), ["shop", "kube-system"], []),
        (("shop",), ["shop"], ["shop2", "a-shop"]),
        (("team-*",), ["team-a", "team-"], ["team", "a-team-b"]),
        (("!kube-*",), ["shop"], ["kube-system"]),
        (("team-*", "!team-x"), ["team-a"], ["team-x", "shop"]),
        (("a?",), ["ab"], ["a", "abc"]),
    ],
)
def test_patterns(patterns: tuple[str, ...], matching: list[str], others: list[str]) -> None:
    chosen = Patterns(patterns)
    assert [name for name in matching + others if chosen.match(name)] == matching


def test_literal_names_can_be_listed_without_looking() -> None:
    assert Patterns(("b", "a", "b")).literals == ("a", "b")
    assert Patterns(("a", "b*")).literals is None
    assert Patterns(("a", "!b")).literals is None
    assert Patterns().literals is None


@pytest.mark.parametrize(
    "word",
    ["Deployment.apps", "deployment", "deployments", "deployments.apps", "deploy", "*.apps"],
)
def test_a_kind_goes_by_all_its_names(word: str) -> None:
    assert Selection(kinds=Patterns((word,))).wants_kind(DEPLOYMENT)
    assert not Selection(kinds=Patterns((f"!{word}",))).wants_kind(DEPLOYMENT)


def test_another_group_is_another_kind() -> None:
    assert not Selection(kinds=Patterns(("deployments.example.com",))).wants_kind(DEPLOYMENT)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("app=web", {"app": "web"}, True),
        ("app==web", {"app": "db"}, False),
        ("app!=web", {}, True),
        ("app!=web", {"app": "web"}, False),
        ("app", {"app": ""}, True),
        ("!app", {"app": ""}, False),
        ("app=", {"app": ""}, True),
        ("tier in (a, b),app=web", {"tier": "b", "app": "web"}, True),
        ("tier in (a,b)", {}, False),
        ("tier notin (a,b)", {}, True),
        ("tier notin (a,b)", {"tier": "a"}, False),
        ("example.com/x=1 , y", {"example.com/x": "1", "y": "2"}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], expected: bool) -> None:
    assert LabelSelector.parse(text).match(labels) is expected


@pytest.mark.parametrize("text", ["app=web,", "=web", "app in web", "app in (a", "a b", "-a=1"])
def test_what_is_no_label_selector_is_told(text: str) -> None:
    with pytest.raises(LabelSelectorError, match="character"):
        LabelSelector.parse(text)


def test_objects_are_named_as_kubectl_does() -> None:
    web = ObjectRef("apps", "Deployment", "shop", "web")
    words = names_in_repository(web)
    for text in (["deploy/web"], ["deployments.apps/web"], ["Deployment", "web"]):
        (name,) = parse_object_names(text, "shop")
        assert name.matches(web, words)
    (elsewhere,) = parse_object_names(["deploy/web"], "payments")
    assert not elsewhere.matches(web, words)
    (every,) = parse_object_names(["deploy"], None)
    assert every.matches(web, words)


@pytest.mark.parametrize(
    ("where", "revision", "word"),
    [
        ("HEAD", "HEAD", None),
        ("HEAD~1:deploy/web", "HEAD~1", "deploy/web"),
        ("HEAD:clusterrole/system:node:x", "HEAD", "clusterrole/system:node:x"),
        ("main@{2026-01-02 10:30:00}", "main@{2026-01-02 10:30:00}", None),
        ("main@{10:30}:role/a:b", "main@{10:30}", "role/a:b"),
        ("HEAD^{/export: 3 added}:cm", "HEAD^{/export: 3 added}", "cm"),
        ("HEAD:role/a\nb", "HEAD", "role/a\nb"),
        ("HEAD:", "HEAD", ""),
    ],
)
def test_a_revision_and_an_object_are_told_apart_though_both_hold_colons(
    where: str, revision: str, word: str | None
) -> None:
    assert split_revision(where) == (revision, word)


@pytest.mark.parametrize("word", ["/web", "deploy/web/x"])
def test_what_names_no_object_is_told(word: str) -> None:
    with pytest.raises(ObjectNameError, match="does not name an object"):
        parse_object_names([word], None)


def test_plurals_are_known_without_a_server() -> None:
    policy = ObjectRef("networking.k8s.io", "NetworkPolicy", "", "")
    ingress = ObjectRef("networking.k8s.io", "Ingress", "", "")
    assert {"networkpolicies", "netpol", "networkpolicies.networking.k8s.io"} <= (
        names_in_repository(policy)
    )
    assert "ingresses" in names_in_repository(ingress)
