"""Differences between two states, object-wise and field-wise: text, unified diff, JSON, names."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from kube2git.core import fielddiff, yamlio
from kube2git.core.fielddiff import FieldChange
from kube2git.core.message import Change, count_changes
from kube2git.core.objects import ObjectRef
from kube2git.core.report import ObjectDiff
from kube2git.core.wire import Json
from kube2git.render.style import Paint

MAX_VALUE = 120
"""Characters of a value that are shown on one line."""

_MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}


def ref_data(ref: ObjectRef) -> dict[str, str]:
    """Return a reference as the JSON answers give it."""
    return {"group": ref.group, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def as_table(diffs: Sequence[ObjectDiff], paint: Paint) -> Iterator[str]:
    """Yield one line for each object, and one for each of its fields below it."""
    for diff in diffs:
        yield paint(f"{_MARKS[diff.change]} {diff.ref}", diff.change)
        if diff.problem:
            yield f"    {diff.problem}"
        for change in diff.fields:
            yield f"    {field_line(change, paint)}"
    if diffs:
        yield ""
    yield summary(diffs)


def summary(diffs: Sequence[ObjectDiff]) -> str:
    """Return the counts as a sentence."""
    counts = count_changes(diff.change for diff in diffs)
    return f"{counts}." if counts else "No differences."


def field_line(change: FieldChange, paint: Paint) -> str:
    """Return for example ``spec.replicas: 2 -> 3``."""
    name = fielddiff.dotted(change.path)
    if change.kind == "added":
        return f"{name}: {paint('+ ' + value_text(change.new), Change.ADDED)}"
    if change.kind == "removed":
        return f"{name}: {paint('- ' + value_text(change.old), Change.REMOVED)}"
    return f"{name}: {value_text(change.old)} -> {value_text(change.new)}"


def value_text(value: Any) -> str:
    """Return a value on one line, cut where it is long."""
    text = value if isinstance(value, str) and _is_simple(value) else _quoted(value)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def _quoted(value: Any) -> str:
    # JSON lets some control characters pass that terminals obey.
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _is_simple(text: str) -> bool:
    return bool(text) and text.isprintable() and text == text.strip()


def as_unified(diffs: Iterable[ObjectDiff], paint: Paint) -> Iterator[str]:
    """Yield a unified diff of the YAML, values of Secrets masked."""
    for diff in diffs:
        if diff.problem:
            yield f"{diff.ref}: {diff.problem}"
        old, new = fielddiff.masked_pair(diff.old, diff.new, masked=diff.hidden)
        lines = difflib.unified_diff(
            _lines(old),
            _lines(new),
            "/dev/null" if old is None else f"a/{diff.ref}",
            "/dev/null" if new is None else f"b/{diff.ref}",
            lineterm="",
        )
        for line in lines:
            if line.startswith("+") and not line.startswith("+++"):
                yield paint(line, Change.ADDED)
            elif line.startswith("-") and not line.startswith("---"):
                yield paint(line, Change.REMOVED)
            else:
                yield line


def _lines(body: Json | None) -> list[str]:
    return [] if body is None else yamlio.encode(body).decode().splitlines()


def as_data(diffs: Iterable[ObjectDiff]) -> list[dict[str, Any]]:
    """Return the differences as JSON data; see docs/json.md."""
    return [
        {
            "object": ref_data(diff.ref),
            "change": str(diff.change),
            "fields": [field_data(change) for change in diff.fields],
            **({"problem": diff.problem} if diff.problem else {}),
        }
        for diff in diffs
    ]


def field_data(change: FieldChange) -> dict[str, Any]:
    """Return one field's change as JSON data."""
    data: dict[str, Any] = {"path": fielddiff.dotted(change.path), "change": str(change.kind)}
    if change.kind != "added":
        data["old"] = change.old
    if change.kind != "removed":
        data["new"] = change.new
    return data


def as_names(diffs: Iterable[ObjectDiff]) -> Iterator[str]:
    """Yield the objects' names."""
    return (str(diff.ref) for diff in diffs)
