"""Field-level differences for people: which fields of an object changed, Secrets' values masked.

Items of lists are matched by the fields that name them (containers by name, ports by number), so
that an inserted container is one addition. Never in the hot path: whether two objects differ at
all is a question for their digests. The only door to deepdiff.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from kube2git.core import wire
from kube2git.core.wire import Json

Path = tuple[str | int, ...]
"""Keys from an object's root to a field; in lists an index, or an ItemKey where items have names.

A removed item stands at its old index, everything else at the new one.
"""
Masked = Callable[[Path], bool]
"""Tells whether the value at a path, and all that is below it, must not be shown."""

MASK = "***"
MASK_CHANGED = "*** (changed)"
"""Stands for the new value where old and new differ, so that the change itself can be seen."""


class ItemKey(str):
    """The place of a list's item, by the fields that name it: ``web``, or ``80/TCP``."""

    fields: tuple[tuple[str, Any], ...]
    """For example (("containerPort", 80), ("protocol", "TCP"))."""

    def __new__(cls, fields: tuple[tuple[str, Any], ...]) -> ItemKey:
        label = "/".join(str(value) for _, value in fields if value != "")
        self = super().__new__(cls, label)
        self.fields = fields
        return self


class Kind(enum.StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; a list of which only the order differs is one change."""

    path: Path
    """Empty when the object as a whole was added or removed."""
    kind: Kind
    old: Any
    """None when added; masked if need be."""
    new: Any
    """None when removed; masked if need be."""


def changes(
    old: Json | None, new: Json | None, *, masked: Masked | None = None
) -> list[FieldChange]:
    """Return what differs between two states of an object, sorted by path.

    Nothing exactly when their digests are equal. ``masked`` defaults to ``secret_values``.
    """
    body = new if new is not None else old
    if body is None:
        return []
    hidden = masked or secret_values(body)
    if old is None:
        return [FieldChange((), Kind.ADDED, None, _mask(new, (), hidden))]
    if new is None:
        return [FieldChange((), Kind.REMOVED, _mask(old, (), hidden), None)]
    found = _Comparison(hidden).of(old, new, ())
    return sorted(found, key=lambda change: [(isinstance(k, str), k) for k in change.path])


def masked_pair(
    old: Json | None, new: Json | None, *, masked: Masked | None = None
) -> tuple[Json | None, Json | None]:
    """Return copies with masked values, for a diff of their text: what differs still does."""
    hidden = masked or secret_values(new or old or {})
    return _mask(old, (), hidden), _mask(new, (), hidden, before=old)


_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LABEL = re.compile(r"(?!\d+\Z)[\w./:@+-]+")


def dotted(path: Path) -> str:
    """Return a path for people, such as ``spec.template.spec.containers[web].image``.

    A key with a dot or another special character is quoted: ``metadata.labels["a.b/c"]``.
    """
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif isinstance(part, ItemKey):
            text += f"[{part if _LABEL.fullmatch(part) else _quoted(part)}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{_quoted(part)}]"
    return text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


# ── Comparing ────────────────────────────────────────────────────────────────────────────────

_ITEM_KEYS: dict[str, tuple[tuple[str, ...], ...]] = {
    "conditions": (("type",),),
    "hostAliases": (("ip",),),
    "ownerReferences": (("kind", "name"),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "subjects": (("kind", "namespace", "name"),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
    "volumeDevices": (("devicePath",),),
    "volumeMounts": (("mountPath",),),
}
"""Field that holds a list -> the fields that may name its items. All other lists: by ``name``.

Source: the list-map keys of the Kubernetes API (x-kubernetes-list-map-keys), as far as they are
not ``name``; subjects, which the API replaces as a whole, by what makes them one.
"""
_DEFAULTS = {"protocol": "TCP", "namespace": ""}
"""Fields that name an item, together with others, and that it may lack."""

_MAX_ALIGNED = 1000
"""Items; a longer list without names is shown as one change, since aligning is quadratic."""
_MAX_LIKENESS = 64
"""Pairs that DeepDiff is asked to weigh; each costs milliseconds."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    masked: Masked

    def of(self, old: Any, new: Any, path: Path) -> Iterator[FieldChange]:
        if self.masked(path):
            if _differ(old, new):
                yield FieldChange(path, Kind.CHANGED, MASK, MASK_CHANGED)
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from self._of_mappings(old, new, path)
        elif isinstance(old, list) and isinstance(new, list):
            named = _by_name(old, new, path[-1] if path else "")
            if named is None:
                yield from self._of_lists(old, new, path)
            else:
                yield from self._of_named(*named, path)
        elif _differ(old, new):
            yield self._changed(path, old, new)

    def _of_mappings(self, old: Json, new: Json, path: Path) -> Iterator[FieldChange]:
        for key, value in old.items():
            if key in new:
                yield from self.of(value, new[key], (*path, key))
            else:
                yield self._removed((*path, key), value)
        for key, value in new.items():
            if key not in old:
                yield self._added((*path, key), value)

    def _of_named(self, old: Json, new: Json, path: Path) -> Iterator[FieldChange]:
        yield from self._of_mappings(old, new, path)
        if [key for key in old if key in new] != [key for key in new if key in old]:
            yield FieldChange(path, Kind.CHANGED, [*map(str, old)], [*map(str, new)])

    def _of_lists(self, old: list[Any], new: list[Any], path: Path) -> Iterator[FieldChange]:
        olds, news = [wire.canonical(item) for item in old], [wire.canonical(item) for item in new]
        if olds == news:
            return
        if sorted(olds) == sorted(news) or max(len(old), len(new)) > _MAX_ALIGNED:
            yield self._changed(path, old, new)
            return
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, olds, news, autojunk=False).get_opcodes():
            if tag == "equal":
                continue
            pairs = dict(_pair(old[i1:i2], new[j1:j2]))
            for i in range(i1, i2):
                if i - i1 in pairs:
                    j = j1 + pairs[i - i1]
                    yield from self.of(old[i], new[j], (*path, j))
                else:
                    yield self._removed((*path, i), old[i])
            for j in range(j1, j2):
                if j - j1 not in pairs.values():
                    yield self._added((*path, j), new[j])

    def _added(self, path: Path, new: Any) -> FieldChange:
        return FieldChange(path, Kind.ADDED, None, _mask(new, path, self.masked))

    def _removed(self, path: Path, old: Any) -> FieldChange:
        return FieldChange(path, Kind.REMOVED, _mask(old, path, self.masked), None)

    def _changed(self, path: Path, old: Any, new: Any) -> FieldChange:
        shown = _mask(new, path, self.masked, before=old)
        return FieldChange(path, Kind.CHANGED, _mask(old, path, self.masked), shown)


def _differ(old: Any, new: Any) -> bool:
    # Not ``!=``: to Python 1, 1.0 and True are one, to a digest they are three.
    return wire.canonical(old) != wire.canonical(new)


def _by_name(
    old: list[Any], new: list[Any], field: str | int
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return both lists as mappings from ItemKey to item; None when the items have no names."""
    for fields in (*_ITEM_KEYS.get(str(field), ()), ("name",)):
        before, after = _keyed(old, fields), _keyed(new, fields)
        if before is not None and after is not None:
            return before, after
    return None


def _keyed(items: list[Any], fields: tuple[str, ...]) -> dict[str, Any] | None:
    keyed: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict):
            return None
        values = [item.get(field, _DEFAULTS.get(field)) for field in fields]
        if not all(isinstance(value, str | int) for value in values):
            return None
        keyed[ItemKey(tuple(zip(fields, values, strict=True)))] = item
    return keyed if len(keyed) == len(items) else None


def _pair(old: list[Any], new: list[Any]) -> Iterator[tuple[int, int]]:
    """Yield which items of two stretches belong together, order kept; the others stand alone."""
    if len(old) == len(new) == 1 or not all(isinstance(item, dict) for item in (*old, *new)):
        yield from zip(range(len(old)), range(len(new)), strict=False)
        return
    if not old or not new or len(old) * len(new) > _MAX_LIKENESS:
        return
    last = -1
    for i, j in _alike(old, new):
        if j > last:
            yield i, j
            last = j


def _alike(old: list[Any], new: list[Any]) -> list[tuple[int, int]]:
    """Return the pairs of items that DeepDiff finds most alike."""
    # Imported late: 80 ms that most differences do not need.
    from deepdiff import DeepDiff

    tree = DeepDiff(
        old,
        new,
        view="tree",
        ignore_order=True,
        report_repetition=True,
        ignore_private_variables=False,  # else it is blind to keys that begin with __
        cutoff_intersection_for_pairs=1,
    )
    pairs = set()
    for levels in tree.values():
        for level in levels:
            root = level.all_up
            if root.t1_child_rel is not None and root.t2_child_rel is not None:
                pairs.add((root.t1_child_rel.param, root.t2_child_rel.param))
    return sorted((i, j) for i, j in pairs if old[i].keys() & new[j].keys())


# ── Masking ──────────────────────────────────────────────────────────────────────────────────

_LAST_APPLIED = ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")


def secret_values(body: Json) -> Masked:
    """Return what must not be shown of an object: the values of a Secret.

    Also the annotation in which kubectl keeps a copy of the whole object, on every kind.
    """
    is_secret = body.get("kind") == "Secret" and body.get("apiVersion") == "v1"

    def masked(path: Path) -> bool:
        if path == _LAST_APPLIED:
            return True
        return is_secret and len(path) == 2 and path[0] in ("data", "stringData")

    return masked


_MISSING: Any = object()


def _mask(value: Any, path: Path, masked: Masked, before: Any = _MISSING) -> Any:
    """Return a copy with masked values; ``before`` tells which of them are new."""
    if value is None:
        return None
    if masked(path):
        return MASK if before is _MISSING or not _differ(before, value) else MASK_CHANGED
    if isinstance(value, dict):
        past = before if isinstance(before, dict) else {}
        return {
            key: _mask(item, (*path, key), masked, past.get(key, _MISSING))
            for key, item in value.items()
        }
    if isinstance(value, list):
        past = dict(enumerate(before)) if isinstance(before, list) else {}
        return [
            _mask(item, (*path, index), masked, past.get(index, _MISSING))
            for index, item in enumerate(value)
        ]
    return value
