"""In which namespaces this identity may list a kind, as the API server itself tells.

One question a namespace instead of one refused list for each kind in it. An answer that is missing
or incomplete (a webhook decides) counts as leave: the list itself then tells.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from kube2git.adapters.kube.connection import Connection, Pause
from kube2git.core import wire
from kube2git.core.objects import ResourceType
from kube2git.errors import ClusterUnreachableError

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"

Rule = Mapping[str, Any]
"""A ResourceRule of SelfSubjectRulesReview: verbs, apiGroups, resources, resourceNames."""


class Rights:
    """Asks once for each namespace; may be called by several threads."""

    def __init__(self, connection: Connection, pause: Pause) -> None:
        self._connection = connection
        self._pause = pause
        self._lock = threading.Lock()
        self._rules: dict[str, tuple[Rule, ...] | None] = {}

    def may_list(self, type: ResourceType, namespace: str) -> bool:
        """Tell whether a list of a kind in a namespace is worth asking for."""
        with self._lock:
            if namespace not in self._rules:
                self._rules[namespace] = self._ask(namespace)
            rules = self._rules[namespace]
        return rules is None or any(_allows(rule, type) for rule in rules)

    def _ask(self, namespace: str) -> tuple[Rule, ...] | None:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        try:
            response = self._connection.request(
                "POST",
                _REVIEWS,
                body=wire.encode(body),
                content_type="application/json",
                pause=self._pause,
            )
            if not response.is_ok:
                return None
            status = wire.decode(response.body).get("status") or {}
        except (ClusterUnreachableError, wire.MalformedJsonError):
            return None
        return None if status.get("incomplete") else tuple(status.get("resourceRules") or ())


def _allows(rule: Rule, type: ResourceType) -> bool:
    # Names in a rule never allow a list of all.
    return not rule.get("resourceNames") and all(
        "*" in (rule.get(key) or ()) or word in (rule.get(key) or ())
        for key, word in (("verbs", "list"), ("apiGroups", type.group), ("resources", type.plural))
    )
