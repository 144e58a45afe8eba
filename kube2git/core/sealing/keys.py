"""age keys: whom a data key is wrapped for, and who opens it. The only door to pyrage.

Public keys may be shown. Nothing here shows, or keeps in an exception, a text that could be a
private one: people paste the wrong half of a key.
"""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import pyrage

from kube2git.core.sealing.errors import PassphraseError, SealingKeyError, TamperedError

_PROTECTED = (b"age-encryption.org/", b"-----BEGIN AGE ENCRYPTED FILE-----")
_PRIVATE = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "PRIVATE KEY-----")


class Wrap(NamedTuple):
    """A document's data key, wrapped for one recipient."""

    recipient: str
    armored: str


# ── Recipients ───────────────────────────────────────────────────────────────────────────────


class Recipients:
    """The public keys that a file is sealed for: at least one, sorted, each once."""

    __slots__ = ("_keys", "texts")

    def __init__(self, keys: dict[str, Any]) -> None:
        self.texts = tuple(sorted(keys))
        """As they stand in files: ``age1…``, ``ssh-ed25519 AAAA…`` (without its comment)."""
        self._keys = [keys[text] for text in self.texts]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Recipients:
        """Read age and SSH public keys; raise SealingKeyError, which shows no text that is none."""
        keys = dict(_read_recipient(text, place) for place, text in enumerate(texts, 1))
        if not keys:
            raise SealingKeyError(
                "No recipient is given.", hint="Give at least one public key, such as age1…."
            )
        return cls(keys)

    def wrap(self, data_key: bytes) -> list[Wrap]:
        """Wrap a data key for each recipient."""
        return [
            Wrap(text, pyrage.encrypt(data_key, [key], armored=True).decode())
            for text, key in zip(self.texts, self._keys, strict=True)
        ]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipients) and self.texts == other.texts

    def __hash__(self) -> int:
        return hash(self.texts)

    def __repr__(self) -> str:
        return f"Recipients({', '.join(self.texts)})"


def _read_recipient(text: str, place: int) -> tuple[str, Any]:
    words = text.split()
    if any(mark in text.upper() for mark in _PRIVATE):
        raise SealingKeyError(
            f"Recipient {place} is a private key.",
            hint="Give the public key that belongs to it, and take the private one out of there: "
            "who can read it can open every sealed file.",
        )
    try:
        if len(words) == 1 and words[0].lower().startswith("age1"):
            key = pyrage.x25519.Recipient.from_str(words[0])
            return str(key), key
        if len(words) > 1 and words[0] in ("ssh-ed25519", "ssh-rsa"):
            plain = f"{words[0]} {words[1]}"
            return plain, pyrage.ssh.Recipient.from_str(plain)
    except pyrage.RecipientError:
        raise SealingKeyError(
            f"Recipient {place} begins like a public key, but it is damaged or too short.",
            hint="Copy the whole line again; RSA keys need 2048 bits or more.",
        ) from None
    raise SealingKeyError(
        f"Recipient {place} is not a public key that kube2git can seal for.",
        hint="Give age1…, ssh-ed25519 AAAA… or ssh-rsa AAAA…; keys of plugins are not supported.",
    )


# ── Identities ───────────────────────────────────────────────────────────────────────────────


def is_protected(data: bytes) -> bool:
    """Tell whether an age identity file opens with a passphrase only."""
    return data.lstrip().startswith(_PROTECTED)


class Identities:
    """The private keys at hand; possibly none."""

    __slots__ = ("_keys", "pairs", "recipients")

    def __init__(self, keys: Iterable[tuple[str, Any]] = ()) -> None:
        self.pairs = pairs = list(keys)
        """(public key, private key), for ``joined``."""
        self._keys = [key for _, key in pairs]
        self.recipients = frozenset(text for text, _ in pairs if text)
        """Their public keys, as far as they can be told: not of SSH keys."""

    @classmethod
    def parse(cls, *sources: str | bytes, passphrase: str | None = None) -> Identities:
        """Read the contents of age identity files and SSH private keys.

        A passphrase opens age identity files that are protected by it. Raise PassphraseError when
        it is missing or wrong, and SealingKeyError for anything else.
        """
        keys: list[tuple[str, Any]] = []
        for source in sources:
            data = source.encode() if isinstance(source, str) else source
            keys += _read_identities(data, passphrase)
        return cls(keys)

    @classmethod
    def joined(cls, parts: Iterable[Identities]) -> Identities:
        """Return the keys of all parts together."""
        return cls(pair for part in parts for pair in part.pairs)

    def unwrap(self, wraps: Sequence[Wrap]) -> bytes | None:
        """Return the data key, or None when it is wrapped for none of these identities.

        Raise TamperedError when it is wrapped for one of them, but does not open.
        """
        if not self._keys:
            return None
        for wrap in sorted(wraps, key=lambda wrap: wrap.recipient not in self.recipients):
            try:
                return bytes(pyrage.decrypt(wrap.armored.encode(), self._keys))
            except pyrage.DecryptError:
                continue
        if self.recipients.intersection(wrap.recipient for wrap in wraps):
            raise TamperedError(
                "The data key in the file is wrapped for an identity at hand, but that identity "
                "does not open it: sops.age was changed.",
                hint="Restore the file from an earlier commit.",
            )
        return None

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"Identities({len(self._keys)} keys)"


def new_identity(when: datetime) -> tuple[str, str]:
    """Return the text of a new identity file, as age-keygen writes it, and its recipient."""
    key = pyrage.x25519.Identity.generate()
    recipient = str(key.to_public())
    created = when.isoformat(timespec="seconds")
    return f"# created: {created}\n# public key: {recipient}\n{key}\n", recipient


_HINT_IDENTITY = "Give an age identity file (AGE-SECRET-KEY-1…) or an SSH private key."


def _read_identities(data: bytes, passphrase: str | None) -> list[tuple[str, Any]]:
    text = data.lstrip()
    if is_protected(text):
        return _read_lines(_open_protected(text, passphrase))
    if text.startswith(b"-----BEGIN "):
        return [("", _read_ssh(text))]
    return _read_lines(data)


def _read_lines(data: bytes) -> list[tuple[str, Any]]:
    keys: list[tuple[str, Any]] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            key = pyrage.x25519.Identity.from_str(text)
        except pyrage.IdentityError:
            what = "of an age plugin" if text.upper().startswith("AGE-PLUGIN-") else "none"
            raise SealingKeyError(
                f"Line {number} of the identity file should be an age identity, and is {what}.",
                hint=_HINT_IDENTITY,
            ) from None
        keys.append((str(key.to_public()), key))
    if not keys:
        raise SealingKeyError("The identity file holds no identity.", hint=_HINT_IDENTITY)
    return keys


def _open_protected(data: bytes, passphrase: str | None) -> bytes:
    if passphrase is None:
        raise PassphraseError(
            "The identity file is protected by a passphrase, and none was given.",
            hint="Put it into the environment variable that sealing.passphrase_variable names, or "
            "run the command on a terminal, where it is asked for.",
        )
    try:
        return bytes(pyrage.passphrase.decrypt(data, passphrase))
    except pyrage.DecryptError:
        raise PassphraseError(
            "The identity file does not open with the passphrase that was given.",
            hint="Check the passphrase, and that the file is whole.",
        ) from None


def _read_ssh(data: bytes) -> Any:
    if _is_protected_ssh_key(data):
        raise PassphraseError(
            "The SSH private key is protected by a passphrase, which kube2git cannot use.",
            hint="Make an unprotected copy: cp KEY COPY && ssh-keygen -p -N '' -f COPY",
        )
    try:
        return pyrage.ssh.Identity.from_buffer(data)
    except pyrage.IdentityError:
        raise SealingKeyError(
            "The private key is not of a kind that can open sealed files.",
            hint=f"{_HINT_IDENTITY} Of SSH keys, ssh-ed25519 and ssh-rsa are supported.",
        ) from None


def _is_protected_ssh_key(data: bytes) -> bool:
    if b"ENCRYPTED" in data:
        return True
    # openssh-key-v1: a magic word, then the length and the name of the cipher.
    lines = [line for line in data.splitlines() if not line.startswith(b"-----")]
    try:
        body = a2b_base64(b"".join(lines))
    except Base64Error:
        return False
    return body.startswith(b"openssh-key-v1\0") and body[19:23] != b"none"
