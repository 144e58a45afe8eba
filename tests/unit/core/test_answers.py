"""answers: a refusal is understood by its code and causes, and its sentence holds no value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube2git.core.answers import RETRYABLE, Category, classify
from kube2git.core.wire import Json, canonical


def status(code: int, reason: str, *causes: tuple[str, str, str], message: str = "") -> Json:
    """Return a Status; causes are (reason, field, message)."""
    entries = [{"reason": why, "field": field, "message": text} for why, field, text in causes]
    return {
        "kind": "Status",
        "code": code,
        "reason": reason,
        "message": message,
        "details": {"causes": entries},
    }


# As a 1.37 server answered, values shortened.
SELECTOR = status(
    422,
    "Invalid",
    (
        "FieldValueInvalid",
        "spec.selector",
        'Invalid value: {"matchLabels":{"a":"c"}}: field is immutable',
    ),
)
RECREATE = status(
    422,
    "Invalid",
    (
        "FieldValueForbidden",
        "spec.strategy.rollingUpdate",
        "Forbidden: may not be specified when strategy `type` is 'Recreate'",
    ),
)
CONFLICT = status(
    409,
    "Conflict",
    ("FieldManagerConflict", ".data.a", 'conflict with "kubectl" using v1'),
)


@pytest.mark.parametrize(
    ("code", "answer", "kind", "category"),
    [
        (422, SELECTOR, "Deployment.apps", Category.IMMUTABLE),
        (422, SELECTOR, "Rollout.argoproj.io", Category.INVALID),
        (422, RECREATE, "Deployment.apps", Category.INVALID),
        (422, status(422, "Invalid"), "Deployment.apps", Category.INVALID),
        (400, status(400, "BadRequest"), "Secret", Category.INVALID),
        (413, None, "Secret", Category.INVALID),
        (409, CONFLICT, "ConfigMap", Category.CONFLICT),
        (409, status(409, "Conflict"), "ConfigMap", Category.STALE),
        (409, status(409, "AlreadyExists"), "ConfigMap", Category.EXISTS),
        (403, status(403, "Forbidden"), "ConfigMap", Category.DENIED),
        (401, None, "ConfigMap", Category.DENIED),
        (
            403,
            status(403, "Forbidden", ("NamespaceTerminating", "metadata.namespace", "…")),
            "ConfigMap",
            Category.TERMINATING,
        ),
        (404, None, "Foo.x.io", Category.MISSING),
        (410, status(410, "Expired"), "Foo.x.io", Category.MISSING),
        (429, None, "Foo.x.io", Category.BUSY),
        (500, status(500, "InternalError"), "Foo.x.io", Category.UNAVAILABLE),
        (503, None, "Foo.x.io", Category.UNAVAILABLE),
        (504, status(504, "Timeout"), "Foo.x.io", Category.UNAVAILABLE),
        (408, None, "Foo.x.io", Category.UNAVAILABLE),
    ],
)
def test_an_answer_is_told_by_its_code_and_causes(
    code: int, answer: Json | None, kind: str, category: Category
) -> None:
    found = classify(code, answer, kind)
    assert found.category is category
    assert found.message.endswith(".")


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    assert Category.CONFLICT not in RETRYABLE
    assert Category.INVALID not in RETRYABLE
    assert Category.IMMUTABLE not in RETRYABLE
    assert Category.DENIED not in RETRYABLE
    assert {Category.BUSY, Category.UNAVAILABLE, Category.TERMINATING} <= RETRYABLE


def test_an_immutable_field_is_named_and_other_causes_are_kept_apart() -> None:
    causes = [
        ("FieldValueInvalid", "spec.template", "Invalid value: {}: field is immutable"),
        ("FieldValueInvalid", "spec.completions", "Invalid value: 4: field is immutable"),
        ("FieldValueRequired", "spec.backoffLimit", "Required value"),
    ]
    found = classify(422, status(422, "Invalid", *causes), "Job.batch")
    assert found.fields == ("spec.template", "spec.completions")
    assert found.others == ("spec.backoffLimit",)
    assert found.message == (
        "spec.template and spec.completions never change once the object exists."
    )


def test_a_webhook_that_does_not_answer_is_named_and_its_words_are_not_shown() -> None:
    text = 'failed calling webhook "w.example.com": Post "https://u:hush@a/": refused'
    found = classify(500, status(500, "InternalError", message=text), "Secret")
    assert found.category is Category.UNAVAILABLE
    assert found.message.endswith('(500 InternalError: failed calling webhook "w.example.com").')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Forbidden: field is immutable", "Forbidden: field is immutable"),
        (
            "Forbidden: pod updates may not change fields\n  S: hush",
            "Forbidden: pod updates may not change fields",
        ),
        ("Required value: name is needed", "Required value: name is needed"),
        ("Required value", "Required value"),
        ('Invalid value: "hush: hush": must be a number', "must be a number"),
        ('Invalid value: {"a":"hush: x"}: field is immutable', "field is immutable"),
        ("Invalid value: 5: must be less than 4", "must be less than 4"),
        ("Invalid value: null: field is immutable", "field is immutable"),
        ("Invalid value: spec is immutable", "spec is immutable"),
        ('Invalid value: v1.Pod{Env:"hush: x"}: no', "invalid value"),
        ('Duplicate value: "hush: x"', "duplicate value"),
        ('Unsupported value: "hush": supported values: "A", "B"', 'supported values: "A", "B"'),
        ("Too long: may not be more than 4 bytes", "may not be more than 4 bytes"),
        ('unable to decode {"password":"hush"}', ""),
        ("json: cannot unmarshal hush", ""),
    ],
)
def test_a_cause_s_text_is_shown_without_the_value_it_quotes(text: str, shown: str) -> None:
    answer = status(422, "Invalid", ("FieldValueInvalid", "x.y", text))
    detail = f"x.y: {shown}" if shown else "x.y"
    found = classify(422, answer, "Secret").message
    assert found == f"The API server does not accept the object (422 Invalid: {detail})."


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            'User "bob" cannot patch resource "secrets" in API group "" in namespace "hush"',
            'User "bob" cannot patch resource "secrets" in API group ""',
        ),
        (
            'admission webhook "check.example.com" denied the request: env HUSH=hush is bad',
            'admission webhook "check.example.com" denied the request',
        ),
        (
            'pods "a" is forbidden: exceeded quota: small, requested: pods=1',
            "exceeded quota: small",
        ),
        ("something else: hush", ""),
    ],
)
def test_a_denial_names_who_denied_it(message: str, shown: str) -> None:
    found = classify(403, status(403, "Forbidden", message=message), "Secret").message
    detail = f": {shown}" if shown else ""
    assert found == f"The API server does not allow it (403 Forbidden{detail})."


@pytest.mark.parametrize("details", [None, "odd", {}, {"causes": None}, {"causes": [None, "odd"]}])
def test_a_status_of_an_odd_shape_is_still_understood(details: Any) -> None:
    found = classify(422, {"reason": "Invalid", "details": details}, "Deployment.apps")
    assert found.message == "The API server does not accept the object (422 Invalid)."


TYPED = "failed to create typed patch object (shop/d; apps/v1, Kind=Deployment): "


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            f"{TYPED}.spec.new: field not declared in schema",
            "spec.new: field not declared in schema",
        ),
        (f"{TYPED}.spec.x: duplicate entries for key [a]", "spec.x: duplicate entries for key"),
        (
            f"{TYPED}.spec.replicas: expected numeric (int or float), got string",
            "spec.replicas: expected numeric (int or float), got string",
        ),
        (f"{TYPED}.data.a: expected string, got &value.valueUnstructured{{Value:5}}", ""),
        (
            "failed to convert new object (/s; /v1, Kind=Secret) to proper version: odd: hush",
            "",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_invalid_though_the_server_says_500(
    message: str, shown: str
) -> None:
    found = classify(500, {"message": message, "code": 500}, "Secret")
    assert found.category is Category.INVALID
    detail = f": {shown}" if shown else ""
    assert found.message == f"The API server does not accept the object (500{detail})."


def test_another_500_may_pass_by_itself() -> None:
    for message in ("etcdserver: leader changed", f"Internal error: {TYPED}x"):
        assert classify(500, {"message": message}, "Secret").category is Category.UNAVAILABLE
    typed = {"message": f"{TYPED}x", "reason": "InternalError"}
    assert classify(500, typed, "Secret").category is Category.UNAVAILABLE


def test_a_policy_s_denial_is_a_denial_whatever_its_code() -> None:
    text = "ValidatingAdmissionPolicy 'limit' with binding 'all' denied request"
    answer = status(422, "Invalid", ("", "", f"{text}: bad value hush"), message=f"{text}: hush")
    found = classify(422, answer, "Secret")
    assert found.category is Category.DENIED
    assert found.message == f"The API server does not allow it (422 Invalid: {text})."


_HUSH = "Zq8hush"
_values: st.SearchStrategy[Any] = st.recursive(
    st.text('a: "\\{}[],\n', max_size=6).map(lambda text: f"{text}{_HUSH}{text}"),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text("ab: ", max_size=2), below),
    max_leaves=4,
)


@settings(max_examples=150)
@given(
    _values,
    st.sampled_from(["Invalid value", "Duplicate value", "Not found", "Unsupported value"]),
    st.sampled_from(["", ": field is immutable", ": must be no more than 63 characters"]),
)
def test_no_value_that_a_server_quotes_is_ever_shown(value: Any, head: str, tail: str) -> None:
    text = f"{head}: {canonical(value).decode()}{tail}"
    answer = status(422, "Invalid", ("FieldValueInvalid", "data.x", text), message=text)
    assert _HUSH not in classify(422, answer, "Secret").message
    assert _HUSH not in classify(403, answer, "Secret").message
