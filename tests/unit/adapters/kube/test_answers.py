from __future__ import annotations

import json

import pytest

from kube2git.adapters.kube.answers import Response, missing_right
from kube2git.errors import ClusterDeniedError, ClusterUnreachableError
from tests.fakes.store import kind

PASSWORD = "hunter2-hunter2"


def response(status: int, body: object, path: str = "/api/v1/configmaps") -> Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(path, status, {}, data)


def failure(message: str, reason: str = "InternalError") -> dict[str, object]:
    return {"kind": "Status", "status": "Failure", "reason": reason, "message": message}


def test_an_explanation_has_the_servers_own_words() -> None:
    answer = response(500, failure("etcd is away,\n\tplease wait"))
    assert answer.explanation() == "500 InternalError (etcd is away, please wait)"


def test_long_words_are_cut() -> None:
    text = response(500, failure("x" * 5000)).explanation()
    assert len(text) < 350
    assert text.endswith("x…)")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a proxy</html>",
        b"",
        b"[1]",
        {"kind": "Secret", "data": {"password": PASSWORD}, "message": PASSWORD},
    ],
)
def test_of_a_body_that_is_no_status_nothing_is_said(body: object) -> None:
    assert response(502, body).explanation() == "502"


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/secrets",
        "/api/v1/namespaces/shop/secrets",
        "/api/v1/namespaces/shop/secrets/db",
    ],
)
def test_of_secrets_not_even_the_servers_words_are_passed_on(path: str) -> None:
    words = f'Secret "db" is invalid: data[password]: Invalid value: "{PASSWORD}"'
    answer = response(422, failure(words, "Invalid"), path)
    assert answer.explanation() == "422 Invalid"
    assert PASSWORD not in str(answer.error("writing it"))
    assert PASSWORD not in repr(answer)


def test_a_refusal_is_denied_and_all_else_unreachable() -> None:
    denied = response(403, failure("no", "Forbidden")).error("reading x")
    assert isinstance(denied, ClusterDeniedError)
    assert str(denied) == "reading x: the API server answered 403 Forbidden (no)"
    assert denied.hint
    other = response(500, b"").error("reading x")
    assert isinstance(other, ClusterUnreachableError)
    assert other.hint


def test_a_missing_right_is_told_as_an_rbac_rule() -> None:
    text = missing_right(kind("apps/v1", "Deployment", "deployments"), "list")
    rule = '{apiGroups: ["apps"], resources: ["deployments"], verbs: ["list"]}'
    assert text == f"a role with the rule {rule} would allow it"
