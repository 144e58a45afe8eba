"""Objects that register an API served by another process on this machine.

Boundary: pure. The Service is of type ExternalName, because endpoints may not be on loopback.
"""

from __future__ import annotations

import base64
from typing import Any

NAMESPACE = "wardle"
SERVICE = "api"
GROUP = "wardle.example.com"
VERSION = "v1alpha1"

Manifest = dict[str, Any]


def namespace() -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def service() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {"type": "ExternalName", "externalName": "localhost"},
    }


def api_service(group: str, version: str, *, port: int, authority: bytes) -> Manifest:
    """Register a group and version, served on a port of this machine whether or not it answers."""
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"{version}.{group}"},
        "spec": {
            "group": group,
            "version": version,
            "groupPriorityMinimum": 1000,
            "versionPriority": 15,
            "caBundle": base64.b64encode(authority).decode(),
            "service": {"namespace": NAMESPACE, "name": SERVICE, "port": port},
        },
    }
