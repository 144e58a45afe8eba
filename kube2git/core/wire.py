"""JSON as the API server speaks it: skim a list without decoding it, decode one object, digest.

The only door to msgspec. A list of 500 objects is mostly bytes that nobody will look at, since
most objects have not changed since the last run; so ``skim`` cuts it into raw items and reads of
each only what identifies it.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, TypeVar

import msgspec

Json = dict[str, Any]
"""One decoded object: {"apiVersion": …, "kind": …, "metadata": {…}, …}."""


T = TypeVar("T")


class MalformedJsonError(ValueError):
    """The bytes are not the JSON that was expected (cut off, or an HTML page of a proxy)."""


class TooDeepError(MalformedJsonError):
    """It is JSON, but nested more deeply than it is read."""


class ItemMeta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What identifies one stored state of one object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Item(msgspec.Struct, gc=False):
    metadata: ItemMeta


class _ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class _List(msgspec.Struct, gc=False, rename="camel"):
    items: list[msgspec.Raw] | None
    """Required: a Status or an empty object must never pass for a list without items."""
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    kind: str = ""


class RawObject(msgspec.Struct, frozen=True, gc=False):
    """One item of a list, not yet decoded.

    Items of built-in kinds carry no apiVersion and kind; ``decode`` fills them in.
    """

    meta: ItemMeta
    raw: msgspec.Raw
    """A view into the page's bytes: keep a RawObject only as long as its page."""

    def decode(self, api_version: str, kind: str) -> Json:
        """Return the whole object, apiVersion and kind first; raise TooDeepError."""
        body = decode(self.raw)
        return {"apiVersion": api_version, "kind": kind, **body}


class ListPage(msgspec.Struct, frozen=True, gc=False):
    """One page of a list: its items, the revision it was read at ("" if unsaid), the next token."""

    resource_version: str
    continue_token: str
    items: list[RawObject]
    list_kind: str
    remaining: int = 0
    """How many objects follow in later pages, where the server says so."""


_list_decoder = msgspec.json.Decoder(_List)
_item_decoder = msgspec.json.Decoder(_Item)
_any_decoder = msgspec.json.Decoder()
_sorted_encoder = msgspec.json.Encoder(order="sorted")
_plain_encoder = msgspec.json.Encoder()

_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""msgspec lets the last two through: bytes that are not UTF-8, and a value nested too deeply."""


def skim(data: bytes) -> ListPage:
    """Cut a list response into raw items; raise MalformedJsonError when it is not a list."""
    try:
        page = _list_decoder.decode(data)
        read = _item_decoder.decode
        items = [RawObject(read(raw).metadata, raw) for raw in page.items or ()]
    except _NOT_JSON as error:
        raise _malformed(error) from None
    meta = page.metadata
    remaining = meta.remaining_item_count or 0
    return ListPage(meta.resource_version, meta.continue_, items, page.kind, remaining)


def decode(data: bytes | msgspec.Raw) -> Any:
    """Decode any JSON value; raise MalformedJsonError when the bytes are not JSON."""
    try:
        return _any_decoder.decode(data)
    except _NOT_JSON as error:
        raise _malformed(error) from None


def convert(value: Any, type: type[T]) -> T:
    """Build a dataclass, or what else its type says, of decoded JSON: the reverse of ``encode``.

    Raise MalformedJsonError when it does not fit the type.
    """
    try:
        return msgspec.convert(value, type)
    except msgspec.MsgspecError as error:
        raise _malformed(error) from None


def encode(value: Any) -> bytes:
    """Return compact JSON, keys in the order in which they stand; dataclasses are objects."""
    return _plain_encoder.encode(value)


def readable(value: Any) -> str:
    """Return JSON for people, indented by two; text stays as it is, never escaped for ASCII."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def canonical(value: Any) -> bytes:
    """Return canonical JSON: compact, keys sorted; equal values give equal bytes."""
    return _sorted_encoder.encode(value)


def digest(value: Any) -> str:
    """Return the identity of a value's content: BLAKE2b-160 of its canonical JSON, hexadecimal."""
    return hashlib.blake2b(_sorted_encoder.encode(value), digest_size=20).hexdigest()


_YAML_UNSAFE = re.compile("[\u007f-\u009f\u2028\u2029\ufffe\uffff]")


def apply_body(value: Any) -> bytes:
    """Return JSON for a server-side apply.

    The API server reads an apply body with a YAML reader, which changes or refuses some
    characters that JSON allows bare, without a word (seen on 1.37: U+0085 becomes a space).
    Exactly those are escaped; characters beyond the BMP stay bare, since the same reader refuses
    escaped surrogate pairs.
    """
    text = _plain_encoder.encode(value).decode()
    if text.isascii() and "\x7f" not in text:
        return text.encode()
    return _YAML_UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", text).encode()


def _malformed(error: Exception) -> MalformedJsonError:
    # msgspec's own messages name positions and types; the others can quote what they choked on.
    if isinstance(error, RecursionError):
        return TooDeepError("nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return MalformedJsonError("not UTF-8 text")
    return MalformedJsonError(str(error).splitlines()[0][:200])
