"""No exception and no repr of this package holds a Secret's value or a private key."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kube2git.core import sealing
from kube2git.core.sealing import (
    CreationRules,
    Identities,
    Opener,
    Recipients,
    Scope,
    Sealer,
    Sealing,
    SealRule,
    SecretValues,
    cipher,
    describe,
    seal,
    unseal,
)
from kube2git.core.sealing.fingerprints import Seals, parse_key
from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError
from tests.unit.core.sealing.samples import (
    ALICE,
    BOB,
    RULE,
    WHEN,
    base64,
    new_document,
    sealed,
    secret,
)

CANARY = "Canary7fQ2xZ9"
PRIVATE = ALICE.private.splitlines()[-1]
SECRETS = (CANARY, base64(CANARY), PRIVATE, PRIVATE.lower())

BODY = secret(
    data={"a": base64(CANARY), "b": base64(f"x{CANARY}")},
    stringData={"text": CANARY, "number": CANARY},
)


def tampered(*keys: str, to: Any) -> Json:
    document = sealed(BODY)
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = to
    return document


def with_type(name: str) -> Json:
    """Return a document in which a value was sealed as a type that it is not."""
    key_cipher, data_key = cipher.Cipher.generate()
    plain = cipher.Plain(CANARY.encode() + b"\xff" * (name == "str"), name)
    return new_document(
        {"data": {"a": key_cipher.seal(plain, b"data:a:")}}, data_key, ALICE.recipients
    )


FAILURES: dict[str, Callable[[], Any]] = {
    "surrogate": lambda: sealed(secret(data={"a": f"{CANARY}\ud800"})),
    "number": lambda: sealed(secret(data={"a": 2**63, "b": CANARY})),
    "own sops": lambda: sealed({**BODY, "sops": CANARY}),
    "scope too small": lambda: sealed(BODY, scope=Scope("encrypted_regex", "^b$")),
    "scope too large": lambda: sealed(BODY, scope=Scope("unencrypted_suffix", "_")),
    "in clear": lambda: unseal(tampered("data", "a", to=CANARY), ALICE.identities),
    "no text": lambda: unseal(tampered("data", "a", to=[5, CANARY]), ALICE.identities),
    "forged": lambda: unseal(tampered("data", "a", to=sealed(BODY)["data"]["a"]), ALICE.identities),
    "MAC": lambda: unseal(tampered("metadata", "name", to=CANARY), ALICE.identities),
    "time": lambda: unseal(tampered("sops", "lastmodified", to=CANARY), ALICE.identities),
    "mac text": lambda: unseal(tampered("sops", "mac", to=CANARY), ALICE.identities),
    "no mac": lambda: unseal(tampered("sops", "mac", to=[CANARY]), ALICE.identities),
    "block": lambda: unseal({**BODY, "sops": CANARY}, ALICE.identities),
    "regex": lambda: unseal(tampered("sops", "encrypted_regex", to=[CANARY]), ALICE.identities),
    "age": lambda: unseal(tampered("sops", "age", to=[{"enc": CANARY}]), ALICE.identities),
    "clear surrogate": lambda: unseal(
        tampered("metadata", "name", to=f"{CANARY}\udfff"), ALICE.identities
    ),
    "wrong identity": lambda: unseal(sealed(BODY), BOB.identities),
    "no identity": lambda: unseal(sealed(BODY), Identities()),
    "int": lambda: unseal(with_type("int"), ALICE.identities),
    "float": lambda: unseal(with_type("float"), ALICE.identities),
    "bool": lambda: unseal(with_type("bool"), ALICE.identities),
    "not UTF-8": lambda: unseal(with_type("str"), ALICE.identities),
    "unknown type": lambda: unseal(with_type("comment"), ALICE.identities),
    "recipient": lambda: Recipients.parse([PRIVATE]),
    "recipient in lower case": lambda: Recipients.parse([PRIVATE.lower()]),
    "recipient, cut": lambda: Recipients.parse([PRIVATE[3:], CANARY]),
    "recipients in a rule": lambda: CreationRules.parse({"creation_rules": [{"age": PRIVATE}]}),
    "identity": lambda: Identities.parse(f"{PRIVATE}x\n{CANARY}"),
    "identity, cut": lambda: Identities.parse(PRIVATE[:-1]),
    "identity in PEM": lambda: Identities.parse(f"-----BEGIN {CANARY}-----\n{PRIVATE}"),
    "identity, protected": lambda: Identities.parse(
        f"age-encryption.org/v1\n{PRIVATE}", passphrase=CANARY
    ),
    "fingerprint key": lambda: parse_key(CANARY),
    "fingerprint key, not ASCII": lambda: parse_key(f"{CANARY}ü"),
    "seals": lambda: Seals.parse({"seals": CANARY, "key": CANARY}),
    "field": lambda: SealRule.of("ConfigMap", ["metadata.name"]),
}


def whole_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_no_error_holds_a_secret(failure: Callable[[], Any]) -> None:
    with pytest.raises(Kube2gitError) as caught:
        failure()
    shown = "".join(traceback.format_exception_only(caught.value))
    for error in whole_chain(caught.value):
        shown += f"{error} {error!r} {error.args!r} {vars(error)!r} {getattr(error, 'object', '')}"
    assert not [text for text in SECRETS if text in shown]
    assert str(caught.value).endswith(".")


def test_no_repr_holds_a_secret() -> None:
    values = SecretValues()
    values.add(BODY, RULE)
    findings = values.search({"kind": "ConfigMap", "data": {"a": CANARY, CANARY: "x"}})
    assert findings
    key_cipher, data_key = cipher.Cipher.generate()
    plain = cipher.plain_of(CANARY)
    wraps = ALICE.recipients.wrap(data_key)
    settings = Sealing({"Secret": RULE}, ALICE.recipients, key=CANARY.encode())
    sealer = Sealer(settings, when=WHEN)
    assert not sealer.is_unchanged("a.yaml", BODY, RULE, "b10b")
    shown = repr(
        [
            settings,
            sealer,
            sealer.seals(frozenset()),
            Opener(lambda: ALICE.identities),
            *describe(findings, "ConfigMap"),
            values,
            findings,
            key_cipher,
            plain,
            wraps,
            ALICE.identities,
            ALICE.recipients,
            RULE,
            seal(BODY, RULE, ALICE.recipients, when=WHEN),
        ]
    )
    assert not [text for text in (*SECRETS, repr(data_key)) if text in shown]


def test_every_class_of_the_package_is_looked_at_here() -> None:
    classes = {name for name in sealing.__all__ if isinstance(getattr(sealing, name), type)}
    errors = {name for name in classes if issubclass(getattr(sealing, name), Kube2gitError)}
    assert classes - errors - {"LeakPolicy"} == {
        "CreationRule", "CreationRules", "Finding", "Identities", "Opener", "Recipients", "Scope",
        "SealRule", "Sealer", "Sealing", "Seals", "SecretValues",
    }  # fmt: skip
