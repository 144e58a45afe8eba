"""One object waits for another: the value that the graph is made of."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from kube2git.core.objects import ObjectRef


class Strength(enum.StrEnum):
    STRONG = "strong"
    """Without the other it is refused, does harm, or is taken away again: do not try it."""
    OPTIONAL = "optional"
    """The order spares retries; when the other fails, or in a circle, it goes without."""


class Until(enum.StrEnum):
    """How far the other object must be."""

    APPLIED = "applied"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Edge:
    """``after`` waits for ``before``."""

    after: ObjectRef
    before: ObjectRef
    reason: str
    """A clause on ``before``, such as ``its Pods mount it``."""
    strength: Strength = Strength.STRONG
    until: Until = Until.APPLIED

    def __str__(self) -> str:
        until = " to be ready" if self.until is Until.READY else ""
        return f"waits for {self.before}{until}: {self.reason}"


CORE = ""


def strong(
    after: ObjectRef, group: str, kind: str, namespace: str, name: object, reason: str
) -> Iterator[Edge]:
    """Yield a strong edge to the object that is named; none when ``name`` is no name."""
    if isinstance(name, str) and name:
        yield Edge(after, ObjectRef(group, kind, namespace, name), reason)


def optional(
    after: ObjectRef, group: str, kind: str, namespace: str, name: object, reason: str
) -> Iterator[Edge]:
    """Yield an optional edge to the object that is named; none when ``name`` is no name."""
    if isinstance(name, str) and name:
        before = ObjectRef(group, kind, namespace, name)
        yield Edge(after, before, reason, Strength.OPTIONAL)
