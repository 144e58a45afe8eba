"""Where a field stands in an object: steps by name, and list items by what they are, not where.

An item is named by its keys (the container called web) or by its value, as the API server's field
ownership does, so that a path means the same in an object before and after it was cleaned. Paths
are shown to people; they never hold a field's value, except that of an item of a set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kube2git.core.wire import Json

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """The item of a list whose fields have these values."""

    pairs: tuple[tuple[str, Scalar], ...]
    """(field, value), sorted by field."""

    @classmethod
    def of(cls, pairs: dict[str, Scalar]) -> Key:
        return cls(tuple(sorted(pairs.items())))

    def matches(self, item: Any) -> bool:
        return isinstance(item, dict) and all(
            field in item and _is_same(item[field], value) for field, value in self.pairs
        )


@dataclass(frozen=True, slots=True)
class Value:
    """The item of a list that has this value."""

    value: Scalar


Step = str | Key | Value
Path = tuple[Step, ...]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_LABEL = re.compile(r"(?!\d+\Z)[\w./:@+-]+")


def text(path: Path) -> str:
    """Return for example ``spec.containers[web].env[A]``, as fielddiff.dotted does; "" for all."""
    parts: list[str] = []
    for step in path:
        if isinstance(step, Key | Value):
            values = [value for _, value in step.pairs] if isinstance(step, Key) else [step.value]
            label = "/".join(
                value if isinstance(value, str) else json.dumps(value) for value in values
            )
            parts.append(f"[{label if _LABEL.fullmatch(label) else _quoted(label)}]")
        elif _PLAIN_NAME.fullmatch(step):
            parts.append(f".{step}" if parts else step)
        else:
            parts.append(f"[{_quoted(step)}]")
    return "".join(parts)


def _quoted(label: str) -> str:
    return json.dumps(label, ensure_ascii=not label.isprintable())


def fields_only(path: Path) -> str:
    """Return the names alone, list items left out: ``webhooks.clientConfig.caBundle``."""
    return ".".join(step for step in path if isinstance(step, str))


def _is_same(one: Any, other: Any) -> bool:
    # True == 1 in Python, not in JSON.
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def index_of(step: Step, items: list[Any]) -> int | None:
    """Return where in a list the item that ``step`` names stands; None when it is not there."""
    for index, item in enumerate(items):
        if isinstance(step, Key) and step.matches(item):
            return index
        if isinstance(step, Value) and _is_same(item, step.value):
            return index
    return None


def locate(path: Path, body: Any) -> tuple[str | int, ...] | None:
    """Return the keys and indices that lead to a field in ``body``; None when it is not there."""
    found: list[str | int] = []
    node = body
    for step in path:
        if isinstance(step, str):
            if not isinstance(node, dict) or step not in node:
                return None
            found.append(step)
            node = node[step]
        else:
            index = index_of(step, node) if isinstance(node, list) else None
            if index is None:
                return None
            found.append(index)
            node = node[index]
    return tuple(found)


def pointer(location: Iterable[str | int]) -> str:
    """Write keys and indices as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def without(body: Json, paths: Iterable[Path]) -> Json:
    """Return ``body`` without the fields and items at ``paths``; the input stays as it is."""
    result: Json = body
    for path in paths:
        if path:
            result = _drop(result, path)
    return result


def _drop(node: Any, path: Path) -> Any:
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        if not isinstance(node, dict) or step not in node:
            return node
        if not rest:
            return {name: value for name, value in node.items() if name != step}
        return {**node, step: _drop(node[step], rest)}
    index = index_of(step, node) if isinstance(node, list) else None
    if index is None:
        return node
    middle = [_drop(node[index], rest)] if rest else []
    return [*node[:index], *middle, *node[index + 1 :]]


def read_server_text(written: str, body: Any) -> Path | None:
    """Find the field that an API server's message names, such as ``.data.a`` or ``.a[name="x"].b``.

    The server does not quote names, so a dot may belong to one: what ``body`` holds decides. None
    when the field is not in ``body``.
    """
    if not written:
        return ()
    if written.startswith("."):
        if not isinstance(body, dict):
            return None
        names = (name for name in body if written.startswith(name, 1))
        for name in sorted(names, key=len, reverse=True):
            rest = written[1 + len(name) :]
            if rest and rest[0] not in ".[":
                continue
            tail = read_server_text(rest, body[name])
            if tail is not None:
                return (name, *tail)
        return None
    step, rest = _read_item(written)
    index = index_of(step, body) if step is not None and isinstance(body, list) else None
    if step is None or index is None:
        return None
    tail = read_server_text(rest, body[index])
    return None if tail is None else (step, *tail)


_KEY_NAME = re.compile(r"([A-Za-z0-9_.-]+)=")
_decoder = json.JSONDecoder()


def _read_item(written: str) -> tuple[Step | None, str]:
    """Read ``[name="x",port=1]rest`` or ``[="x"]rest``; (None, "") when it is neither."""
    try:
        if written.startswith("[="):
            value, end = _decoder.raw_decode(written, 2)
            return (Value(value), written[end + 1 :]) if written[end] == "]" else (None, "")
        pairs: dict[str, Scalar] = {}
        position = 1
        while match := _KEY_NAME.match(written, position):
            pairs[match[1]], position = _decoder.raw_decode(written, match.end())
            if written[position] == "]":
                return Key.of(pairs), written[position + 1 :]
            position += 1
    except (ValueError, IndexError):
        pass
    return None, ""
