"""How a plan tells of fields: by path and owner, never by value.

Of a sealed kind even a path says no more than names of fields, since the key of a list item can be
a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from kube2git.core import fielddiff, fieldpath, ownership
from kube2git.core.fielddiff import ItemKey
from kube2git.core.fieldpath import Path
from kube2git.core.objects import ObjectRef
from kube2git.core.planning.leftovers import Extra
from kube2git.core.planning.plan import FieldNote, Kept, Removal
from kube2git.core.planning.policy import Policy
from kube2git.core.planning.stances import Yielded
from kube2git.core.wire import Json


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts findings about one object into the words of its plan."""

    is_sealed: bool

    @classmethod
    def of(cls, ref: ObjectRef, policy: Policy) -> Teller:
        return cls(ref.kind_group in policy.sealed_kinds)

    def path(self, path: Path) -> str:
        if self.is_sealed:
            path = tuple(takewhile(lambda step: isinstance(step, str), path))
        return fieldpath.text(path)

    def server_text(self, field: str) -> str:
        """Write a field that the API server named (``.data.a``)."""
        name = field.removeprefix(".")
        return name.partition("[")[0] if self.is_sealed else name

    def changes(self, old: Json, new: Json, told: Iterable[Path]) -> tuple[FieldNote, ...]:
        """Name the fields that change, but for those that are told of otherwise."""
        otherwise = frozenset(map(fieldpath.text, told))
        notes = []
        for change in fielddiff.changes(old, new):
            if fielddiff.dotted(change.path) in otherwise:
                continue
            path = change.path
            if self.is_sealed:
                path = tuple(takewhile(lambda step: not isinstance(step, ItemKey), path))
            notes.append(FieldNote(fielddiff.dotted(path), str(change.kind)))
        return tuple(dict.fromkeys(notes))

    def removals(self, extras: Iterable[Extra]) -> tuple[Removal, ...]:
        found = (Removal(self.path(extra.path), ownership.names(extra.owners)) for extra in extras)
        return tuple(dict.fromkeys(found))

    def kept(self, fields: Iterable[Yielded]) -> tuple[Kept, ...]:
        found = (
            Kept(self.path(field.path), ownership.names(field.owners), field.reason)
            for field in fields
        )
        return tuple(dict.fromkeys(found))

    def kept_extras(self, extras: Iterable[Extra]) -> tuple[Kept, ...]:
        """Tell of what ``--keep-extra`` leaves."""
        reason = "--keep-extra leaves what the commit lacks"
        return self.kept(Yielded(extra.path, extra.owners, reason) for extra in extras)
