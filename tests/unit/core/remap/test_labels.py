from __future__ import annotations

from typing import Any

import pytest

from kube2git.core.remap import labels

LABELS = {"app": "web", "tier": "front"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "is_match"),
    [
        ({}, True),
        ({"matchLabels": None, "matchExpressions": None}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "tier": "back"}}, False),
        ({"matchLabels": {"gone": "x"}}, False),
        (expression("app", "In", "api", "web"), True),
        (expression("app", "In", "api"), False),
        (expression("gone", "In", "api"), False),
        (expression("app", "NotIn", "api"), True),
        (expression("app", "NotIn", "web"), False),
        (expression("gone", "NotIn", "x"), True),
        (expression("app", "Exists"), True),
        (expression("gone", "Exists"), False),
        (expression("gone", "DoesNotExist"), True),
        (expression("app", "DoesNotExist"), False),
        ({"matchLabels": {"app": "web"}, **expression("tier", "In", "back")}, False),
    ],
)
def test_matches(selector: dict[str, Any], is_match: bool) -> None:
    assert labels.problems_of(selector) == [] or None in selector.values()
    assert labels.matches(selector, LABELS) is is_match


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ([], "the label selector is not a mapping."),
        (
            {"app": "web"},
            "the label selector's field 'app' is unknown; there are matchLabels, matchExpressions.",
        ),
        ({"matchLabels": []}, "matchLabels is not a mapping of labels to values."),
        ({"matchExpressions": {}}, "matchExpressions is not a list."),
        ({"matchExpressions": ["x"]}, "each of matchExpressions needs a key."),
        (
            expression("a", "Is"),
            "the operator of 'a' must be In, NotIn, Exists or DoesNotExist.",
        ),
        (expression("a", "In"), "In of 'a' needs values."),
    ],
)
def test_problems_are_whole_sentences(selector: Any, problem: str) -> None:
    assert labels.problems_of(selector) == [problem]


def test_labels_of_an_object_without_any() -> None:
    assert labels.labels_of({"metadata": {"labels": None}}) == {}
    assert labels.labels_of({"metadata": {"labels": LABELS}}) == LABELS
