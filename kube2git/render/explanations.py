"""What cleaning removes from an object, and why: text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from kube2git.core.cleaning import Explanation, Finding
from kube2git.core.message import Change
from kube2git.core.objects import ObjectRef
from kube2git.render.differences import ref_data
from kube2git.render.style import Paint


def as_table(ref: ObjectRef, found: Explanation, paint: Paint, *, is_full: bool) -> Iterator[str]:
    """Yield the verdict, then each field with its rule; ``is_full``: with what is kept."""
    yield paint(str(ref), "bold")
    if found.left_out is not None:
        yield f"  left out as a whole by rule {found.left_out.id}: {found.left_out.reason}"
        return
    yield from _lines("-", found.removed, Change.REMOVED, paint)
    yield from _lines("~", found.normalised, Change.CHANGED, paint)
    if is_full:
        yield from _lines("=", found.kept, Change.ADDED, paint)
    if not (found.removed or found.normalised):
        yield "  nothing is removed"


def _lines(mark: str, findings: Sequence[Finding], role: str, paint: Paint) -> Iterator[str]:
    for finding in findings:
        yield f"  {paint(f'{mark} {finding.path}', role)}"
        yield f"      {paint(f'{finding.rule.id}: {finding.rule.reason}', 'dim')}"


def as_data(ref: ObjectRef, found: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON data; see docs/json.md."""
    return {
        "object": ref_data(ref),
        "leftOut": {"rule": found.left_out.id, "reason": found.left_out.reason}
        if found.left_out
        else None,
        "removed": _data(found.removed),
        "normalised": _data(found.normalised),
        "kept": _data(found.kept),
    }


def _data(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        {"path": finding.path, "rule": finding.rule.id, "reason": finding.rule.reason}
        for finding in findings
    ]
