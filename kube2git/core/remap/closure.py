"""Which cluster-scoped objects selected ones need, each with its reasons.

Told by the data of ``companions``, and by three rules that are not fields: a namespaced object
needs its Namespace, a custom resource its CustomResourceDefinition, an aggregated ClusterRole the
roles that it is made of. What is needed has needs of its own, which count too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.remap import embedding, forms, labels, paths
from kube2git.core.remap.companions import BELONGS, NEEDS, BelongRule, NeedRule
from kube2git.core.wire import Json

_CRD = "CustomResourceDefinition.apiextensions.k8s.io"
_CLUSTER_ROLE = "ClusterRole.rbac.authorization.k8s.io"


class Need(NamedTuple):
    """Why an object comes along."""

    by: ObjectRef
    path: str
    serves: bool = False
    """True: the path is in the object that comes along, and names the namespace ``by``."""

    def __str__(self) -> str:
        return f"{'serves' if self.serves else 'needed by'} {self.by}: {self.path}"


def needed_by(
    selected: Collection[ObjectRef],
    manifests: Iterable[Manifest],
    namespaces: Collection[str] = (),
) -> dict[ObjectRef, tuple[Need, ...]]:
    """Return the cluster-scoped objects that come along with the selected ones, and why.

    ``manifests`` is the whole commit. ``namespaces`` are those selected as a whole: only they
    bring the cluster-scoped objects that serve a namespace (bindings of its accounts, its
    volumes, its webhooks). What is selected itself is not in the answer. Objects and reasons are
    sorted, whatever the order of the input.
    """
    chosen = frozenset(selected)
    whole = frozenset(namespaces)
    others: dict[ObjectRef, Manifest] = {}
    queue: list[Manifest] = []
    needs: dict[ObjectRef, set[Need]] = {}
    for manifest in manifests:
        if manifest.ref in chosen:
            queue.append(manifest)
        elif not manifest.ref.namespace:
            others[manifest.ref] = manifest
    for ref, manifest in others.items():
        for namespace, path in _served(manifest):
            if namespace in whole:
                need = Need(ObjectRef("", "Namespace", "", namespace), path, serves=True)
                needs.setdefault(ref, set()).add(need)
    queue += [others[ref] for ref in needs]
    index = _Index(others)
    while queue:
        manifest = queue.pop()
        for ref, path in index.needs_of(manifest):
            if ref in others:
                if ref not in needs:
                    needs[ref] = set()
                    queue.append(others[ref])
                needs[ref].add(Need(manifest.ref, path))
    return {ref: tuple(sorted(needs[ref])) for ref in sorted(needs)}


def named_by(manifests: Iterable[Manifest]) -> dict[ObjectRef, Need]:
    """Return every cluster-scoped object that a field of these names, with one who names it."""
    index, found = _Index({}), dict[ObjectRef, Need]()
    for manifest in manifests:
        for ref, path in index.needs_of(manifest):
            if ref.kind_group != "Namespace":
                found.setdefault(ref, Need(manifest.ref, path))
    return found


class _Index:
    """What has to be looked up among the cluster-scoped objects."""

    def __init__(self, others: Mapping[ObjectRef, Manifest]) -> None:
        self._definitions: dict[tuple[str, str], ObjectRef] = {}
        self._roles: list[Manifest] = []
        for ref, manifest in others.items():
            if ref.kind_group == _CRD:
                spec = manifest.body.get("spec") or {}
                kind = (spec.get("names") or {}).get("kind", "")
                self._definitions[spec.get("group", ""), kind] = ref
            elif ref.kind_group == _CLUSTER_ROLE:
                self._roles.append(manifest)

    def needs_of(self, manifest: Manifest) -> Iterator[tuple[ObjectRef, str]]:
        """Yield what an object needs, whether it is there or not, and the path that says so."""
        ref, body = manifest.ref, manifest.body
        if ref.namespace:
            yield ObjectRef("", "Namespace", "", ref.namespace), "metadata.namespace"
        definition = self._definitions.get((ref.group, ref.kind))
        if definition:
            yield definition, "kind"
        for steps, name, rule in paths.visit(body, _need_graph(ref.kind_group).start):
            if isinstance(name, str) and name:
                kind, _, group = rule.needed.partition(".")
                yield ObjectRef(group, kind, "", name), paths.render(steps)
        if ref.kind_group == _CLUSTER_ROLE:
            for role in self._parts_of(body):
                if role != ref:
                    yield role, "aggregationRule.clusterRoleSelectors"

    def _parts_of(self, role: Json) -> Iterator[ObjectRef]:
        selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ()
        for part in self._roles if selectors else ():
            if any(labels.matches(one, labels.labels_of(part.body)) for one in selectors):
                yield part.ref


def _served(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """Yield (namespace, path) for every namespace that a cluster-scoped object serves."""
    graph = _belong_graph(manifest.ref.kind_group)
    for steps, text, rule in paths.visit(manifest.body, graph.start):
        if isinstance(text, str):
            for span in forms.FINDERS[rule.form](text, forms.Evidence()):
                yield text[span.start : span.end], paths.render(steps)


@lru_cache(maxsize=1024)
def _need_graph(kind_group: str) -> paths.Graph[NeedRule]:
    return paths.Graph(
        (path, rule)
        for rule in NEEDS
        for path in embedding.paths_in(kind_group, rule.kinds, rule.path)
    )


@lru_cache(maxsize=1024)
def _belong_graph(kind_group: str) -> paths.Graph[BelongRule]:
    return paths.Graph(
        (path, rule)
        for rule in BELONGS
        for path in embedding.paths_in(kind_group, rule.kinds, rule.path)
    )
