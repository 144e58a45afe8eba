"""Every case in ``cases``: a file, or a document in one, that is dropped in is a test."""

from __future__ import annotations

import copy

import pytest

from kube2git.core import wire
from kube2git.core.cleaning import RuleSet
from tests.unit.core.cleaning.golden import Case, all_cases

each_case = pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{case.source}: {case.name}") for case in all_cases()]
)


@each_case
def test_case(case: Case) -> None:
    before = copy.deepcopy(case.input)
    cleaner = case.cleaner()
    cleaned = cleaner.clean(case.input)
    assert wire.canonical(cleaned.body) == wire.canonical(case.expected)
    assert case.input == before
    explained = cleaner.explain(case.input)
    found = {found.rule.id for found in (*explained.removed, *explained.normalised)}
    if explained.left_out is not None:
        assert explained.left_out is cleaned.left_out
        assert (found, explained.kept) == (set(), ())
        found = {explained.left_out.id}
    assert found == case.rules
    assert case.kept <= {found.rule.id for found in explained.kept}
    if cleaned.body is not None:
        again = cleaner.clean(cleaned.body)
        assert wire.canonical(again.body) == wire.canonical(cleaned.body)


def test_every_rule_is_shown_by_a_case() -> None:
    shown = frozenset().union(*(case.rules | case.kept for case in all_cases()))
    assert {rule.id for rule in RuleSet.default().catalogue} - shown == set()
