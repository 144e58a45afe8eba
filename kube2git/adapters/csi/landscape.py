"""What the cluster offers for snapshots: its kinds and classes, and its objects as they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from kube2git.adapters.csi.bodies import FAMILIES, Family
from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    KindRead,
    KindStatus,
    ObjectChanged,
    PageRead,
    SweepRequest,
    SweepStarted,
    Target,
    WatchEnded,
    WatchPlace,
)
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import SnapshotterError

FRESH_SECONDS = 30.0
"""How long kinds and classes are taken for unchanged."""
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Listed:
    """Kinds as they were at one revision."""

    objects: dict[str, list[Json]] = field(default_factory=dict)
    """By kind_group."""
    revision: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    """kind_group -> why it could not be listed."""


def read(target: Target, types: Iterable[ResourceType], *, selector: str = "") -> Listed:
    """List kinds; those that could not be had are told, not raised."""
    wanted = list(types)
    objects: dict[str, list[Json]] = {type.kind_group: [] for type in wanted}
    reasons: dict[str, str] = {}
    revision = ""
    for event in target.sweep(SweepRequest([wanted], label_selector=selector)):
        match event:
            case SweepStarted():
                objects = {type.kind_group: [] for type in wanted}
                reasons, revision = {}, event.revision
            case PageRead(type=type):
                found = [item.decode(type.api_version, type.kind) for item in event.items]
                objects[type.kind_group] += found
            case KindRead(type=type) if event.status is not KindStatus.LISTED:
                reasons[type.kind_group] = event.reason
    return Listed(objects, revision, reasons)


@dataclass(frozen=True)
class Landscape:
    """The kinds of the snapshot API that are served, and the classes there are."""

    types: dict[str, ResourceType]
    classes: Listed

    def serves(self, family: Family) -> bool:
        kinds = (family.snapshot, family.content, family.snapshot_class)
        return all(kind in self.types for kind in kinds)

    def known_class(self, family: Family, name: str) -> str:
        """Return the name when there is such a class here: a content may name no other."""
        listed = self.classes.objects.get(family.snapshot_class, [])
        return name if any(dig(body, "metadata", "name") == name for body in listed) else ""

    def class_for(self, family: Family, driver: str, wanted: str = "") -> tuple[str, str]:
        """Return the class to use for a driver, or "" and why there is none."""
        if not self.serves(family):
            return "", (
                "The cluster does not serve the snapshot API. Install the CRDs and the controller "
                "of the CSI external-snapshotter."
            )
        if reason := self.classes.reasons.get(family.snapshot_class):
            return "", reason
        found = {
            str(dig(body, "metadata", "name")): body
            for body in self.classes.objects[family.snapshot_class]
            if body.get("driver") == driver
        }
        kind = family.snapshot_class.partition(".")[0]
        if wanted:
            return (wanted, "") if wanted in found else ("", f"No {kind} {wanted} of {driver}.")
        default = f"{family.domain}/is-default-class"
        chosen = [
            name
            for name, body in sorted(found.items())
            if (dig(body, "metadata", "annotations") or {}).get(default) == "true"
        ]
        if len(chosen) == 1 or len(found) == 1:
            return (chosen or list(found))[0], ""
        if not found:
            return "", f"There is no {kind} of the driver {driver}, so it takes no snapshots here."
        return "", (
            f"{len(found)} {kind}es of the driver {driver} exist and not exactly one is its "
            "default. Name one in the configuration."
        )


class Surveyor:
    """Reads the landscape, and again when it may have changed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._read = 0.0
        self._known: Landscape | None = None

    def landscape(self) -> Landscape:
        with self._lock:
            if self._known is None or time.monotonic() - self._read > FRESH_SECONDS:
                served = {type.kind_group: type for type in self._target.discover().types}
                kinds = {
                    kind
                    for family in FAMILIES
                    for kind in (family.snapshot, family.content, family.snapshot_class)
                }
                kinds.add("PersistentVolumeClaim")
                types = {kind: served[kind] for kind in sorted(kinds) if kind in served}
                classes = [types[f.snapshot_class] for f in FAMILIES if f.snapshot_class in types]
                self._known = Landscape(types, read(self._target, classes))
                self._read = time.monotonic()
            return self._known


@dataclass(frozen=True)
class Change:
    """An object as it is now, or was when it went."""

    body: Json
    is_gone: bool = False


def follow(
    target: Target, types: Sequence[ResourceType], seconds: float
) -> Iterator[Change | None]:
    """Yield all objects of some kinds, then what happens to them, and None, often.

    The first None says that everything there was has been told. Where watching breaks off, all is
    read anew, and what vanished meanwhile is told as gone.
    """
    deadline = time.monotonic() + seconds
    known: dict[str, Json] = {}
    while True:
        listed = read(target, types)
        if listed.reasons:
            raise SnapshotterError(next(iter(listed.reasons.values())))
        now = {
            str(dig(body, "metadata", "uid")): body
            for bodies in listed.objects.values()
            for body in bodies
        }
        yield from (Change(body, True) for uid, body in known.items() if uid not in now)
        yield from (Change(body) for body in now.values())
        yield None
        known = now
        places = [WatchPlace(type, revision=listed.revision) for type in types]
        left = deadline - time.monotonic()
        if left <= 0:
            return
        for event in target.watch(places, left):
            match event:
                case ObjectChanged():
                    uid = str(dig(event.body, "metadata", "uid"))
                    known[uid] = event.body
                    if event.is_gone:
                        del known[uid]
                    yield Change(event.body, event.is_gone)
                case WatchEnded():
                    if event.reason:
                        raise SnapshotterError(event.reason)
                    break
                case None:
                    yield None
        if time.monotonic() > deadline:
            return
        time.sleep(PAUSE_SECONDS)
