"""Rename namespaces in a set of objects, following every reference. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kube2git.core import wire
from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.remap import findings, forms, walk
from kube2git.core.remap.catalogue import CATALOGUE, Catalogue
from kube2git.core.remap.findings import Moved, Remapped
from kube2git.core.remap.groups import BUILT_IN_GROUPS
from kube2git.core.remap.mapping import NamespaceMap

ALWAYS_THERE = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})
"""Namespaces that every cluster has."""


def remap(
    manifests: Iterable[Manifest],
    names: NamespaceMap,
    *,
    catalogue: Catalogue = CATALOGUE,
    existing: Collection[str] = (),
    kept: Collection[str] = (),
    guess: bool = True,
    hidden_kinds: Collection[str] = ("Secret",),
) -> Remapped:
    """Return the objects as the target is to have them, every reference followed.

    ``existing`` are the target's namespaces: a reference into one of them is not open. ``kept``
    are renamed namespaces that go on living in the target beside their copy (a partial replay
    into the same cluster): objects that do not move themselves, such as a ClusterRoleBinding,
    then get the new name *beside* the old one where a list allows it, and are left alone and
    reported where it does not. A namespace with two names in the target is copied twice; what
    refers to it from elsewhere is treated the same way. ``guess`` switches the heuristic for
    custom resources. No text of ``hidden_kinds`` (``Kind.group``) is ever shown.
    """
    given = list(manifests)
    scope = walk.Scope(
        renamed=names.renamed,
        kept=frozenset(kept),
        present=ALWAYS_THERE.union(
            existing, kept, *(names.targets(home) for home in {_home(m.ref) for m in given} if home)
        ),
        evidence=forms.evidence_in(manifest.ref for manifest in given),
        may_hold=walk.search(names.renamed.keys()),
    )
    sought = [name.encode() for name in names.renamed]
    moved: list[Moved] = []
    for manifest in given:
        ref = manifest.ref
        home = _home(ref)
        targets = names.targets(home) if home else ("",)
        start = catalogue.graph(ref.kind_group).start
        is_concerned = bool(sought) and _may_hold(manifest, sought)
        for copy, target in enumerate(targets):
            place = walk.Place(
                ref=_ref_in(ref, target),
                home=home,
                target=target,
                copy=copy,
                copies=len(targets),
                guesses=guess and ref.group not in BUILT_IN_GROUPS,
                hidden=ref.kind_group in hidden_kinds,
            )
            one = walk.Walk(scope, place)
            if not is_concerned:
                one.check(manifest.body, start)
                moved.append(Moved(ref, manifest))
                continue
            body = one.rewrite(manifest.body, start)
            moved.append(Moved(ref, manifest if body is manifest.body else Manifest.of(body)))
    objects, collisions = _merge(moved, scope)
    return Remapped(
        objects,
        scope.rewrites,
        scope.mentions,
        list(scope.open_references),
        scope.conflicts,
        collisions,
    )


def _home(ref: ObjectRef) -> str:
    """Return the namespace that an object belongs to; a Namespace belongs to itself."""
    return ref.name if ref.kind_group == "Namespace" else ref.namespace


def _ref_in(ref: ObjectRef, target: str) -> ObjectRef:
    if ref.kind_group == "Namespace":
        return ref._replace(name=target)
    return ref._replace(namespace=target)


def _may_hold(manifest: Manifest, names: Collection[bytes]) -> bool:
    """Tell whether one of the names may occur in an object, without walking it."""
    # The values of a Secret are encoded, so its bytes do not tell.
    if len(names) > walk.FEW or manifest.ref.kind_group == "Secret":
        return True
    raw = wire.encode(manifest.body)
    return any(name in raw for name in names)


def _merge(moved: list[Moved], scope: walk.Scope) -> tuple[list[Moved], list[findings.Collision]]:
    """Make one object of those that are one in the target; report those that differ."""
    by_ref: dict[ObjectRef, list[Moved]] = {}
    for one in moved:
        by_ref.setdefault(one.manifest.ref, []).append(one)
    objects: list[Moved] = []
    collisions: list[findings.Collision] = []
    for ref, candidates in by_ref.items():
        first = min(candidates, key=lambda one: one.source)
        if len(candidates) > 1 and ref.kind_group == "Namespace":
            first = _united(sorted(candidates, key=lambda one: one.source), scope)
        elif any(one.manifest.digest != first.manifest.digest for one in candidates):
            sources = tuple(sorted(one.source for one in candidates))
            collisions.append(findings.Collision(ref, sources))
        objects.append(first)
    return objects, sorted(collisions)


def _united(candidates: list[Moved], scope: walk.Scope) -> Moved:
    """Return one Namespace with the labels and annotations of all; the first source wins."""
    first = candidates[0]
    body = first.manifest.body
    metadata = dict(body["metadata"])
    for part in ("labels", "annotations"):
        union: dict[str, str] = dict(metadata.get(part) or {})
        for other in candidates[1:]:
            for key, value in (other.manifest.body["metadata"].get(part) or {}).items():
                if union.setdefault(key, value) != value:
                    scope.conflicts.append(
                        findings.Conflict(
                            first.manifest.ref,
                            f'metadata.{part}["{key}"]',
                            f"The namespaces {first.source.name} and {other.source.name} become "
                            "one, and differ here: the value of the first was taken.",
                        )
                    )
        if union:
            metadata[part] = union
    return Moved(first.source, Manifest.of({**body, "metadata": metadata}))
