"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386) on decoded JSON; the input stays as it is.

Messages name paths, never values: what is patched may be a Secret.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any

_NEEDS_VALUE = ("add", "replace", "test")
_NEEDS_FROM = ("move", "copy")
OPERATIONS = (*_NEEDS_VALUE, *_NEEDS_FROM, "remove")

_INDEX = re.compile(r"0|[1-9][0-9]*")
_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


class PatchError(ValueError):
    """The patch does not fit the value."""


class TestFailedError(PatchError):
    """A ``test`` operation found something else."""

    __test__ = False


def problems_of(patch: Any) -> list[str]:
    """Return what is wrong with a JSON Patch, whatever it is applied to, as whole sentences."""
    if not isinstance(patch, list) or not patch:
        return ["a JSON patch is a list of operations."]
    problems = []
    for number, operation in enumerate(patch, start=1):
        if not isinstance(operation, Mapping):
            problems.append(f"operation {number} is not a mapping.")
            continue
        op = operation.get("op")
        if op not in OPERATIONS:
            problems.append(f"operation {number}: op must be one of {', '.join(OPERATIONS)}.")
        for name in ("path", "from") if op in _NEEDS_FROM else ("path",):
            pointer = operation.get(name)
            if not isinstance(pointer, str) or not _POINTER.fullmatch(pointer):
                problems.append(
                    f"operation {number}: {name} must be a JSON pointer such as /spec/replicas, "
                    "'/' in a key written as ~1 and '~' as ~0."
                )
        if op in _NEEDS_VALUE and "value" not in operation:
            problems.append(f"operation {number}: {op} needs a value.")
    return problems


def apply_json_patch(value: Any, patch: Sequence[Mapping[str, Any]]) -> Any:
    """Return the patched value; raise PatchError, TestFailedError if a ``test`` does not hold.

    All operations count or none does.
    """
    document = copy.deepcopy(value)
    for operation in patch:
        path = operation["path"]
        match operation["op"]:
            case "add":
                document = _add(document, path, copy.deepcopy(operation["value"]))
            case "remove":
                document = _remove(document, path)
            case "replace":
                _find(document, path)
                document = _set(document, path, copy.deepcopy(operation["value"]))
            case "move":
                if path.startswith(f"{operation['from']}/"):
                    raise PatchError(f"{operation['from']} cannot be moved into itself.")
                moved = _find(document, operation["from"])
                document = _add(_remove(document, operation["from"]), path, moved)
            case "copy":
                document = _add(document, path, copy.deepcopy(_find(document, operation["from"])))
            case "test":
                if not is_same(_find(document, path), operation["value"]):
                    raise TestFailedError(f"{path} holds something else.")
    return document


def apply_merge_patch(value: Any, patch: Any) -> Any:
    """Return the value with ``patch`` merged into it; null removes a field."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = dict(value) if isinstance(value, Mapping) else {}
    for key, part in patch.items():
        if part is None:
            merged.pop(key, None)
        else:
            merged[key] = apply_merge_patch(merged.get(key), part)
    return merged


def is_same(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 and 1.0 are the same, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _step(container: Any, token: str, pointer: str) -> Any:
    """Return what stands below a token."""
    if isinstance(container, dict) and token in container:
        return container[token]
    if isinstance(container, list) and _INDEX.fullmatch(token) and int(token) < len(container):
        return container[int(token)]
    raise PatchError(f"there is nothing at {pointer}.")


def _find(document: Any, pointer: str) -> Any:
    for token in _tokens(pointer):
        document = _step(document, token, pointer)
    return document


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    *outer, last = _tokens(pointer)
    for token in outer:
        document = _step(document, token, pointer)
    if not isinstance(document, dict | list):
        raise PatchError(f"{pointer} leads into a value that has no fields.")
    return document, last


def _add(document: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    parent, last = _parent(document, pointer)
    if isinstance(parent, dict):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif _INDEX.fullmatch(last) and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise PatchError(f"the list has no place {pointer}.")
    return document


def _set(document: Any, pointer: str, value: Any) -> Any:
    if not pointer:
        return value
    parent, last = _parent(document, pointer)
    parent[int(last) if isinstance(parent, list) else last] = value
    return document


def _remove(document: Any, pointer: str) -> Any:
    _find(document, pointer)
    if not pointer:
        return None
    parent, last = _parent(document, pointer)
    del parent[int(last) if isinstance(parent, list) else last]
    return document
