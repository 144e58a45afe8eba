"""One run over the volumes: choose, freeze, cut, release, wait, and work the records out.

Snapshots of runs that were killed are found by their marks and adopted. Nothing is committed here:
the records go into the commit of whoever asked, and only then is the snapshotter told (``settle``).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from kube2git.core.ports import Cluster, CommandRunner, Lease, Snapshotter
from kube2git.core.report import Progress
from kube2git.core.snapshots import ClaimRef, Stage, Volume, Wait
from kube2git.core.snapshots.choosing import (
    Chosen,
    ClaimSelection,
    ClassRule,
    NobodyError,
    UnansweredError,
    bundle,
    choose,
    cut_requests,
    mounted_claims,
)
from kube2git.core.snapshots.hooks import HookError, HookRule, PodHooks, hooks_of
from kube2git.core.snapshots.outcomes import SnapshotReport, VolumeOutcome
from kube2git.core.snapshots.records import Entry
from kube2git.core.snapshots.volumes import NoVolumeError, unbound, volume_of
from kube2git.core.wire import Json
from kube2git.errors import Kube2gitError
from kube2git.flows.snapshotting.book import Book
from kube2git.flows.snapshotting.claims import Claims, read_claims
from kube2git.flows.snapshotting.cutting import Batch, Cutting, HookFailed
from kube2git.flows.snapshotting.lease import Pause, SnapshotLease, Task


@dataclass(frozen=True)
class SnapshotRequest:
    """What to snapshot, and how."""

    selection: ClaimSelection = field(default_factory=ClaimSelection)
    classes: Mapping[str, ClassRule] = field(default_factory=dict)
    """Storage class -> what the configuration says of it."""
    hooks: tuple[HookRule, ...] = ()
    group_label: str = ""
    wait: Wait = Wait.READY
    seconds: float = 600.0
    """For all volumes together."""
    freeze: float = 60.0
    """Seconds that a Pod may stay frozen for the cut."""


class Snapshotting:
    """One run. The port ``SnapshotTaker`` of the core, for exports."""

    def __init__(
        self,
        cluster: Cluster,
        snapshotters: Mapping[str, Snapshotter],
        commands: CommandRunner,
        request: SnapshotRequest,
        *,
        lease: Lease | None = None,
        pause: Pause = time.sleep,
    ) -> None:
        """``lease``: what keeps other runs away, beside the lock of the repository."""
        self._cluster, self._snapshotters, self._commands = cluster, snapshotters, commands
        self._request = request
        self._lease = SnapshotLease(lambda: lease, Task.TAKE, pause)
        self._obstacle = ""
        self._named: list[tuple[str, Entry]] = []
        """(method, entry) of what is to be settled once it is committed."""

    def settle(self) -> None:
        """Tell the snapshotters which snapshots committed records name."""
        for method, snapshotter in self._snapshotters.items():
            entries = [entry for name, entry in self._named if name == method]
            if entries:
                snapshotter.settle(entries)

    def begin(self) -> None:
        """Keep other runs away, or learn that one goes first, which ``take`` reports."""
        self._obstacle = self._lease.acquire()

    def close(self) -> None:
        """Let other runs begin."""
        self._lease.release()

    def take(
        self, run: str, cluster: str, files: Mapping[str, bytes], *, is_dry_run: bool
    ) -> Iterator[Progress | SnapshotReport]:
        """Take snapshots of all claims that are selected; yield progress, and the report last.

        ``files`` are the records so far, by path. What goes wrong is in the report, never raised.
        """
        book = Book(run, files)
        try:
            yield from self._take(book, run, cluster, is_dry_run=is_dry_run)
        except Kube2gitError as error:
            book.failures.append(f"{error}." + (f" {error.hint}" if error.hint else ""))
        self._named = book.settled()
        yield book.report(self._request.wait, is_dry_run=is_dry_run)

    def _take(self, book: Book, run: str, cluster: str, *, is_dry_run: bool) -> Iterator[Progress]:
        yield Progress("reading claims")
        claims = read_claims(self._cluster, self._request.selection)
        book.warnings += claims.problems
        if not cluster:
            book.failures.append(
                "Snapshots are marked with the uid of the namespace kube-system, which this "
                "identity may not read: give it the right to get that namespace."
            )
            return
        if self._lease.note:
            book.warnings.append(self._lease.note)
        if self._obstacle:
            book.failures.append(f"{self._obstacle} This run takes none.")
            return
        chosen = self._choose(book, claims)
        # A storage that nobody uses is not asked: there may be no credentials for it.
        used = {one.method for one in chosen} | book.methods()
        yield from self._look_back(book, cluster, claims, used)
        if is_dry_run:
            book.plan(chosen)
            return
        batches = self._batches(book, chosen, claims, run, cluster)
        yield from self._cut(book, batches, {one.volume.claim: one for one in chosen})
        book.forget_stale(claims, is_whole=self._request.selection.within.is_everything)

    # ── earlier runs ─────────────────────────────────────────────────────────────────────────

    def _look_back(
        self, book: Book, cluster: str, claims: Claims, used: Set[str]
    ) -> Iterator[Progress]:
        """Adopt snapshots that no record names, and complete those that were not ready."""
        yield Progress("looking for earlier snapshots")
        volumes = self._volumes(claims)
        for method, snapshotter in self._snapshotters.items():
            if method not in used:
                continue
            try:
                for found in snapshotter.find(cluster):
                    book.adopt(found, volumes.get(found.claim))
                pending = book.pending(method)
                for finding in snapshotter.verify(pending) if pending else ():
                    if finding is not None:
                        book.complete(finding)
            except Kube2gitError as error:
                reason = str(error).rstrip(".")
                book.failures.append(f"Earlier snapshots could not be looked for: {reason}.")

    def _volumes(self, claims: Claims) -> dict[ClaimRef, Volume]:
        found = {}
        for claim, body in claims.live.items():
            try:
                found[claim] = _volume(claims, body)
            except NoVolumeError:
                found[claim] = unbound(body)
        return found

    # ── this run ─────────────────────────────────────────────────────────────────────────────

    def _choose(self, book: Book, claims: Claims) -> list[Chosen]:
        chosen = []
        for claim in claims.wanted:
            if reason := book.why_unreadable(claim):
                book.outcomes[claim] = VolumeOutcome(claim, Stage.FAILED, reason=reason)
                continue
            body = claims.live[claim]
            volume = unbound(body)
            try:
                volume = _volume(claims, body)
                rule = self._request.classes.get(volume.storage_class)
                chosen.append(choose(volume, self._snapshotters, rule))
            except UnansweredError as error:
                book.leave(volume, Stage.FAILED, str(error))
            except (NoVolumeError, NobodyError) as error:
                book.leave(volume, Stage.SKIPPED, str(error))
        return chosen

    def _batches(
        self, book: Book, chosen: Sequence[Chosen], claims: Claims, run: str, cluster: str
    ) -> list[Batch]:
        """Return a batch for each bundle with hooks, and one a snapshotter for all the others."""
        batches: list[Batch] = []
        plain: dict[str, list[Batch]] = {}
        for members in bundle(chosen, claims.pods, self._request.group_label):
            own = {one.volume.claim for one in members}
            pods = [pod for pod in claims.pods if own.intersection(mounted_claims(pod))]
            try:
                hooks = self._hooks(pods)
            except HookError as error:
                for one in members:
                    book.fail(one, str(error))
                continue
            requests = cut_requests(members, self._snapshotters, run, cluster)
            if hooks:
                batches.append(Batch(requests, hooks))
            else:
                for method, asked in requests.items():
                    plain.setdefault(method, []).append(Batch({method: asked}))
        for method, parts in plain.items():
            asked = [one for part in parts for one in part.requests[method]]
            batches.append(Batch({method: asked}))
        return batches

    def _hooks(self, pods: Sequence[Json]) -> tuple[PodHooks, ...]:
        found = (hooks_of(pod, self._request.hooks) for pod in pods)
        return tuple(hooks for hooks in found if hooks is not None)

    def _cut(
        self, book: Book, batches: Sequence[Batch], chosen: Mapping[ClaimRef, Chosen]
    ) -> Iterator[Progress]:
        total, ended = len(chosen), 0
        cutting = Cutting(
            self._snapshotters,
            self._commands,
            wait=self._request.wait,
            seconds=self._request.seconds,
            freeze=self._request.freeze,
        )
        yield Progress(f"taking snapshots of {total} volumes")
        for news in cutting.run(batches):
            if isinstance(news, HookFailed):
                book.failures.append(news.reason)
            elif news is not None:
                book.note(news, chosen[news.claim])
                ended = sum(one.stage is not Stage.CUT for one in book.outcomes.values())
            yield Progress(f"taking snapshots of {total} volumes, {ended} done")
        for one in chosen.values():
            if one.volume.claim not in book.outcomes:
                book.fail(one, "There was no answer within the time limit.")
        book.write(chosen)


def _volume(claims: Claims, body: Json) -> Volume:
    bound = claims.volumes.get(str((body.get("spec") or {}).get("volumeName") or ""))
    volume = volume_of(body, bound, None)
    storage_class = claims.classes.get(volume.storage_class)
    return volume_of(body, bound, storage_class) if storage_class else volume
