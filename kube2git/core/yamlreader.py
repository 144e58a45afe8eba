"""The careful YAML reader: files that people edit, read by kubectl's rules, but strictly.

It stops at what kubectl lets pass in silence: a key that stands twice, a second document, tags.
Its errors name the line and the remedy and never quote a value, which could be a Secret's. The
only door to ruamel.yaml; yamlio is the door for everybody else.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError

Path = tuple[str | int, ...]
"""Keys and list positions from the root of a document to a value in it."""


class YamlError(Kube2gitError, ValueError):
    """A file cannot be read safely; ``hint`` says what to do about it."""

    def __init__(
        self, problem: str, *, hint: str, source: str, line: int = 0, column: int = 0
    ) -> None:
        place = f"line {line}, column {column}" if line else ""
        where = ", ".join(part for part in (source, place) if part)
        super().__init__(f"{where}: {problem}" if where else problem, hint=hint)
        self.problem = problem
        self.source = source
        self.line = line
        """Counted from 1, as is ``column``; 0 when it is the file as a whole."""
        self.column = column

    def without_source(self) -> str:
        """Return where in the file, what, and the remedy, where the file is named already."""
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        return f"{place}{self.problem}. {self.hint}"


class Located(NamedTuple):
    """A document, and the lines of the file where its keys and list items stand."""

    body: Json
    lines: Mapping[Path, int]
    """Counted from 1."""


def read(data: bytes, source: str, *, may_be_empty: bool = False) -> Located:
    """Return the only mapping in a file, keys in the order of the file; raise YamlError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        problem, hint = "this byte is not UTF-8 text", "Save the file as UTF-8."
        raise YamlError(problem, hint=hint, source=source, line=line, column=column) from None
    builder = _Builder(text, source)
    body = builder.document()
    if body is None and may_be_empty:
        return Located({}, {})
    if not isinstance(body, dict):
        raise YamlError(
            "the file is empty" if body is None else "the file does not hold keys and values",
            hint="Write settings there, one below the other, such as repo: PATH."
            if may_be_empty
            else "Write one object there, beginning with apiVersion, kind and metadata.",
            source=source,
        )
    return Located(body, builder.lines)


# ── What an unquoted scalar means ────────────────────────────────────────────────────────────

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"[-+]?0(?:[xX][0-9a-fA-F]+|[oO]?[0-7]+|[bB][01]+)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])_(?=[0-9])")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def plain_value(text: str) -> str | int | float | bool | None:
    """Return what an unquoted scalar means to kubectl; ``.inf`` and ``.nan`` are floats, too.

    Source: ``resolve`` of sigs.k8s.io/yaml/goyaml.v2, which is YAML 1.1 with Go's syntax of
    numbers and without sexagesimals and dates. Integers beyond 64 bits stay exact, though.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", ""))
    digits = _BETWEEN_DIGITS.sub("", text) if text[0] == "." else text.replace("_", "")
    if _DECIMAL.fullmatch(digits):
        return int(digits)
    if _BASED.fullmatch(digits):
        number = _based(digits)
        if -(2**63) <= number < 2**64:
            return number
    if _FLOAT.fullmatch(digits):
        value = float(digits)
        return as_go_prints(value) if math.isfinite(value) else text
    return text


def as_go_prints(value: float) -> int | float:
    """Return a number as it comes back from Go's JSON, which prints 1.0 as 1."""
    # By way of the shortest decimal form, as Go does it; int(1e20) would be another number.
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def _based(digits: str) -> int:
    sign, digits = (-1, digits[1:]) if digits[0] == "-" else (1, digits.removeprefix("+"))
    # Go reads 017 as octal, as C does; Python wants it to be written 0o17.
    return sign * int(digits, 8 if digits[1].isdigit() else 0)


# ── From parsing events to values ────────────────────────────────────────────────────────────

_HINT_SYNTAX = "Check the indentation, quotes and brackets there and just before."
_SYNTAX_HINTS = (
    ("mapping values are not allowed", "Put quotes around a value that holds a colon and a space."),
    ("found character '\\t'", "Indent with spaces instead of tabs."),
    ("found unexpected end of stream", "Close the quote that was opened."),
    ("could not find expected ':'", "Put a colon behind the key, or indent the text."),
    ("found unknown escape", "Write backslashes twice in double quotes, or use single quotes."),
)
"""How ruamel's message begins -> a remedy. The message itself can quote a value."""

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = ("!", f"{_TAG}str")
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    f"{_TAG}int": (int,),
    f"{_TAG}float": (int, float),
    f"{_TAG}bool": (bool,),
    f"{_TAG}null": (type(None),),
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[A-Za-z][\w./-]{0,62}", re.ASCII)

_MAX_NODES = 1_000_000
"""Aliases can make a short file unfold into one that fills the memory."""

_Event = Any
"""One of ruamel's parsing events; they share no typed base that has tag, anchor and value."""


class _Builder:
    """Builds plain values from ruamel's parsing events."""

    def __init__(self, text: str, source: str) -> None:
        self.lines: dict[Path, int] = {}
        self._source = source
        self._events = self._parse(text)
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def document(self) -> Any:
        """Return the value of the only document that is not empty, or None."""
        found: Any = None
        try:
            for event in self._events:
                if event.crepr != "+DOC":
                    continue
                self._anchors.clear()
                value = self._value(next(self._events), ())
                if value is not None and found is not None:
                    self._fail(
                        event,
                        "a second document begins here, and a file holds one object",
                        "Move it into a file of its own.",
                    )
                found = value if found is None else found
        except RecursionError:
            raise YamlError(
                "the file is nested too deeply", hint="Nest it less.", source=self._source
            ) from None
        return found

    def _parse(self, text: str) -> Iterator[_Event]:
        # Imported late: 50 ms that only hand-edited files and the configuration are worth.
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError
        from ruamel.yaml.reader import ReaderError

        try:
            yield from YAML(typ="safe", pure=True).parse(text)
            return
        except ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - text.rfind("\n", 0, error.position)
            problem = f"the character U+{error.character:04X} cannot stand in YAML"
            hint = f'Write it as "\\u{error.character:04x}", in double quotes.'
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
            words = error.problem or ""
            problem = "this is not valid YAML"
            hint = next((h for start, h in _SYNTAX_HINTS if words.startswith(start)), _HINT_SYNTAX)
        # Raised out here, so that ruamel's exception, which quotes the file, is not chained to it.
        raise YamlError(problem, hint=hint, source=self._source, line=line, column=column)

    def _value(self, event: _Event, path: Path) -> Any:
        if event.crepr == "=ALI":
            return self._alias(event)
        before = self._nodes
        self._count(event, 1)
        value: Any
        if event.crepr == "=VAL":
            value = self._scalar(event)
        elif event.crepr == "+SEQ":
            value = self._sequence(event, path)
        else:
            value = self._mapping(event, path)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._nodes - before)
        return value

    def _sequence(self, event: _Event, path: Path) -> list[Any]:
        self._check_tag(event, "seq")
        items: list[Any] = []
        while (item := next(self._events)).crepr != "-SEQ":
            here = (*path, len(items))
            self.lines[here] = item.start_mark.line + 1
            items.append(self._value(item, here))
        return items

    def _mapping(self, event: _Event, path: Path) -> Json:
        self._check_tag(event, "map")
        mapping: Json = {}
        written: set[str] = set()
        while (event := next(self._events)).crepr != "-MAP":
            if event.crepr == "=VAL" and event.value == "<<" and event.implicit[0]:
                self._merge(event, mapping, path)
                continue
            key = self._key(event)
            if key in written:
                named = f"the key {key}" if _NAME.fullmatch(key) else "this key"
                self._fail(event, f"{named} stands here a second time", "Remove one of the two.")
            written.add(key)
            here = (*path, key)
            self.lines[here] = event.start_mark.line + 1
            mapping[key] = self._value(next(self._events), here)
        return mapping

    def _merge(self, event: _Event, mapping: Json, path: Path) -> None:
        """Merge as kubectl does: over what stands before, under what comes after."""
        value = self._value(next(self._events), path)
        sources = value if isinstance(value, list) else [value]
        if not all(isinstance(source, dict) for source in sources):
            self._fail(
                event,
                "the merge key << is not followed by a mapping",
                "Put an alias of a mapping there, or quotes around the key.",
            )
        for source in reversed(sources):
            mapping.update(source)

    def _key(self, event: _Event) -> str:
        value = self._value(event, ()) if event.crepr in ("=VAL", "=ALI") else None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if not isinstance(value, str):
            self._fail(event, "this key is not text", "Put quotes around the key.")
        return value

    def _scalar(self, event: _Event) -> Any:
        tag = event.tag
        if tag in _TEXT_TAGS or (tag is None and not event.implicit[0]):
            if _SURROGATE.search(event.value):
                self._fail(
                    event,
                    "an escape in this text stands for half a character (a surrogate)",
                    "Write the character itself, or \\U and its eight hexadecimal digits.",
                )
            return event.value
        value = plain_value(event.value)
        if isinstance(value, float) and not math.isfinite(value):
            self._fail(
                event,
                "Kubernetes objects can hold neither infinities nor NaN",
                "Put quotes around it if it is meant as text.",
            )
        if tag is not None and not isinstance(value, _SCALAR_TAGS.get(tag, ())):
            self._refuse_tag(event)
        return value

    def _alias(self, event: _Event) -> Any:
        if event.anchor not in self._anchors:
            self._fail(
                event,
                "the anchor of this alias does not stand before it",
                "Put quotes around text that begins with *.",
            )
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return deepcopy(value)

    def _count(self, event: _Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            self._fail(event, "the file unfolds into too many values", "Use fewer aliases.")

    def _check_tag(self, event: _Event, name: str) -> None:
        if event.tag not in (None, "!", f"{_TAG}{name}"):
            self._refuse_tag(event)

    def _refuse_tag(self, event: _Event) -> NoReturn:
        self._fail(
            event,
            "a tag stands here that Kubernetes does not know or that does not fit its value",
            "Remove the tag, or put quotes around text that begins with !.",
        )

    def _fail(self, event: _Event, problem: str, hint: str) -> NoReturn:
        mark = event.start_mark
        line, column = mark.line + 1, mark.column + 1
        raise YamlError(problem, hint=hint, source=self._source, line=line, column=column)
