"""A small API server in memory: discovery, lists and gets, with the real one's manners.

It is what the real adapter meets in unit tests; ``tests/faults.py`` puts it behind a port. Like
the real one it answers a list at a revision that its store has passed long ago without complaint.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from typing import Any

from kube2git.core.objects import ResourceType
from kube2git.core.selection import LabelSelector
from tests.fakes.store import Store
from tests.faults import Reply, Request

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
JSON = {"Content-Type": "application/json"}
BARE_404 = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


class FakeApiServer:
    """Answers requests out of a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.is_aggregating = True
        """Knows the aggregated form of discovery (1.26 and later)."""
        self.content_type = AGGREGATED
        """Of aggregated discovery."""
        self.stale: set[str] = set()
        """Group versions whose backend is down: ``metrics.k8s.io/v1beta1``."""

    def __call__(self, request: Request) -> Reply:
        parts = request.path.strip("/").split("/")
        if request.path == "/version":
            return self._json(request, {"gitVersion": "v1.37.1", "major": "1", "minor": "37"})
        if request.path in ("/api", "/apis"):
            return self._discovery(request)
        return self._resource(request, parts)

    # ── discovery ────────────────────────────────────────────────────────────────────────────

    def _discovery(self, request: Request) -> Reply:
        is_core = request.path == "/api"
        groups: dict[str, dict[str, list[ResourceType]]] = {} if not is_core else {"": {}}
        for type in self.store.types.values():
            if (type.group == "") == is_core:
                for version in type.versions:
                    groups.setdefault(type.group, {}).setdefault(version, []).append(type)
        for name in self.stale:
            group, _, version = name.partition("/")
            if not is_core:
                groups.setdefault(group, {}).setdefault(version, [])
        if not (self.is_aggregating and "apidiscovery" in request.headers.get("accept", "")):
            return self._json(request, _old_groups(groups, is_core))
        body = {"kind": "APIGroupDiscoveryList", "items": self._items(groups)}
        tag = f'"{hashlib.sha256(json.dumps(body).encode()).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Reply(304, headers={"ETag": tag})
        return self._json(request, body, {"Content-Type": self.content_type, "ETag": tag})

    def _items(self, groups: dict[str, dict[str, list[ResourceType]]]) -> list[dict[str, Any]]:
        return [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": version,
                        "freshness": ("Stale" if f"{group}/{version}" in self.stale else "Current"),
                        "resources": [_aggregated(type) for type in types],
                    }
                    for version, types in versions.items()
                ],
            }
            for group, versions in groups.items()
        ]

    # ── objects ──────────────────────────────────────────────────────────────────────────────

    def _resource(self, request: Request, parts: list[str]) -> Reply:
        if parts[0] == "api":
            group, version, rest = "", parts[1], parts[2:]
        elif parts[0] == "apis" and len(parts) > 2:
            group, version, rest = parts[1], parts[2], parts[3:]
        else:
            return BARE_404
        if f"{group}/{version}" in self.stale:
            return _status(503, "ServiceUnavailable", "the server is currently unable to handle it")
        types = [
            type
            for type in self.store.types.values()
            if type.group == group and version in type.versions
        ]
        if not rest:
            return self._json(request, _old_resources(types)) if types else BARE_404
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        found = [type for type in types if type.plural == rest[0]]
        if not found:
            return BARE_404
        if len(rest) > 1:
            return self._get(request, found[0], namespace, rest[1])
        return self._list(request, found[0], namespace)

    def _get(self, request: Request, type: ResourceType, namespace: str, name: str) -> Reply:
        body = self.store.at(type.kind_group).get((namespace, name))
        if body is None:
            return _status(404, "NotFound", f'{type.resource_group} "{name}" not found')
        return self._json(request, body)

    def _list(self, request: Request, type: ResourceType, namespace: str) -> Reply:
        query = request.query
        newest = self.store.newest(type.kind_group)
        revision, start = newest, None
        if token := query.get("continue"):
            revision, *key = json.loads(base64.b64decode(token))
            start = tuple(key)
        elif query.get("resourceVersionMatch") == "Exact":
            revision = int(query["resourceVersion"])
        if revision > newest:
            return _status(
                504,
                "Timeout",
                f"Too large resource version: {revision}, current: {newest}",
                {"Retry-After": "1"},
            )
        if revision < self.store.oldest and type.kind_group not in self.store.stores:
            return _status(410, "Expired", "The provided resource version is too old.")
        labels = LabelSelector.parse(query.get("labelSelector", ""))
        wanted = [
            (key, body)
            for key, body in self.store.at(type.kind_group, revision).items()
            if (not namespace or key[0] == namespace)
            and labels.match(body["metadata"].get("labels") or {})
            and (start is None or key > start)
        ]
        limit = int(query.get("limit", "0")) or len(wanted)
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if len(wanted) > limit:
            last = json.dumps([revision, *wanted[limit - 1][0]]).encode()
            metadata["continue"] = base64.b64encode(last).decode()
            metadata["remainingItemCount"] = len(wanted) - limit
        items = [
            {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}
            for _, body in wanted[:limit]
        ]
        answer = {"kind": f"{type.kind}List", "apiVersion": type.api_version, "metadata": metadata}
        return self._json(request, {**answer, "items": items})

    def _json(self, request: Request, body: object, headers: dict[str, str] | None = None) -> Reply:
        data = json.dumps(body).encode()
        sent = {**JSON, **(headers or {})}
        if "gzip" in request.headers.get("accept-encoding", "") and len(data) > 1000:
            return Reply(200, gzip.compress(data, 1), {**sent, "Content-Encoding": "gzip"})
        return Reply(200, data, sent)


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    body = {"kind": "Status", "apiVersion": "v1", "reason": reason, "message": message}
    return Reply(code, json.dumps({**body, "code": code}).encode(), {**JSON, **(headers or {})})


def _aggregated(type: ResourceType) -> dict[str, Any]:
    return {
        "resource": type.plural,
        "responseKind": {"group": "", "version": "", "kind": type.kind},
        "scope": "Namespaced" if type.namespaced else "Cluster",
        "singularResource": type.singular,
        "verbs": sorted(type.verbs),
        "shortNames": list(type.short_names),
        "categories": list(type.categories),
        "subresources": [
            {"subresource": name, "verbs": ["get"]} for name in sorted(type.subresources)
        ],
    }


def _old_groups(groups: dict[str, dict[str, list[ResourceType]]], is_core: bool) -> dict[str, Any]:
    if is_core:
        return {"kind": "APIVersions", "versions": list(groups[""])}
    return {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": group,
                "versions": [
                    {"groupVersion": f"{group}/{one}", "version": one} for one in versions
                ],
                "preferredVersion": {"version": next(iter(versions))},
            }
            for group, versions in groups.items()
        ],
    }


def _old_resources(types: list[ResourceType]) -> dict[str, Any]:
    resources = []
    for type in types:
        entry = {
            "singularName": type.singular,
            "namespaced": type.namespaced,
            "kind": type.kind,
            "verbs": sorted(type.verbs),
            "shortNames": list(type.short_names),
            "categories": list(type.categories),
        }
        resources.append({"name": type.plural, **entry})
        resources += [
            {"name": f"{type.plural}/{name}", **entry, "verbs": ["get"]}
            for name in sorted(type.subresources)
        ]
    return {"kind": "APIResourceList", "resources": resources}
