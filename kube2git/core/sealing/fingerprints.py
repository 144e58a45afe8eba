"""seals.yaml: what was sealed, told by a keyed fingerprint, so that the unchanged stays as it is.

Every sealing gives new bytes. A file is kept while it is the one that was written, and the
fingerprint of what it should hold is the one noted then. The key stays out of the repository: with
it, or with a plain hash, short passwords could be guessed from what is noted.
"""

from __future__ import annotations

import hmac
import secrets
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kube2git.core import wire
from kube2git.core.sealing.errors import MalformedSealError, SealingKeyError
from kube2git.core.sealing.keys import Recipients
from kube2git.core.sealing.scope import Scope
from kube2git.core.wire import Json

KEY_SIZE = 32


def new_key() -> str:
    """Return a new fingerprint key as text, for a file, a Secret or the environment."""
    return b2a_base64(secrets.token_bytes(KEY_SIZE), newline=False).decode()


def parse_key(text: str) -> bytes:
    """Read a fingerprint key; raise SealingKeyError."""
    try:
        key = a2b_base64(text.strip().encode(), strict_mode=True)
    except (Base64Error, UnicodeEncodeError):
        key = b""
    if len(key) != KEY_SIZE:
        raise SealingKeyError(
            "The fingerprint key is not 32 bytes in base64.",
            hint="Remove it, and the next export makes a new one and seals everything again, once.",
        )
    return key


def key_id(key: bytes) -> str:
    """Return what tells one fingerprint key from another without telling the key."""
    return hmac.digest(key, b"kube2git fingerprint key", "sha256").hex()[:16]


def fingerprint(
    key: bytes, path: str, recipients: Recipients, scope: Scope, body: Json, blob: str
) -> str:
    """Return the fingerprint of one sealed file: HMAC-SHA-256, hexadecimal.

    It covers all that decides what the file must be: where it stands, for whom and which values
    are sealed, and the clear object. And the file itself, by its blob id: what somebody else has
    written over it (`sops edit`, a merge) must not pass for what was sealed.
    """
    content = wire.canonical([path, recipients.texts, scope.settings, body, blob])
    return hmac.digest(key, content, "sha256").hex()


@dataclass(frozen=True)
class Seals:
    """The content of seals.yaml."""

    key_id: str = ""
    """The key that the fingerprints were made with; "" when none was."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Path -> fingerprint."""

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Seals:
        """Read the decoded file; raise MalformedSealError."""
        found, seals = data.get("key", ""), data.get("seals", {})
        if not (
            isinstance(found, str)
            and isinstance(seals, dict)
            and all(isinstance(text, str) for pair in seals.items() for text in pair)
        ):
            raise MalformedSealError(
                "The file seals.yaml does not have the form in which kube2git writes it.",
                hint="Remove it, and everything is sealed again once.",
            )
        return cls(found, seals)

    def render(self) -> Json:
        """Return what ``yamlio.encode`` writes and ``parse`` reads."""
        return {"key": self.key_id, "seals": dict(self.fingerprints)}
