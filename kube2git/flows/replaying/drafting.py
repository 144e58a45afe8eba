"""From a commit and a target to a plan: everything here only reads, dry runs excepted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kube2git.core.cleaning import Cleaner, RuleSet
from kube2git.core.objects import Manifest, ObjectRef, ResourceType
from kube2git.core.planning.adoption import SharedStorage
from kube2git.core.planning.guards import Scope
from kube2git.core.planning.plan import Header, Plan, Problem
from kube2git.core.planning.planner import Computed, Context, compute
from kube2git.core.planning.policy import Prune
from kube2git.core.planning.rehearsal import (
    Confinement,
)
from kube2git.core.planning.settling import Settled
from kube2git.core.planning.stances import OwnerRule, Stance
from kube2git.core.ports import (
    ClusterIdentity,
    Commit,
    Discovery,
    KindStatus,
    Memory,
    Repo,
    Snapshotter,
    Target,
)
from kube2git.core.reading import choose_kinds
from kube2git.core.remap.findings import Remapped
from kube2git.core.remap.transforms import Change
from kube2git.core.report import Progress
from kube2git.core.sealing import Sealing
from kube2git.core.seen import Seen, memory_fingerprint
from kube2git.core.snapshots.restoring import Restores, undecided
from kube2git.core.wire import Json
from kube2git.errors import RefusedError
from kube2git.flows.replaying.choice import NAMESPACE, Choice, companions
from kube2git.flows.replaying.claims import claim_data
from kube2git.flows.replaying.commit import CommitReader, Contents
from kube2git.flows.replaying.inventory import Inventory, set_name
from kube2git.flows.replaying.moving import move
from kube2git.flows.replaying.neighbours import shared_storage
from kube2git.flows.replaying.request import (
    ASKED,
    Companion,
    FindNeighbours,
    FindSnapshotters,
    ReplayRequest,
    Unseal,
)
from kube2git.flows.replaying.survey import (
    LOOKED_AT,
    VOLUME,
    Live,
    Survey,
    context_types,
    types_for,
)

NAMED_ONE_BY_ONE = OwnerRule(
    "kubectl*", Stance.TAKE_OVER, "a person set it with kubectl, and a person named the object"
)
"""Undoing one object mostly means to undo what somebody did with kubectl."""


@dataclass
class Draft:
    """A plan, and all that showing it and carrying it out needs."""

    request: ReplayRequest
    commit: Commit
    identity: ClusterIdentity
    name: str
    """Of the replay."""
    plan: Plan
    computed: Computed
    live: Live
    types: Mapping[str, ResourceType]
    remapped: Remapped
    changes: Sequence[Change]
    """What storage-class maps, image maps and patches did."""
    along: Sequence[Companion]
    inventory: Inventory
    discovery: Discovery
    sealed: Mapping[ObjectRef, Json]
    """Objects of the target -> their sealed files."""
    restores: Restores = field(default_factory=Restores)
    snapshotters: Mapping[str, Snapshotter] = field(default_factory=dict)
    """By method, those that the restores need."""
    settled: dict[ObjectRef, Settled] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    scratch: Mapping[str, str] = field(default_factory=dict)
    """Of a rehearsal: namespace made for it -> the one that it stands for."""

    @property
    def cleaner(self) -> Cleaner:
        assert self.live.cleaner is not None  # noqa: S101 - a sweep that ended had one
        return self.live.cleaner


class Drafter:
    """Makes the draft of one replay."""

    def __init__(
        self,
        target: Target,
        repo: Repo,
        request: ReplayRequest,
        *,
        rules: RuleSet,
        unseal: Unseal | None,
        sealing: Sealing | None,
        memory: Memory | None,
        find_snapshotters: FindSnapshotters,
        find_neighbours: FindNeighbours,
        started: str,
    ) -> None:
        self.memory = memory
        self.target, self.repo, self.rules = target, repo, rules
        self.unseal, self.sealing = unseal, sealing
        self.find_snapshotters = find_snapshotters
        self.find_neighbours = find_neighbours
        self.started = started
        self.seconds: dict[str, float] = {}
        named = {name.namespace for name in request.names if name.namespace}
        named.update(request.selection.namespaces.literals or ())
        owners = request.policy.owners
        if request.names and all(name.name for name in request.names):
            asked = tuple(rule for rule in owners if rule.reason == ASKED)
            owners = (*asked, NAMED_ONE_BY_ONE, *owners[len(asked) :])
        policy = replace(request.policy, named_namespaces=frozenset(named), owners=owners)
        self.request = replace(request, policy=policy)

    def draft(self) -> Iterator[Progress | Draft]:
        """Yield progress, and the draft last, its candidates not yet settled.

        Raises RefusedError for what nothing may be written with: two objects that become one, a
        patch that does not fit, and open references when the request is strict.
        """
        lap = time.perf_counter()
        yield Progress("reading the commit")
        self.reader = CommitReader(
            self.repo,
            self.request.revision,
            self.unseal,
            requires_signature=self.request.requires_signature,
        )
        lap = self._lap("commit", lap)
        yield Progress("asking the target which kinds it serves")
        self.identity = self.target.identity()
        self.discovery = self.target.discover()
        self.choice = Choice(self.request, self.reader, self.discovery, self.started)
        self.inventory = Inventory.load(
            self.target,
            self.discovery,
            self.request.inventory_namespace,
            set_name(self.reader.coverage.cluster, self.request.prefix, self.request.maps),
        )
        if self.inventory.denial and self.request.policy.prune is Prune.OWNED:
            raise self.inventory.denial
        lap = self._lap("discovery", lap)
        survey = self._survey()
        for event in survey.read(self.target, self.rules, self.repo.blob_id):
            if isinstance(event, Live):
                self.live = event
            else:
                yield event
        lap = self._lap("sweep", lap)
        yield Progress("comparing", objects=len(self.choice.files))
        contents = self._contents()
        chosen, along = self._with_companions(contents)
        remapped, changes = move(chosen, self.request, self.choice.names, self.live)
        data = claim_data(
            remapped.objects,
            self.request,
            self.repo,
            self.reader.tree,
            self.live,
            self.find_snapshotters,
        )
        remapped = replace(remapped, objects=tuple(map(data.sized, remapped.objects)))
        self.inventory.adopt(self.live)
        computed = compute(
            [moved.manifest for moved in remapped.objects],
            self.live.objects,
            self.request.policy,
            self._context(survey, contents, remapped),
        )
        if self.request.is_rehearsal:
            computed = self._confined(computed)
        self._lap("comparison", lap)
        yield Draft(
            request=self.request,
            commit=self.reader.commit,
            identity=self.identity,
            name=f"{self.reader.commit.id[:7]}-{self.started}",
            plan=undecided(
                data.restores.annotate(computed.plan), data.recorded, self.request.policy.volumes
            ),
            computed=computed,
            live=self.live,
            types=survey.types,
            remapped=remapped,
            changes=changes,
            along=along,
            inventory=self.inventory,
            discovery=self.discovery,
            sealed={
                moved.manifest.ref: contents.sealed[moved.source]
                for moved in remapped.objects
                if moved.source in contents.sealed
            }
            | {
                ref: _in_namespace(contents.sealed[entry.ref], ref.namespace)
                for entry in contents.unreadable
                if entry.ref in contents.sealed
                for ref in self._moved(entry.ref)
            },
            restores=data.restores,
            snapshotters=data.snapshotters,
            seconds=self.seconds,
            scratch=self.choice.origins if self.request.is_rehearsal else {},
        )

    def _confined(self, computed: Computed) -> Computed:
        """Leave out what a rehearsal must not write."""
        result = self.live.results.get(VOLUME)
        is_known = result is not None and result.status is KindStatus.LISTED
        confinement = Confinement(
            scratch=self.choice.origins.keys(),
            kinds={type.kind_group for type in self.discovery.types},
            volumes=self.live.volumes if is_known else None,
        )
        manifests = {ref: adapted.manifest for ref, adapted in computed.adapted.items()}
        there = sorted(name for name in self.choice.origins if name in self.live.namespaces)
        if there:
            raise RefusedError(
                f"the namespace {there[0]} exists already, so it cannot be made for a rehearsal",
                hint="Run the same command again: the name has the time in it.",
            )
        return replace(computed, plan=confinement.apply(computed.plan, manifests))

    def _lap(self, phase: str, since: float) -> float:
        now = time.perf_counter()
        self.seconds[phase] = now - since
        return now

    # ── what the target is asked ─────────────────────────────────────────────────────────────

    def _survey(self) -> Survey:
        """Decide which kinds, namespaces and objects of the target are looked at."""
        prune = self.request.policy.prune
        kinds: set[str] | None = None
        if self.request.is_partial or prune is Prune.NONE:
            kinds = {file.kind_group for file in (*self.choice.files, *self.choice.pool)}
            kinds |= {NAMESPACE} | {ref.kind_group for ref in self.inventory.entries}
            if self.request.is_rehearsal:
                kinds |= LOOKED_AT
            if prune is Prune.ALL:
                kinds |= {
                    kind
                    for kind in self.reader.coverage.kinds
                    if self.request.selection.wants_kind_names(
                        self.choice.chooser.words(ref_of_kind(kind))
                    )
                }
        types = types_for(self.discovery, kinds, self.reader.coverage, self.rules)
        wants = None
        if prune is Prune.NONE and self.choice.is_as_filed and not self.choice.has_cut:
            wanted = {file.ref for file in (*self.choice.files, *self.choice.pool)}

            def wants(ref: ObjectRef) -> bool:
                return ref in wanted or ref.kind_group in LOOKED_AT

        return Survey(
            types,
            context_types(self.discovery, types),
            self.choice.namespaces(),
            wants,
            self.reader.tree if self.choice.is_as_filed else None,
            self.reader.sealer(self.sealing) if self.choice.is_as_filed else None,
            self._remembered if self._may_remember else None,
            frozenset(ref for ref, entry in self.inventory.entries.items() if not entry.uid),
        )

    @property
    def _may_remember(self) -> bool:
        """True when an object that equals its file needs nothing, whatever is in it."""
        request = self.request
        is_plain = request.policy.replicas is None and not request.policy.adopt_volumes
        needs_bodies = self.choice.pool or request.selection.labels or request.is_strict
        return self.choice.is_as_filed and is_plain and not needs_bodies and self.memory is not None

    def _remembered(self, cleaning: str) -> Mapping[str, tuple[str, str]]:
        """Return what the last export of this cluster has noted, if it read as this run does."""
        if self.memory is None:
            return {}
        sealer = self.reader.export_sealer(self.sealing)
        sealed = frozenset(self.sealing.rules) if self.sealing and sealer else frozenset()
        kinds = choose_kinds(self.discovery, self.request.selection, self.rules, sealed)
        sealing = sealer.fingerprint() if sealer else ""
        fingerprint = memory_fingerprint(self.identity, kinds.fingerprint(), cleaning, sealing)
        return Seen.decode(self.memory.load(), fingerprint)

    # ── what the commit says of it ───────────────────────────────────────────────────────────

    def _contents(self) -> Contents:
        """Return the selected objects; those that the target has as filed are not read again."""
        same = self.live.same
        settled = self.live.settled
        contents = self.reader.read(
            file for file in self.choice.files if file.path not in same and file.path not in settled
        )
        for file in self.choice.files:
            if file.path in same:
                contents.add(file.path, same[file.path])
        contents.keep(self.choice.wants)
        return contents

    def _with_companions(self, contents: Contents) -> tuple[list[Manifest], list[Companion]]:
        chosen = list(contents.manifests.values())
        if not self.choice.pool:
            return chosen, []
        others = self.reader.read(
            file for file in self.choice.pool if file.path not in contents.manifests
        )
        found, why = companions(self.request, chosen, others.manifests.values())
        takes_whole_namespaces = (
            self.request.takes_all_kinds and self.request.selection.only_needed_cluster_objects
        )
        if not takes_whole_namespaces or self.request.policy.only_data:
            # What was asked for is a part of a namespace: others may depend on what is there.
            found = [manifest for manifest in found if self._is_missing(manifest.ref)]
            missing = {manifest.ref for manifest in found}
            why = [entry for entry in why if entry.ref in missing]
        return [*chosen, *found], why

    def _is_missing(self, ref: ObjectRef) -> bool:
        if ref.kind_group != NAMESPACE:
            return ref not in self.live.objects
        return any(name not in self.live.namespaces for name in self.choice.names.targets(ref.name))

    # ── planning ─────────────────────────────────────────────────────────────────────────────

    def _context(self, survey: Survey, contents: Contents, remapped: Remapped) -> Context:
        request, reader = self.request, self.reader
        problems = [
            Problem(
                f"{read.type.resource_group} is {read.status} in the target, so what it has of "
                f"this kind is not known. {read.reason}"
            )
            for read in self.live.incomplete(survey.types)
        ]
        warnings = [f"{found.ref} {found.path}: {found.message}" for found in remapped.conflicts]
        return Context(
            header=Header(
                commit=reader.commit.id,
                revision=request.revision,
                source_cluster=reader.coverage.cluster,
                target_cluster=self.identity.uid,
                target_context=self.identity.context,
                target_version=self.identity.server_version,
                target_revision=self.live.revision,
                signed_by=str(reader.signature) if reader.signature.is_trusted else "",
                maps=tuple(
                    (source, target)
                    for source, targets in sorted(self.choice.names.renamed.items())
                    for target in targets
                ),
                selection=request.selected(),
                options=request.options(),
                inputs=request.inputs,
            ),
            types={type.kind_group: type for type in self.discovery.types},
            scope=Scope(
                coverage=reader.coverage,
                owned={ref: uid for ref, uid in self.inventory.owned.items() if self._selects(ref)},
                origins=self.choice.origins,
                selects=self._selects,
                passed_over=frozenset(
                    moved for ref in contents.dropped for moved in self._moved(ref)
                ),
            ),
            unreadable=[
                replace(entry, ref=ref)
                for entry in contents.unreadable
                for ref in (self._moved(entry.ref) if entry.ref else (None,))
            ],
            storage=self._storage(remapped),
            problems=problems,
            warnings=warnings,
            settled={
                ref: (meta.uid, meta.resource_version)
                for ref, meta in self.live.settled.values()
                if self.choice.chooser.wants(ref)
            },
        )

    def _moved(self, ref: ObjectRef) -> tuple[ObjectRef, ...]:
        """Return what an object of the commit is called in the target."""
        if ref.kind_group == NAMESPACE:
            return tuple(ref._replace(name=new) for new in self.choice.names.targets(ref.name))
        if not ref.namespace:
            return (ref,)
        return tuple(
            ref._replace(namespace=new) for new in self.choice.names.targets(ref.namespace)
        )

    def _storage(self, remapped: Remapped) -> SharedStorage:
        """Return who has which volume; other clusters are asked only if one is to be adopted."""
        adopts = self.request.policy.adopt_volumes and any(
            moved.manifest.ref.kind_group == VOLUME for moved in remapped.objects
        )
        return shared_storage(self.live, self.find_neighbours() if adopts else {})

    def _selects(self, ref: ObjectRef) -> bool:
        known = self.live.objects.get(ref)
        return self.choice.selects(ref, known.manifest if known else None)


def _in_namespace(body: Json, namespace: str) -> Json:
    if not namespace:
        return body
    return {**body, "metadata": {**body["metadata"], "namespace": namespace}}


def ref_of_kind(kind_group: str) -> ObjectRef:
    """Return a reference that stands for a kind."""
    kind, _, group = kind_group.partition(".")
    return ObjectRef(group, kind, "", "")
