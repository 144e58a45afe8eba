from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube2git.core.remap.mapping import NamespaceMap, is_namespace_name
from kube2git.errors import UsageError

TAIL = "x" * 50


def test_exact_rules_hold_for_names_that_are_only_referred_to() -> None:
    names = NamespaceMap.parse(["prod=staging"], ["web"])

    assert names.targets("prod") == ("staging",)
    assert names.targets("web") == ("web",)
    assert names.idle == ("prod=staging",)


def test_globs_carry_over_what_they_matched() -> None:
    names = NamespaceMap.parse(
        ["team-*=dr-team-*", "*-db-*=*-data-*"], ["team-a", "team-b-c", "x-db-1", "web"]
    )

    assert names.renamed == {
        "team-a": ("dr-team-a",),
        "team-b-c": ("dr-team-b-c",),
        "x-db-1": ("x-data-1",),
    }
    assert names.targets("team-unknown") == ("team-unknown",)
    assert names.idle == ()


def test_exact_beats_glob_and_the_more_literal_glob_the_other() -> None:
    names = NamespaceMap.parse(
        ["*=all-*", "team-*=t-*", "team-a=a", "kube-system=kube-system"],
        ["team-a", "team-b", "web", "kube-system"],
    )

    assert names.renamed == {"team-a": ("a",), "team-b": ("t-b",), "web": ("all-web",)}


def test_a_glob_without_star_on_the_right_merges() -> None:
    names = NamespaceMap.parse(["team-*=teams"], ["team-a", "team-b"])

    assert names.renamed == {"team-a": ("teams",), "team-b": ("teams",)}


def test_two_rules_make_two_copies_and_one_of_them_may_be_the_original() -> None:
    names = NamespaceMap.parse(["a=c", "a=b", "d=d", "d=e", "a=b"], ["a", "d"])

    assert names.targets("a") == ("b", "c")
    assert names.targets("d") == ("d", "e")
    assert set(names.renamed) == {"a", "d"}


def test_idle_rules_are_those_that_match_nothing() -> None:
    names = NamespaceMap.parse(["prod=a", "prdo=b", "team-*=t-*", "x-*=y-*"], ["prod", "team-1"])

    assert names.idle == ("prdo=b", "x-*=y-*")


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        NamespaceMap.parse(
            [
                "prod",
                "=x",
                "x=",
                "Prod=x",
                "x=-bad",
                "a-*=b-*-*",
                "a**=b**",
                f"long-*=long-*-{TAIL}",
                "t-*=u-*",
                "*-t=*-u",
            ],
            ["long-name-of-a-namespace", "t-t", "t-b"],
        )

    long = "long-name-of-a-namespace"
    limits = "at most 63 characters, beginning and ending with a letter or digit."
    assert str(caught.value).splitlines() == [
        "The namespace map cannot be used:",
        "- 'prod' is not of the form FROM=TO.",
        "- '=x' is not of the form FROM=TO.",
        "- 'x=' is not of the form FROM=TO.",
        "- 'Prod=x': 'Prod' may hold only lower-case letters, digits, '-' and the wildcard '*'.",
        f"- 'x=-bad': '-bad' cannot be the name of a namespace: {limits}",
        (
            "- 'a-*=b-*-*': both sides must have the same number of '*', or the right one none, "
            "which merges all matches into one namespace."
        ),
        "- 'a**=b**': write one '*' at a place, not '**'.",
        (
            f"- 'long-*=long-*-{TAIL}' would call the namespace {long!r} '{long}-{TAIL}', which "
            f"is not a valid name: {limits}"
        ),
        (
            "- Both '*-t' and 't-*' match the namespace 't-t', and neither is more exact: add a "
            "rule for this namespace alone."
        ),
    ]
    assert "FROM=TO" in caught.value.hint


_name = st.sampled_from(["a", "b", "team-a", "team-b", "team-a-db", "web"])
_rule = st.one_of(
    st.builds("{}={}".format, _name, _name),
    st.sampled_from(["team-*=dr-*", "team-*=x-*", "*=all-*", "team-*-db=*-database"]),
)


@given(st.lists(_rule, max_size=6), st.sets(_name), st.randoms())
def test_neither_order_nor_repetition_of_rules_matters(
    rules: list[str], namespaces: set[str], random: object
) -> None:
    shuffled = [*rules, *rules[:2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    one, other = NamespaceMap.parse(rules, namespaces), NamespaceMap.parse(shuffled, namespaces)

    assert one.renamed == other.renamed
    assert set(one.idle) == set(other.idle)


@pytest.mark.parametrize("text", ["a", "a-b", "1a", "a" * 63])
def test_names_that_a_namespace_may_have(text: str) -> None:
    assert is_namespace_name(text)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a.b", "a_b", "a\n", "*", "a" * 64])
def test_names_that_no_namespace_has(text: str) -> None:
    assert not is_namespace_name(text)
