"""From what a sweep brought to a commit: which files change, and what is said of each object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote

from kube2git.core import fielddiff, layout, message
from kube2git.core.cleaning import manager_of
from kube2git.core.coverage import Listing
from kube2git.core.message import Change, ObjectChange
from kube2git.core.objects import ref_of
from kube2git.core.sealing import Opener, is_sealed
from kube2git.core.selection import Selection
from kube2git.core.wire import Json
from kube2git.flows.exporting.collecting import Collected
from kube2git.flows.exporting.tip import Tip


def removed_paths(
    tip: Tip, got: Collected, listing: Listing, selection: Selection
) -> Sequence[str]:
    """Return the files of objects that were selected, and are gone for certain."""
    candidates = listing.removable(tip.tree, got.paths)
    if got.cluster_scoped:
        live = {layout.path_of(ref) for ref in got.cluster_scoped}
        candidates = [path for path in candidates if path not in live]
    if not selection.namespaces.is_everything:
        # By their paths, so that the files of all other namespaces need not be read.
        places = ((path, layout.place_of(path)) for path in candidates)
        candidates = [
            path
            for path, place in places
            if place
            and not (place.namespace and not selection.wants_namespace(unquote(place.namespace)))
        ]
    if not selection.labels:
        return candidates
    bodies = tip.bodies(candidates)
    return [path for path, body in bodies if body and _is_labelled(body, selection)]


def _is_labelled(body: Json, selection: Selection) -> bool:
    metadata = body.get("metadata") or {}
    return selection.label_selector.match(metadata.get("labels") or {})


def object_changes(tip: Tip, got: Collected, removed: Sequence[str]) -> tuple[ObjectChange, ...]:
    """Return what the commit message says, of the first objects with their changed fields."""
    found = [
        ObjectChange(Change.REMOVED, ref_of(body) if body else layout.presumed_ref(path))
        for path, body in tip.bodies(removed)
    ]
    for path, ref in got.differing.items():
        kind = Change.CHANGED if path in tip.tree else Change.ADDED
        found.append(ObjectChange(kind, ref))
    found.sort(key=message.sort_key)
    named = [change for change in found[: message.MAX_LINES] if change.change is Change.CHANGED]
    detailed = dict(zip(named, _detailed(tip, got, named), strict=True))
    return tuple(detailed.get(change, change) for change in found)


def _detailed(tip: Tip, got: Collected, changes: Sequence[ObjectChange]) -> Iterator[ObjectChange]:
    """Name the fields that changed and who changed them."""
    paths = [layout.path_of(change.ref) for change in changes]
    for change, (path, old) in zip(changes, tip.bodies(paths), strict=True):
        bodies = got.bodies.get(path)
        if bodies is None or old is None:
            yield change
            continue
        clean, raw = bodies
        fields = list(_changed_fields(old, clean))
        managers = {manager for field, _ in fields if (manager := manager_of(raw, field))}
        names = dict.fromkeys(name for _, name in fields)
        yield replace(change, fields=tuple(names), managers=tuple(sorted(managers)))


def _changed_fields(old: Json, clean: Json) -> Iterator[tuple[fielddiff.Path, str]]:
    """Yield the path of each field that changed, and how the commit message names it.

    Which of the sealed values changed cannot be told without a private key, so that they are
    named by what holds them.
    """
    for change in fielddiff.changes(Opener().open(old), clean):
        is_cipher = isinstance(change.old, str) and is_sealed(old) and change.kind == "changed"
        hides = is_cipher and len(change.path) > 1
        yield change.path, fielddiff.dotted(change.path[:-1] if hides else change.path)
