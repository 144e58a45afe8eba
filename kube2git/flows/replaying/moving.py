"""From the objects of a commit to those of the target: renamed, mapped and patched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.rehearsal import as_rehearsed, with_namespaces
from kube2git.core.remap.engine import remap
from kube2git.core.remap.findings import Moved, Remapped
from kube2git.core.remap.mapping import NamespaceMap
from kube2git.core.remap.transforms import Change, transform
from kube2git.errors import RefusedError
from kube2git.flows.replaying.choice import NAMESPACE
from kube2git.flows.replaying.request import ReplayRequest
from kube2git.flows.replaying.survey import Live

MAX_NAMED = 20
"""Findings of one sort that an error lists."""


def move(
    chosen: Sequence[Manifest], request: ReplayRequest, names: NamespaceMap, live: Live
) -> tuple[Remapped, Sequence[Change]]:
    """Rename, and apply the maps and patches; raise RefusedError for what must not go on."""
    targets = {new for renamed in names.renamed.values() for new in renamed}
    compared: list[Manifest] = []
    if request.is_rehearsal:
        # What is cluster-scoped is compared as a real replay would write it.
        compared = [one for one in chosen if not _goes_along(one.ref)]
        chosen = with_namespaces(as_rehearsed(one) for one in chosen if _goes_along(one.ref))
    remapped = remap(
        chosen,
        names,
        catalogue=request.catalogue,
        existing=live.namespaces,
        kept=[name for name in names.renamed if name in live.namespaces and name not in targets],
        hidden_kinds=request.policy.sealed_kinds,
    )
    if remapped.collisions:
        raise RefusedError(
            f"objects would become one: {_listed(remapped.collisions)}",
            hint="Map their namespaces to different names, or select only one of them.",
        )
    if remapped.open_references and request.is_strict:
        told = [
            f"{found.ref} names {found.namespace} at {found.path}"
            for found in remapped.open_references
        ]
        raise RefusedError(
            f"references lead to namespaces that are neither replayed nor there: {_listed(told)}",
            hint="Map or replay these namespaces too, or leave --strict out.",
        )
    moved = [*remapped.objects, *(Moved(manifest.ref, manifest) for manifest in compared)]
    transformed = transform(moved, request.transforms)
    if transformed.problems:
        raise RefusedError(
            f"the changes on the way to the target do not fit: {_listed(transformed.problems)}",
            hint="Mend the section replay of the configuration.",
        )
    return replace(remapped, objects=transformed.objects), transformed.changes


def _goes_along(ref: ObjectRef) -> bool:
    """Tell whether a rehearsal writes an object: namespaces, and what is in one."""
    return bool(ref.namespace) or ref.kind_group == NAMESPACE


def _listed(things: Sequence[object]) -> str:
    shown = "; ".join(map(str, things[:MAX_NAMED]))
    return shown + (f"; and {len(things) - MAX_NAMED} more" if len(things) > MAX_NAMED else "")
