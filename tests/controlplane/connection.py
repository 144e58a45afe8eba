"""A small HTTPS client for an API server: raw bytes in, raw bytes out, connections kept alive."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import urllib3

from tests.controlplane.problems import ControlPlaneError

CONTENT_TYPES = {"PATCH": "application/merge-patch+json"}

Body = bytes | str | Mapping[str, Any] | list[Any] | None


class Response(NamedTuple):
    """What the server answered, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def compact(etcd: str, revision: int) -> None:
    """Make an etcd forget all that was before a revision."""
    with urllib3.PoolManager(retries=False) as pool:
        body = {"revision": str(revision), "physical": True}
        answer = pool.request("POST", f"{etcd}/v3/kv/compaction", json=body)
    if answer.status != 200:
        raise ControlPlaneError(f"Compaction got {answer.status}: {answer.data.decode()}")


class Connection:
    """Connections to one server, shared by threads."""

    def __init__(self, server: str, ca_file: Path, token: Callable[[str], str]) -> None:
        self._server = server
        self._token = token
        self._pool = urllib3.PoolManager(
            ca_certs=str(ca_file), maxsize=32, retries=False, timeout=60.0
        )

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        user: str,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request; a body that is no text is sent as JSON, text may be YAML or JSON."""
        sent = {"Authorization": f"Bearer {self._token(user)}", "Accept": "application/json"}
        if body is not None:
            is_text = isinstance(body, (bytes, str))
            default = "application/yaml" if is_text else "application/json"
            sent["Content-Type"] = CONTENT_TYPES.get(method, default)
            body = body if is_text else json.dumps(body)
        answer = self._pool.request(
            method, self._server + path, body=body, headers=sent | dict(headers or {})
        )
        return Response(answer.status, answer.headers, answer.data)

    def close(self) -> None:
        self._pool.clear()
