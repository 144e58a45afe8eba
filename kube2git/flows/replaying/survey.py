"""The target as it is: swept at one revision, cleaned by the exporter's rules, with what planning
needs of the raw objects. Of an object that equals its file nothing more than the clean body stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kube2git.core import layout, yamlio
from kube2git.core.cleaning import Cleaner, ContextBuilder, RuleSet
from kube2git.core.coverage import Coverage
from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.planning.live import LiveObject
from kube2git.core.ports import (
    Cluster,
    Discovery,
    KindRead,
    KindStatus,
    PageRead,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.reading import CleanerReady, Kinds, in_cleaning_order
from kube2git.core.report import Progress
from kube2git.core.sealing import Sealer
from kube2git.core.volumes import KnownVolume
from kube2git.core.wire import ItemMeta, Json
from kube2git.core.workloads import dig

VOLUME = "PersistentVolume"
LOOKED_AT = frozenset({"Namespace", VOLUME, "Service", "StorageClass.storage.k8s.io"})
"""Kinds that others collide with, or that tell what exists: always decoded."""
REPLAY_LABEL = "kube2git.io/replay"


@dataclass
class Live:
    """What the target holds, of the kinds and namespaces that were asked for."""

    revision: str = ""
    objects: dict[ObjectRef, LiveObject] = field(default_factory=dict)
    same: dict[str, Manifest] = field(default_factory=dict)
    """Path -> object, of those that are byte for byte what the commit's file says."""
    settled: dict[str, tuple[ObjectRef, ItemMeta]] = field(default_factory=dict)
    """Path -> object, not decoded: the commit's file was made from its very state."""
    volumes: list[KnownVolume] = field(default_factory=list)
    """Every PersistentVolume, also those that an export leaves out."""
    labels: dict[ObjectRef, str] = field(default_factory=dict)
    """The replay that wrote an object last, by its label."""
    results: dict[str, KindRead] = field(default_factory=dict)
    cleaner: Cleaner | None = None

    @property
    def namespaces(self) -> frozenset[str]:
        return frozenset(ref.name for ref in self.objects if ref.kind_group == "Namespace")

    def incomplete(self, kinds: Collection[str]) -> Iterator[KindRead]:
        """Yield those of the kinds that were not listed completely."""
        for kind, result in sorted(self.results.items()):
            if kind in kinds and result.status is not KindStatus.LISTED:
                yield result


@dataclass(frozen=True)
class Survey:
    """What to read of the target."""

    types: Mapping[str, ResourceType]
    """kind_group -> the kind, of every kind whose objects are wanted."""
    context_types: tuple[ResourceType, ...]
    """Kinds that are read to know how to clean the others."""
    namespaces: tuple[str, ...] | None = None
    wants: Callable[[ObjectRef], bool] | None = None
    """Which objects are looked at; None: all."""
    tree: Mapping[str, str] | None = None
    """Path -> blob id, when files can be compared as they stand (nothing is renamed)."""
    sealer: Sealer | None = None
    """What recognises a sealed file's object by its fingerprint."""
    remembered: Callable[[str], Mapping[str, tuple[str, str]]] | None = None
    """Given the fingerprint of cleaning: what the last export made of each uid (``core.seen``)."""
    decoded: Collection[ObjectRef] = ()
    """Objects that must be looked at, remembered or not."""

    def kinds(self) -> Kinds:
        later = tuple(type for kind, type in self.types.items() if kind not in ContextBuilder.KINDS)
        phases = tuple(phase for phase in (self.context_types, later) if phase)
        return Kinds(dict(self.types), {}, phases)

    def read(
        self, cluster: Cluster, rules: RuleSet, blob_id: Callable[[bytes], str]
    ) -> Iterator[Progress | Live]:
        """Yield progress, and what was found last."""
        kinds = self.kinds()
        request = SweepRequest(kinds.phases, self.namespaces, "", ContextBuilder.KINDS)
        live = Live()
        known: Mapping[str, tuple[str, str]] = {}
        for event in in_cleaning_order(cluster.sweep(request), kinds, rules):
            if isinstance(event, SweepStarted):
                live = Live(event.revision)
            elif isinstance(event, CleanerReady):
                live.cleaner = event.cleaner
                known = self.remembered(event.fingerprint) if self.remembered else {}
            elif isinstance(event, PageRead):
                self._take(event, live, blob_id, known)
            elif isinstance(event, KindRead):
                live.results[event.type.kind_group] = event
                # Kinds that are read for the sake of others are nobody's progress.
                done = len(kinds.exported.keys() & live.results.keys())
                total = len(kinds.exported)
                yield Progress("reading the target", done, total, len(live.objects))
        yield live

    def _take(
        self,
        page: PageRead,
        live: Live,
        blob_id: Callable[[bytes], str],
        known: Mapping[str, tuple[str, str]],
    ) -> None:
        type, cleaner = page.type, live.cleaner
        if cleaner is None:
            return
        for item in page.items:
            ref = type.ref(item.meta.namespace, item.meta.name)
            if self.wants is not None and not self.wants(ref):
                continue
            if known and self._is_remembered(ref, item.meta, known, live):
                continue
            raw = item.decode(type.api_version, type.kind)
            if ref.kind_group == VOLUME:
                live.volumes.append(KnownVolume.of(raw))
            body = cleaner.clean(raw).body
            if body is None:
                continue
            manifest = Manifest.of(body)
            is_same = False
            if self.tree is not None:
                path = layout.path_of(ref)
                blob = self.tree.get(path)
                is_same = blob is not None and (
                    blob == blob_id(yamlio.encode(body)) or self._is_as_sealed(path, body, blob)
                )
                if is_same:
                    live.same[path] = manifest
            live.objects[ref] = LiveObject.of(raw, manifest, keep_managers=not is_same)
            label = dig(raw, "metadata", "labels", REPLAY_LABEL)
            if label:
                live.labels[ref] = label

    def _is_remembered(
        self,
        ref: ObjectRef,
        meta: ItemMeta,
        known: Mapping[str, tuple[str, str]],
        live: Live,
    ) -> bool:
        """Tell whether the commit's file was made from this very state of the object."""
        version, blob = known.get(meta.uid, ("", ""))
        kind = ref.kind_group
        if version != meta.resource_version or kind in LOOKED_AT or kind in ContextBuilder.KINDS:
            return False
        if ref in self.decoded:
            return False
        if blob.startswith("-"):
            return True
        path = layout.path_of(ref)
        if not self.tree or self.tree.get(path) != blob:
            return False
        live.settled[path] = ref, meta
        return True

    def _is_as_sealed(self, path: str, body: Json, blob: str) -> bool:
        rule = self.sealer.rule_for(body) if self.sealer else None
        return bool(self.sealer and rule and self.sealer.is_unchanged(path, body, rule, blob))


def types_for(
    discovery: Discovery, kinds: Collection[str] | None, coverage: Coverage, rules: RuleSet
) -> dict[str, ResourceType]:
    """Return the target's types of these kinds, at the version that the commit's files have.

    None: every kind that an export would hold. Where the target does not serve the recorded
    version, its own choice stands.
    """
    found = {}
    for type in discovery.types:
        kind = type.kind_group
        if rules.skipped_kind(kind) or (kinds is not None and kind not in kinds):
            continue
        known = coverage.kinds.get(kind)
        recorded = known.versions[0] if known and known.versions else type.version
        found[kind] = replace(type, version=recorded) if recorded in type.versions else type
    return found


def context_types(
    discovery: Discovery, types: Mapping[str, ResourceType]
) -> tuple[ResourceType, ...]:
    """Return the kinds that hold facts for cleaning others, at the versions chosen."""
    return tuple(
        types.get(type.kind_group, type)
        for type in discovery.types
        if type.kind_group in ContextBuilder.KINDS
    )
