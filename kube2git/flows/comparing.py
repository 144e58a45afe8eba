"""Compare: a revision with the live cluster, object by object. Reads both, writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kube2git.core import layout, yamlio
from kube2git.core.cleaning import RuleSet
from kube2git.core.ports import (
    Cluster,
    Discovery,
    KindRead,
    KindStatus,
    PageRead,
    Repo,
    SweepStarted,
)
from kube2git.core.reading import CleanerReady, choose_kinds, in_cleaning_order
from kube2git.core.report import ObjectDiff, Progress
from kube2git.core.sealing import Opener, Sealer, Sealing, Seals
from kube2git.core.selection import ObjectName, Selection, names_in_repository
from kube2git.core.wire import Json

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class LiveComparison:
    """What differs between a commit and the cluster."""

    commit: str
    revision: str
    """The etcd revision at which the cluster was read."""
    diffs: tuple[ObjectDiff, ...]
    """``old`` is the commit's object, ``new`` the live one."""
    incomplete: tuple[KindRead, ...]
    """Kinds that could not be read completely: they are compared as far as they were seen."""


def compare_live(
    cluster: Cluster,
    repo: Repo,
    revision: str,
    names: Sequence[ObjectName],
    selection: Selection,
    rules: RuleSet,
    sealing: Sealing | None = None,
    opener: Opener | None = None,
) -> Iterator[Progress | LiveComparison]:
    """Compare a revision with the live cluster; yield progress, and the comparison last.

    Sealed objects are opened by ``opener``; what it cannot open is the same if the fingerprint
    that was noted when it was sealed says so.

    An object of a kind that the cluster could not list is never reported as removed.
    """
    commit = repo.resolve(revision)
    tree = repo.tree(commit)
    yield Progress("discovering")
    discovery = cluster.discover()
    sealer = _sealer(repo, commit, tree, sealing)
    sealed = frozenset(sealing.rules) if sealing and layout.SEALS in tree else frozenset()
    kinds = choose_kinds(discovery, selection, rules, sealed)
    results: dict[str, KindRead] = {}
    present: set[str] = set()
    live: dict[str, Json] = {}
    at = ""
    cleaner = None
    for event in in_cleaning_order(cluster.sweep(kinds.request(selection)), kinds, rules):
        if isinstance(event, SweepStarted):
            results, present, live, at = {}, set(), {}, event.revision
        elif isinstance(event, CleanerReady):
            cleaner = event.cleaner
        elif isinstance(event, PageRead) and cleaner is not None:
            for item in event.items:
                ref = event.type.ref(item.meta.namespace, item.meta.name)
                if ref.namespace and not selection.wants_namespace(ref.namespace):
                    continue
                if names and not any(
                    name.matches(ref, event.type.names() | names_in_repository(ref))
                    for name in names
                ):
                    continue
                raw = item.decode(event.type.api_version, event.type.kind)
                if not selection.label_selector.match(raw["metadata"].get("labels") or {}):
                    continue
                body = cleaner.clean(raw).body
                if body is None:
                    continue
                path = layout.path_of(ref)
                present.add(path)
                rule = sealer.rule_for(body) if sealer else None
                if sealer and rule and sealer.is_unchanged(path, body, rule) and path in tree:
                    continue
                if tree.get(path) != repo.blob_id(yamlio.encode(body)):
                    live[path] = body
        elif isinstance(event, KindRead):
            results[event.type.kind_group] = event
            yield Progress("reading", len(results), len(kinds.exported), len(present))
    missing = [
        path
        for path in tree
        if path not in present and _was_listed(path, results, discovery, selection)
    ]
    diffs = list(_diffs(repo, tree, live, missing, names, selection, opener))
    diffs.sort(key=lambda item: (item.ref.namespace, item.ref))
    incomplete = tuple(
        result
        for kind, result in sorted(results.items())
        if kind in kinds.exported and result.status is not KindStatus.LISTED
    )
    yield LiveComparison(commit, at, tuple(diffs), incomplete)


def _sealer(
    repo: Repo, commit: str, tree: dict[str, str], sealing: Sealing | None
) -> Sealer | None:
    """Return what recognises unchanged sealed objects; None when nothing is sealed there."""
    if sealing is None or layout.SEALS not in tree:
        return None
    (data,) = repo.read([tree[layout.SEALS]])
    seals = Seals.parse(yamlio.decode(data, source=layout.SEALS))
    rules = repo.file_above(commit, ".sops.yaml")
    # Nothing is sealed here, so the time does not matter.
    return Sealer.of_commit(sealing, seals, rules, _NEVER)


def _was_listed(
    path: str, results: dict[str, KindRead], discovery: Discovery, selection: Selection
) -> bool:
    """Tell whether an object that was not seen is really gone."""
    place = layout.place_of(path)
    if place is None:
        return False
    result = results.get(place.kind_group)
    if result is None:
        served = any(type.kind_group == place.kind_group for type in discovery.types)
        group = place.kind_group.partition(".")[2]
        return not served and not discovery.is_failed(group) and selection.is_everything
    if result.status is KindStatus.PARTIAL:
        return place.namespace in {layout.segment(name) for name in result.namespaces}
    return result.status is KindStatus.LISTED


def _diffs(
    repo: Repo,
    tree: dict[str, str],
    live: dict[str, Json],
    missing: Sequence[str],
    names: Sequence[ObjectName],
    selection: Selection,
    opener: Opener | None,
) -> Iterator[ObjectDiff]:
    known = [path for path in live if path in tree]
    for path, data in zip(known, repo.read(tree[path] for path in known), strict=True):
        old = yamlio.decode(data, source=path)
        diff = ObjectDiff.between(old, live[path], opener)
        # A hand-edited or sealed file may say the same in other bytes.
        if diff.fields:
            yield diff
    for path, body in live.items():
        if path not in tree:
            yield ObjectDiff.between(None, body)
    for path, data in zip(missing, repo.read(tree[path] for path in missing), strict=True):
        diff = ObjectDiff.between(yamlio.decode(data, source=path), None)
        if _is_wanted(diff, names, selection):
            yield diff


def _is_wanted(diff: ObjectDiff, names: Sequence[ObjectName], selection: Selection) -> bool:
    ref = diff.ref
    metadata = (diff.old or {}).get("metadata") or {}
    if ref.namespace and not selection.wants_namespace(ref.namespace):
        return False
    if not selection.label_selector.match(metadata.get("labels") or {}):
        return False
    return not names or any(name.matches(ref, names_in_repository(ref)) for name in names)
