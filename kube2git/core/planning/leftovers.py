"""What an object still has, or has otherwise, when a commit was applied to it; and how it goes.

Server-side apply keeps what others own. A replay promises equality, so what the commit lacks is
taken out again by exact paths, but for the fields that the rules yield to their owners.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube2git.core import fieldpath
from kube2git.core.fieldpath import Key, Path, Scalar, Step, Value
from kube2git.core.ownership import Fields, Owner
from kube2git.core.planning.stances import OWN_MANAGER, OwnerRule, Stance, Yielded, rule_for
from kube2git.core.wire import Json


@dataclass(frozen=True, slots=True)
class Extra:
    """A field or list item that the commit lacks."""

    path: Path
    owners: tuple[Owner, ...]
    """Empty when the server names nobody."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Every way in which an object differs from what the commit says."""

    removals: tuple[Extra, ...] = ()
    """Can be taken out. No path lies inside another one."""
    yielded: tuple[Yielded, ...] = ()
    defaulted: tuple[Path, ...] = ()
    """The server filled these in; taking them out would bring them back."""
    altered: tuple[Path, ...] = ()
    """The object has another value than the commit, or lacks it."""


def leftovers(
    desired: Json,
    observed: Json,
    managed_fields: Sequence[Mapping[str, Any]],
    rules: Sequence[OwnerRule],
    *,
    is_applied: bool,
) -> Leftovers:
    """Compare the commit's object with another state of it, both clean and normalised.

    ``is_applied`` tells whether ``observed`` is what came of applying ``desired`` (a dry run, or
    the write itself), or the live object before. ``managed_fields`` belong to ``observed``;
    without them every extra is a removal of an unknown owner, since nothing tells a default from
    somebody's intent.
    """
    # An apply owns what it has just sent, so nothing of what is too much.
    ignored = {Owner(OWN_MANAGER, "", "Apply")} if is_applied else set()
    walk = _Walk(rules, ignored, is_known=bool(managed_fields), is_applied=is_applied)
    walk.compare(desired, observed, Fields.read(managed_fields), set(), ())
    return Leftovers(
        tuple(walk.removals), tuple(walk.yielded), tuple(walk.defaulted), tuple(walk.altered)
    )


_FREE_MAPS = frozenset({"data", "binaryData", "stringData"})
"""Top-level maps whose keys people choose: the server never fills one in."""


class _Walk:
    def __init__(
        self,
        rules: Sequence[OwnerRule],
        ignored: set[Owner],
        *,
        is_known: bool,
        is_applied: bool,
    ) -> None:
        self._rules = rules
        self._is_applied = is_applied
        self._ignored = ignored
        self._is_known = is_known
        self.removals: list[Extra] = []
        self.yielded: list[Yielded] = []
        self.defaulted: list[Path] = []
        self.altered: list[Path] = []

    def compare(
        self, desired: Any, observed: Any, fields: Fields | None, above: set[Owner], path: Path
    ) -> None:
        """Compare two values; ``above`` owns all of them when ``fields`` names nobody."""
        if fields is not None and fields.is_leaf:
            above, fields = above | fields.owners, None
        if isinstance(desired, dict) and isinstance(observed, dict):
            for name, value in desired.items():
                below = fields.below(name) if fields is not None else None
                if name in observed:
                    self.compare(value, observed[name], below, above, (*path, name))
                else:
                    self._alter(below, above, (*path, name))
            for name in observed:
                if name not in desired:
                    below = fields.below(name) if fields is not None else None
                    self._extra(observed[name], below, above, (*path, name))
        elif isinstance(desired, list) and isinstance(observed, list):
            self._compare_lists(desired, observed, fields, above, path)
        elif not _is_same(desired, observed):
            self._alter(fields, above, path)

    def _compare_lists(
        self,
        desired: list[Any],
        observed: list[Any],
        fields: Fields | None,
        above: set[Owner],
        path: Path,
    ) -> None:
        if _is_same(desired, observed):
            return
        keys = fields.keys() if fields is not None else ()
        wanted = _steps(desired, keys, is_set=fields is not None and fields.is_set)
        present = _steps(observed, keys, is_set=fields is not None and fields.is_set)
        if fields is None or wanted is None or present is None:
            if self._is_applied and _is_filled_in(desired, observed):
                # The list was sent as a whole, so what its items have besides is the server's.
                self.defaulted.append(path)
            else:
                self._alter(fields, above, path)
            return
        kept: list[Step] = []
        for step, item in present.items():
            match = step if step in wanted else _partial_match(step, wanted)
            if match is None:
                self._extra(item, fields.below(step), above, (*path, step))
            else:
                kept.append(match)
                self.compare(wanted[match], item, fields.below(step), above, (*path, step))
        for step in wanted:
            if step not in kept:
                self._alter(None, set(), (*path, step))
        if kept != [step for step in wanted if step in kept]:
            self._alter(None, set(), path)

    def _alter(self, fields: Fields | None, above: set[Owner], path: Path) -> None:
        owners = fields.all_owners() if fields is not None else above
        if not self._is_yielded(owners, path):
            self.altered.append(path)

    def _extra(self, value: Any, fields: Fields | None, above: set[Owner], path: Path) -> None:
        owners = (fields.all_owners() if fields is not None else above) - self._ignored
        if not owners and self._is_known and not _is_chosen_by_people(path):
            self.defaulted.append(path)
            return
        yielding = {owner for owner in owners if self._yields(owner, path) is not None}
        if not yielding:
            self.removals.append(Extra(path, tuple(sorted(owners))))
        elif yielding == owners or fields is None or not (parts := _parts(value, fields)):
            self._is_yielded(owners, path)
        else:
            for step, below in parts.items():
                self._extra(below, fields.below(step), fields.owners, (*path, step))

    def _yields(self, owner: Owner, path: Path) -> OwnerRule | None:
        rule = rule_for(self._rules, owner, path)
        return rule if rule.stance is Stance.YIELD else None

    def _is_yielded(self, owners: set[Owner], path: Path) -> bool:
        """Note a field as left to its owners when a rule says so of one of them."""
        for owner in sorted(owners):
            rule = self._yields(owner, path)
            if rule is not None:
                self.yielded.append(Yielded(path, tuple(sorted(owners)), rule.reason))
                return True
        return False


def _is_chosen_by_people(path: Path) -> bool:
    """Tell whether the server never fills in a field here by itself."""
    step = path[-1]
    return not isinstance(step, str) or path[0] == "metadata" or path[0] in _FREE_MAPS


def _is_same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_filled_in(desired: Any, observed: Any) -> bool:
    """Tell whether ``observed`` is ``desired`` with further fields, and nothing else."""
    if isinstance(desired, dict) and isinstance(observed, dict):
        return all(
            name in observed and _is_filled_in(value, observed[name])
            for name, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(observed, list):
        return len(desired) == len(observed) and all(map(_is_filled_in, desired, observed))
    return _is_same(desired, observed)


def _steps(items: list[Any], keys: tuple[str, ...], *, is_set: bool) -> dict[Step, Any] | None:
    """Name each item of a list; None when they cannot be told apart."""
    found: dict[Step, Any] = {}
    for item in items:
        step: Step
        if keys and isinstance(item, dict):
            pairs: dict[str, Scalar] = {name: item[name] for name in keys if name in item}
            if not pairs or not all(_is_scalar(value) for value in pairs.values()):
                return None
            step = Key.of(pairs)
        elif is_set and _is_scalar(item):
            step = Value(item)
        else:
            return None
        if step in found:
            return None
        found[step] = item
    return found


def _parts(value: Any, fields: Fields) -> Mapping[Step, Any]:
    """Return what a value consists of, so that each part can go to its own owner."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return _steps(value, fields.keys(), is_set=fields.is_set) or {}
    return {}


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _partial_match(step: Step, wanted: Mapping[Step, Any]) -> Step | None:
    """Find the item of the commit that leaves a key out which the server filled in (protocol)."""
    if not isinstance(step, Key):
        return None
    pairs = dict(step.pairs)
    for candidate in wanted:
        if isinstance(candidate, Key) and len(candidate.pairs) < len(pairs):
            same = all(name in pairs and pairs[name] == value for name, value in candidate.pairs)
            if same:
                return candidate
    return None


def removal_patch(
    removals: Iterable[Extra], raw: Json, resource_version: str
) -> list[dict[str, Any]]:
    """Return the JSON patch (RFC 6902) that takes the removals out of a raw live object.

    The first operation is the precondition: replacing ``metadata.resourceVersion`` makes the
    server answer 409 when the object has changed (a ``test`` would answer 422). [] when nothing
    of it is there any more.
    """
    found = (fieldpath.locate(extra.path, raw) for extra in removals)
    places = {place for place in found if place is not None}
    if not places:
        return []
    precondition = {
        "op": "replace",
        "path": "/metadata/resourceVersion",
        "value": resource_version,
    }
    return [
        precondition,
        # From the end of each list, so that an index still means its item when its turn comes.
        *(
            {"op": "remove", "path": fieldpath.pointer(place)}
            for place in sorted(places, reverse=True)
        ),
    ]
