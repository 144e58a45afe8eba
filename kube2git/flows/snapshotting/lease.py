"""One run at a time over a cluster's volumes: a Lease that its holder renews while it lives.

Where this identity may not write Leases, only the lock of the repository keeps runs apart. Whether
a holder lives is told by watching it renew, so that clocks need not agree.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from kube2git.core.objects import ResourceType
from kube2git.core.ports import Clock, Discovery, Target, Verb, WriteRequest
from kube2git.core.snapshots.records import time_text
from kube2git.core.wire import Json
from kube2git.core.workloads import dig
from kube2git.errors import ClusterDeniedError, Kube2gitError

NAME = "kube2git-snapshots"
DURATION = 15
"""Seconds that a holder may be silent."""
RENEWAL = 5.0
LONG_GONE = timedelta(minutes=5)
"""No two clocks differ by so much: a holder silent for so long is not waited for."""

Pause = Callable[[float], None]


class SnapshotLease:
    """Held from ``acquire`` to ``release``, renewed by a thread in between."""

    def __init__(
        self, target: Target, discovery: Discovery, namespace: str, *, clock: Clock, pause: Pause
    ) -> None:
        """``namespace`` "" means that none is wanted."""
        self._target, self._namespace = target, namespace
        self._clock, self._pause = clock, pause
        kinds = (type for type in discovery.types if type.kind_group == "Lease.coordination.k8s.io")
        self._type: ResourceType | None = next(kinds, None) if namespace else None
        self._holder = ""
        self._body: Json | None = None
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None
        self.note = ""
        """Why there is no lease although it was wanted, a whole sentence."""

    def acquire(self, holder: str) -> str:
        """Take the lease; return who else holds it and lives, a whole sentence, "" otherwise.

        A holder that died is waited for as long as it could still be silent.
        """
        self._holder = holder
        if self._type is None:
            return ""
        waited, seen = 0.0, None
        try:
            while True:
                body = self._target.get(self._type, self._namespace, NAME)
                other = dig(body, "spec", "holderIdentity") or ""
                renewed = dig(body, "spec", "renewTime")
                if other and waited and (other, renewed) != seen:
                    return f"The run {other} is taking snapshots of this cluster at the moment."
                if other and waited <= DURATION and not self._is_long_gone(renewed):
                    seen = (other, renewed)
                    self._pause(1.0)
                    waited += 1.0
                    continue
                if self._write(body):
                    break
        except ClusterDeniedError as error:
            self.note = self._no_right(str(error))
            return ""
        if self._body is not None:
            self._renewer = threading.Thread(target=self._renew, daemon=True)
            self._renewer.start()
        return ""

    def release(self) -> None:
        """Give the lease up, if it is held."""
        self._stopped.set()
        if self._renewer is not None:
            self._renewer.join()
            self._renewer = None
        if self._body is not None:
            body, self._holder, self._body = self._body, "", None
            # A lease that cannot be given up runs out by itself.
            with contextlib.suppress(Kube2gitError):
                self._write(body)

    def _is_long_gone(self, renewed: object) -> bool:
        try:
            return self._clock() - datetime.fromisoformat(str(renewed)) > LONG_GONE
        except (ValueError, TypeError):
            return True

    def _renew(self) -> None:
        while not self._stopped.wait(RENEWAL):
            with contextlib.suppress(Kube2gitError):
                self._write(self._body)

    def _write(self, before: Json | None) -> bool:
        """Write the lease over what was read; False when somebody else wrote meanwhile."""
        assert self._type is not None  # noqa: S101 - told to the type checker
        now = time_text(self._clock().replace(microsecond=0)).replace("Z", ".000000Z")
        metadata = {"name": NAME, "namespace": self._namespace}
        if before is not None:
            metadata["resourceVersion"] = before["metadata"]["resourceVersion"]
        spec = {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": DURATION,
            "renewTime": now,
        }
        body = {
            "apiVersion": self._type.api_version,
            "kind": self._type.kind,
            "metadata": metadata,
            "spec": spec,
        }
        verb = Verb.REPLACE if before is not None else Verb.CREATE
        answer = self._target.send(WriteRequest(verb, self._type, self._namespace, NAME, body))
        if answer.status == 409:
            return False
        if not answer.is_ok:
            self.note = self._no_right(f"the API server answered {answer.status}")
            return True
        if self._holder:
            self._body = answer.body
        return True

    def _no_right(self, why: str) -> str:
        return (
            f"No lease is held in the namespace {self._namespace} ({why}), so only the lock of the "
            "repository keeps two runs apart. docs/snapshots.md has the rights that it takes."
        )
