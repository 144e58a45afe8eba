"""Changes of a configuration to the rules: what they do, and how problems are told."""

from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.cleaning import Cleaner, Context, RuleError, RuleSet
from kube2git.core.wire import Json

DEFAULT = RuleSet.default()
MINE: dict[str, Any] = {
    "id": "my-rule",
    "kinds": ["Shop.example.com"],
    "paths": ["spec.uid", 'metadata.annotations["example.com/*"]', 'spec.parts["tmp-*"].size'],
    "action": "strip",
    "reason": "A controller writes them.",
}
NOT_A_KIND = (
    "is not a kind as manifests write it, with its group: Deployment.apps, Secret, *.example.com"
)


def shop(**fields: Any) -> Json:
    body: Json = {
        "apiVersion": "example.com/v1",
        "kind": "Shop",
        "metadata": {"name": "main", "namespace": "shop"},
    }
    body["metadata"].update(fields.pop("metadata", {}))
    return body | fields


def problems(**changes: Any) -> tuple[str, ...]:
    with pytest.raises(RuleError) as told:
        DEFAULT.with_changes(**changes)
    return told.value.problems


def test_a_rule_of_ones_own_strips_fields() -> None:
    cleaner = Cleaner(DEFAULT.with_changes(extra=[MINE]), Context())
    body = shop(
        metadata={"annotations": {"example.com/a": "1", "other": "2"}},
        spec={"uid": "7", "parts": [{"name": "tmp-1", "size": 1}, {"name": "x", "size": 2}]},
    )
    assert cleaner.clean(body).body == shop(
        metadata={"annotations": {"other": "2"}},
        spec={"parts": [{"name": "tmp-1"}, {"name": "x", "size": 2}]},
    )
    assert {found.rule.reason for found in cleaner.explain(body).removed} == {MINE["reason"]}
    other = {**body, "apiVersion": "example.org/v1"}
    assert cleaner.clean(other).body == other


@pytest.mark.parametrize(
    ("spec", "left_out"),
    [
        ({}, ["main", "other", "marked"]),
        ({"names": ["shop/ma*n"]}, ["main"]),
        ({"paths": ['metadata.labels["skip"]']}, ["marked"]),
    ],
)
def test_a_rule_of_ones_own_leaves_objects_out(spec: dict[str, Any], left_out: list[str]) -> None:
    rule = {"id": "no-shops", "kinds": ["*.example.com"], "action": "leave-out", **spec}
    rules = DEFAULT.with_changes(extra=[rule])
    cleaner = Cleaner(rules, Context())
    bodies = [
        shop(),
        shop(metadata={"name": "other"}),
        shop(metadata={"name": "marked", "labels": {"skip": "yes"}}),
    ]
    names = [body["metadata"]["name"] for body in bodies if cleaner.clean(body).body is None]
    assert names == left_out
    assert (rules.skipped_kind("Shop.example.com") is not None) == (not spec)


def test_an_emptied_selector_is_not_taken_away_with_its_last_label() -> None:
    rule = {**MINE, "paths": ['spec.selector.matchLabels["a"]']}
    cleaner = Cleaner(DEFAULT.with_changes(extra=[rule]), Context())
    clean = cleaner.clean(shop(spec={"selector": {"matchLabels": {"a": "b"}}})).body
    assert clean == shop(spec={"selector": {"matchLabels": {}}})


def test_rules_are_switched_off_and_on() -> None:
    changed = DEFAULT.with_changes(disabled=["events", "generation"], enabled=["restarted-at"])
    assert changed.skipped_kind("Event") is None
    assert DEFAULT.skipped_kind("Event") is not None
    ids = {rule.id for rule in changed.active}
    assert ids & {"events", "generation", "restarted-at", "all-finalizers"} == {"restarted-at"}
    assert len(changed.catalogue) == len(DEFAULT.catalogue)
    again = changed.with_changes(enabled=["events", "generation"], disabled=["restarted-at"])
    assert again.active == DEFAULT.active


def test_rules_that_differ_have_different_fingerprints() -> None:
    sets = [
        DEFAULT,
        DEFAULT.with_changes(disabled=["events"]),
        DEFAULT.with_changes(enabled=["restarted-at"]),
        DEFAULT.with_changes(extra=[MINE]),
        DEFAULT.with_changes(extra=[{**MINE, "paths": ["spec.uid"]}]),
    ]
    assert len({rules.fingerprint() for rules in sets}) == len(sets)
    assert DEFAULT.fingerprint() == RuleSet.default().with_changes().fingerprint()


def test_every_problem_is_told_at_once() -> None:
    told = problems(
        disabled=["evnts", "last-applied", "user-finalizers", "metrics"],
        enabled=["zzz", "metrics"],
        extra=[{"id": "events", **{k: v for k, v in MINE.items() if k != "id"}}, {"id": 7}],
    )
    assert "disable: there is no rule 'evnts'; did you mean 'events'?" in told
    assert any(
        what.startswith("disable: rule 'last-applied' cannot be switched off: It is a copy")
        for what in told
    )
    assert "disable: rule 'user-finalizers' only says what is kept; it does nothing" in told
    assert "enable: there is no rule 'zzz'" in told
    assert "rule 'metrics' is both enabled and disabled" in told
    assert "rules[1] (events): id: there is another rule 'events'" in told
    assert sum(what.startswith("rules[2]: ") for what in told) == 3


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"id": "My Rule"}, "id: say a word in lower case, such as no-load-balancer-id"),
        ({"action": "keep"}, "action: say strip (fields) or leave-out (whole objects)"),
        ({"kinds": []}, "kinds: name at least one, such as Deployment.apps or *.example.com"),
        ({"kinds": "Shop"}, "kinds: it is not a list of texts"),
        (
            {"kinds": ["shops.example.com"]},
            f"kinds: 'shops.example.com' {NOT_A_KIND}",
        ),
        (
            {"kinds": ["example.com/v1/Shop"]},
            f"kinds: 'example.com/v1/Shop' {NOT_A_KIND}",
        ),
        ({"paths": []}, "paths: say which fields to strip"),
        ({"paths": ["spec..a"]}, "paths: 'spec..a' is not a path from character 5 on"),
        (
            {"paths": ['metadata["*"]']},
            "paths: 'metadata[\"*\"]' would take away metadata.name, which no object lacks",
        ),
        ({"paths": ["kind"]}, "paths: 'kind' would take away kind, which no object lacks"),
        (
            {"paths": ["metadata"]},
            "paths: 'metadata' would take away metadata.name, which no object lacks",
        ),
        ({"names": ["a/b"]}, "names: they are for the action leave-out only"),
        (
            {"action": "leave-out", "names": ["a/b"]},
            "names: say either paths or names, and make two rules if you want both",
        ),
        ({"reason": 7}, "reason: it is not a text"),
        ({"when": "always"}, "when: there is no such setting"),
    ],
)
def test_a_problem_of_a_rule_of_ones_own(change: dict[str, Any], what: str) -> None:
    told = problems(extra=[{**MINE, **change}])
    assert [text.partition(": ")[2] for text in told if what in text] == [what]


def test_two_rules_of_ones_own_must_have_two_names() -> None:
    assert problems(extra=[MINE, MINE]) == (
        "rules[2] (my-rule): id: there is another rule 'my-rule'",
    )
