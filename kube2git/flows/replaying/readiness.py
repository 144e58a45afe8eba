"""Wait until objects are ready, or gone, by watching them. Never lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kube2git.core.health import Health, Status, verdict
from kube2git.core.objects import ObjectRef, ResourceType, ref_of
from kube2git.core.ports import ObjectChanged, Stopped, WatchEnded, WatchPlace
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import ClusterDeniedError
from kube2git.flows.replaying.target import TargetView

FEW_NAMESPACES = 3
"""Up to so many are watched one by one; more are watched everywhere at once."""
_GONE = Health(Status.IN_PROGRESS, "does not exist")
_HIDDEN = Health(Status.IN_PROGRESS, "may not be read by this identity")

Judge = Callable[[Json | None], Health]


def readiness(unused_claims: Callable[[Json], bool]) -> Judge:
    """Return what tells whether an object is ready; None, not there, is not."""

    def judge(body: Json | None) -> Health:
        if body is None:
            return _GONE
        return verdict(body, is_unused_claim=unused_claims(body))

    return judge


def absence(uid: str) -> Judge:
    """Return what tells whether the object of a uid is gone."""

    def judge(body: Json | None) -> Health:
        if body is None or dig(body, "metadata", "uid") != uid:
            return Health(Status.CURRENT, "is gone")
        finalizers = ", ".join(dig(body, "metadata", "finalizers") or ())
        wait = f", held by the finalizer {finalizers}" if finalizers else ""
        return Health(Status.IN_PROGRESS, f"is still being deleted{wait}")

    return judge


@dataclass
class Waiter:
    """Waits for objects of one target."""

    view: TargetView
    is_stopped: Stopped

    def wait(
        self,
        judges: Mapping[ObjectRef, Judge],
        known: Mapping[ObjectRef, Json],
        deadline: float,
    ) -> dict[ObjectRef, Health]:
        """Return what is not as it should be at the deadline (of time.monotonic); {}: all is.

        ``known`` are answers to writes; other objects are asked for once, and all that are not
        ready are when no time is left to watch them. An object that has failed, or of which
        nothing tells, is not waited for any longer.
        """
        awaited: dict[ObjectRef, Health] = {}
        failed: dict[ObjectRef, Health] = {}
        states: dict[ObjectRef, Json | None] = dict(known)

        def look(ref: ObjectRef, body: Json | None) -> None:
            health = judges[ref](body)
            awaited.pop(ref, None)
            failed.pop(ref, None)
            if health.status is Status.FAILED:
                failed[ref] = health
            elif health.status is Status.IN_PROGRESS:
                awaited[ref] = health

        for ref in judges:
            if ref in states:
                look(ref, states[ref])
        unseen = [ref for ref in judges if ref not in states]
        if time.monotonic() >= deadline:
            unseen += awaited
        while not self.is_stopped():
            since = self.view.newest
            for ref in unseen:
                try:
                    look(ref, self._get(ref))
                except ClusterDeniedError:
                    awaited.setdefault(ref, _HIDDEN)
            oldest = {ref: _revision(states.get(ref)) or since for ref in awaited}
            oldest.update({ref: since for ref in awaited if ref in unseen})
            places = self._places(awaited, oldest)
            left = deadline - time.monotonic()
            if not places or left <= 0:
                break
            unseen = self._watch(places, left, judges, awaited, look)
        return {**awaited, **failed}

    def _watch(
        self,
        places: Mapping[WatchPlace, list[ObjectRef]],
        seconds: float,
        judges: Mapping[ObjectRef, Judge],
        awaited: Mapping[ObjectRef, Health],
        look: Callable[[ObjectRef, Json | None], None],
    ) -> list[ObjectRef]:
        """Follow what happens until nothing is awaited; return what has to be asked for again."""
        for event in self.view.target.watch(list(places), seconds):
            if self.is_stopped():
                break
            if isinstance(event, ObjectChanged):
                ref = ref_of(event.body)
                if ref in judges:
                    look(ref, None if event.is_gone else event.body)
            elif isinstance(event, WatchEnded):
                if event.reason:
                    # Nothing will tell: ask again from time to time.
                    time.sleep(1.0)
                return list(awaited)
            if not awaited:
                break
        return []

    def _get(self, ref: ObjectRef) -> Json | None:
        type = self.view.type_of(ref)
        return self.view.target.get(type, ref.namespace, ref.name) if type else None

    def _places(
        self, refs: Iterable[ObjectRef], oldest: Mapping[ObjectRef, int]
    ) -> dict[WatchPlace, list[ObjectRef]]:
        by_type: dict[ResourceType, list[ObjectRef]] = {}
        for ref in refs:
            type = self.view.type_of(ref)
            if type is not None:
                by_type.setdefault(type, []).append(ref)
        found: dict[WatchPlace, list[ObjectRef]] = {}
        for type, members in by_type.items():
            namespaces = {ref.namespace for ref in members}
            for namespace in namespaces if len(namespaces) <= FEW_NAMESPACES else [""]:
                inside = [ref for ref in members if namespace in ("", ref.namespace)]
                since = min(oldest[ref] for ref in inside)
                found[WatchPlace(type, namespace, str(since))] = inside
        return found


def _revision(body: Json | None) -> int:
    version = str(dig(body, "metadata", "resourceVersion") or "")
    return int(version) if version.isdecimal() else 0
