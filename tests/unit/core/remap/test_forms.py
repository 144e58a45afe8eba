from __future__ import annotations

import pytest

from kube2git.core.remap import forms
from kube2git.core.remap.forms import Evidence, Form

EVIDENCE = forms.evidence_in(
    [
        ("", "Service", "prod", "db"),
        ("serving.knative.dev", "Service", "prod", "kn"),
        ("", "Pod", "prod", "pod"),
        ("traefik.io", "Middleware", "prod", "auth"),
        ("traefik.containo.us", "Middleware", "prod", "old.name"),
        ("traefik.io", "Middleware", "prod-a", "b"),
        ("traefik.io", "Middleware", "prod", "a-b"),
    ]
)


def names_in(form: Form, text: str, evidence: Evidence = EVIDENCE) -> list[str]:
    return [text[span.start : span.end] for span in forms.FINDERS[form](text, evidence)]


@pytest.mark.parametrize(
    "text",
    [
        "db.prod.svc",
        "db.prod.svc.",
        "db.prod.svc:5432",
        "db.prod.svc/path",
        "db.prod.svc.cluster.local",
        "db.prod.svc.cluster.local.",
        "db.prod.svc.clusterset.local",
        "https://user:pw@db.prod.svc.cluster.local:443/prod?x=prod#y",
        "*.db.prod.svc.cluster.local",
        "*.prod.svc",
        ".prod.svc.cluster.local",
        "db-0.db.prod.svc.cluster.local",
        "_http._tcp.db.prod.svc.cluster.local",
        "10-0-0-7.prod.pod.cluster.local",
        "10-0-0-7.prod.pod",
        "prod.svc.cluster.local",
        "a=db.prod.svc,prod",
        "(db.prod.svc)",
        "see db.prod.svc. Then",
        "'db.prod.svc'",
        "tcp://db.prod.svc",
        r"^db\.prod\.svc\.cluster\.local$",
        r"db\\.prod\\.svc",
        r"{\"u\":\"db.prod.svc\"}",
        r"db.prod.svc\nnext",
        "${NAME}.prod.svc",
        "{{ name }}.prod.svc:80",
        "svc.prod.svc",
        "pod.prod.svc",
    ],
)
def test_dns_names_of_services_and_pods(text: str) -> None:
    assert names_in(Form.DNS, text) == ["prod"]


@pytest.mark.parametrize(
    "text",
    [
        "prod",
        "db.prod",
        "prod.example.com",
        "db.prod.svc.example.com",
        "db.prod.svcs",
        "db.prod.svc-x",
        "db.prod.service",
        "db.my_prod.svc",
        "db.Prod.svc",
        "prod.svc",
        "/prod.svc",
        "a.prod.pod",
        "prod.pod.cluster.local",
        "registry/prod:svc",
        "db.prod-.svc",
        "db..svc",
        "",
    ],
)
def test_what_only_looks_like_a_dns_name(text: str) -> None:
    assert names_in(Form.DNS, text) == []


def test_several_names_in_one_text() -> None:
    text = "a.one.svc,b.two.svc.cluster.local;c.three.svc:1 svc.svc.svc"

    assert names_in(Form.DNS, text) == ["one", "two", "three", "svc"]


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        (Form.NAMESPACE, "prod", ["prod"]),
        (Form.NAMESPACE, "${pvc.namespace}", []),
        (Form.NAMESPACE, "*", []),
        (Form.NAMESPACE, "", []),
        (Form.USER, "system:serviceaccount:prod:builder", ["prod"]),
        (Form.USER, "system:serviceaccount:prod:a:b", []),
        (Form.USER, "system:serviceaccount:prod", []),
        (Form.USER, "x-system:serviceaccount:prod:b", []),
        (Form.GROUP, "system:serviceaccounts:prod", ["prod"]),
        (Form.GROUP, "system:serviceaccounts", []),
        (Form.GROUP, "system:serviceaccounts:prod:x", []),
        (Form.NAMESPACED_NAME, "prod/cert", ["prod"]),
        (Form.NAMESPACED_NAME, "prod/*.example.com", ["prod"]),
        (Form.NAMESPACED_NAME, "prod/db.shop.svc.cluster.local", ["prod", "shop"]),
        (Form.NAMESPACED_NAME, "./prod.example.com", []),
        (Form.NAMESPACED_NAME, "prod/a/b", []),
        (Form.NAMESPACED_NAME, "prod/", []),
        (Form.NAMESPACED_NAME, "prod", []),
        (Form.COMMA_LIST, "prod, web,a.b,x-*", ["prod", "web"]),
        (Form.PRINCIPAL, "cluster.local/ns/prod/sa/x", ["prod"]),
        (Form.PRINCIPAL, "spiffe://cluster.local/ns/prod/sa/x", ["prod"]),
        (Form.PRINCIPAL, "*/ns/prod/*", ["prod"]),
        (Form.PRINCIPAL, "cluster.local/dns/prod/sa/x", []),
        (Form.HOST, "db.prod", ["prod"]),
        (Form.HOST, "db.prod:5432", ["prod"]),
        (Form.HOST, "http://u:p@db.prod:80/prod", ["prod"]),
        (Form.HOST, "x.prod.svc", ["prod"]),
        (Form.HOST, "a.example.com:1,db.prod:9092", ["prod"]),
        (Form.HOST, "web.prod", []),
        (Form.HOST, "kn.prod", []),
        (Form.HOST, "db.prod.example.com", []),
        (Form.HOST, "http://example.com/db.prod", []),
        (Form.HOST, "prod", []),
        (Form.TRAEFIK, "prod-auth@kubernetescrd", ["prod"]),
        (Form.TRAEFIK, "x@file,prod-old.name@kubernetescrd", ["prod"]),
        (Form.TRAEFIK, "prod-gone@kubernetescrd", []),
        (Form.TRAEFIK, "prod-auth@file", []),
        # Two namespaces could be meant.
        (Form.TRAEFIK, "prod-a-b@kubernetescrd", []),
    ],
)
def test_each_form(form: Form, text: str, expected: list[str]) -> None:
    assert names_in(form, text) == expected


def test_a_long_text_without_names_of_services_is_passed_over_quickly() -> None:
    assert names_in(Form.DNS, "a-" * 200_000 + "prod.svc.x") == []
