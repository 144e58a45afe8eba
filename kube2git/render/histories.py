"""Commits and what they changed: text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kube2git.core.report import LogEntry
from kube2git.render import differences
from kube2git.render.style import Paint


def as_table(entry: LogEntry, paint: Paint, *, is_full: bool) -> Iterator[str]:
    """Yield a commit's line, and what it changed below it; ``is_full``: with the fields."""
    commit = entry.commit
    yield f"{paint(commit.id[:10], 'bold')}  {commit.time:%Y-%m-%d %H:%M:%S}  {commit.subject}"
    if not is_full:
        return
    for diff in entry.diffs:
        who = entry.managers.get(diff.ref, ())
        by = paint(f"  by {', '.join(who)}", "dim") if who else ""
        yield f"    {paint(f'{diff.change} {diff.ref}', diff.change)}{by}"
        if diff.problem:
            yield f"        {diff.problem}"
        for change in diff.fields:
            yield f"        {differences.field_line(change, paint)}"


def as_data(entry: LogEntry) -> dict[str, Any]:
    """Return a commit as JSON data; see docs/json.md."""
    commit = entry.commit
    return {
        "commit": commit.id,
        "time": commit.time.isoformat(),
        "author": commit.author,
        "subject": commit.subject,
        "trailers": dict(commit.trailers),
        "changes": [
            {**data, "managers": list(entry.managers.get(diff.ref, ()))}
            for diff, data in zip(entry.diffs, differences.as_data(entry.diffs), strict=True)
        ],
    }
