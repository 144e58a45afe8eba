"""What a remap did, what it left alone, and what stands in its way: plain values for the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kube2git.core.objects import Manifest, ObjectRef

HEURISTIC = "heuristic"
"""The rule id of what was rewritten in a custom resource that the catalogue does not know."""


class Moved(NamedTuple):
    """One object for the target, and the object of the commit that it comes from."""

    source: ObjectRef
    manifest: Manifest


class Rewrite(NamedTuple):
    """A reference that now names another namespace."""

    ref: ObjectRef
    """The object as it is called in the target."""
    path: str
    """Where, as it stood in the commit."""
    old: str
    new: str
    """Both are names of namespaces, never the text around them."""
    rule: str
    """The rule's id, or ``heuristic``."""
    added: bool = False
    """True: the item with the old name stays, one with the new name was put beside it."""


class Mention(NamedTuple):
    """A string that still holds the old name as a whole word, where it may name the namespace."""

    ref: ObjectRef
    path: str
    name: str
    text: str
    """At most about 60 characters around the first place; "" where it might be secret."""
    times: int = 1
    """How often it occurs in this string."""


class OpenReference(NamedTuple):
    """A reference to a namespace that is neither replayed nor in the target."""

    ref: ObjectRef
    path: str
    namespace: str
    rule: str


class Conflict(NamedTuple):
    """A place that can hold one answer only, where the map gives several."""

    ref: ObjectRef
    path: str
    message: str
    """For people: a whole sentence."""


class Collision(NamedTuple):
    """Different objects of the commit that would be one object in the target."""

    ref: ObjectRef
    sources: tuple[ObjectRef, ...]

    def __str__(self) -> str:
        return f"{self.ref} would be each of: {', '.join(map(str, self.sources))}"


@dataclass(frozen=True, slots=True)
class Remapped:
    """The objects for the target, and all that people must know about them."""

    objects: Sequence[Moved]
    rewrites: Sequence[Rewrite]
    mentions: Sequence[Mention]
    open_references: Sequence[OpenReference]
    """A warning; refused with ``--strict``."""
    conflicts: Sequence[Conflict]
    """Told to the user: the first answer was taken, or the old one kept."""
    collisions: Sequence[Collision]
    """To be refused before anything is written: which object would win is not decided."""

    @property
    def manifests(self) -> list[Manifest]:
        return [moved.manifest for moved in self.objects]

    @property
    def guessed(self) -> list[Rewrite]:
        """Return the rewrites that rest on the heuristic; the plan lists every one."""
        return [rewrite for rewrite in self.rewrites if rewrite.rule == HEURISTIC]
