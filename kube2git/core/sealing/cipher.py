"""One value of a SOPS document to ``ENC[AES256_GCM,…]`` and back. The only door to cryptography.

Source of the format: aes/cipher.go of sops 3.11.
"""

from __future__ import annotations

import re
import secrets
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from decimal import Decimal
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kube2git.core.yamlreader import as_go_prints

Scalar = str | int | float | bool

DATA_KEY_SIZE = 32
_NONCE_SIZE = 32
_TAG_SIZE = 16
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**63, 2**64)

_SEALED = re.compile(r"ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),type:([a-z]+)\]")


class UnreadableValueError(ValueError):
    """The text is no sealed value, or holds none of the type that it names."""


class ForgedValueError(ValueError):
    """The value, its place or its key is not the one that was sealed."""


class Plain(NamedTuple):
    """A value as SOPS encrypts and hashes it."""

    data: bytes
    type: str

    def __repr__(self) -> str:
        return f"Plain(<{len(self.data)} bytes>, {self.type!r})"


def plain_of(value: Scalar) -> Plain:
    """Return the bytes and the type name of a value as sops reads it in the file.

    Whole numbers are integers there, and those beyond 64 bits floating-point again. Raise
    ValueError, without the value, for what sops cannot read: numbers that need the 64th bit, and
    text that is not Unicode.
    """
    if isinstance(value, str):
        try:
            return Plain(value.encode(), "str")
        except UnicodeEncodeError:
            pass  # It holds the text, and would go along as the context of what is raised here.
        raise ValueError("the text is not Unicode")
    if isinstance(value, bool):
        return Plain(b"True" if value else b"False", "bool")
    number = as_go_prints(value) if isinstance(value, float) else value
    if isinstance(number, int):
        if number in _INT64:
            return Plain(b"%d" % number, "int")
        if number in _UINT64:
            raise ValueError("the number is too large")
    try:
        return Plain(_digits(float(number)).encode(), "float")
    except OverflowError:
        raise ValueError("the number is too large") from None


def _digits(value: float) -> str:
    # Go's strconv.FormatFloat(value, 'f', -1, 64): shortest digits, never an exponent.
    return format(Decimal(repr(value)), "f")


class Cipher:
    """Seals and opens the values of one document with its data key."""

    __slots__ = ("_aead",)

    def __init__(self, data_key: bytes) -> None:
        self._aead = AESGCM(data_key)

    @classmethod
    def generate(cls) -> tuple[Cipher, bytes]:
        """Return a cipher with a new data key, and that key.

        Keys and nonces come from the operating system, as in age: there is no argument for them,
        because no caller has a better source, and a repeated nonce gives the values away.
        """
        data_key = secrets.token_bytes(DATA_KEY_SIZE)
        return cls(data_key), data_key

    def seal(self, plain: Plain, bound_to: bytes) -> str:
        """Return ``ENC[…]``, which opens only with the same ``bound_to``; empty stays empty."""
        if not plain.data:
            return ""
        nonce = secrets.token_bytes(_NONCE_SIZE)
        sealed = self._aead.encrypt(nonce, plain.data, bound_to)
        data, tag = sealed[:-_TAG_SIZE], sealed[-_TAG_SIZE:]
        return (
            f"ENC[AES256_GCM,data:{_base64(data)},iv:{_base64(nonce)},"
            f"tag:{_base64(tag)},type:{plain.type}]"
        )

    def open(self, text: str, bound_to: bytes) -> Plain:
        """Return what ``seal`` was given; raise UnreadableValueError or ForgedValueError."""
        if not text:
            return Plain(b"", "str")
        match = _SEALED.fullmatch(text)
        if match is None:
            raise UnreadableValueError
        try:
            data, nonce, tag = (a2b_base64(part, strict_mode=True) for part in match.groups()[:3])
            return Plain(self._aead.decrypt(nonce, data + tag, bound_to), match[4])
        except InvalidTag:
            raise ForgedValueError from None
        except (Base64Error, ValueError):  # ValueError: a nonce of a size that nobody writes
            raise UnreadableValueError from None


def value_of(plain: Plain) -> Scalar:
    """Return the value that ``plain`` stands for; raise UnreadableValueError."""
    try:
        text = plain.data.decode()
        if plain.type in ("str", "time"):  # sops tells dates apart; JSON has text only.
            return text
        if plain.type == "int":
            return int(text)
        if plain.type == "float":
            return float(text)
        if plain.type == "bool":
            return {"True": True, "true": True, "False": False, "false": False}[text]
    except (ValueError, KeyError):
        pass  # They quote the text.
    raise UnreadableValueError


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
