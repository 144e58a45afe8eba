"""A Lease of coordination.k8s.io: of several replicas, exactly one holds it.

The rule of client-go: another holder is gone when its Lease has not changed for as long as it
says, counted on our own clock from when we saw it, so that clocks need not agree.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from kube2git.adapters.kube.answers import Response
from kube2git.adapters.kube.connection import Connection
from kube2git.core import wire
from kube2git.core.wire import Json

_JSON = "application/json"


class KubeLease:
    """One Lease, claimed by one holder. Errors: ClusterUnreachableError, ClusterDeniedError."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        holder: str,
        *,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the Lease; ``seconds`` without a renewal and others take it."""
        self.holder = holder
        self._connection = connection
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._metadata = {"name": name, "namespace": namespace}
        self._seconds = seconds
        self._monotonic = monotonic
        self._seen: tuple[str, float] = ("", 0.0)
        """A version of another's Lease, and when we saw it first."""
        self.other = ""
        """Who else held it at the last claim; "" when nobody did."""

    def claim(self) -> bool:
        """Take the Lease, or renew it; False while somebody else holds it."""
        # Somebody who only put a label on it is no other holder: look again.
        return self._try_to_claim() or self._try_to_claim()

    def _try_to_claim(self) -> bool:
        found = self._read()
        self.other = ""
        if found is None:
            return self._write("POST", self._folder, self._body({}, {}))
        spec, version = found.get("spec") or {}, str(found["metadata"]["resourceVersion"])
        holder = spec.get("holderIdentity") or ""
        self.other = "" if holder == self.holder else holder
        if self.other and not self._is_over(spec, version):
            return False
        return self._write("PUT", self._path, self._body(spec, found["metadata"]))

    def release(self) -> None:
        """Give the Lease up, if it is ours, so that another need not wait."""
        found = self._read()
        spec = (found or {}).get("spec") or {}
        if found is None or spec.get("holderIdentity") != self.holder:
            return
        found["spec"] = {**spec, "holderIdentity": "", "leaseDurationSeconds": 1}
        self._write("PUT", self._path, found)

    @property
    def _path(self) -> str:
        return f"{self._folder}/{self._metadata['name']}"

    def _is_over(self, spec: Mapping[str, Any], version: str) -> bool:
        now = self._monotonic()
        if self._seen[0] != version:
            self._seen = (version, now)
        return now - self._seen[1] > float(spec.get("leaseDurationSeconds") or self._seconds)

    def _body(self, before: Mapping[str, Any], metadata: Mapping[str, Any]) -> Json:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        is_new = before.get("holderIdentity") != self.holder
        transitions = int(before.get("leaseTransitions") or 0)
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            # With the version that was read: whoever comes second gets a conflict.
            "metadata": dict(metadata) or dict(self._metadata),
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": math.ceil(self._seconds),
                "acquireTime": now if is_new else before.get("acquireTime") or now,
                "renewTime": now,
                "leaseTransitions": transitions + 1 if is_new and before else transitions,
            },
        }

    def _read(self) -> Json | None:
        response = self._connection.get(self._path)
        if response.status == 404:
            return None
        if not response.is_ok:
            raise response.error(self._doing("read"))
        body: Json = wire.decode(response.body)
        return body

    def _write(self, method: str, path: str, body: Json) -> bool:
        response: Response = self._connection.request(
            method, path, body=wire.encode(body), content_type=_JSON
        )
        if response.status == 409:
            return False
        if not response.is_ok:
            raise response.error(self._doing("write"))
        return True

    def _doing(self, verb: str) -> str:
        return f"cannot {verb} the Lease {self._metadata['namespace']}/{self._metadata['name']}"
