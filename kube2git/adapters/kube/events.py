"""Events of core/v1 on the daemon's own Pod, or on its Namespace where it runs outside."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from kube2git.adapters.kube.connection import Connection
from kube2git.core import wire
from kube2git.core.wire import Json

_COMPONENT = "kube2git"
_MOST = 1024
"""Bytes that the API server takes as an Event's message."""


class KubeEvents:
    """Writes Events. Errors: ClusterUnreachableError, ClusterDeniedError."""

    def __init__(self, connection: Connection, namespace: str, pod: str = "") -> None:
        """Name whom the Events are about: a Pod, or ("") the Namespace."""
        self._connection = connection
        self._namespace = namespace
        self._about = (
            {"kind": "Pod", "name": pod, "namespace": namespace}
            if pod
            else {"kind": "Namespace", "name": namespace}
        )
        self._instance = pod or _COMPONENT

    def write(self, reason: str, message: str, *, is_warning: bool) -> None:
        """Write one Event: ``reason`` is a word for programs, ``message`` a sentence."""
        now = datetime.now(UTC)
        # The API server wants Events about cluster-scoped objects in "default".
        namespace = self._namespace if self._about["kind"] == "Pod" else "default"
        body: Json = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{self._instance}.{uuid.uuid4().hex[:16]}",
                "namespace": namespace,
            },
            "involvedObject": {"apiVersion": "v1", **self._about},
            "reason": reason,
            "message": message.encode()[:_MOST].decode(errors="ignore"),
            "type": "Warning" if is_warning else "Normal",
            "firstTimestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "lastTimestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "count": 1,
            "source": {"component": _COMPONENT},
            "reportingComponent": _COMPONENT,
            "reportingInstance": self._instance,
        }
        response = self._connection.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/events",
            body=wire.encode(body),
            content_type="application/json",
        )
        if not response.is_ok:
            raise response.error(f"cannot write an Event in namespace {namespace}")
