"""Facts from other objects of the same sweep that rules need. Kept few, and slow to change.

Their fingerprint is part of a cache key: a fact that changes often would make every run slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kube2git.core import wire
from kube2git.core.objects import ObjectRef, group_of
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of

REHEARSAL = "kube2git.io/rehearsal"
"""The label of namespaces that a rehearsal has made; its value is of that one run."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules know of other objects. The empty one keeps more than it strips."""

    hpa_targets: frozenset[ObjectRef] = frozenset()
    """Objects whose replicas a HorizontalPodAutoscaler sets."""
    selectorless_services: frozenset[tuple[str, str]] = frozenset()
    """(namespace, name) of Services whose endpoints a person makes."""
    kinds_without_status_subresource: frozenset[tuple[str, str]] = frozenset()
    """(apiVersion, kind) of custom resources whose top-level status is an ordinary field."""
    rehearsals: frozenset[str] = frozenset()
    """Namespaces that a rehearsal has made."""

    def fingerprint(self) -> str:
        """Return the identity of these facts."""
        return wire.digest(
            [
                sorted(self.hpa_targets),
                sorted(self.selectorless_services),
                sorted(self.kinds_without_status_subresource),
                sorted(self.rehearsals),
            ]
        )


class ContextBuilder:
    """Collects a Context from decoded objects; those of other kinds are ignored."""

    KINDS: ClassVar[frozenset[str]] = frozenset(
        {
            "HorizontalPodAutoscaler.autoscaling",
            "Namespace",
            "Service",
            "CustomResourceDefinition.apiextensions.k8s.io",
        }
    )
    """kind_groups of the objects that hold facts."""

    def __init__(self) -> None:
        self._hpa_targets: set[ObjectRef] = set()
        self._selectorless: set[tuple[str, str]] = set()
        self._without_status: set[tuple[str, str]] = set()
        self._rehearsals: set[str] = set()

    def add(self, body: Json) -> None:
        """Take the facts that one object holds."""
        group, kind = group_of(str(body.get("apiVersion") or "")), body.get("kind")
        namespace = dig(body, "metadata", "namespace") or ""
        if (group, kind) == ("autoscaling", "HorizontalPodAutoscaler"):
            target = dig(body, "spec", "scaleTargetRef")
            if isinstance(target, dict):
                self._hpa_targets.add(
                    ObjectRef(
                        group_of(str(target.get("apiVersion") or "")),
                        str(target.get("kind") or ""),
                        namespace,
                        str(target.get("name") or ""),
                    )
                )
        elif (group, kind) == ("", "Namespace"):
            if dig(body, "metadata", "labels", REHEARSAL):
                self._rehearsals.add(dig(body, "metadata", "name") or "")
        elif (group, kind) == ("", "Service"):
            if not dig(body, "spec", "selector"):
                self._selectorless.add((namespace, dig(body, "metadata", "name") or ""))
        elif (group, kind) == ("apiextensions.k8s.io", "CustomResourceDefinition"):
            self._add_definition(body)

    def _add_definition(self, body: Json) -> None:
        group, kind = dig(body, "spec", "group"), dig(body, "spec", "names", "kind")
        for version in items_of(body, "spec", "versions"):
            if dig(version, "subresources", "status") is None:
                self._without_status.add((f"{group}/{version.get('name')}", str(kind)))

    def build(self) -> Context:
        return Context(
            frozenset(self._hpa_targets),
            frozenset(self._selectorless),
            frozenset(self._without_status),
            frozenset(self._rehearsals),
        )
