from __future__ import annotations

import copy

import pytest

from kube2git.core.remap.catalogue import CATALOGUE
from kube2git.core.remap.engine import remap
from kube2git.core.remap.findings import HEURISTIC, Remapped
from kube2git.core.remap.forms import Form
from kube2git.core.remap.mapping import NamespaceMap
from tests.unit.core.remap.cases import CASES, Case

PLACES = ("web", "prod", "production", "prod-2", "staging", "kube-system")
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def renamed(case: Case, *rules: str, marked: str = "prod", bare: str = "prod") -> Remapped:
    return remap(
        case.commit(marked, bare),
        NamespaceMap.parse(rules),
        existing=PLACES,
        # Pod templates are the same rules in every kind: nothing is to be guessed besides.
        guess="pods" not in case.name,
    )


@each_case
def test_marked_names_change_and_no_other(case: Case) -> None:
    commit = case.commit("prod")
    before = copy.deepcopy([manifest.body for manifest in commit])

    result = renamed(case, "prod=staging")

    assert result.manifests[0].body == case.manifest("staging").body
    assert [manifest.body for manifest in commit] == before
    ref = result.manifests[0].ref
    assert {rewrite.rule for rewrite in result.rewrites if rewrite.ref == ref} == case.rules


@each_case
def test_only_names_that_are_left_are_mentioned(case: Case) -> None:
    result = renamed(case, "prod=staging")

    ref = result.manifests[0].ref
    assert sum(mention.times for mention in result.mentions if mention.ref == ref) <= (
        case.bare_words()
    )


@each_case
def test_a_name_that_merely_begins_the_same_is_left_alone(case: Case) -> None:
    result = renamed(case, "prod=staging", marked="production", bare="prod-2")

    assert [moved.manifest for moved in result.objects] == case.commit("production", "prod-2")
    assert (result.rewrites, result.mentions) == ([], [])


@each_case
def test_renamed_back_it_is_what_it_was(case: Case) -> None:
    there = renamed(case, "prod=staging").manifests

    back = remap(there, NamespaceMap.parse(["staging=prod"]), guess="pods" not in case.name)

    assert [manifest.body for manifest in back.manifests] == [
        manifest.body for manifest in case.commit("prod")
    ]


@each_case
def test_a_swap_does_not_rewrite_what_it_wrote(case: Case) -> None:
    result = renamed(case, "prod=staging", "staging=prod")

    assert result.manifests[0].body == case.manifest("staging").body


TEXTS = {rule.id for rule in CATALOGUE.rules if rule.form in (Form.TEXT, Form.ENCODED_TEXT)} | {
    HEURISTIC,
    "object-namespace",
}


@pytest.mark.parametrize(
    "case", [case for case in CASES if not case.companions], ids=lambda case: case.name
)
def test_a_reference_to_nowhere_is_open_unless_it_is_somebody_elses_text(case: Case) -> None:
    is_replayed = bool(case.rules & {"object-namespace", "namespace-name"})

    result = renamed(case, marked="nowhere")

    expected = set() if is_replayed else case.rules - TEXTS
    assert {found.rule for found in result.open_references} == expected
    assert {found.namespace for found in result.open_references} <= {"nowhere"}


def test_every_rule_has_a_case() -> None:
    used = frozenset().union(*(case.rules for case in CASES))
    ids = [rule.id for rule in CATALOGUE.rules]

    assert sorted(set(ids)) == sorted(ids)
    assert set(ids) | {HEURISTIC} == used


def test_every_rule_says_why_and_where_it_is_documented() -> None:
    assert [r.id for r in CATALOGUE.rules if not (r.reason.endswith(".") and r.source)] == []
