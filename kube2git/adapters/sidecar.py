"""Snapshotters that are in another process, behind a Unix socket: the sidecar's client.

A sidecar that goes away in the middle is waited for and asked once more, for what it had not told;
the marks on snapshots see to it that nothing is done twice. After that every volume has its
reason, and the run goes on without it.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from kube2git import __version__
from kube2git.core import wire
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Existence,
    Finding,
    FoundSnapshot,
    Restoration,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
    messages,
)
from kube2git.errors import SnapshotterError

Recorded = tuple[Volume, Snapshot]
T = TypeVar("T")
Asked = TypeVar("Asked")

_TRIES = 2
_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the sidecar may take, in seconds."""

    silence: float = 30.0
    """Without any sign of life."""
    start: float = 15.0
    """Until it listens, at first and after a restart."""
    grace: float = 30.0
    """Beyond the time that the work itself is given."""
    reading: float = 600.0
    """For work that is given no time of its own."""


class _BrokenOffError(Exception):
    """The sidecar went away, or fell silent; the message says which, a whole sentence."""


class Sidecar:
    """A sidecar's socket."""

    def __init__(self, path: str, limits: Limits | None = None) -> None:
        self.path = path
        self.limits = limits or Limits()

    def snapshotters(self) -> dict[str, SidecarSnapshotter]:
        """Return what it has to offer, by method; raise SnapshotterError when it is not there."""
        try:
            with self._answer("GET", messages.CAPABILITIES) as answer:
                body = wire.decode(answer.read())
            protocol = str(body.get("protocol", "")) if isinstance(body, dict) else ""
            if problem := messages.skew(protocol, str(body.get("version", ""))):
                raise _skewed(problem)
            found = wire.convert(body, messages.Capabilities)
        except (OSError, http.client.HTTPException, wire.MalformedJsonError, _BrokenOffError):
            raise SnapshotterError(
                f"what listens at {self.path} does not answer like a sidecar",
                hint="Is snapshots.socket the socket of `kube2git sidecar`?",
            ) from None
        return {
            method: (SidecarCopier if method in found.copying else SidecarSnapshotter)(self, method)
            for method in found.methods
        }

    def ask(
        self, path: str, order: messages.Order, type: type[T], seconds: float
    ) -> Iterator[T | None]:
        """Post an order; yield its items, and None for signs of life.

        Raise _BrokenOffError when the answer does not come to its end.
        """
        end = time.monotonic() + seconds + self.limits.grace
        with self._answer("POST", path, wire.encode(order)) as answer:
            try:
                while line := answer.readline():
                    told = messages.read_line(line, type)
                    if isinstance(told, messages.Done):
                        return
                    yield told
                    if time.monotonic() > end:
                        raise _BrokenOffError(
                            f"The sidecar did not come to an end within {seconds:.0f} s."
                        )
            except TimeoutError:
                raise self._silent() from None
            except (OSError, http.client.HTTPException, wire.MalformedJsonError):
                pass
        raise _BrokenOffError("The sidecar went away in the middle of its answer.")

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; give the answer, whose head has arrived.

        One that hangs up before that is about to end, or to be restarted: then the next is waited
        for.
        """
        end = time.monotonic() + self.limits.start
        while True:
            with contextlib.closing(self._connected()) as connection:
                try:
                    connection.request(method, path, body, _headers())
                    answer = connection.getresponse()
                except TimeoutError:
                    raise self._silent() from None
                except (OSError, http.client.HTTPException):
                    if time.monotonic() >= end:
                        raise _BrokenOffError("The sidecar takes no orders.") from None
                else:
                    with contextlib.closing(answer):
                        yield answer
                    return
            time.sleep(_PAUSE)

    def _silent(self) -> _BrokenOffError:
        return _BrokenOffError(f"The sidecar gave no sign of life for {self.limits.silence:.0f} s.")

    def _connected(self) -> _Connection:
        end = time.monotonic() + self.limits.start
        while True:
            connection = _Connection(self.path, self.limits.silence)
            try:
                connection.connect()
                return connection
            except PermissionError:
                connection.close()
                raise SnapshotterError(
                    f"the socket {self.path} of the sidecar may not be used by this user",
                    hint="Run both as the same user, or as one group with "
                    "`kube2git sidecar --mode 0660`.",
                ) from None
            except OSError:
                connection.close()
                if time.monotonic() >= end:
                    raise SnapshotterError(
                        f"no sidecar listens at {self.path}",
                        hint="`kube2git sidecar --socket` has to run beside this process, with the "
                        "same folder mounted. Without snapshots.socket none is needed.",
                    ) from None
            time.sleep(_PAUSE)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("sidecar", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(Path(self._path)))


def _headers() -> dict[str, str]:
    return {
        messages.HEADER: str(messages.PROTOCOL),
        "User-Agent": f"kube2git/{__version__}",
        "Content-Type": "application/json",
    }


def _skewed(problem: str) -> SnapshotterError:
    return SnapshotterError(
        problem.rstrip("."), hint="Run the same version of kube2git on both sides."
    )


class SidecarSnapshotter:
    """One of the sidecar's snapshotters, as if it were here."""

    def __init__(self, sidecar: Sidecar, method: str) -> None:
        self._sidecar = sidecar
        self._method = method

    @property
    def method(self) -> str:
        return self._method

    def why_not(self, volume: Volume) -> str:
        order = messages.VolumesOrder(self._method, (volume,))
        return self._one("/why-not", order, str)

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        order = messages.VolumesOrder(self._method, tuple(volumes))
        return self._one("/can-group", order, bool)

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        """Take all cuts; see the port. What the sidecar did not tell is FAILED, with the reason."""
        end = time.monotonic() + seconds
        told: dict[ClaimRef, SnapshotEvent] = {}

        def is_over(claim: ClaimRef) -> bool:
            event = told.get(claim)
            return event is not None and (event.stage is not Stage.CUT or wait is Wait.CUT)

        reason = ""
        left = list(requests)
        for _ in range(_TRIES):
            order = messages.CreateOrder(
                self._method, tuple(left), wait, max(1.0, end - time.monotonic())
            )
            try:
                for event in self._sidecar.ask("/snapshots", order, SnapshotEvent, order.seconds):
                    if event is None:
                        yield None
                    elif not is_over(event.claim) and told.get(event.claim) != event:
                        told[event.claim] = event
                        yield event
                return
            except (_BrokenOffError, SnapshotterError) as broken:
                if isinstance(broken, SnapshotterError) and not reason:
                    raise
                reason = reason or str(broken)
            left = [one for one in left if not all(is_over(v.claim) for v in one.volumes)]
            if not left:
                return
        for claim in (volume.claim for one in left for volume in one.volumes):
            if not is_over(claim):
                yield _unfinished(claim, told.get(claim), reason)

    def verify(self, snapshots: Sequence[Recorded]) -> Iterator[Finding | None]:
        return self._each(
            snapshots,
            _handle,
            lambda left: self._findings("/verify", left, self._sidecar.limits.reading),
            lambda finding: finding.snapshot.handle,
            lambda one, reason: Finding(one[1], Existence.UNREACHABLE, reason),
        )

    def find(self, cluster: str) -> Iterator[FoundSnapshot]:
        seen: set[str] = set()
        order = messages.FindOrder(self._method, cluster)
        reason = ""
        for _ in range(_TRIES):
            try:
                for found in self._sidecar.ask(
                    "/find", order, FoundSnapshot, self._sidecar.limits.reading
                ):
                    if found is not None and found.snapshot.handle not in seen:
                        seen.add(found.snapshot.handle)
                        yield found
                return
            except _BrokenOffError as broken:
                reason = str(broken)
        raise _gone(reason)

    def settle(self, snapshots: Sequence[Recorded]) -> None:
        order = messages.SnapshotsOrder(self._method, tuple(snapshots))
        # What could not be settled, the next run settles.
        with contextlib.suppress(_BrokenOffError, SnapshotterError):
            for _ in self._sidecar.ask("/settle", order, bool, self._sidecar.limits.reading):
                pass

    def delete(self, snapshots: Sequence[Recorded], *, seconds: float) -> Iterator[Finding | None]:
        return self._each(
            snapshots,
            _handle,
            lambda left: self._findings("/prune", left, seconds),
            lambda finding: finding.snapshot.handle,
            lambda one, reason: Finding(one[1], Existence.UNREACHABLE, reason),
        )

    def why_not_restore(self, request: RestoreRequest) -> str:
        return self._one("/why-not-restore", messages.RestoreOrder(self._method, (request,)), str)

    def restore(
        self, requests: Sequence[RestoreRequest], *, run: str, seconds: float
    ) -> Iterator[Restoration | None]:
        def ask(left: Sequence[RestoreRequest]) -> Iterator[Restoration | None]:
            order = messages.RestoreOrder(self._method, tuple(left), run, seconds)
            return self._sidecar.ask("/restore", order, Restoration, seconds)

        return self._each(
            requests,
            lambda request: request.claim,
            ask,
            lambda restoration: restoration.claim,
            lambda request, reason: Restoration(request.claim, reason=reason),
        )

    def _findings(
        self, path: str, left: Sequence[Recorded], seconds: float
    ) -> Iterator[Finding | None]:
        order = messages.SnapshotsOrder(self._method, tuple(left), seconds)
        return self._sidecar.ask(path, order, Finding, seconds)

    def _each(
        self,
        asked: Iterable[Asked],
        key: Callable[[Asked], object],
        ask: Callable[[Sequence[Asked]], Iterator[T | None]],
        answered: Callable[[T], object],
        lost: Callable[[Asked, str], T],
    ) -> Iterator[T | None]:
        """Ask for an answer to each; ask again, once, for those that did not come; then say so."""
        left, reason = list(asked), ""
        for _ in range(_TRIES):
            seen = set()
            try:
                for answer in ask(left):
                    if answer is not None:
                        seen.add(answered(answer))
                    yield answer
                return
            except (_BrokenOffError, SnapshotterError) as broken:
                if isinstance(broken, SnapshotterError) and not reason:
                    raise
                reason = reason or str(broken)
            left = [one for one in left if key(one) not in seen]
        for one in left:
            yield lost(one, reason)

    def _one(self, path: str, order: messages.Order, type: type[T]) -> T:
        reason = ""
        for _ in range(_TRIES):
            try:
                for answer in self._sidecar.ask(path, order, type, self._sidecar.limits.reading):
                    if answer is not None:
                        return answer
            except _BrokenOffError as broken:
                reason = str(broken)
        raise _gone(reason)


class SidecarCopier(SidecarSnapshotter):
    """One that copies to other regions, too."""

    def copy(
        self,
        snapshots: Sequence[Recorded],
        *,
        cluster: str,
        region: str,
        key: str = "",
        seconds: float,
    ) -> Iterator[SnapshotEvent | None]:
        """Begin copies, one a claim; see the port."""

        def ask(left: Sequence[Recorded]) -> Iterator[SnapshotEvent | None]:
            order = messages.CopyOrder(self._method, tuple(left), cluster, region, key, seconds)
            return self._sidecar.ask("/copy", order, SnapshotEvent, seconds)

        return self._each(
            snapshots,
            lambda recorded: recorded[0].claim,
            ask,
            lambda event: event.claim,
            lambda one, reason: SnapshotEvent(one[0].claim, Stage.FAILED, reason=reason),
        )


def _handle(recorded: Recorded) -> str:
    return recorded[1].handle


def _gone(reason: str) -> SnapshotterError:
    return SnapshotterError(
        f"the sidecar cannot be used: {reason.rstrip('.')}", hint="Its log says why it went away."
    )


def _unfinished(claim: ClaimRef, told: SnapshotEvent | None, reason: str) -> SnapshotEvent:
    if told is not None and told.snapshot is not None:
        # Its data is fixed; a later look tells whether it became ready.
        return replace(told, reason=reason)
    return SnapshotEvent(claim, Stage.FAILED, reason=reason)


class AbsentSidecar:
    """Stands for a sidecar that is not there: each volume gets the reason, and the run goes on."""

    method = "sidecar"

    def __init__(self, error: SnapshotterError) -> None:
        self._error = error

    def settle(self, snapshots: Sequence[Recorded]) -> None:
        """Do nothing: the next run settles."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise self._error

    why_not = can_group = create = verify = find = delete = _refuse
    why_not_restore = restore = _refuse
