"""The built-in rules as data: what every line of the catalogue must hold to."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from kube2git.core.cleaning import Action, Rule, RuleSet, paths
from kube2git.core.cleaning.conditions import CONDITIONS, NORMAL_FORMS

CATALOGUE = RuleSet.default().catalogue
each_rule = pytest.mark.parametrize("rule", CATALOGUE, ids=lambda rule: rule.id)


def test_ids_are_unique() -> None:
    assert [id for id, count in Counter(rule.id for rule in CATALOGUE).items() if count > 1] == []


@each_rule
def test_a_rule_is_complete(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert re.fullmatch(r"\S.* .*\.", rule.reason)
    assert rule.source
    assert rule.kinds
    assert bool(rule.how) == (rule.action is Action.NORMALISE)
    if rule.action is Action.LEAVE_OUT:
        assert not (rule.paths and rule.names)
        assert not ((rule.when or rule.values) and rule.is_about_whole_kinds)
    else:
        assert rule.paths
        assert not rule.names
    for path in rule.paths:
        assert paths.parse(path)


def test_conditions_and_normal_forms_are_those_that_rules_name() -> None:
    assert {rule.when for rule in CATALOGUE} - {""} == set(CONDITIONS)
    assert {rule.how for rule in CATALOGUE} - {""} == set(NORMAL_FORMS)


def test_what_must_never_reach_git_cannot_be_switched_off() -> None:
    required = {rule.id for rule in CATALOGUE if rule.is_required}
    assert {"last-applied", "applied-copies", "secret-copies"} <= required
    assert not any(rule.is_optional for rule in CATALOGUE if rule.is_required)
