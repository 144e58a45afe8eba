"""What the exporter and the sidecar say to each other: orders, and lines of answers, as JSON.

An answer is a stream of lines: ``{"item": …}`` for each thing there is to tell, ``{"beat": true}``
as a sign of life in between, and at the end ``{"done": true}`` or ``{"failure": {…}}``. A stream
that ends otherwise has broken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from kube2git import __version__, errors
from kube2git.core import wire
from kube2git.core.snapshots import CutRequest, RestoreRequest, Snapshot, Volume, Wait

PROTOCOL = 1
"""Raised when orders or answers change so that older programs would misread them."""
HEADER = "Kube2git-Protocol"

HEALTH = "/healthz"
CAPABILITIES = "/capabilities"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a sidecar is, and what it can do."""

    protocol: int = PROTOCOL
    version: str = __version__
    methods: tuple[str, ...] = ()
    """Of its snapshotters, in the order in which they are asked."""
    copying: tuple[str, ...] = ()
    """Those of the methods that copy to other regions."""


@dataclass(frozen=True, slots=True)
class VolumesOrder:
    """For ``/why-not`` (one volume) and ``/can-group``."""

    method: str
    volumes: tuple[Volume, ...]


@dataclass(frozen=True, slots=True)
class CreateOrder:
    """For ``/snapshots``; items are SnapshotEvent."""

    method: str
    requests: tuple[CutRequest, ...]
    wait: Wait
    seconds: float


@dataclass(frozen=True, slots=True)
class SnapshotsOrder:
    """For ``/verify``, ``/prune`` (items are Finding) and ``/settle`` (no items)."""

    method: str
    snapshots: tuple[tuple[Volume, Snapshot], ...]
    seconds: float = 0
    """Counts for ``/prune`` only."""


@dataclass(frozen=True, slots=True)
class FindOrder:
    """For ``/find``; items are FoundSnapshot."""

    method: str
    cluster: str


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """For ``/restore`` (items are Restoration) and ``/why-not-restore`` (one request)."""

    method: str
    requests: tuple[RestoreRequest, ...]
    run: str = ""
    seconds: float = 0
    """Both count for ``/restore`` only."""


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """For ``/copy``; items are SnapshotEvent."""

    method: str
    snapshots: tuple[tuple[Volume, Snapshot], ...]
    cluster: str
    region: str
    key: str
    seconds: float


Order = VolumesOrder | CreateOrder | SnapshotsOrder | FindOrder | RestoreOrder | CopyOrder

ORDERS: dict[str, type[Order]] = {
    "/why-not": VolumesOrder,
    "/can-group": VolumesOrder,
    "/snapshots": CreateOrder,
    "/verify": SnapshotsOrder,
    "/settle": SnapshotsOrder,
    "/find": FindOrder,
    "/prune": SnapshotsOrder,
    "/why-not-restore": RestoreOrder,
    "/restore": RestoreOrder,
    "/copy": CopyOrder,
}
"""Path -> what is posted there."""

_FAILURES: dict[str, type[errors.Kube2gitError]] = {
    kind.__name__: kind
    for kind in (
        errors.SnapshotterError,
        errors.ClusterUnreachableError,
        errors.ClusterDeniedError,
        errors.UsageError,
    )
}

BEAT = wire.encode({"beat": True})
DONE = wire.encode({"done": True})


@dataclass(frozen=True, slots=True)
class Done:
    """The stream has ended as it should."""


def item(value: Any) -> bytes:
    """Return the line that tells one thing."""
    return wire.encode({"item": value})


def failure(error: errors.Kube2gitError) -> bytes:
    """Return the line that passes an error on."""
    body = {"kind": type(error).__name__, "message": str(error), "hint": error.hint}
    return wire.encode({"failure": body})


def read_line(line: bytes, type: type[T]) -> T | Done | None:
    """Return what a line says: an item of the type, None for a sign of life, or Done.

    Raise the error that was passed on, or MalformedJsonError.
    """
    body = wire.decode(line)
    match body:
        case {"item": value}:
            return wire.convert(value, type)
        case {"beat": True}:
            return None
        case {"done": True}:
            return Done()
        case {"failure": {"kind": str(kind), "message": str(message), "hint": str(hint)}}:
            raise _FAILURES.get(kind, errors.SnapshotterError)(message, hint=hint)
    raise wire.MalformedJsonError("this is no line of an answer")


def skew(protocol: str, version: str) -> str:
    """Return why the two sides cannot work together, a whole sentence; "" when they can."""
    if protocol == str(PROTOCOL):
        return ""
    return (
        f"the other side, kube2git {version or 'of another version'}, speaks the sidecar's "
        f"protocol {protocol or 'of none'}, and this one, kube2git {__version__}, protocol "
        f"{PROTOCOL}."
    )
