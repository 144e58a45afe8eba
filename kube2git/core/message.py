"""The commit message: written for people, with trailers for programs. Never holds a value."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kube2git.core.objects import ObjectRef

MAX_LINES = 40
"""Changed objects that are named one by one; the rest are counted."""
MAX_FIELDS = 4
"""Field paths that are named for one object."""

REVISION = "Kube2git-Revision"
ATOMIC = "Kube2git-Atomic"
CLUSTER = "Kube2git-Cluster"
SERVER = "Kube2git-Server"
INCOMPLETE = "Kube2git-Incomplete"
NOTE = "Kube2git-Note"
RUN = "Kube2git-Run"
SNAPSHOTS = "Kube2git-Snapshots"


class Change(enum.StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


_MARKS = {Change.ADDED: "+", Change.CHANGED: "~", Change.REMOVED: "-"}


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """One object that differs from the last commit."""

    change: Change
    ref: ObjectRef
    fields: tuple[str, ...] = ()
    """Dotted paths of the fields that changed; empty when it was not looked at."""
    managers: tuple[str, ...] = ()
    """Field managers that changed them."""

    def line(self) -> str:
        """Return for example ``~ deployment.apps/web -n shop: spec.replicas (kubectl)``."""
        text = f"{_MARKS[self.change]} {self.ref}"
        if self.fields:
            shown = ", ".join(self.fields[:MAX_FIELDS])
            more = len(self.fields) - MAX_FIELDS
            text += f": {shown}" + (f" and {more} more" if more > 0 else "")
        if self.managers:
            text += f" ({', '.join(self.managers)})"
        return text


def sort_key(change: ObjectChange) -> tuple[str, ObjectRef, Change]:
    """Order changes as the message lists them: by namespace, then by kind and name."""
    return (change.ref.namespace, change.ref, change.change)


def count_changes(changes: Iterable[Change]) -> str:
    """Return ``2 added, 1 changed``; "" when there is none."""
    counts = Counter(changes)
    return ", ".join(f"{counts[kind]} {kind}" for kind in Change if counts[kind])


def compose(
    changes: Sequence[ObjectChange],
    trailers: Mapping[str, str],
    *,
    subject: str = "",
    snapshots: Sequence[str] = (),
) -> str:
    """Return the commit message: subject, one line for each of the sorted changes, trailers.

    ``snapshots`` are further lines, one for each snapshot; all of them stand there, because they
    are the last trace of an id when a record is lost.

    ``subject`` replaces the counts when the user gave a message of their own; its further lines
    stay above the list.
    """
    counts = count_changes(change.change for change in changes)
    taken = f"{len(snapshots)} snapshot{'s' if len(snapshots) > 1 else ''}" if snapshots else ""
    said = ", ".join(filter(None, (counts, taken)))
    head = subject.strip() or f"export: {said or 'coverage changed'}"
    lines = [change.line() for change in changes[:MAX_LINES]]
    if len(changes) > MAX_LINES:
        lines.append(f"… and {len(changes) - MAX_LINES} more")
    blocks = [head]
    if lines:
        blocks.append("\n".join(lines))
    if snapshots:
        blocks.append("\n".join(f"* {_one_line(line)}" for line in snapshots))
    if trailers:
        blocks.append("\n".join(f"{key}: {_one_line(value)}" for key, value in trailers.items()))
    return "\n\n".join(blocks) + "\n"


def _one_line(value: str) -> str:
    return " ".join(value.split())
