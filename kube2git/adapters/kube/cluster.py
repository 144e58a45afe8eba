"""The Cluster port on a real API server."""

from __future__ import annotations

from collections.abc import Iterator

from kube2git.adapters.kube.answers import Response
from kube2git.adapters.kube.connection import Connection
from kube2git.adapters.kube.discovery import DiscoveryReader
from kube2git.adapters.kube.listing import sweep
from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.core.ports import ClusterIdentity, Discovery, SweepEvent, SweepRequest
from kube2git.core.wire import Json
from kube2git.errors import ClusterUnreachableError


class KubeCluster:
    """A Kubernetes API server, as the flows see it."""

    def __init__(
        self, connection: Connection, *, connections: int = 4, page_size: int = 500
    ) -> None:
        self._connection = connection
        self._discovery = DiscoveryReader(connection)
        self._threads = connections
        self._page_size = page_size

    def identity(self) -> ClusterIdentity:
        """Tell which cluster this is; its uid is "" when this identity may not read it."""
        version = self._decoded(self._connection.get("/version"), "asking for its version")
        found = self._connection.get("/api/v1/namespaces/kube-system")
        uid = ""
        if found.status not in (403, 404):
            uid = self._decoded(found, "reading the namespace kube-system")["metadata"]["uid"]
        return ClusterIdentity(uid, version.get("gitVersion", ""), self._connection.context)

    def discover(self) -> Discovery:
        """Return which kinds the server serves now, and which groups it cannot speak for."""
        return self._discovery.read()

    def sweep(self, request: SweepRequest) -> Iterator[SweepEvent]:
        """List every kind at one revision; what could not be listed is told, never raised."""
        return sweep(
            self._connection,
            self._discovery,
            request,
            threads=self._threads,
            page_size=self._page_size,
        )

    def get(self, type: ResourceType, namespace: str, name: str) -> Json | None:
        """Return one live object, or None when there is none."""
        response = self._connection.get(type.path(namespace, name))
        if response.status == 404 and response.failure().get("reason") == "NotFound":
            return None
        return self._decoded(response, f"reading {type.ref(namespace, name)}")

    def _decoded(self, response: Response, what: str) -> Json:
        if not response.is_ok:
            raise response.error(what)
        try:
            body = wire.decode(response.body)
        except wire.MalformedJsonError:
            body = None
        if not isinstance(body, dict):
            raise ClusterUnreachableError(
                f"{what}: the answer is not that of an API server",
                hint="Look at the server's address in the kubeconfig.",
            )
        return body
