"""The sweep of one export: of each object only its path and blob id stay.

Pages stream through; what changed goes straight into the commit that is being written. When the
sweep starts again, at another revision, everything that it had brought is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kube2git.core import layout
from kube2git.core.cleaning import RuleSet
from kube2git.core.filing import Filed, Filing
from kube2git.core.objects import Manifest, ObjectRef, ResourceType, ref_of
from kube2git.core.ports import (
    Cluster,
    ClusterIdentity,
    KindRead,
    PageRead,
    SweepFinished,
    SweepStarted,
)
from kube2git.core.reading import CleanerReady, Kinds, in_cleaning_order
from kube2git.core.remap.closure import needed_by
from kube2git.core.report import Progress, Withheld
from kube2git.core.sealing import Sealer
from kube2git.core.seen import Seen, memory_fingerprint
from kube2git.core.selection import Selection
from kube2git.core.wire import Json, RawObject, TooDeepError

MAX_BODIES = 1000
"""Changed objects whose bodies are kept to name their changed fields in the message."""


@dataclass(slots=True)
class Collected:
    """What one attempt at the sweep has brought; forgotten when the sweep starts again."""

    revision: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    """Path -> blob id, of every object that belongs in the repository."""
    differing: dict[str, ObjectRef] = field(default_factory=dict)
    """Of those, the ones that are not in the repository as they are."""
    namespaced: list[Manifest] = field(default_factory=list)
    """Clean objects that tell which cluster-scoped objects are needed (scope auto only)."""
    cluster_scoped: dict[ObjectRef, tuple[Json, Json, RawObject]] = field(default_factory=dict)
    """(clean, raw, item) of those that exist, needed or not (scope auto only)."""
    bodies: dict[str, tuple[Json, Json]] = field(default_factory=dict)
    """Path -> (clean, raw) of changed objects."""
    results: dict[str, KindRead] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    withheld: list[Withheld] = field(default_factory=list)
    terminating: list[ObjectRef] = field(default_factory=list)
    objects: int = 0
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)
    finished: SweepFinished | None = None


class Collector:
    """Takes what a sweep brings, and hands on what is not in the repository as it is."""

    def __init__(
        self,
        tree: Mapping[str, str],
        selection: Selection,
        kinds: Kinds,
        sealer: Sealer | None,
        *,
        blob_id: Callable[[bytes], str],
        store: Callable[[bytes], object],
    ) -> None:
        """``tree`` is what the repository holds: path -> blob id; ``store`` keeps new files."""
        self.tree, self.selection, self.kinds, self.sealer = tree, selection, kinds, sealer
        self._blob_id, self._store = blob_id, store
        self.got = Collected()

    def sweep(
        self, cluster: Cluster, identity: ClusterIdentity, rules: RuleSet, remembered: bytes | None
    ) -> Iterator[Progress]:
        """Read every kind; ``remembered`` is what ``seen`` gave after the last run."""
        total = len(self.kinds.exported)
        events = cluster.sweep(self.kinds.request(self.selection))
        for event in in_cleaning_order(events, self.kinds, rules):
            if isinstance(event, SweepStarted):
                self.got = Collected(revision=event.revision)
                self.filing = Filing(self.tree, self._blob_id, self.sealer)
            elif isinstance(event, CleanerReady):
                self.cleaner = event.cleaner
                self.fingerprint = memory_fingerprint(
                    identity,
                    self.kinds.fingerprint(),
                    event.fingerprint,
                    self.sealer.fingerprint() if self.sealer else "",
                )
                self.known = Seen.decode(remembered, self.fingerprint)
            elif isinstance(event, PageRead):
                self._take(event, is_sealed=event.type.kind_group in self.kinds.sealed)
            elif isinstance(event, KindRead):
                self.got.results[event.type.kind_group] = event
                done = sum(kind in self.kinds.exported for kind in self.got.results)
                yield Progress("reading", done, total, self.got.objects)
            else:
                self.got.finished = event
        self._take_needed()

    def seen(self) -> Seen:
        """Return what the next run may rely on."""
        # A narrower run must not make the next full one forget what it knows.
        keep = {} if self.selection.is_everything else dict(self.known)
        return Seen(self.fingerprint, keep | self.got.seen)

    def _take(self, page: PageRead, *, is_sealed: bool) -> None:
        type, got = page.type, self.got
        collects = self.selection.only_needed_cluster_objects
        filters = type.namespaced and not self.selection.namespaces.is_everything
        # Kinds that hold facts for cleaning are listed whatever their labels.
        labelled = bool(self.selection.labels)
        for item in page.items:
            meta = item.meta
            if filters and not self.selection.wants_namespace(meta.namespace):
                continue
            if not (collects or labelled) and self._is_remembered(type, item, is_sealed=is_sealed):
                continue
            try:
                raw = item.decode(type.api_version, type.kind)
            except TooDeepError as error:
                ref = type.ref(meta.namespace, meta.name)
                path = layout.path_of(ref)
                self._file(ref, path, Filed(self.tree.get(path), None, f"It is {error}."))
                continue
            if labelled and not self.selection.label_selector.match(
                raw["metadata"].get("labels") or {}
            ):
                continue
            cleaned = self.cleaner.clean(raw)
            if cleaned.body is None:
                rule = cleaned.left_out.id if cleaned.left_out else ""
                got.left_out[rule] += 1
                got.seen[meta.uid] = (meta.resource_version, f"-{rule}")
                continue
            if collects and not type.namespaced:
                got.cluster_scoped[type.ref("", meta.name)] = (cleaned.body, raw, item)
                continue
            if collects:
                got.namespaced.append(Manifest.of(cleaned.body))
            self._write(cleaned.body, raw, item)

    def _is_remembered(self, type: ResourceType, item: RawObject, *, is_sealed: bool) -> bool:
        """Take an object at its remembered outcome, if it stands so in the repository."""
        meta, got = item.meta, self.got
        entry = self.known.get(meta.uid)
        if entry is None or entry[0] != meta.resource_version:
            return False
        outcome = entry[1]
        if outcome.startswith("-"):
            got.left_out[outcome[1:]] += 1
        else:
            path = layout.path_of(type.ref(meta.namespace, meta.name))
            if self.tree.get(path) != outcome:
                return False
            if is_sealed and not self.filing.keep(path, type, item):
                return False
            got.paths[path] = outcome
            got.objects += 1
        got.seen[meta.uid] = entry
        return True

    def _write(self, clean: Json, raw: Json, item: RawObject) -> None:
        got = self.got
        ref = ref_of(clean)
        path = layout.path_of(ref)
        filed = self.filing.file(ref, path, clean)
        self._file(ref, path, filed)
        if filed.blob is None:
            return
        if filed.data is not None:
            self._store(filed.data)
            got.differing[path] = ref
            if len(got.bodies) < MAX_BODIES and path in self.tree:
                got.bodies[path] = (clean, raw)
        if raw["metadata"].get("deletionTimestamp"):
            got.terminating.append(ref)
        elif item.meta.uid and not filed.withheld:
            got.seen[item.meta.uid] = (item.meta.resource_version, filed.blob)

    def _file(self, ref: ObjectRef, path: str, filed: Filed) -> None:
        got = self.got
        if filed.withheld:
            got.withheld.append(Withheld(str(ref), filed.withheld))
        if filed.blob is not None:
            got.objects += 1
            got.paths[path] = filed.blob

    def _take_needed(self) -> None:
        """Write the cluster-scoped objects that the selected namespaces need."""
        pool = self.got.cluster_scoped
        if not pool:
            return
        own = [
            ref
            for ref in pool
            if ref.kind_group == "Namespace" and self.selection.wants_namespace(ref.name)
        ]
        objects = self.got.namespaced + [Manifest.of(clean) for clean, _, _ in pool.values()]
        selected = [manifest.ref for manifest in self.got.namespaced] + own
        is_whole = self.selection.kinds.is_everything and not self.selection.labels
        needed = needed_by(selected, objects, [ref.name for ref in own] if is_whole else ())
        for ref in (*own, *needed):
            self._write(*pool[ref])
