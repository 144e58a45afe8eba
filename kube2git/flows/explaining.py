"""Explain: what cleaning takes out of a live object, by which rule, and why. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kube2git.core.cleaning import Cleaner, ContextBuilder, Explanation, RuleSet
from kube2git.core.objects import ObjectRef, ResourceType
from kube2git.core.ports import Cluster, PageRead, SweepRequest, SweepStarted
from kube2git.core.selection import ObjectName
from kube2git.errors import UsageError


def explain(
    cluster: Cluster, names: Sequence[ObjectName], rules: RuleSet
) -> Iterator[tuple[ObjectRef, Explanation]]:
    """Yield each live object named, with what would be removed from it.

    Raises UsageError when the server has no such kind or object, or a namespace is missing.
    """
    types = cluster.discover().types
    cleaner: Cleaner | None = None
    for name in names:
        type = _type_of(name, types)
        if type.namespaced and not name.namespace:
            raise UsageError(
                f"{name} is namespaced, and no namespace was given", hint="Say -n NAMESPACE."
            )
        body = cluster.get(type, name.namespace or "", name.name)
        if body is None:
            raise UsageError(f"the cluster has no {name}", hint="Check the name and -n.")
        if cleaner is None:
            cleaner = Cleaner(rules, _context(cluster, types).build())
        yield type.ref(name.namespace or "", name.name), cleaner.explain(body)


def _type_of(name: ObjectName, types: Sequence[ResourceType]) -> ResourceType:
    # Core kinds win over others of the same name, as in kubectl.
    found = sorted(
        (type for type in types if name.kind in type.names()), key=lambda type: type.group != ""
    )
    if not found:
        raise UsageError(
            f"the server has no kind {name.kind!r}", hint="`kubectl api-resources` lists them."
        )
    if not name.name:
        raise UsageError(f"{name} names no object", hint=f"Write {name.kind}/NAME.")
    return found[0]


def _context(cluster: Cluster, types: Sequence[ResourceType]) -> ContextBuilder:
    builder = ContextBuilder()
    wanted = tuple(type for type in types if type.kind_group in ContextBuilder.KINDS)
    for event in cluster.sweep(SweepRequest((wanted,))):
        if isinstance(event, SweepStarted):
            builder = ContextBuilder()
        elif isinstance(event, PageRead):
            for item in event.items:
                builder.add(item.decode(event.type.api_version, event.type.kind))
    return builder
