"""A live object as planning needs it: clean, and the few raw facts that cleaning takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kube2git.core.objects import Manifest
from kube2git.core.wire import Json
from kube2git.core.workloads import SCALED, dig, items_of


@dataclass(frozen=True, slots=True)
class LiveObject:
    """One object of the target, at one resourceVersion."""

    manifest: Manifest
    """Cleaned by the exporter's rules."""
    uid: str
    resource_version: str
    is_terminating: bool = False
    phase: str = ""
    """``status.phase``."""
    replicas: int | None = None
    """``spec.replicas`` as it is, also where an autoscaler sets it and cleaning leaves it out."""
    node_ports: frozenset[int] = frozenset()
    """Of a Service, those that the server allocated among them."""
    health_port: int = 0
    """The one among them on which health checks ask; 0: there is none."""
    cluster_ips: frozenset[str] = frozenset()
    other_tool: str = ""
    """Who else keeps this object, for people (``Helm release shop``); "" when nobody is known."""
    managed_fields: tuple[Mapping[str, Any], ...] = field(default=(), compare=False, repr=False)
    """Raw ``metadata.managedFields``; needed only of objects that differ from the commit."""

    @classmethod
    def of(cls, raw: Json, manifest: Manifest, *, keep_managers: bool = True) -> LiveObject:
        """Take from the raw object what its cleaned form lacks."""
        metadata = raw.get("metadata") or {}
        kind = manifest.ref.kind_group
        replicas = dig(raw, "spec", "replicas") if kind in SCALED else None
        is_service = kind == "Service"
        managers = metadata.get("managedFields") if keep_managers else None
        return cls(
            manifest,
            uid=str(metadata.get("uid") or ""),
            resource_version=str(metadata.get("resourceVersion") or ""),
            is_terminating=bool(metadata.get("deletionTimestamp")),
            phase=str(dig(raw, "status", "phase") or ""),
            replicas=replicas if isinstance(replicas, int) else None,
            node_ports=node_ports(raw) if is_service else frozenset(),
            health_port=dig(raw, "spec", "healthCheckNodePort") or 0 if is_service else 0,
            cluster_ips=cluster_ips(raw) if is_service else frozenset(),
            other_tool=other_tool(raw),
            managed_fields=tuple(entry for entry in managers or () if isinstance(entry, dict)),
        )


def node_ports(service: Json) -> frozenset[int]:
    """Return the node ports that a Service names or holds."""
    ports = [port.get("nodePort") for port in items_of(service, "spec", "ports")]
    ports.append(dig(service, "spec", "healthCheckNodePort"))
    return frozenset(port for port in ports if isinstance(port, int) and port)


def cluster_ips(service: Json) -> frozenset[str]:
    """Return the cluster IPs that a Service names or holds; ``None`` (headless) is none."""
    found = {dig(service, "spec", "clusterIP"), *(dig(service, "spec", "clusterIPs") or ())}
    return frozenset(ip for ip in found if isinstance(ip, str) and ip not in ("", "None"))


class Mark(NamedTuple):
    """How another tool says that it keeps an object, and deletes it when it is done with it."""

    tool: str
    labels: tuple[str, ...] = ()
    """Any of these marks it."""
    annotations: tuple[str, ...] = ()


MARKS: tuple[Mark, ...] = (
    Mark("Helm release", annotations=("meta.helm.sh/release-name",)),
    Mark("Flux Kustomization", labels=("kustomize.toolkit.fluxcd.io/name",)),
    Mark("Flux HelmRelease", labels=("helm.toolkit.fluxcd.io/name",)),
    Mark(
        "Argo CD application",
        labels=("argocd.argoproj.io/instance",),
        annotations=("argocd.argoproj.io/tracking-id",),
    ),
    Mark("kapp app", labels=("kapp.k14s.io/app",)),
    Mark("kubectl apply set", labels=("applyset.kubernetes.io/part-of",)),
    Mark("OLM", labels=("olm.owner",)),
    Mark("Rancher Fleet", labels=("objectset.rio.cattle.io/hash",)),
    Mark("Config Sync", annotations=("configmanagement.gke.io/managed",)),
    Mark("Crossplane composite", labels=("crossplane.io/composite",)),
    Mark("the cluster's addon manager", labels=("addonmanager.kubernetes.io/mode",)),
)


def other_tool(raw: Json) -> str:
    """Return who else keeps a raw object, by its owner references and the tools' marks."""
    for owner in items_of(raw, "metadata", "ownerReferences"):
        return f"{owner.get('kind')} {owner.get('name')}, its owner"
    for mark in MARKS:
        for part, keys in (("labels", mark.labels), ("annotations", mark.annotations)):
            for key in keys:
                value = dig(raw, "metadata", part, key)
                if isinstance(value, str):
                    return f"{mark.tool} {value}".rstrip()
    return ""
