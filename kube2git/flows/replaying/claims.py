"""Which snapshots the data of new claims comes from: looked at before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kube2git.core import layout
from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.policy import Volumes
from kube2git.core.ports import Repo, Snapshotter
from kube2git.core.remap.findings import Moved
from kube2git.core.snapshots import ClaimRef, Existence, Finding, RestoreRequest, Snapshot, Volume
from kube2git.core.snapshots.records import VolumeRecord, read_records
from kube2git.core.snapshots.restoring import CLAIM, DEFAULT_CLASS, Restores, choose
from kube2git.core.volumes import with_size
from kube2git.core.workloads import dig
from kube2git.errors import ClusterDeniedError, Kube2gitError, SnapshotterError
from kube2git.flows.replaying.request import DryRun, FindSnapshotters, ReplayRequest
from kube2git.flows.replaying.survey import Live


class UnreadableRecordError(Kube2gitError):
    """The record of a claim's snapshots cannot be read."""


@dataclass(frozen=True)
class ClaimData:
    """Where the data of the claims comes from that a replay creates."""

    recorded: frozenset[ObjectRef] = frozenset()
    """Claims of which the commit has snapshots, restored or not."""
    restores: Restores = field(default_factory=Restores)
    snapshotters: Mapping[str, Snapshotter] = field(default_factory=dict)
    """By method, those that the restores need."""

    def sized(self, moved: Moved) -> Moved:
        """Return a claim as large as its data needs it; other objects as they are."""
        request = self.restores.requests.get(moved.manifest.ref)
        if request is None:
            return moved
        body = with_size(moved.manifest.body, request.size)
        return moved._replace(manifest=Manifest.of(body))


def claim_data(
    objects: Iterable[Moved],
    request: ReplayRequest,
    repo: Repo,
    tree: Mapping[str, str],
    live: Live,
    find_snapshotters: FindSnapshotters,
) -> ClaimData:
    """Choose what the data of new claims comes from; raise UnreadableRecordError.

    ``tree`` is that of the commit: path -> blob id. Storage is asked only if something is restored.
    """
    missing = {
        moved.manifest.ref: moved for moved in objects if _is_missing(moved.manifest.ref, live)
    }
    records = _records_of(repo, tree, (one.source for one in missing.values()))
    # What a rehearsal makes goes again, so that an empty volume harms nobody there.
    recorded = frozenset(
        ref
        for ref, moved in missing.items()
        if ClaimRef(moved.source.namespace, moved.source.name) in records
        and not request.is_rehearsal
    )
    if request.policy.volumes is not Volumes.RESTORE:
        return ClaimData(recorded)
    restores = choose(
        [(moved.source, moved.manifest) for moved in missing.values()],
        records,
        default_class=_default_class(live),
        zones=request.zones,
        only_data=request.policy.only_data,
    )
    if not restores.requests:
        return ClaimData(recorded, restores)
    snapshotters = find_snapshotters()
    is_dry_run = request.dry_run is not DryRun.NONE
    refused = _refusals(restores, snapshotters, is_dry_run=is_dry_run)
    restores = restores.without(refused)
    found = _findings(restores.requests.values(), snapshotters, is_dry_run=is_dry_run)
    return ClaimData(recorded, restores.verified(found, is_dry_run=is_dry_run), snapshotters)


def _records_of(
    repo: Repo, tree: Mapping[str, str], claims: Iterable[ObjectRef]
) -> dict[ClaimRef, VolumeRecord]:
    """Return the records that a commit has of claims; raise UnreadableRecordError."""
    paths = [layout.snapshots_path(ref.namespace, ref.name) for ref in claims]
    known = [path for path in paths if path in tree]
    files = dict(zip(known, repo.read(tree[path] for path in known), strict=True))
    records, unreadable = read_records(files)
    if unreadable:
        raise UnreadableRecordError(
            " ".join(unreadable.values()).rstrip("."),
            hint="Mend the file, or choose another commit.",
        )
    return records


def _is_missing(ref: ObjectRef, live: Live) -> bool:
    """Tell whether a claim is about to be created."""
    known = live.objects.get(ref)
    return ref.kind_group == CLAIM and (known is None or known.is_terminating)


def _default_class(live: Live) -> str:
    for ref, known in live.objects.items():
        if ref.kind_group == "StorageClass.storage.k8s.io":
            annotations = dig(known.manifest.body, "metadata", "annotations") or {}
            if annotations.get(DEFAULT_CLASS) == "true":
                return ref.name
    return ""


def _refusals(
    restores: Restores, snapshotters: Mapping[str, Snapshotter], *, is_dry_run: bool
) -> dict[ObjectRef, str]:
    """Return the claims that cannot come back in this target, and why; writes nothing.

    A storage that cannot be used at all refuses nothing in a dry run: ``_findings`` tells of it.
    """
    refused: dict[ObjectRef, str] = {}
    for ref, request in restores.requests.items():
        if request.snapshot.method not in snapshotters:
            continue
        try:
            reason = snapshotters[request.snapshot.method].why_not_restore(request)
        except (SnapshotterError, ClusterDeniedError):
            if not is_dry_run:
                raise
            continue
        if reason:
            refused[ref] = reason
    return refused


def _findings(
    requests: Iterable[RestoreRequest],
    snapshotters: Mapping[str, Snapshotter],
    *,
    is_dry_run: bool,
) -> Iterator[Finding]:
    """Look at every snapshot that is to be restored; what nobody handles is not told.

    A storage that cannot be used at all is told of each snapshot in a dry run, else raised.
    """
    by_method: dict[str, list[tuple[Volume, Snapshot]]] = {}
    for request in requests:
        by_method.setdefault(request.snapshot.method, []).append((request.source, request.snapshot))
    for method, snapshots in by_method.items():
        if method not in snapshotters:
            continue
        try:
            yield from (found for found in snapshotters[method].verify(snapshots) if found)
        except (SnapshotterError, ClusterDeniedError) as error:
            if not is_dry_run:
                raise
            for _, snapshot in snapshots:
                yield Finding(snapshot, Existence.UNREACHABLE, f"{error}.")
