"""Objects to bytes and back: one byte-stable YAML form, proven safe for every reader.

``encode`` writes what Go's readers (kubectl, Helm, Flux), YAML 1.1 and YAML 1.2 readers all read
as the same values. ``decode`` reads its own output fast and leaves everything else to the
careful reader. The only door to ryaml.
"""

from __future__ import annotations

import math
import re
from typing import Any

import ryaml

from kube2git.core import yamlreader
from kube2git.core.wire import Json
from kube2git.core.yamlreader import Located, YamlError

__all__ = [
    "Located",
    "TooDeepError",
    "YamlError",
    "decode",
    "decode_config",
    "encode",
    "ordered",
]

# ── Writing ──────────────────────────────────────────────────────────────────────────────────


class TooDeepError(ValueError):
    """A value is nested more deeply than YAML readers follow."""


_FIRST = ("apiVersion", "kind", "metadata")
_FIRST_IN_METADATA = ("name", "namespace", "labels", "annotations")

_PLAIN = re.compile(
    r"[A-Za-z_/][\w./@+-]*(?::[\w./@+-]+)*"
    r"|[0-9]+(?:[KMGTPE]i|ms|[msh])",  # 500m, 128Mi, 30s: no reader takes these for numbers
    re.ASCII,
)
_NOT_TEXT = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
"""Lower-case words that one YAML reader or another does not take for text."""
_NEEDS_ESCAPE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_LITERAL = re.compile(r"\A\s|\r|\n[ \t]+(?:\n|\Z)")
_FULL_LINE = re.compile(r"\n(?=[^\n])")
_ESCAPED = re.compile('["\\\\\n\r\t]|' + _NEEDS_ESCAPE.pattern)
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

_MAX_SIMPLE_KEY = 1000
"""YAML readers give up looking for the colon of a key after 1024 characters."""
_MAX_INDENT = 400
"""Columns, two for a level: `decode` must be able to read what was written."""
_MAX_CACHED = 20_000
_MAX_CACHED_LENGTH = 128

_texts: dict[str, str] = {}
_keys: dict[str, str] = {}


def encode(body: Json) -> bytes:
    """Return the YAML file of an object, or of any JSON mapping; equal values give equal bytes.

    apiVersion, kind and metadata (name, namespace, labels and annotations first) lead, because
    people look for them there. All other keys are sorted by code point: neither the server nor a
    client promises an order, Go's encoders sort too, and a diff must show changes, not shuffles.

    1.0 is written as 1, since JSON and Go know no difference. Raise TypeError for what JSON cannot
    hold, ValueError for infinities, NaN and text that is not Unicode (a lone surrogate), and
    TooDeepError for what readers would refuse.
    """
    out: list[str] = []
    if body:
        _write_mapping(out, body, _order(body, _FIRST), "", "")
    else:
        out.append("{}\n")
    return "".join(out).encode()


def ordered(body: Json) -> Json:
    """Return a copy of ``body`` whose keys stand in the order in which ``encode`` writes them."""
    result = {key: _sorted(body[key]) for key in _order(body, _FIRST)}
    metadata = result.get("metadata")
    if isinstance(metadata, dict):
        result["metadata"] = {key: metadata[key] for key in _order(metadata, _FIRST_IN_METADATA)}
    return result


def _order(mapping: Json, first: tuple[str, ...]) -> list[str]:
    return [key for key in first if key in mapping] + sorted(mapping.keys() - first)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _write_mapping(out: list[str], mapping: Json, keys: list[str], lead: str, indent: str) -> None:
    """Append the lines of a mapping: the first after ``lead``, the others after ``indent``."""
    _check_depth(indent)
    for key in keys:
        head = _keys.get(key) or _key(key, indent)
        value = mapping[key]
        kind = type(value)
        if kind is str:
            out.append(f"{lead}{head} {_texts.get(value) or _text(value, indent)}\n")
        elif kind is dict:
            if value:
                out.append(f"{lead}{head}\n")
                at_top = not indent and key == "metadata"
                order = _order(value, _FIRST_IN_METADATA) if at_top else sorted(value)
                inner = indent + "  "
                _write_mapping(out, value, order, inner, inner)
            else:
                out.append(f"{lead}{head} {{}}\n")
        elif kind is list:
            if value:
                out.append(f"{lead}{head}\n")
                _write_sequence(out, value, indent, indent)
            else:
                out.append(f"{lead}{head} []\n")
        else:
            out.append(f"{lead}{head} {_scalar(value)}\n")
        lead = indent


def _check_depth(indent: str) -> None:
    if len(indent) > _MAX_INDENT:
        raise TooDeepError(f"It is nested more than {_MAX_INDENT // 2} levels deep.")


def _write_sequence(out: list[str], items: list[Any], lead: str, indent: str) -> None:
    _check_depth(indent)
    for item in items:
        kind = type(item)
        if kind is str:
            out.append(f"{lead}- {_texts.get(item) or _text(item, indent)}\n")
        elif kind is dict:
            if item:
                _write_mapping(out, item, sorted(item), f"{lead}- ", indent + "  ")
            else:
                out.append(f"{lead}- {{}}\n")
        elif kind is list:
            if item:
                _write_sequence(out, item, f"{lead}- ", indent + "  ")
            else:
                out.append(f"{lead}- []\n")
        else:
            out.append(f"{lead}- {_scalar(item)}\n")
        lead = indent


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return _float(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot stand in a manifest")


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("infinities and NaN cannot stand in a manifest")
    text = repr(yamlreader.as_go_prints(value))
    mantissa, e, exponent = text.partition("e")
    # YAML 1.1 takes an exponent for part of a number only after a point: 1.0e+30, not 1e+30.
    return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else text


def _key(key: str, indent: str) -> str:
    text = _line(key)
    if len(text) > _MAX_SIMPLE_KEY:
        return f"? {text}\n{indent}:"
    head = f"{text}:"
    _remember(_keys, key, head)
    return head


def _text(value: str, indent: str) -> str:
    """Return how a string stands behind ``key:`` or ``-`` at this indentation."""
    if "\n" in value and not _NOT_LITERAL.search(value) and not _NEEDS_ESCAPE.search(value):
        body, pad = value.rstrip("\n"), f"\n{indent}  "
        endings = len(value) - len(body)
        chomping = "-" if endings == 0 else "" if endings == 1 else "+"
        return f"|{chomping}{pad}{_FULL_LINE.sub(pad, body)}{value[len(body) : -1]}"
    text = _line(value)
    _remember(_texts, value, text)
    return text


def _line(value: str) -> str:
    """Return a string as a scalar on one line."""
    if _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT:
        return value
    if "\n" in value or "\r" in value or _NEEDS_ESCAPE.search(value):
        return f'"{_ESCAPED.sub(_escape, value)}"'
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return _SHORT_ESCAPES.get(char) or f"\\u{ord(char):04x}"


def _remember(cache: dict[str, str], value: str, text: str) -> None:
    if len(value) <= _MAX_CACHED_LENGTH:
        if len(cache) >= _MAX_CACHED:
            cache.clear()
        cache[value] = text


# ── Reading ──────────────────────────────────────────────────────────────────────────────────


def decode(data: bytes, *, source: str = "") -> Json:
    """Return the object in a file, its keys in the order in which they stand there.

    A file that kube2git wrote is read by the fast reader, and that is proven each time by writing
    what was read: the same bytes. Anything else was touched by a person or another program, and
    is read as kubectl reads it, but strictly (``yamlreader``).

    Raise YamlError, which names ``source`` and the line and never quotes a value.
    """
    try:
        body = ryaml.loads(data.decode())  # type: ignore[attr-defined]  # it lacks __all__
        if type(body) is dict and encode(body) == data:
            return body
    except (ValueError, TypeError):
        pass  # Not canonical: the careful reader finds out what it is, and says so.
    return yamlreader.read(data, source).body


def decode_config(data: bytes, source: str) -> Located:
    """Return a configuration file with the lines of its keys; an empty file is an empty mapping.

    Raise YamlError.
    """
    return yamlreader.read(data, source, may_be_empty=True)
