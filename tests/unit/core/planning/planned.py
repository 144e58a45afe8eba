"""Objects for the tests of planning, as short as they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kube2git.core.objects import Manifest
from kube2git.core.planning.live import LiveObject
from kube2git.core.volumes import KnownVolume
from kube2git.core.wire import Json

GOLDEN = Path(__file__).parent / "golden"

RBAC = "rbac.authorization.k8s.io/v1"


def obj(api_version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Json:
    """Return an object's body; ``metadata`` in ``rest`` is added to."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    metadata |= rest.pop("metadata", {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def config_map(name: str = "c", namespace: str = "shop", **data: str) -> Json:
    return obj("v1", "ConfigMap", name, namespace, data=data)


def deployment(name: str = "web", namespace: str = "shop", **spec: Any) -> Json:
    """Return a Deployment; ``pod`` in ``spec`` is added to its Pods' spec."""
    pod = {"containers": [{"name": "web", "image": "web:1"}], **spec.pop("pod", {})}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    selector = {"matchLabels": {"app": name}}
    return obj(
        "apps/v1",
        "Deployment",
        name,
        namespace,
        spec={"selector": selector, "template": template, **spec},
    )


def job(name: str = "migrate", namespace: str = "shop", **spec: Any) -> Json:
    pod = {"containers": [{"name": "a", "image": "a:1"}], "restartPolicy": "Never"}
    return obj("batch/v1", "Job", name, namespace, spec={"template": {"spec": pod}, **spec})


def volume(name: str = "disk", **spec: Any) -> Json:
    known = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": f"vol-{name}"},
    }
    return obj("v1", "PersistentVolume", name, spec={**known, **spec})


def manifests(*bodies: Json) -> list[Manifest]:
    return [Manifest.of(body) for body in bodies]


def live(body: Json, **facts: Any) -> LiveObject:
    """Return a live object whose cleaned form is ``body``."""
    known = {"uid": f"uid-{body['metadata']['name']}", "resource_version": "7"}
    return LiveObject(Manifest.of(body), **{**known, **facts})


def known_volume(entry: LiveObject) -> KnownVolume:
    """Return what a cluster's list of volumes tells of one that is live."""
    body = entry.manifest.body
    metadata = {**body["metadata"], "uid": entry.uid}
    return KnownVolume.of({**body, "metadata": metadata, "status": {"phase": entry.phase}})


def managed(manager: str, fields: Json, operation: str = "Update", subresource: str = "") -> Json:
    """Return one entry of managedFields."""
    entry = {"manager": manager, "operation": operation, "fieldsV1": fields}
    return entry | ({"subresource": subresource} if subresource else {})


def read_documents(path: Path) -> list[Json]:
    """Return the objects in a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]
