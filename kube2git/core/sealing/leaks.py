"""Finds the values of Secrets in what is about to be written in clear text.

Found is every value that ``candidates`` names, wherever it stands inside a text or a key of an
object: bare, glued to other characters, or inside base64 (standard alphabet) that begins at the
beginning of a word. Of a value longer than 256 characters, 256 from its middle are looked for.
Not found are values that were cut up, hashed, compressed, or written in yet another encoding.

No finding, and no other text from here, holds a value.
"""

from __future__ import annotations

import struct
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from kube2git.core import wire
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.sealing.candidates import MIN_LENGTH, candidates
from kube2git.core.sealing.rules import SECRET, SealRule, field_text
from kube2git.core.sealing.scope import Keys
from kube2git.core.wire import Json

_T = TypeVar("_T", str, bytes)

_MAX_LENGTH = 256
_WINDOW = struct.Struct("=Q")
_STRIDE = 4
"""A text is looked at through windows of 8 bytes, one every 4 bytes, in C. Of 4 windows in a row
in a searched value (11 bytes) exactly one falls on a window of the text, wherever the value is."""
_SPAN = _WINDOW.size + _STRIDE - 1
_CROWDED = 8

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BASE64 = bytes(byte if byte in _ALPHABET else ord(" ") for byte in range(256))
"""For bytes.translate, which with split is three times as fast as a regular expression."""
_MIN_BASE64 = MIN_LENGTH // 3 * 4


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A value of a Secret that stands in clear text in some object."""

    field: str
    """Where in the object, as the config takes it. A key that holds the value is left out."""
    secret: ObjectRef
    """Whose value it is; when several have it, the one that was added first."""
    key: str
    """Under which field of that Secret."""


@dataclass(frozen=True, slots=True, repr=False)
class _Needle:
    data: bytes
    in_json: bytes
    """The same, as JSON writes it."""
    secret: ObjectRef
    keys: Keys

    def is_in(self, text: bytes) -> bool:
        return self.data in text or self.in_json in text


class SecretValues:
    """The values to look for. Add all Secrets, then search the objects."""

    def __init__(self) -> None:
        self._needles: list[_Needle] = []
        self._known: set[bytes] = set()
        self._windows: dict[int, list[int]] = {}
        """A window's content -> the needles that have it."""

    def __len__(self) -> int:
        return len(self._needles)

    def __repr__(self) -> str:
        return f"SecretValues({len(self)} values)"

    def add(self, body: Json, rule: SealRule) -> None:
        """Note the values of a clear object that its rule seals."""
        secret = ref_of(body)
        is_base64 = rule.kind_group == SECRET
        for keys, value in rule.scope.sealed_values(body):
            if not isinstance(value, str):
                continue
            data = _bytes_of(value, is_base64=is_base64 and keys[0] == "data")
            try:
                text = data.decode()
            except UnicodeDecodeError:
                data = _middle(data)
                self._add(_Needle(data, data, secret, keys))
                continue
            for candidate in candidates(keys[-1], text):
                part = _middle(candidate)
                self._add(_Needle(part.encode(), wire.encode(part)[1:-1], secret, keys))

    def search(self, body: Json) -> list[Finding]:
        """Return where values stand in an object, sorted; values of the object itself count too.

        In an object that is sealed, what is encrypted is never found: give it as it will be
        written.
        """
        text = wire.encode(body)
        hits = self._hits(text) | self._hits(_decoded(text))
        if not hits:
            return []
        needles = [self._needles[hit] for hit in hits]
        found = (
            Finding(field_text(_speakable(keys, needles)), needle.secret, field_text(needle.keys))
            for keys, leaf in _texts(body, ())
            for needle in needles
            if _holds(leaf, needle)
        )
        return sorted(set(found))

    def _add(self, needle: _Needle) -> None:
        if len(needle.data) < MIN_LENGTH or needle.data in self._known:
            return
        self._known.add(needle.data)
        number = len(self._needles)
        self._needles.append(needle)
        for form in {needle.data, needle.in_json}:
            for window in self._rarest_span(form):
                self._windows.setdefault(window, []).append(number)

    def _rarest_span(self, data: bytes) -> list[int]:
        """Return 4 windows in a row: from the middle, or from where fewer other values have them.

        Values that begin or end alike must not all be compared with every text that does.
        """
        last = len(data) - _SPAN
        best = _span(data, last // 2)
        crowd = self._crowd(best)
        if crowd >= _CROWDED:
            for start in (last, 0):
                span = _span(data, start)
                if self._crowd(span) < crowd:
                    best, crowd = span, self._crowd(span)
        return best

    def _crowd(self, span: list[int]) -> int:
        return max([len(self._windows.get(window, ())) for window in span])

    def _hits(self, text: bytes) -> set[int]:
        """Return the needles that stand in a text."""
        if len(text) < MIN_LENGTH:
            return set()
        view = memoryview(text)
        seen: set[int] = set()
        for start in (0, _STRIDE):
            end = start + (len(text) - start) // _WINDOW.size * _WINDOW.size
            seen |= self._windows.keys() & view[start:end].cast("Q")
        numbers = {number for window in seen for number in self._windows[window]}
        return {number for number in numbers if self._needles[number].is_in(text)}


def _holds(text: bytes, needle: _Needle) -> bool:
    return needle.data in text or needle.data in _decoded(text)


def _speakable(keys: Keys, needles: list[_Needle]) -> Keys:
    """Return the keys above the first one that holds a value itself."""
    for depth, key in enumerate(keys):
        text = key.encode("utf-8", "replace")
        if any(_holds(text, needle) for needle in needles):
            return keys[:depth]
    return keys


def _middle(text: _T) -> _T:
    start = max(0, len(text) - _MAX_LENGTH) // 2
    return text[start : start + _MAX_LENGTH]


def _span(data: bytes, start: int) -> list[int]:
    unpack = _WINDOW.unpack_from
    return [unpack(data, start + step)[0] for step in range(_STRIDE)]


def _bytes_of(value: str, *, is_base64: bool) -> bytes:
    data = value.encode("utf-8", "replace")
    if is_base64:
        try:
            return a2b_base64(data, strict_mode=True)
        except Base64Error:
            pass
    return data


def _decoded(text: bytes) -> bytes:
    """Return what the base64 in a text stands for, one piece a line."""
    if b"\\" in text:  # "\nabc" in JSON is no word that begins with n.
        for escape in (b"\\n", b"\\r", b"\\t"):
            text = text.replace(escape, b" ")
    words = [word for word in text.translate(_BASE64).split() if len(word) >= _MIN_BASE64]
    return b"\n".join(map(_from_base64, words))


def _from_base64(word: bytes) -> bytes:
    # One character after whole groups of four stands for nothing; two or three need padding.
    return a2b_base64((word[:-1] if len(word) % 4 == 1 else word) + b"==")


def _texts(node: Any, keys: Keys) -> Iterator[tuple[Keys, bytes]]:
    """Yield every text in an object with the keys above it; keys are texts of where they stand."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield keys, key.encode("utf-8", "replace")
            yield from _texts(value, (*keys, key))
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item, keys)
    elif isinstance(node, str):
        yield keys, node.encode("utf-8", "replace")
