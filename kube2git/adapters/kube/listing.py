"""The sweep: every kind at one revision, as far as that can be had, and the truth about the rest.

What could not be listed is told kind by kind, never raised, and never passes for empty. Only what
concerns everything is raised: an unreachable server, refused credentials.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from kube2git.adapters.kube.connection import Connection
from kube2git.adapters.kube.discovery import DiscoveryReader
from kube2git.adapters.kube.lists import (
    ExpiredError,
    ForbiddenError,
    InexactError,
    Lists,
    UnlistableError,
    number,
    refusal,
)
from kube2git.adapters.kube.rights import Rights
from kube2git.adapters.kube.survey import Probe, Surveyor, selector
from kube2git.adapters.kube.workers import Stop, in_parallel
from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    Discovery,
    KindRead,
    KindStatus,
    PageRead,
    SweepEvent,
    SweepFinished,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.wire import ListPage

ATTEMPTS_AT_ONE_REVISION = 3
ATTEMPTS = 5
"""With those that read each kind at a revision of its own."""
CRD = ResourceType(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    namespaced=False,
)


def sweep(
    connection: Connection,
    discovery: DiscoveryReader,
    request: SweepRequest,
    *,
    threads: int,
    page_size: int,
) -> Iterator[SweepEvent]:
    """List what is asked for; start again, a few times, when the server forgets the revision.

    The API server keeps five to ten minutes of history by default. A page token that has expired
    is never continued with the inconsistent one that the server offers.
    """
    before = discovery.last or discovery.read()
    for attempt in range(1, ATTEMPTS + 1):
        stop = Stop()
        lists = Lists(connection, page_size=page_size, pause=stop.pause)
        one = _Attempt(attempt, lists, Rights(connection, stop.pause), request, threads, stop)
        try:
            yield from one.read()
            yield from one.conclude(before, discovery.read())
            return
        except ExpiredError:
            continue
        finally:
            stop.set()


class _Attempt:
    """One try at all kinds."""

    def __init__(
        self,
        number: int,
        lists: Lists,
        rights: Rights,
        request: SweepRequest,
        threads: int,
        stop: Stop,
    ) -> None:
        self.number = number
        self.is_exact = number <= ATTEMPTS_AT_ONE_REVISION
        self.is_last = number == ATTEMPTS
        self.lists = lists
        self.rights = rights
        self.request = request
        self.threads = threads
        self.stop = stop
        self.results: dict[str, KindRead] = {}
        self.apart: set[str] = set()
        """Resource groups that were read at another revision than the sweep's."""
        self.lock = threading.Lock()
        self.namespaces: tuple[str, ...] | None = None

    def read(self) -> Iterator[SweepEvent]:
        types = list(dict.fromkeys(type for phase in self.request.phases for type in phase))
        surveyor = Surveyor(
            self.lists, self.rights, self.request, threads=self.threads, stop=self.stop
        )
        self.survey = surveyor.survey(types)
        yield SweepStarted(self.survey.revision, self.number)
        for phase in self.request.phases:
            # The pages of one kind come one after the other: the longest begins first.
            probes = [self.survey.probes[type] for type in phase]
            probes.sort(key=lambda probe: probe.size, reverse=True)
            tasks = [self._task(probe) for probe in probes]
            for event in in_parallel(tasks, self.threads, self.stop):
                if isinstance(event, KindRead):
                    self.results[event.type.kind_group] = event
                yield event

    def _task(self, probe: Probe) -> Callable[[], Iterator[PageRead | KindRead]]:
        return lambda: self._read_kind(probe)

    def _read_kind(self, probe: Probe) -> Iterator[PageRead | KindRead]:
        type = probe.type
        if probe.status is not KindStatus.LISTED:
            yield KindRead(type, probe.status, probe.reason)
            return
        try:
            places = self._places(probe)
        except UnlistableError as error:
            self._restart_if_expired(error)
            yield KindRead(type, KindStatus.FAILED, str(error))
            return
        tally = _Tally(type)
        for place in places:
            if probe.is_narrowed and not self.rights.may_list(type, place):
                tally.forbidden[place] = refusal(type, place)
                continue
            yield from self._read_place(probe, place, tally)
        if tally.revisions - {self.survey.revision}:
            self.apart.add(type.resource_group)
        yield tally.verdict(self.survey.revision)

    def _read_place(self, probe: Probe, place: str, tally: _Tally) -> Iterator[PageRead]:
        try:
            for page in self._pages(probe, place):
                tally.count += len(page.items)
                tally.revisions.add(page.resource_version)
                if page.items:
                    yield PageRead(probe.type, page.items)
            tally.read.append(place)
        except ForbiddenError as error:
            tally.forbidden[place] = str(error)
        except UnlistableError as error:
            self._restart_if_expired(error)
            tally.failed[place] = str(error)

    def _restart_if_expired(self, error: UnlistableError) -> None:
        if isinstance(error, ExpiredError) and not self.is_last:
            raise error

    def _places(self, probe: Probe) -> tuple[str, ...]:
        """Return where to list a kind; namespaces that nobody named, as they are at R."""
        if not probe.is_narrowed:
            return probe.places
        with self.lock:
            if self.namespaces is None:
                at = self.survey.revision if self.is_exact else ""
                self.namespaces = self.lists.namespaces(at=at)
            return self.namespaces

    def _pages(self, probe: Probe, place: str) -> Iterator[ListPage]:
        type, newest, revision = probe.type, probe.newest, self.survey.revision
        select = selector(self.request, type)
        if self.is_exact and type not in self.survey.apart:
            is_whole = newest and not newest.continue_token and probe.places == (place,)
            if newest and is_whole and newest.resource_version == revision:
                yield newest  # nothing was written since: this is the state at R already
                return
            is_begun = False
            try:
                for page in self.lists.pages(type, place, select, at=revision):
                    is_begun = True
                    yield page
                return
            except InexactError:
                if is_begun:
                    raise
        yield from self.lists.pages(type, place, select)

    def conclude(self, before: Discovery, after: Discovery) -> Iterator[KindRead | SweepFinished]:
        """Tell what changed meanwhile, and how far the sweep is of one revision."""
        served = {type.kind_group for type in after.types}
        for kind, result in self.results.items():
            has_list = result.status in (KindStatus.LISTED, KindStatus.PARTIAL)
            if has_list and kind not in served and not after.is_failed(result.type.group):
                yield KindRead(result.type, KindStatus.FAILED, VANISHED, count=result.count)
        remarks = []
        if self.apart and self.is_exact:
            remarks.append(
                f"Not in the store of the other kinds, and read on their own: {named(self.apart)}."
            )
        elif self.apart:
            remarks.append(
                f"The API server forgot the revision {ATTEMPTS_AT_ONE_REVISION} times while it "
                "was read, so each kind was read at a revision of its own."
            )
        if changed := self._changed_definitions():
            remarks.append(
                f"Changed after the revision, and applied to objects of before: {named(changed)}."
            )
        if appeared := served - {type.kind_group for type in before.types}:
            remarks.append(f"Appeared meanwhile, and not read: {named(appeared)}.")
        revision = self.survey.revision
        yield SweepFinished(revision, bool(revision) and not self.apart, " ".join(remarks))

    def _changed_definitions(self) -> set[str]:
        """Return the CRDs of the kinds that were read which were written after the revision.

        A list at a revision is exact for the stored bytes, but decoded with today's CRD.
        """
        names = {result.type.resource_group for result in self.results.values()}
        newest = number(self.survey.revision)
        if not newest:
            return set()
        try:
            items = list(self.lists.metadata(CRD))
        except UnlistableError:
            return set()
        return {
            item.meta.name
            for item in items
            if item.meta.name in names and number(item.meta.resource_version) > newest
        }


VANISHED = (
    "The API server stopped serving it while the cluster was read; the next run tells whether "
    "it is gone."
)
SHOWN_NAMES = 5


def named(names: Collection[str]) -> str:
    """Return some names for people: all, or the first few and how many more."""
    shown = sorted(names)[:SHOWN_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


@dataclass(slots=True)
class _Tally:
    """How far the listing of one kind has come."""

    type: ResourceType
    read: list[str] = field(default_factory=list)
    """Namespaces that were listed completely; [""]: everywhere at once."""
    forbidden: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    revisions: set[str] = field(default_factory=set)
    count: int = 0

    def verdict(self, revision: str) -> KindRead:
        """Return the last word on the kind; ``revision`` is the sweep's."""
        others = self.revisions - {revision}
        result = KindRead(
            self.type, KindStatus.LISTED, revision=max(others, default=""), count=self.count
        )
        reasons = [*self.failed.values(), *self.forbidden.values()]
        if not reasons:
            return result
        if not self.read:
            status = KindStatus.FAILED if self.failed else KindStatus.FORBIDDEN
            return replace(result, status=status, reason=reasons[0])
        missing = {*self.failed, *self.forbidden}
        reason = f"It could not be listed in {named(missing)}. {reasons[0]}"
        read = tuple(self.read)
        return replace(result, status=KindStatus.PARTIAL, reason=reason, namespaces=read)
