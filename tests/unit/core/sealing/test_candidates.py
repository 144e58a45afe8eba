"""Which texts of a Secret are worth looking for elsewhere."""

from __future__ import annotations

import json

import pytest

from kube2git.core.sealing.candidates import candidates
from tests.unit.core.sealing.samples import base64

RANDOM = "q8Zr2Lx9Vb4T"
"""12 characters of no word."""
UUID = "3f9a0c12-77b1-4e0d-9a44-8f2d6c1b5e90"
PEM_KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "\n".join(f"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{line}Kx9Qz" for line in range(9))
    + "\n-----END PRIVATE KEY-----\n"
)
CERTIFICATE = (
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTAN\n-----END CERTIFICATE-----\n"
)
SSH_PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0qPz1x9Qz8 me@home"

# Key, value -> what is looked for.
LOOKED_FOR = [
    # Long and of no words.
    ("a", RANDOM, [RANDOM]),
    ("a", f"  {RANDOM}\n", [RANDOM]),
    ("a", RANDOM[:-1], []),
    ("a", "S3cr3t-hunter2", ["S3cr3t-hunter2"]),
    ("a", "pässwörter1x2y3z", ["pässwörter1x2y3z"]),
    ("a", "Wm3-Tq8-Zx1-Pl5", ["Wm3-Tq8-Zx1-Pl5"]),
    ("a", "let!me!in!please", ["let!me!in!please"]),
    ("a", f"Bearer {RANDOM}", [f"Bearer {RANDOM}"]),
    # Everyday: words and numbers.
    ("a", "administrator", []),
    ("a", "configuration-management", []),
    ("a", "db.shop.svc.cluster.local:5432", []),
    ("a", "https://api.example.com/v1/login", []),
    ("a", "registry.example.com/team/web:1.27.3", []),
    ("a", "ec2-54-12-1.us-east-1a.example", []),
    ("a", "policy/v1beta1 or batch/v2alpha1", []),
    ("a", "2026-03-01T12:30:05Z", []),
    ("a", "123456789012", []),
    ("a", "arn:aws:iam::123456789012:role/web", []),
    ("a", "kubernetes.io/service-account-token", []),
    ("a", "true and false", []),
    # The key makes words a secret.
    ("password", "correct-horse-battery", ["correct-horse-battery"]),
    ("dbPassword", "correct horse battery", ["correct horse battery"]),
    ("AUTH_TOKEN", "letmein-2024", ["letmein-2024"]),
    ("password", "administrator", []),
    ("password", "Default-Password", []),
    ("password", "supersecretpassword", ["supersecretpassword"]),
    ("password", "administrator1", ["administrator1"]),
    ("tokenUrl", "https://login.example.com/oauth/token", []),
    # The key makes it a name.
    ("client_id", UUID, []),
    ("clientSecret", UUID, [UUID]),
    ("a", UUID, [UUID]),
    ("username", "svc-x7Qp93kd82", []),
    ("secretName", "tls-x7Qp93kd82", []),
    # Public.
    ("tls.crt", CERTIFICATE, []),
    ("ca", base64(CERTIFICATE), []),
    ("authorized_keys", SSH_PUBLIC, []),
    # Inside of something else.
    ("url", f"mysql://app:{RANDOM}@db:5432", [f"mysql://app:{RANDOM}@db:5432", RANDOM]),
    ("tls.key", PEM_KEY, ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC4Kx9Qz"]),
    ("bundle", CERTIFICATE + PEM_KEY, ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASC4Kx9Qz"]),
    ("env", f"HOST=db.shop.svc\nexport PASSWORD='{RANDOM}'\n# words and words\n", [RANDOM]),
    ("ini", f"[main]\npassword = a horse battery\nuser = {RANDOM}\n", ["a horse battery"]),
    ("yaml", f'db:\n  password: "{RANDOM}"\n  port: 5432\n', [RANDOM]),
    ("lines", f"{RANDOM}==\n", [f"{RANDOM}=="]),
    ("lines", f"{RANDOM}==\nsome words here\n", [f"{RANDOM}=="]),
    ("json", json.dumps({"host": "h", "list": [{"key": RANDOM}], "n": 5}), [RANDOM]),
    ("json", f'{{"not json": "{RANDOM}"', [f'{{"not json": "{RANDOM}']),
    (
        ".dockerconfigjson",
        json.dumps({"auths": {"r": {"username": "u", "auth": base64(f"u:{RANDOM}")}}}),
        [f"u:{RANDOM}", base64(f"u:{RANDOM}")],
    ),
    # Base64 of text is that text as well.
    ("a", base64(RANDOM + "x7"), [RANDOM + "x7", base64(RANDOM + "x7")]),
    ("a", base64("words and more words"), [base64("words and more words")]),
    ("a", "", []),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "expected"), LOOKED_FOR)
def test_what_is_looked_for(key: str, value: str, expected: list[str]) -> None:
    assert sorted(set(candidates(key, value))) == sorted(expected)


def test_how_deep_a_document_is_nested_does_not_matter() -> None:
    nested = {depth: "[" * depth + f'"{RANDOM}"' + "]" * depth for depth in (900, 5000)}
    assert list(candidates("a", nested[900])) == [RANDOM]
    assert list(candidates("a", nested[5000])) == [nested[5000]]  # is not read as JSON any more


def test_of_a_long_file_the_beginning_is_looked_at() -> None:
    lines = [f"line-{number}-{RANDOM}" for number in range(1000)]
    assert set(candidates("a", "\n".join(lines))) == set(lines[:200])
