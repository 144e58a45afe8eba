"""Fingerprints: the same for the same, another for anything that changes what the file must be."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest

from kube2git.core import yamlio
from kube2git.core.sealing import MalformedSealError, Recipients, Scope, SealingKeyError
from kube2git.core.sealing.fingerprints import (
    Seals,
    fingerprint,
    key_id,
    new_key,
    parse_key,
)
from tests.unit.core.sealing.samples import ALICE, BOB, RULE, secret

KEY = bytes(range(32))
PATH = "namespaces/shop/Secret/db.yaml"
BODY = secret(data={"a": "YQ==", "b": "Yg=="})


def of(
    *,
    key: bytes = KEY,
    path: str = PATH,
    recipients: Recipients = ALICE.recipients,
    scope: Scope = RULE.scope,
    body: dict[str, object] = BODY,
    blob: str = "b10b",
) -> str:
    return fingerprint(key, path, recipients, scope, body, blob)


def test_the_order_of_keys_and_recipients_does_not_count() -> None:
    both = Recipients.parse([ALICE.public, BOB.public])
    shuffled = dict(reversed(BODY.items())) | {"data": {"b": "Yg==", "a": "YQ=="}}
    assert of(recipients=both) == of(
        recipients=Recipients.parse([BOB.public, ALICE.public]), body=shuffled
    )
    assert re.fullmatch("[0-9a-f]{64}", of())


def test_whatever_changes_the_file_changes_the_fingerprint() -> None:
    variants = [
        of(),
        of(key=bytes(32)),
        of(path=PATH + "x"),
        of(recipients=BOB.recipients),
        of(recipients=Recipients.parse([ALICE.public, BOB.public])),
        of(scope=Scope("encrypted_regex", "^(data|stringData|x)$")),
        of(scope=Scope("encrypted_regex", RULE.scope.text, mac_only_encrypted=True)),
        of(body=secret(data={"a": "YQ=="})),
        of(body=secret(data={"a": "YQ==", "b": "Yg==", "c": ""})),
        of(body=secret(name="other", data=BODY["data"])),
        of(body=secret(data=BODY["data"], immutable=True)),
        of(blob="0ther"),
    ]
    assert len(set(variants)) == len(variants)


def test_a_new_key_is_read_and_told_apart_without_being_told() -> None:
    text = new_key()
    key = parse_key(f" {text}\n")
    assert key == b64decode(text)
    assert len(key) == 32
    assert new_key() != text
    assert key_id(key) == key_id(parse_key(text)) != key_id(KEY)
    assert re.fullmatch("[0-9a-f]{16}", key_id(KEY))
    assert key_id(KEY) not in (KEY.hex(), of())


@pytest.mark.parametrize(
    "text",
    ["", "c2hvcnQ=", "hunter2-hunter2", new_key()[:-4], "ü", "=" * 44],
    ids=["none", "short", "words", "cut", "umlaut", "padding"],
)
def test_what_is_no_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SealingKeyError, match="not 32 bytes") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value) + caught.value.hint


def test_the_file_of_seals_is_written_and_read() -> None:
    seals = Seals(key_id(KEY), {PATH: of(), "cluster/Widget.example.com/%41.yaml": "00"})
    assert Seals.parse(yamlio.decode(yamlio.encode(seals.render()))) == seals
    assert Seals.parse(Seals().render()) == Seals.parse({}) == Seals()


@pytest.mark.parametrize(
    "data", [{"seals": []}, {"seals": {"a": 5}}, {"seals": {5: "a"}}, {"key": 5}, {"seals": None}]
)
def test_another_form_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(MalformedSealError, match=r"seals\.yaml"):
        Seals.parse(data)
