"""Put the commit's fields into a raw live object, and leave what cleaning had taken out of it.

For the changes that server-side apply cannot make, because the other manager's half of an
either-or stays beside the new one and the server refuses both: a strategy that turns from
RollingUpdate to Recreate, a volume that becomes a Secret, an env value that becomes valueFrom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kube2git.core import fieldpath
from kube2git.core.fieldpath import Path
from kube2git.core.wire import Json


def transplant(raw: Json, clean: Json, desired: Json, keep: Iterable[Path] = ()) -> Json:
    """Return the body for a PUT that makes the object what the commit says.

    ``clean`` is the cleaned form of ``raw``; fields at ``keep`` are yielded to their owners and
    stay as they are. uid and resourceVersion stay too, so the server refuses it when the object
    has changed since it was read.
    """
    paths = tuple(keep)
    clean, desired = fieldpath.without(clean, paths), fieldpath.without(desired, paths)
    result: Json = _merge(raw, clean, desired)
    return result


def _merge(raw: Any, clean: Any, desired: Any) -> Any:
    if isinstance(raw, dict) and isinstance(clean, dict) and isinstance(desired, dict):
        merged = {
            name: _merge(value, clean.get(name), desired[name]) if name in desired else value
            for name, value in raw.items()
            if name in desired or name not in clean
        }
        return merged | {name: value for name, value in desired.items() if name not in raw}
    if isinstance(raw, list) and isinstance(clean, list) and isinstance(desired, list):
        return _merge_lists(raw, clean, desired)
    return desired


def _merge_lists(raw: list[Any], clean: list[Any], desired: list[Any]) -> list[Any]:
    if raw == clean:
        return desired
    origin = _align(raw, clean)
    stripped = [item for index, item in enumerate(raw) if index not in origin]
    merged: list[Any] = []
    free = list(range(len(clean)))
    for item in desired:
        match = next((index for index in free if _is_same_item(clean[index], item)), None)
        if match is None:
            merged.append(item)
            continue
        free.remove(match)
        merged.append(_merge(raw[origin[match]], clean[match], item))
    return merged + [item for item in stripped if item not in merged]


def _align(raw: list[Any], clean: list[Any]) -> list[int]:
    """Return for each cleaned item where it stood; cleaning keeps the order of what it keeps."""
    origin: list[int] = []
    position = 0
    for item in clean:
        while position < len(raw) and not _is_part_of(item, raw[position]):
            position += 1
        if position == len(raw):
            # Cleaning has rewritten an item: take the lists as running side by side.
            return list(range(min(len(clean), len(raw))))
        origin.append(position)
        position += 1
    return origin


def _is_part_of(clean: Any, raw: Any) -> bool:
    if isinstance(clean, dict) and isinstance(raw, dict):
        return all(name in raw and _is_part_of(value, raw[name]) for name, value in clean.items())
    if isinstance(clean, list) and isinstance(raw, list):
        rest = iter(raw)
        return all(any(_is_part_of(item, other) for other in rest) for item in clean)
    return bool(clean == raw)


_IDENTITIES: Sequence[tuple[str, ...]] = (
    ("name",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("key",),
    ("ip",),
    ("type",),
)
"""Fields by which items of built-in lists are told apart, the first that both items have."""


def _is_same_item(one: Any, other: Any) -> bool:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return bool(one == other)
    for names in _IDENTITIES:
        if names[0] in one and names[0] in other:
            return all(one.get(name) == other.get(name) for name in names)
    return one == other
