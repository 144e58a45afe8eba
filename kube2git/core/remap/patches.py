"""Patches by selector, as the configuration file holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.remap import labels, patching
from kube2git.core.remap.transforms import Change
from kube2git.core.selection import LabelSelector, LabelSelectorError, Patterns, names_in_repository
from kube2git.core.wire import Json
from kube2git.errors import UsageError


@dataclass(frozen=True, slots=True)
class PatchRule:
    """One patch, and the objects that it is for."""

    name: str
    kinds: Patterns
    """Matched in lower case against every name of a kind: kind.group, plural, short."""
    names: Patterns
    namespaces: Patterns
    """As they are called in the commit."""
    labels: LabelSelector
    json_patch: Sequence[Mapping[str, Any]] | None = None
    merge_patch: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"The patch {self.name!r}"

    def selects(self, source: ObjectRef, body: Json) -> bool:
        """Tell whether the patch is for this object."""
        return (
            self.kinds.match(*names_in_repository(source))
            and self.names.match(source.name)
            and (self.namespaces.is_everything or self.namespaces.match(source.namespace))
            and self.labels.match(labels.labels_of(body))
        )

    def apply(self, source: ObjectRef, body: Json) -> tuple[Json, Sequence[Change]]:
        """Patch the object; a JSON patch whose ``test`` does not hold is not applied."""
        if not self.selects(source, body):
            return body, ()
        new = body
        if self.json_patch is not None:
            try:
                new = patching.apply_json_patch(new, self.json_patch)
            except patching.TestFailedError:
                return body, ()
        if self.merge_patch is not None:
            new = patching.apply_merge_patch(new, self.merge_patch)
        if patching.is_same(new, body):
            return body, ()
        return new, [Change(ref_of(body), str(self))]


_FIELDS = ("name", "kinds", "names", "namespaces", "labels", "json_patch", "merge_patch")


def parse_patches(entries: Sequence[object]) -> tuple[PatchRule, ...]:
    """Read patches as the configuration file holds them.

    Each is a mapping of ``kinds``, ``names``, ``namespaces`` (lists of globs, ``!`` takes away),
    ``labels`` (a selector such as ``app=web``), and ``json_patch`` (a list of operations) or
    ``merge_patch`` (a mapping). Raises UsageError naming every problem of every entry.
    """
    problems: list[str] = []
    rules = []
    for number, entry in enumerate(entries, start=1):
        found = _problems_of(entry)
        problems += [f"Patch {number}: {problem}" for problem in found]
        if not found and isinstance(entry, Mapping):
            rules.append(
                PatchRule(
                    str(entry.get("name") or number),
                    Patterns(tuple(kind.lower() for kind in entry.get("kinds", ()))),
                    Patterns(tuple(entry.get("names", ()))),
                    Patterns(tuple(entry.get("namespaces", ()))),
                    LabelSelector.parse(entry.get("labels", "")),
                    entry.get("json_patch"),
                    entry.get("merge_patch"),
                )
            )
    if problems:
        raise UsageError(
            "The patches of the configuration cannot be used:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )
    return tuple(rules)


def _problems_of(entry: object) -> list[str]:
    if not isinstance(entry, Mapping):
        return ["it is not a mapping."]
    problems = [
        f"the field {key!r} is unknown; there are {', '.join(_FIELDS)}."
        for key in entry
        if key not in _FIELDS
    ]
    for key in ("kinds", "names", "namespaces"):
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            problems.append(f"{key} must be a list of names or globs.")
    if not any(entry.get(key) for key in ("kinds", "names", "namespaces", "labels")):
        problems.append("it selects every object: say kinds, names, namespaces or labels.")
    try:
        LabelSelector.parse(entry.get("labels", ""))
    except LabelSelectorError as error:
        problems.append(f"{error}.")
    except (AttributeError, TypeError):
        problems.append("labels must be a selector such as app=web.")
    if ("json_patch" in entry) == ("merge_patch" in entry):
        problems.append("it needs either json_patch or merge_patch.")
    if "json_patch" in entry:
        problems += patching.problems_of(entry["json_patch"])
    if not isinstance(entry.get("merge_patch", {}), Mapping):
        problems.append("merge_patch must be a mapping.")
    return problems
