"""Velero's resource modifiers, accepted as they are: the decoded text of their ConfigMap.

As in Velero, the conditions of all rules are judged on the object as it was before the first of
them; namespaces are those of the commit and do not matter for cluster-scoped objects; a JSON
patch whose ``test`` fails is not applied. Source: Velero, "Restore Resource Modifiers", and its
internal/resourcemodifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kube2git.core import wire
from kube2git.core.objects import ObjectRef, ref_of
from kube2git.core.remap import labels, patching
from kube2git.core.remap.transforms import Change
from kube2git.core.wire import Json
from kube2git.errors import UsageError

Operations = Sequence[Mapping[str, Any]]
ReadText = Callable[[str], Any]
"""Reads YAML or JSON text; raises ValueError. Core has its reader of YAML elsewhere."""


@dataclass(frozen=True, slots=True)
class _Rule:
    number: int
    resource: re.Pattern[str]
    name: re.Pattern[str] | None
    namespaces: tuple[str, ...]
    selector: Json
    matches: Operations
    """As JSON patch ``test`` operations."""
    json_patch: Operations
    merge_patches: Sequence[Any]

    def selects(self, source: ObjectRef, resource: str, body: Json) -> bool:
        is_meant = not (source.namespace and self.namespaces) or any(
            fnmatchcase(source.namespace, glob) for glob in self.namespaces
        )
        if not is_meant:
            return False
        if not self.resource.fullmatch(resource):
            return False
        if self.name is not None and not self.name.search(source.name):
            return False
        if not labels.matches(self.selector, labels.labels_of(body)):
            return False
        try:
            patching.apply_json_patch(body, self.matches)
        except patching.PatchError:
            return False
        return True

    def patch(self, body: Json) -> Json:
        if self.json_patch:
            try:
                patched: Json = patching.apply_json_patch(body, self.json_patch)
            except patching.TestFailedError:
                return body
            return patched
        for merge_patch in self.merge_patches:
            body = patching.apply_merge_patch(body, merge_patch)
        return body


@dataclass(frozen=True, slots=True)
class ResourceModifiers:
    """All rules of one ConfigMap."""

    rules: Sequence[_Rule]
    resources: Mapping[str, str]
    """``Deployment.apps`` -> ``deployments.apps``, as the API server has it."""

    def __str__(self) -> str:
        return "The resource modifiers"

    def apply(self, source: ObjectRef, body: Json) -> tuple[Json, Sequence[Change]]:
        resource = self.resources.get(source.kind_group) or guess_resource(source)
        changes = []
        new = body
        for rule in [rule for rule in self.rules if rule.selects(source, resource, body)]:
            try:
                patched = rule.patch(new)
            except patching.PatchError as error:
                raise patching.PatchError(f"rule {rule.number}: {error}") from error
            if not patching.is_same(patched, new):
                changes.append(Change(ref_of(body), f"resource modifier rule {rule.number}"))
                new = patched
        return new, changes


def guess_resource(ref: ObjectRef) -> str:
    """Return the plural of a kind as kubectl guesses it: ``networkpolicies.networking.k8s.io``."""
    kind = ref.kind.lower()
    if kind.endswith("y"):
        plural = f"{kind[:-1]}ies"
    elif kind.endswith("s") and kind != "endpoints":
        plural = f"{kind}es"
    else:
        plural = kind if kind == "endpoints" else f"{kind}s"
    return f"{plural}.{ref.group}" if ref.group else plural


def parse(
    config_map: Json, read_text: ReadText, resources: Mapping[str, str] | None = None
) -> ResourceModifiers:
    """Read the ConfigMap (``data`` with one text), or the decoded text itself.

    ``resources`` maps ``Kind.group`` to ``plural.group`` for the kinds of the target; others are
    guessed. Raises UsageError naming every problem of every rule.
    """
    document, problems = _document(config_map, read_text)
    rules = []
    for number, entry in enumerate(document.get("resourceModifierRules") or (), start=1):
        if not isinstance(entry, Mapping):
            problems.append(f"rule {number} is not a mapping.")
            continue
        reader = _Reader(entry, read_text)
        rule = reader.rule(number)
        problems += [f"rule {number}: {problem}" for problem in reader.problems]
        if not reader.problems:
            rules.append(rule)
    if problems:
        raise UsageError(
            "The resource modifiers cannot be used:\n"
            + "\n".join(f"- {problem}" for problem in problems)
        )
    return ResourceModifiers(tuple(rules), resources or {})


def _document(config_map: Json, read_text: ReadText) -> tuple[Json, list[str]]:
    document: Any = config_map
    if config_map.get("kind") == "ConfigMap":
        data = config_map.get("data")
        if not isinstance(data, dict) or len(data) != 1:
            return {}, ["the ConfigMap must hold exactly one text."]
        try:
            (document,) = (read_text(text) for text in data.values())
        except ValueError as error:
            return {}, [f"the text cannot be read: {error}"]
    if not isinstance(document, Mapping):
        return {}, ["the text is not a mapping."]
    problems = []
    if str(document.get("version")).lower() != "v1":
        problems.append(f"version {document.get('version')!r} is not v1.")
    if not isinstance(document.get("resourceModifierRules"), list):
        problems.append("resourceModifierRules is not a list.")
        return {}, problems
    return dict(document), problems


class _Reader:
    """Reads one rule, collecting what is wrong with it."""

    def __init__(self, entry: Mapping[str, Any], read_text: ReadText) -> None:
        self.problems: list[str] = []
        self._entry = entry
        self._read_text = read_text

    def rule(self, number: int) -> _Rule:
        """Return the rule; it is of use only if there were no problems."""
        conditions = self._entry.get("conditions")
        if not isinstance(conditions, Mapping):
            conditions = {}
        self._refuse_unknown(
            self._entry, ("conditions", "patches", "mergePatches", "strategicPatches")
        )
        self._refuse_unknown(
            conditions,
            ("groupResource", "resourceNameRegex", "namespaces", "labelSelector", "matches"),
        )
        selector = conditions.get("labelSelector") or {}
        self.problems += labels.problems_of(selector)
        patches = self._operations("patches", self._entry.get("patches"))
        merges = [
            *self._merge_patches("mergePatches"),
            *self._merge_patches("strategicPatches"),
        ]
        given = [
            name
            for name in ("patches", "mergePatches", "strategicPatches")
            if self._entry.get(name)
        ]
        if len(given) != 1:
            self.problems.append("it needs one of patches, mergePatches or strategicPatches.")
        return _Rule(
            number,
            self._resource(conditions.get("groupResource")),
            self._regex(conditions.get("resourceNameRegex")),
            self._strings(conditions.get("namespaces")),
            selector if isinstance(selector, dict) else {},
            self._operations("matches", conditions.get("matches"), test=True),
            patches,
            merges,
        )

    def _refuse_unknown(self, mapping: Mapping[str, Any], known: Sequence[str]) -> None:
        self.problems += [
            f"the field {key!r} is unknown; there are {', '.join(known)}."
            for key in mapping
            if key not in known
        ]

    def _resource(self, glob: Any) -> re.Pattern[str]:
        if not isinstance(glob, str) or not glob:
            self.problems.append(
                "conditions.groupResource is missing, for example deployments.apps."
            )
            return re.compile("")
        return _compile_glob(glob)

    def _regex(self, text: Any) -> re.Pattern[str] | None:
        if not text:
            return None
        try:
            return re.compile(text)
        except (re.error, TypeError):
            self.problems.append("conditions.resourceNameRegex is not a regular expression.")
            return None

    def _strings(self, value: Any) -> tuple[str, ...]:
        if value and (not isinstance(value, list) or not all(isinstance(v, str) for v in value)):
            self.problems.append("conditions.namespaces is not a list of names.")
            return ()
        return tuple(value or ())

    def _operations(self, field: str, entries: Any, *, test: bool = False) -> Operations:
        operations = []
        for entry in entries if isinstance(entries, list) else [entries] if entries else []:
            if not isinstance(entry, Mapping):
                self.problems.append(f"each of {field} must be a mapping.")
                continue
            known = ("path", "value") if test else ("operation", "from", "path", "value")
            self._refuse_unknown(entry, known)
            op = "test" if test else str(entry.get("operation", "")).lower()
            operation: Json = {"op": op, "path": entry.get("path")}
            if op in ("move", "copy"):
                operation["from"] = entry.get("from")
            elif op != "remove":
                operation["value"] = self._value(entry.get("value"))
            operations.append(operation)
        if operations:
            self.problems += patching.problems_of(operations)
        return operations

    def _value(self, text: Any) -> Any:
        """Read a value as Velero does: text, unless it looks like a JSON value other than text."""
        if text is None:
            return ""
        if not isinstance(text, str):
            self.problems.append("every value must be a text; write numbers in quotes.")
            return None
        if len(text) > 1 and text[0] == text[-1] == '"':
            return text[1:-1]
        if text.lower() in ("true", "false", "null"):
            text = text.lower()
        elif text[:1] not in ("{", "[") and not _NUMBER.fullmatch(text):
            return text
        try:
            return wire.decode(text.encode())
        except ValueError:
            self.problems.append("a value that begins with { or [ is not JSON.")
            return None

    def _merge_patches(self, field: str) -> list[Any]:
        patches = []
        for entry in self._entry.get(field) or ():
            text = entry.get("patchData") if isinstance(entry, Mapping) else None
            try:
                patch = self._read_text(text) if isinstance(text, str) else None
            except ValueError as error:
                self.problems.append(f"the patchData of {field} cannot be read: {error}")
                continue
            if not isinstance(patch, Mapping):
                self.problems.append(f"each of {field} needs patchData with a mapping.")
            elif field == "strategicPatches" and not _is_plain(patch):
                self.problems.append(
                    "a strategic merge patch with lists or $ directives means something else for "
                    "every kind, which only its API server knows; write it as patches or "
                    "mergePatches."
                )
            else:
                patches.append(patch)
        return patches


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _is_plain(patch: Any) -> bool:
    """Tell whether a strategic merge patch means the same as a JSON merge patch."""
    if isinstance(patch, Mapping):
        return all(not str(key).startswith("$") and _is_plain(patch[key]) for key in patch)
    return not isinstance(patch, list)


_GLOB_PARTS = {"**": ".*", "*": r"[^.]*", "?": r"[^.]"}


def _compile_glob(glob: str) -> re.Pattern[str]:
    """Compile a glob in which ``*`` does not cross a dot, ``**`` does, ``{a,b}`` are choices."""
    parts = []
    depth = 0
    for part in re.findall(r"\*\*|.", glob):
        if part == "{":
            depth += 1
            parts.append("(?:")
        elif part == "}" and depth:
            depth -= 1
            parts.append(")")
        elif part == "," and depth:
            parts.append("|")
        else:
            parts.append(_GLOB_PARTS.get(part) or re.escape(part))
    return re.compile("".join(parts) + ")" * depth)
