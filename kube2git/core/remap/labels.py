"""Kubernetes label selectors, as Kubernetes reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kube2git.core.wire import Json

OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def labels_of(body: Json) -> Mapping[str, str]:
    """Return an object's labels."""
    return (body.get("metadata") or {}).get("labels") or {}


def problems_of(selector: Any) -> list[str]:
    """Return what is wrong with a label selector, as whole sentences."""
    if not isinstance(selector, Mapping):
        return ["the label selector is not a mapping."]
    problems = [
        f"the label selector's field {key!r} is unknown; there are matchLabels, matchExpressions."
        for key in selector
        if key not in ("matchLabels", "matchExpressions")
    ]
    if not isinstance(selector.get("matchLabels", {}), Mapping):
        problems.append("matchLabels is not a mapping of labels to values.")
    expressions = selector.get("matchExpressions", [])
    if not isinstance(expressions, list):
        return [*problems, "matchExpressions is not a list."]
    for expression in expressions:
        if not isinstance(expression, Mapping) or not isinstance(expression.get("key"), str):
            problems.append("each of matchExpressions needs a key.")
        elif expression.get("operator") not in OPERATORS:
            problems.append(
                f"the operator of {expression['key']!r} must be In, NotIn, Exists or DoesNotExist."
            )
        elif expression["operator"] in ("In", "NotIn") and not expression.get("values"):
            problems.append(f"{expression['operator']} of {expression['key']!r} needs values.")
    return problems


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """Tell whether a valid label selector matches; an empty one matches everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, operator = expression["key"], expression["operator"]
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    is_listed = labels.get(key) in (expression.get("values") or ())
    # NotIn is also true of objects that lack the label.
    return is_listed if operator == "In" else not is_listed
