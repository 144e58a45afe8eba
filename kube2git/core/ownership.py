"""Who set which field, as the API server's managedFields tell it. Pure reading, no judgement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kube2git.core.fieldpath import Key, Scalar, Value


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """One field manager, as one entry of managedFields names it."""

    manager: str
    subresource: str = ""
    operation: str = ""
    """``Apply`` or ``Update``."""

    def __str__(self) -> str:
        return f"{self.manager}/{self.subresource}" if self.subresource else self.manager


class Fields:
    """The owners of a field, and of the fields below it."""

    __slots__ = ("_children", "owners")

    def __init__(self) -> None:
        self.owners: set[Owner] = set()
        self._children: dict[str | Key | Value, Fields] = {}

    @classmethod
    def read(cls, managed_fields: Iterable[Mapping[str, Any]]) -> Fields:
        """Read ``metadata.managedFields`` of a live object."""
        root = cls()
        for entry in managed_fields:
            owner = Owner(
                str(entry.get("manager") or ""),
                str(entry.get("subresource") or ""),
                str(entry.get("operation") or ""),
            )
            root.add(entry.get("fieldsV1") or {}, owner)
        return root

    def add(self, tree: Mapping[str, Any], owner: Owner) -> None:
        """Enter a set of fields (FieldsV1) that ``owner`` set."""
        if not tree or "." in tree:
            self.owners.add(owner)
        for name, below in tree.items():
            step = _step(name)
            if step is not None:
                self._children.setdefault(step, Fields()).add(below, owner)

    @property
    def is_leaf(self) -> bool:
        """True when nobody owns a part of it: its owners own all of it, or it is a plain value."""
        return not self._children

    def below(self, step: str | Key | Value) -> Fields | None:
        return self._children.get(step)

    def keys(self) -> tuple[str, ...]:
        """Return the fields by which items of this list are told apart; () when it is no such."""
        for step in self._children:
            if isinstance(step, Key):
                return tuple(field for field, _ in step.pairs)
        return ()

    @property
    def is_set(self) -> bool:
        """True when this is a list whose items are told apart by their values."""
        return any(isinstance(step, Value) for step in self._children)

    def all_owners(self) -> set[Owner]:
        """Return the owners of this field and of everything below it."""
        found = set(self.owners)
        for child in self._children.values():
            found |= child.all_owners()
        return found


def _step(name: str) -> str | Key | Value | None:
    """Read one name of the FieldsV1 format (KEP-555): ``f:spec``, ``k:{"name":"a"}``, ``v:"x"``."""
    form, _, rest = name.partition(":")
    if form == "f":
        return rest
    try:
        if form == "k":
            pairs: dict[str, Scalar] = json.loads(rest)
            return Key.of(pairs)
        if form == "v":
            return Value(json.loads(rest))
    except (ValueError, AttributeError):
        return None
    return None


def owners_of(fields: Fields | None, path: Iterable[str | Key | Value]) -> set[Owner]:
    """Return who owns a field: its own owners, else those that own a part above it as a whole."""
    node = fields
    for step in path:
        if node is None:
            return set()
        if node.is_leaf:
            return node.owners
        node = node.below(step)
    return node.owners if node is not None else set()


def names(owners: Iterable[Owner]) -> tuple[str, ...]:
    """Return the owners as people know them, sorted, each once."""
    return tuple(sorted({str(owner) for owner in owners}))
