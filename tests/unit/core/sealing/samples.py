"""Keys and objects that the tests of sealing share."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from kube2git.core import yamlio
from kube2git.core.sealing import Identities, Recipients, Scope, SealRule, new_identity, seal
from kube2git.core.sealing.rules import seal_rules
from kube2git.core.wire import Json

WHEN = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
RULE = seal_rules({})["Secret"]


class Pair(NamedTuple):
    """A private key as a file holds it, and its public key."""

    private: str
    public: str

    @property
    def identities(self) -> Identities:
        return Identities.parse(self.private)

    @property
    def recipients(self) -> Recipients:
        return Recipients.parse([self.public])


ALICE = Pair(*new_identity(WHEN))
BOB = Pair(*new_identity(WHEN))


@cache
def ssh_pair(kind: str) -> Pair:
    """Return an SSH key, ``ed25519`` or ``rsa``."""
    key = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else rsa.generate_private_key(public_exponent=65537, key_size=2048)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return Pair(private.decode(), public.decode())


def base64(value: str | bytes) -> str:
    return b64encode(value.encode() if isinstance(value, str) else value).decode()


def secret(*, name: str = "db", **fields: object) -> Json:
    """Return a Secret with these top-level fields."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "web", "tier": "on"}},
        "type": "Opaque",
        **fields,
    }


def sealed(
    body: Json,
    *,
    rule: SealRule = RULE,
    recipients: Recipients = ALICE.recipients,
    scope: Scope | None = None,
) -> Json:
    return seal(body, rule, recipients, when=WHEN, scope=scope)


def sealed_file(
    body: Json,
    *,
    rule: SealRule = RULE,
    recipients: Recipients = ALICE.recipients,
    scope: Scope | None = None,
) -> bytes:
    return yamlio.encode(sealed(body, rule=rule, recipients=recipients, scope=scope))


def new_document(values: Json, data_key: bytes, recipients: Recipients) -> Json:
    """Return a document around values that are sealed already; its MAC is none."""
    age = [{"recipient": wrap.recipient, "enc": wrap.armored} for wrap in recipients.wrap(data_key)]
    block = {"age": age, "lastmodified": "2026-03-01T12:30:05Z", "mac": "ENC[]"}
    return {**values, "sops": {**block, "encrypted_regex": "^(data|stringData)$"}}
