"""What an API server keeps: every state of every object, by revision. Shared by the fakes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from kube2git.core.objects import ResourceType
from kube2git.core.wire import Json

VERBS = frozenset({"create", "delete", "get", "list", "patch", "update", "watch"})


def kind(
    api_version: str, kind: str, plural: str, *, namespaced: bool = True, **more: Any
) -> ResourceType:
    """Describe a kind shortly: ``kind("apps/v1", "Deployment", "deployments")``."""
    group, _, version = api_version.rpartition("/")
    return ResourceType(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        namespaced=namespaced,
        **{"verbs": VERBS, "singular": kind.lower(), "versions": (version,), **more},
    )


TYPES = (
    kind("v1", "ConfigMap", "configmaps", short_names=("cm",)),
    kind("v1", "Event", "events", short_names=("ev",)),
    kind("v1", "Namespace", "namespaces", namespaced=False, short_names=("ns",)),
    kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", short_names=("pvc",)),
    kind("v1", "PersistentVolume", "persistentvolumes", namespaced=False, short_names=("pv",)),
    kind("v1", "Pod", "pods", short_names=("po",), subresources=frozenset({"status"})),
    kind("v1", "Secret", "secrets"),
    kind("v1", "Service", "services", short_names=("svc",), subresources=frozenset({"status"})),
    kind("v1", "ServiceAccount", "serviceaccounts", short_names=("sa",)),
    kind(
        "apps/v1",
        "Deployment",
        "deployments",
        short_names=("deploy",),
        categories=("all",),
        subresources=frozenset({"status", "scale"}),
    ),
    kind("apps/v1", "ReplicaSet", "replicasets", short_names=("rs",)),
    kind("apps/v1", "StatefulSet", "statefulsets", short_names=("sts",)),
    kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    kind("networking.k8s.io/v1", "Ingress", "ingresses", short_names=("ing",)),
    kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", namespaced=False),
    kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
    kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False),
    kind(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        namespaced=False,
        short_names=("crd",),
    ),
)
"""A small cluster's kinds."""

Key = tuple[str, str]
"""(namespace, name), in which order lists come."""


@dataclass
class Store:
    """Objects of all kinds, and what they were."""

    types: dict[str, ResourceType] = field(
        default_factory=lambda: {type.kind_group: type for type in TYPES}
    )
    counters: dict[str, int] = field(default_factory=lambda: {"": 100})
    """The newest revision of each store; "" is the main one."""
    stores: dict[str, str] = field(default_factory=dict)
    """kind_group -> its store, when that is not the main one."""
    down: dict[str, str] = field(default_factory=dict)
    """Group, or group/version, that discovery cannot speak for -> why."""
    oldest: int = 0
    """What happened before this revision of the main store is forgotten."""
    _history: dict[str, list[tuple[int, Key, Json | None]]] = field(default_factory=dict)
    _made: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def newest(self, kind_group: str) -> int:
        return self.counters[self.stores.get(kind_group, "")]

    def split(self, kind_group: str, revision: int) -> None:
        """Give a kind a store of its own, which stands at a revision."""
        self.stores[kind_group] = kind_group
        self.counters[kind_group] = revision

    def put(self, body: Json) -> Json:
        """Create or replace an object; return it as the server keeps it."""
        with self._lock:
            type = self.type_of(body)
            given = body.get("metadata") or {}
            key = (given.get("namespace", "") if type.namespaced else "", given["name"])
            before = self.at(type.kind_group).get(key)
            if before is None:
                self._made += 1
            revision = self._advance(type.kind_group)
            old = (before or {}).get("metadata") or {}
            metadata = {
                **given,
                "uid": old.get("uid") or f"00000000-0000-4000-8000-{self._made:012d}",
                "resourceVersion": str(revision),
                "creationTimestamp": old.get("creationTimestamp") or "2024-01-01T00:00:00Z",
            }
            kept = {**body, "metadata": metadata}
            self._history.setdefault(type.kind_group, []).append((revision, key, kept))
            return kept

    def remove(self, kind_group: str, namespace: str, name: str) -> None:
        with self._lock:
            revision = self._advance(kind_group)
            entry = (revision, (namespace, name), None)
            self._history.setdefault(kind_group, []).append(entry)

    def at(self, kind_group: str, revision: int | None = None) -> dict[Key, Json]:
        """Return the objects of a kind as they were at a revision of its store, or are now."""
        with self._lock:
            found: dict[Key, Json] = {}
            for when, key, body in self._history.get(kind_group, ()):
                if revision is not None and when > revision:
                    break
                found.pop(key, None)
                if body is not None:
                    found[key] = body
            return dict(sorted(found.items()))

    def type_of(self, body: Json) -> ResourceType:
        group, _, _ = str(body["apiVersion"]).rpartition("/")
        kind_group = f"{body['kind']}.{group}" if group else str(body["kind"])
        return self.types[kind_group]

    def _advance(self, kind_group: str) -> int:
        store = self.stores.get(kind_group, "")
        self.counters[store] += 1
        return self.counters[store]
