"""Claims, volumes and Pods as an API server gives them."""

from __future__ import annotations

from typing import Any

from kube2git.core.wire import Json

DRIVER = "fake.example.com"


def claim(
    name: str,
    namespace: str = "shop",
    *,
    phase: str = "Bound",
    volume: str | None = None,
    storage_class: str = "fast",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Json:
    spec: Json = {"storageClassName": storage_class, "accessModes": ["ReadWriteOnce"]}
    if phase == "Bound":
        spec["volumeName"] = volume or f"pv-{namespace}-{name}"
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels or {},
            "annotations": annotations or {},
        },
        "spec": spec,
        "status": {"phase": phase},
    }


def volume(claim_name: str, namespace: str = "shop", **spec: Any) -> Json:
    name = f"pv-{namespace}-{claim_name}"
    csi = {"driver": DRIVER, "volumeHandle": f"vol-{namespace}-{claim_name}"}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": csi}
        | spec,
    }


def pod(
    name: str,
    *claims: str,
    namespace: str = "shop",
    phase: str = "Running",
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": annotations or {},
            "labels": labels or {},
        },
        "spec": {
            "containers": [{"name": "main"}, {"name": "helper"}],
            "volumes": [
                {"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims
            ],
        },
        "status": {"phase": phase},
    }
