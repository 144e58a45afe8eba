"""Export: a cluster at one revision -> one commit. Never deletes from an incomplete list.

Pages stream through: of an object only its path and blob id stay, and what changed goes straight
into the commit that is being written. Nothing is visible before the branch moves at the end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC
from urllib.parse import unquote

from kube2git import __version__
from kube2git.core import fielddiff, layout, message, yamlio
from kube2git.core.cleaning import RuleSet, manager_of
from kube2git.core.coverage import FORMAT_VERSION, Coverage, Listing
from kube2git.core.filing import Filing
from kube2git.core.message import Change, ObjectChange
from kube2git.core.objects import Manifest, ObjectRef, ResourceType, ref_of
from kube2git.core.ports import (
    Clock,
    Cluster,
    ClusterIdentity,
    CommitWriter,
    KindRead,
    Memory,
    PageRead,
    Repo,
    Stopped,
    SweepFinished,
    SweepStarted,
    Synced,
)
from kube2git.core.reading import SECRET, CleanerReady, Kinds, choose_kinds, in_cleaning_order
from kube2git.core.remap.closure import needed_by
from kube2git.core.report import ExportReport, Progress, SnapshotTaker, Withheld
from kube2git.core.sealing import (
    MalformedSealError,
    Opener,
    Sealer,
    Sealing,
    Seals,
    is_sealed,
)
from kube2git.core.seen import Seen, memory_fingerprint
from kube2git.core.selection import Selection
from kube2git.core.snapshots.outcomes import SnapshotReport
from kube2git.core.wire import Json, RawObject
from kube2git.errors import PushError, RefusedError, RepositoryNotFoundError

_OWN_FILES = (layout.FORMAT, layout.COVERAGE, layout.SEALS)
FEW_REMOVALS = 10
"""Up to so many removals never trip the guard against mass removal."""
MAX_BODIES = 1000
"""Changed objects whose bodies are kept to name their changed fields in the message."""


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and what the user allows."""

    selection: Selection = field(default_factory=Selection)
    message: str = ""
    schedule: str = "manual"
    dry_run: bool = False
    push: bool = True
    adopt: bool = False
    """Write a prefix although it holds another cluster."""
    allow_mass_removal: bool = False
    max_removal_share: float = 0.5
    """Of the objects in the repository, between 0 and 1."""


@dataclass(slots=True)
class _Collected:
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


def export(
    cluster: Cluster,
    repo: Repo,
    request: ExportRequest,
    *,
    rules: RuleSet,
    memory: Memory,
    clock: Clock,
    sealing: Sealing | None = None,
    is_superseded: Stopped = lambda: False,
    snapshots: SnapshotTaker | None = None,
) -> Iterator[Progress | ExportReport]:
    """Export once; yield progress, and the report last.

    Without ``sealing``, or without a recipient in it, Secrets are left out. ``is_superseded`` is
    asked right before the commit and before the push: whether another run has taken over.
    ``snapshots`` takes those of the volumes, whose records go into the same commit.

    Raises RefusedError (a guard), and the errors of the ports. An unreachable remote does not
    raise: the commit stays local and ``ExportReport.push_error`` says so.
    """
    with repo.lock():
        run = _Export(
            cluster, repo, request, rules, memory, clock, sealing, is_superseded, snapshots
        )
        try:
            yield from run.run()
        finally:
            if snapshots is not None:
                snapshots.close()


class _Export:
    def __init__(
        self,
        cluster: Cluster,
        repo: Repo,
        request: ExportRequest,
        rules: RuleSet,
        memory: Memory,
        clock: Clock,
        sealing: Sealing | None,
        is_superseded: Stopped,
        snapshots: SnapshotTaker | None,
    ) -> None:
        self.is_superseded = is_superseded
        self.cluster, self.repo, self.request = cluster, repo, request
        self.rules, self.memory = rules, memory
        self.started = clock()
        self.run_name = f"{request.schedule}-{self.started.astimezone(UTC):%Y%m%d%H%M%S}"
        self.selection = request.selection
        self.got = _Collected()
        self.seconds: dict[str, float] = {}
        self.sealing = sealing
        self.taker = snapshots
        self.snapshots: SnapshotReport | None = None
        self.warnings: list[str] = []
        self.push_error = ""

    def run(self) -> Iterator[Progress | ExportReport]:
        begun = time.perf_counter()
        if self.taker is not None and not self.request.dry_run:
            yield Progress("waiting for other runs over the snapshots")
            self.taker.begin()
        yield Progress("fetching")
        synced = self._fetch()
        self.base = self.repo.tip()
        self.tree = self.repo.tree(self.base) if self.base else {}
        self._read_own_files()
        self.before = self._read_coverage()
        self._lap("repository", begun)

        lap = time.perf_counter()
        yield Progress("discovering")
        identity = self.cluster.identity()
        self._guard_identity(identity)
        discovery = self.cluster.discover()
        self.sealer = self._make_sealer()
        sealed = frozenset(self.sealing.rules) if self.sealing and self.sealer else frozenset()
        kinds = choose_kinds(discovery, self.selection, self.rules, sealed)
        if SECRET in kinds.left_out:
            self.warnings.append(
                "Secrets are left out, because no recipient is configured to seal their values. "
                "Set sealing.recipients to an age public key; `kube2git init` makes one."
            )
        self._lap("discovery", lap)

        lap = time.perf_counter()
        with ExitStack() as stack:
            self.writer: CommitWriter | None = (
                None if self.request.dry_run else stack.enter_context(self.repo.writer(self.base))
            )
            yield from self._sweep(identity, kinds)
            self._lap("sweep", lap)

            lap = time.perf_counter()
            yield Progress("writing", objects=self.got.objects)
            self.listing = Listing(
                self.before,
                discovery,
                self.selection,
                kinds.exported,
                kinds.left_out,
                self.got.results,
            )
            updates = self._updates(self.listing.coverage(identity.uid))
            changes = self._changes(updates)
            self._guard_removal(changes)
            if self.taker is not None:
                # Last of all, since a refused run must not leave snapshots behind.
                self._lap("writing", lap)
                lap = time.perf_counter()
                yield from self._snapshot(self.taker, identity.uid)
                self._lap("snapshots", lap)
                lap = time.perf_counter()
                updates |= self._records()
            self._guard_right("wrote anything")
            commit = self._commit(updates, changes, identity)
            self._lap("commit", lap)
        if not self.request.dry_run:
            # A narrower run must not make the next full one forget what it knows.
            keep = {} if self.selection.is_everything else dict(self.known)
            self.memory.save(Seen(self.fingerprint, keep | self.got.seen).encode())

        lap = time.perf_counter()
        if self.request.push and not self.request.dry_run:
            yield Progress("pushing", objects=self.got.objects)
            self._guard_right("pushed its commit, which the next run sends")
            synced = self._push(synced)
        self._lap("push", lap)
        if self.taker is not None and not (self.request.dry_run or self.push_error):
            self.taker.settle()
        self.seconds["total"] = time.perf_counter() - begun
        yield self._report(commit, updates, changes, synced)

    def _lap(self, phase: str, since: float) -> None:
        self.seconds[phase] = time.perf_counter() - since

    # ── repository ───────────────────────────────────────────────────────────────────────────

    def _fetch(self) -> Synced:
        try:
            return self.repo.fetch()
        except (PushError, RepositoryNotFoundError) as error:
            # What is committed locally goes with a later push; but without any history at hand
            # the remote's own would be missing below the first commit.
            if self.repo.tip() is None:
                raise
            self.push_error = str(error)
            return Synced("")

    def _push(self, fetched: Synced) -> Synced:
        try:
            pushed = self.repo.push()
        except (PushError, RepositoryNotFoundError) as error:
            self.push_error = f"{error}" + (f" {error.hint}" if error.hint else "")
            return fetched
        self.push_error = ""
        return Synced(
            pushed.remote or fetched.remote,
            fetched.fetched + pushed.fetched,
            fetched.rebuilt + pushed.rebuilt,
            pushed.pushed,
        )

    def _read_own_files(self) -> None:
        # In one go: in a clone that fetches contents on demand, each reading is a request.
        paths = [path for path in _OWN_FILES if path in self.tree]
        self.own = dict(zip(paths, self.repo.read(self.tree[p] for p in paths), strict=True))

    def _read_file(self, path: str) -> object:
        data = self.own.get(path)
        return None if data is None else yamlio.decode(data, source=path)

    def _read_coverage(self) -> Coverage:
        found = self._read_file(layout.FORMAT)
        version = found.get("version") if isinstance(found, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise RefusedError(
                f"the repository is in format {version}, and this kube2git {__version__} knows "
                f"formats up to {FORMAT_VERSION}",
                hint="Upgrade kube2git; a newer one has written here.",
            )
        return Coverage.from_data(self._read_file(layout.COVERAGE))

    def _make_sealer(self) -> Sealer | None:
        """Return what seals this run's objects; None when there is nobody to seal for."""
        if self.sealing is None:
            return None
        before = Seals()
        try:
            data = self._read_file(layout.SEALS)
            before = Seals.parse(data) if isinstance(data, dict) else before
        except (MalformedSealError, yamlio.YamlError):
            self.warnings.append("The file seals.yaml cannot be read; all is sealed again once.")
        rules = self.repo.file_above(self.base, ".sops.yaml") if self.base else None
        sealer = Sealer.of_commit(self.sealing, before, rules, self.started)
        if not sealer.can_seal:
            return None
        if sealer.is_first_with_key:
            self.warnings.append(
                "The fingerprint key is another one than at the last export, so that every "
                "Secret is sealed again once, changed or not."
            )
        return sealer

    def _guard_identity(self, identity: ClusterIdentity) -> None:
        known = self.before.cluster
        if known and identity.uid and known != identity.uid and not self.request.adopt:
            raise RefusedError(
                f"the repository holds another cluster: its kube-system has uid {known}, the one "
                f"of context {identity.context} has {identity.uid}",
                hint="Choose another --prefix for this cluster, or say --adopt if it replaces "
                "the old one.",
            )

    def _guard_right(self, before: str) -> None:
        if self.is_superseded():
            raise RefusedError(
                f"another replica has taken over, so that this run ended before it {before}",
                hint="Nothing is to be done; the other replica exports.",
            )

    # ── snapshots ────────────────────────────────────────────────────────────────────────────

    def _snapshot(self, taker: SnapshotTaker, cluster: str) -> Iterator[Progress]:
        paths = [path for path in self.tree if layout.is_snapshots_path(path)]
        blobs = self.repo.read(self.tree[path] for path in paths)
        files = dict(zip(paths, blobs, strict=True))
        for event in taker.take(self.run_name, cluster, files, is_dry_run=self.request.dry_run):
            if isinstance(event, Progress):
                yield event
            else:
                self.snapshots = event

    def _records(self) -> dict[str, str | None]:
        """Return the records of volumes that change: path -> blob id, or None to remove."""
        if self.snapshots is None or self.writer is None:
            return {}
        return {
            path: None if data is None else self.writer.add(data)
            for path, data in self.snapshots.files.items()
        }

    # ── the sweep ────────────────────────────────────────────────────────────────────────────

    def _sweep(self, identity: ClusterIdentity, kinds: Kinds) -> Iterator[Progress]:
        remembered = self.memory.load()
        total = len(kinds.exported)
        events = self.cluster.sweep(kinds.request(self.selection))
        for event in in_cleaning_order(events, kinds, self.rules):
            if isinstance(event, SweepStarted):
                self.got = _Collected(revision=event.revision)
                self.filing = Filing(self.tree, self.repo.blob_id, self.sealer)
            elif isinstance(event, CleanerReady):
                self.cleaner = event.cleaner
                self.fingerprint = memory_fingerprint(
                    identity,
                    kinds.fingerprint(),
                    event.fingerprint,
                    self.sealer.fingerprint() if self.sealer else "",
                )
                self.known = Seen.decode(remembered, self.fingerprint)
            elif isinstance(event, PageRead):
                self._take(event, is_sealed=event.type.kind_group in kinds.sealed)
            elif isinstance(event, KindRead):
                self.got.results[event.type.kind_group] = event
                done = sum(kind in kinds.exported for kind in self.got.results)
                yield Progress("reading", done, total, self.got.objects)
            else:
                self.got.finished = event
        self._take_needed()

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
            raw = item.decode(type.api_version, type.kind)
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
        if filed.withheld:
            got.withheld.append(Withheld(str(ref), filed.withheld))
        if filed.blob is None:
            return
        got.objects += 1
        got.paths[path] = filed.blob
        if filed.data is not None:
            self._store(filed.data)
            got.differing[path] = ref
            if len(got.bodies) < MAX_BODIES and path in self.tree:
                got.bodies[path] = (clean, raw)
        if raw["metadata"].get("deletionTimestamp"):
            got.terminating.append(ref)
        elif item.meta.uid and not filed.withheld:
            got.seen[item.meta.uid] = (item.meta.resource_version, filed.blob)

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

    # ── what follows from it ─────────────────────────────────────────────────────────────────

    def _updates(self, coverage: Coverage) -> dict[str, str | None]:
        """Return the changes of the tree: path -> blob id, or None to remove."""
        got = self.got
        updates: dict[str, str | None] = {path: got.paths[path] for path in got.differing}
        removed = self._removed()
        updates.update(dict.fromkeys(removed))
        files = {layout.FORMAT: {"version": FORMAT_VERSION}, layout.COVERAGE: coverage.to_data()}
        if self.sealer:
            files[layout.SEALS] = self.sealer.seals(frozenset(removed)).render()
        for path, content in files.items():
            data = yamlio.encode(content)
            blob = self.repo.blob_id(data)
            if self.tree.get(path) != blob:
                self._store(data)
                updates[path] = blob
        return updates

    def _store(self, data: bytes) -> None:
        if self.writer is not None:
            self.writer.add(data)

    def _removed(self) -> list[str]:
        candidates = self.listing.removable(self.tree, self.got.paths)
        if self.got.cluster_scoped:
            live = {layout.path_of(ref) for ref in self.got.cluster_scoped}
            candidates = [path for path in candidates if path not in live]
        if not self.selection.namespaces.is_everything:
            # By their paths, so that the files of all other namespaces need not be read.
            places = ((path, layout.place_of(path)) for path in candidates)
            candidates = [
                path
                for path, place in places
                if place
                and not (
                    place.namespace and not self.selection.wants_namespace(unquote(place.namespace))
                )
            ]
        if not self.selection.labels:
            return candidates
        return [path for path, body in self._bodies_of(candidates) if self._is_selected(body)]

    def _bodies_of(self, paths: Sequence[str]) -> Iterator[tuple[str, Json]]:
        blobs = [self.tree[path] for path in paths]
        for path, data in zip(paths, self.repo.read(blobs), strict=True):
            yield path, yamlio.decode(data, source=path)

    def _is_selected(self, body: Json) -> bool:
        metadata = body.get("metadata") or {}
        return self.selection.label_selector.match(metadata.get("labels") or {})

    def _changes(self, updates: Mapping[str, str | None]) -> tuple[ObjectChange, ...]:
        removed = [path for path, blob in updates.items() if blob is None]
        found = [ObjectChange(Change.REMOVED, ref_of(body)) for _, body in self._bodies_of(removed)]
        for path, ref in self.got.differing.items():
            kind = Change.CHANGED if path in self.tree else Change.ADDED
            found.append(ObjectChange(kind, ref))
        found.sort(key=message.sort_key)
        named = [change for change in found[: message.MAX_LINES] if change.change is Change.CHANGED]
        detailed = dict(zip(named, self._detailed(named), strict=True))
        return tuple(detailed.get(change, change) for change in found)

    def _detailed(self, changes: Sequence[ObjectChange]) -> Iterator[ObjectChange]:
        """Name the fields that changed and who changed them, for the commit message."""
        paths = [layout.path_of(change.ref) for change in changes]
        for change, (path, old) in zip(changes, self._bodies_of(paths), strict=True):
            bodies = self.got.bodies.get(path)
            if bodies is None:
                yield change
                continue
            clean, raw = bodies
            fields = list(_changed_fields(old, clean))
            managers = {manager for field, _ in fields if (manager := manager_of(raw, field))}
            names = dict.fromkeys(name for _, name in fields)
            yield replace(change, fields=tuple(names), managers=tuple(sorted(managers)))

    def _guard_removal(self, changes: Sequence[ObjectChange]) -> None:
        removed = sum(change.change is Change.REMOVED for change in changes)
        before = sum(layout.place_of(path) is not None for path in self.tree)
        allowed = max(FEW_REMOVALS, before * self.request.max_removal_share)
        if removed > allowed and not self.request.allow_mass_removal:
            raise RefusedError(
                f"this run would remove {removed} of the {before} objects in the repository",
                hint="If they are really gone, say --allow-mass-removal; else look at the "
                "context and the selection.",
            )

    def _commit(
        self,
        updates: Mapping[str, str | None],
        changes: Sequence[ObjectChange],
        identity: ClusterIdentity,
    ) -> str:
        if not updates or self.writer is None:
            return ""
        finished = self.got.finished
        trailers = {message.REVISION: self.got.revision} if self.got.revision else {}
        if finished is not None:
            why = f"false ({finished.reason})" if finished.reason else "false"
            trailers[message.ATOMIC] = "true" if finished.atomic else why
            if finished.atomic and finished.reason:
                trailers[message.NOTE] = finished.reason
        if identity.uid:
            trailers[message.CLUSTER] = identity.uid
        trailers[message.SERVER] = identity.server_version
        missing = [
            *(f"{read.type.kind_group} {read.status}" for read in self.listing.incomplete()),
            *(f"{group} failed" for group in sorted(self.listing.discovery.failed)),
        ]
        if missing:
            trailers[message.INCOMPLETE] = ", ".join(missing)
        if self.snapshots is not None and (counts := self.snapshots.counts()):
            trailers[message.SNAPSHOTS] = counts
        trailers[message.RUN] = self.run_name
        lines = list(self.snapshots.lines()) if self.snapshots is not None else []
        text = message.compose(changes, trailers, subject=self.request.message, snapshots=lines)
        return self.writer.commit(text, self.started, updates)

    def _report(
        self,
        commit: str,
        updates: Mapping[str, str | None],
        changes: tuple[ObjectChange, ...],
        synced: Synced,
    ) -> ExportReport:
        got, finished = self.got, self.got.finished
        files = {path for path, blob in {**self.tree, **updates}.items() if blob is not None}
        places = filter(None, map(layout.place_of, files))
        return ExportReport(
            run=self.run_name,
            commit=commit,
            revision=got.revision,
            atomic=finished is not None and finished.atomic,
            reason=finished.reason if finished else "",
            kinds=len(self.listing.exported),
            objects=got.objects,
            by_kind=dict(sorted(Counter(place.kind_group for place in places).items())),
            changes=changes,
            left_out=dict(sorted(got.left_out.items())),
            terminating=tuple(got.terminating),
            incomplete=self.listing.incomplete(),
            missing_groups=dict(self.listing.discovery.failed),
            withheld=tuple(got.withheld),
            warnings=(*self.warnings, *self.filing.warnings),
            synced=synced,
            push_error=self.push_error,
            state=self.repo.state(),
            seconds=dict(self.seconds),
            dry_run=self.request.dry_run,
            snapshots=self.snapshots,
        )


def _changed_fields(old: Json, clean: Json) -> Iterator[tuple[fielddiff.Path, str]]:
    """Yield the path of each field that changed, and how the commit message names it.

    Which of the sealed values changed cannot be told without a private key, so that they are
    named by what holds them.
    """
    for change in fielddiff.changes(Opener().open(old), clean):
        is_cipher = isinstance(change.old, str) and is_sealed(old) and change.kind == "changed"
        hides = is_cipher and len(change.path) > 1
        yield change.path, fielddiff.dotted(change.path[:-1] if hides else change.path)
