"""What the cluster says of claims: volumes, storage classes, and the Pods that mount them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kube2git.core.objects import ResourceType
from kube2git.core.ports import (
    Cluster,
    KindRead,
    KindStatus,
    PageRead,
    SweepRequest,
    SweepStarted,
)
from kube2git.core.selection import Selection
from kube2git.core.snapshots import ClaimRef
from kube2git.core.snapshots.choosing import ClaimSelection
from kube2git.core.snapshots.volumes import claim_ref
from kube2git.core.wire import Json

_CLAIM, _POD = "PersistentVolumeClaim", "Pod"
_KINDS = (_CLAIM, "PersistentVolume", "StorageClass.storage.k8s.io")


@dataclass(slots=True)
class Claims:
    """Everything that is known of the claims of a cluster."""

    live: dict[ClaimRef, Json] = field(default_factory=dict)
    wanted: list[ClaimRef] = field(default_factory=list)
    """Those that the selection names, in order."""
    volumes: dict[str, Json] = field(default_factory=dict)
    classes: dict[str, Json] = field(default_factory=dict)
    pods: list[Json] = field(default_factory=list)
    """In the namespaces of the wanted claims."""
    problems: list[str] = field(default_factory=list)
    is_complete: bool = False
    """Every claim of the cluster is in ``live``."""


def read_claims(cluster: Cluster, selection: ClaimSelection) -> Claims:
    """Read claims and what belongs to them; what could not be read is noted."""
    types = {type.kind_group: type for type in cluster.discover().types}
    found = Claims()
    within: Selection = selection.within
    objects, statuses = _list(cluster, _existing(types, _KINDS), within.namespaces.literals, found)
    for body in objects.get(_CLAIM, ()):
        found.live[claim_ref(body)] = body
    found.volumes = {body["metadata"]["name"]: body for body in objects.get(_KINDS[1], ())}
    found.classes = {body["metadata"]["name"]: body for body in objects.get(_KINDS[2], ())}
    found.wanted = [claim for claim, body in sorted(found.live.items()) if selection.wants(body)]
    is_listed = statuses.get(_CLAIM) is KindStatus.LISTED
    found.is_complete = is_listed and within.namespaces.is_everything
    namespaces = tuple(sorted({claim.namespace for claim in found.wanted}))
    if namespaces:
        pods, _ = _list(cluster, _existing(types, (_POD,)), namespaces, found)
        found.pods = pods.get(_POD, [])
    return found


def _existing(types: dict[str, ResourceType], kinds: Iterable[str]) -> list[ResourceType]:
    return [types[kind] for kind in kinds if kind in types]


def _list(
    cluster: Cluster,
    types: list[ResourceType],
    namespaces: tuple[str, ...] | None,
    found: Claims,
) -> tuple[dict[str, list[Json]], dict[str, KindStatus]]:
    objects: dict[str, list[Json]] = {}
    reads: dict[str, KindRead] = {}
    for event in cluster.sweep(SweepRequest([types], namespaces)):
        if isinstance(event, SweepStarted):
            objects, reads = {}, {}
        elif isinstance(event, PageRead):
            type = event.type
            bodies = (item.decode(type.api_version, type.kind) for item in event.items)
            objects.setdefault(type.kind_group, []).extend(bodies)
        elif isinstance(event, KindRead):
            reads[event.type.kind_group] = event
    found.problems += [
        f"{read.type.resource_group} could not be read completely. {read.reason}"
        for read in reads.values()
        if read.status is not KindStatus.LISTED
    ]
    return objects, {kind: read.status for kind, read in reads.items()}
