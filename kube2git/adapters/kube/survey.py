"""Which revision to read a cluster at, and which kinds have it.

All kinds of one store share one counter of revisions. Each kind is asked for its newest revision
between two readings of a reference kind: a kind whose answer lies between them shares the
reference's store, one whose answer does not, or that gives none, has a store of its own. Nothing
less will do: a store that is ahead answers a list at the reference's revision without complaint,
with its own state of long ago.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from kube2git.adapters.kube.lists import ForbiddenError, Lists, UnlistableError, number
from kube2git.adapters.kube.rights import Rights
from kube2git.adapters.kube.workers import Stop, in_parallel
from kube2git.core.objects import ResourceType
from kube2git.core.ports import KindStatus, SweepRequest
from kube2git.core.wire import ListPage

EVERYWHERE = ("",)
_REFERENCES = ("Namespace", "ServiceAccount", "ConfigMap", "Pod")
"""Kinds that are asked first for the revision: hardly anybody splits them off."""
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What one small list told of a kind."""

    type: ResourceType
    places: tuple[str, ...] = EVERYWHERE
    """Where it is to be listed: everywhere, or namespace by namespace."""
    is_narrowed: bool = False
    """It was to be listed everywhere, and this identity may do so only in some namespaces."""
    newest: ListPage | None = None
    """Its first object and how many follow; None when it cannot be listed."""
    status: KindStatus = KindStatus.LISTED
    reason: str = ""

    @property
    def revision(self) -> int:
        return number(self.newest.resource_version) if self.newest else 0

    @property
    def size(self) -> int:
        """How many objects to expect, at least."""
        return len(self.newest.items) + self.newest.remaining if self.newest else 0


@dataclass(frozen=True, slots=True)
class Survey:
    """The chosen revision, and what is known of each kind."""

    revision: str
    """"" when no kind gives one."""
    probes: Mapping[ResourceType, Probe]
    apart: frozenset[ResourceType]
    """Kinds that can be listed, but not at the revision."""


class Surveyor:
    """Asks each kind for its newest revision."""

    def __init__(
        self, lists: Lists, rights: Rights, request: SweepRequest, *, threads: int, stop: Stop
    ) -> None:
        self._lists = lists
        self._rights = rights
        self._request = request
        self._threads = threads
        self._stop = stop
        self._lock = threading.Lock()
        self._namespaces: tuple[str, ...] | None = None

    def survey(self, types: Sequence[ResourceType]) -> Survey:
        """Choose the newest revision of the store that holds most kinds."""
        probes: dict[ResourceType, Probe] = {}
        best: Survey | None = None
        candidates = sorted(types, key=_suitability)
        for _ in range(_ROUNDS):
            first = self._first_with_revision(candidates, probes)
            if first is None:
                break
            others = [type for type in types if type not in probes or probes[type].newest]
            tasks = [self._task(type) for type in others if type != first.type]
            found = in_parallel(tasks, self._threads, self._stop)
            probes |= {probe.type: probe for probe in found}
            last = probes[first.type] = self.probe(first.type)
            survey = _surveyed(probes, first.revision, last.revision)
            if best is None or len(survey.apart) < len(best.apart):
                best = survey
            if len(survey.apart) <= len(types) // 2:
                break
            candidates = [type for type in candidates if type in survey.apart]
        return best or _surveyed(probes, 0, 0)

    def _first_with_revision(
        self, candidates: Iterable[ResourceType], probes: dict[ResourceType, Probe]
    ) -> Probe | None:
        for type in candidates:
            probe = probes[type] = self.probe(type)
            if probe.revision:
                return probe
        return None

    def _task(self, type: ResourceType) -> Callable[[], list[Probe]]:
        return lambda: [self.probe(type)]

    def probe(self, type: ResourceType) -> Probe:
        """Ask a kind for its newest revision, wherever this identity may list it."""
        named = self._request.namespaces
        places = EVERYWHERE if named is None or not type.namespaced else named
        try:
            return Probe(type, places, newest=self._newest(type, places))
        except ForbiddenError as error:
            if places == EVERYWHERE and type.namespaced:
                return self._probe_narrowed(type, error)
            return Probe(type, places, status=KindStatus.FORBIDDEN, reason=str(error))
        except UnlistableError as error:
            return Probe(type, places, status=KindStatus.FAILED, reason=str(error))

    def _probe_narrowed(self, type: ResourceType, refusal: ForbiddenError) -> Probe:
        try:
            places = self._all_namespaces()
            allowed = [place for place in places if self._rights.may_list(type, place)]
            if not allowed:
                raise refusal
            return Probe(type, places, is_narrowed=True, newest=self._newest(type, allowed))
        except UnlistableError:
            reason = f"{refusal} Or name the namespaces in which it may, with -n."
            return Probe(type, status=KindStatus.FORBIDDEN, reason=reason)

    def _newest(self, type: ResourceType, places: Sequence[str]) -> ListPage | None:
        """Return the answer of the first place that this identity may list."""
        refusal: ForbiddenError | None = None
        for namespace in places:
            try:
                return self._lists.newest(type, namespace, selector(self._request, type))
            except ForbiddenError as error:
                refusal = error
        if refusal is not None:
            raise refusal
        return None

    def _all_namespaces(self) -> tuple[str, ...]:
        with self._lock:
            if self._namespaces is None:
                self._namespaces = self._lists.namespaces()
            return self._namespaces


def selector(request: SweepRequest, type: ResourceType) -> str:
    """Return the label selector that a kind is listed with."""
    return "" if type.kind_group in request.whole else request.label_selector


def _suitability(type: ResourceType) -> int:
    """Return the rank of a kind as the reference; the lowest is asked first."""
    if type.kind == "Event":
        return len(_REFERENCES) + 1
    if not type.group and type.kind in _REFERENCES:
        return _REFERENCES.index(type.kind)
    return len(_REFERENCES)


def _surveyed(probes: Mapping[ResourceType, Probe], lowest: int, newest: int) -> Survey:
    apart = frozenset(
        type
        for type, probe in probes.items()
        if probe.newest is not None and not 0 < lowest <= probe.revision <= newest
    )
    return Survey(str(newest) if newest else "", dict(probes), apart)
