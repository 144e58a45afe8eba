"""A rehearsal: a replay into namespaces made for it. What it writes, what it leaves, what it lacks.

It must not be able to harm what runs in the target: nothing cluster-scoped is written, no volume
that is there is bound, and nothing takes traffic from the original.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kube2git.core import wire
from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.live import LiveObject
from kube2git.core.planning.plan import Action, Plan, PlannedAction
from kube2git.core.snapshots.choosing import ANNOTATION
from kube2git.core.volumes import KnownVolume
from kube2git.core.workloads import dig

_LONGEST = 63
_CLAIM = "PersistentVolumeClaim"
_ROUTING = frozenset(
    {
        "Ingress.networking.k8s.io",
        "Route.route.openshift.io",
        "VirtualService.networking.istio.io",
        "IngressRoute.traefik.io",
        "HTTPProxy.projectcontour.io",
    }
)
_GATEWAY = "gateway.networking.k8s.io"


def scratch_name(namespace: str, started: str) -> str:
    """Return ``<name>-drill-<started>``, the name cut and marked where it would be too long."""
    suffix = f"-drill-{started}"
    room = _LONGEST - len(suffix)
    if len(namespace) <= room:
        return namespace + suffix
    mark = wire.digest([namespace])[:8]
    return f"{namespace[: room - len(mark) - 1].rstrip('-')}-{mark}{suffix}"


def with_namespaces(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return the objects with a Namespace for each that the commit holds none of."""
    given = list(manifests)
    there = {manifest.ref.name for manifest in given if manifest.ref.kind_group == "Namespace"}
    homes = {manifest.ref.namespace for manifest in given} - there - {""}
    made = [
        Manifest.of({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}})
        for home in sorted(homes)
    ]
    return [*made, *given]


def as_rehearsed(manifest: Manifest) -> Manifest:
    """Return a claim that names no volume, since a rehearsal binds none that is there.

    Nor are snapshots taken of it. Other kinds stay as they are.
    """
    if manifest.ref.kind_group != _CLAIM:
        return manifest
    body = manifest.body
    asked = body.get("spec") or {}
    spec = {name: value for name, value in asked.items() if name != "volumeName"}
    annotations = {**(dig(body, "metadata", "annotations") or {}), ANNOTATION: "false"}
    metadata = {**body["metadata"], "annotations": annotations}
    return Manifest.of({**body, "metadata": metadata, "spec": spec})


@dataclass(frozen=True)
class Confinement:
    """The bounds of one rehearsal."""

    scratch: Collection[str]
    """The namespaces made for it."""
    kinds: Collection[str]
    """kind_group of every kind that the target serves."""
    volumes: Collection[KnownVolume] | None
    """Of the target; None when they could not all be listed."""

    def apply(self, plan: Plan, manifests: Mapping[ObjectRef, Manifest]) -> Plan:
        """Return the plan with everything left out that a rehearsal must not write."""
        return replace(
            plan,
            actions=tuple(
                self._confined(action, manifests.get(action.ref)) for action in plan.actions
            ),
        )

    def _confined(self, action: PlannedAction, manifest: Manifest | None) -> PlannedAction:
        if not action.action.writes or manifest is None:
            return action
        ref, bare = action.ref, replace(action, changes=(), removals=(), kept=(), warnings=())
        home = ref.name if ref.kind_group == "Namespace" else ref.namespace
        if not home:
            return replace(bare, action=Action.SKIP, reason=COMPARED[action.action])
        if home not in self.scratch:
            reason = "A rehearsal writes only into the namespaces that it has made."
            return replace(bare, action=Action.SKIP, reason=reason)
        if ref.kind_group not in self.kinds:
            reason = (
                f"The target does not serve the kind {ref.kind_group} yet. A replay makes its "
                "CustomResourceDefinition first; a rehearsal makes nothing cluster-scoped, so "
                "this was not tried."
            )
            return replace(bare, action=Action.BLOCKED, reason=reason)
        reason = self._danger(manifest)
        return replace(bare, action=Action.SKIP, reason=reason) if reason else action

    def _danger(self, manifest: Manifest) -> str:
        """Return why an object must not be tried beside the original; "" when it may."""
        ref, body = manifest.ref, manifest.body
        if ref.kind_group in _ROUTING or ref.group == _GATEWAY:
            return "It would take traffic that is meant for the original."
        if ref.kind_group == "Service" and (
            dig(body, "spec", "type") == "LoadBalancer" or dig(body, "spec", "externalIPs")
        ):
            return "It would take an address that is reached from outside."
        if ref.kind_group == _CLAIM and self._may_bind_what_is_there(manifest):
            return (
                "It could bind a volume that is there already, which would be gone with the "
                "rehearsal."
            )
        return ""

    def _may_bind_what_is_there(self, claim: Manifest) -> bool:
        if self.volumes is None:
            return True
        wanted = dig(claim.body, "spec", "storageClassName")
        return any(
            wanted is None or wanted == volume.storage_class
            for volume in self.volumes
            if volume.phase not in ("Bound", "Released")
        )


COMPARED = {
    action: f"A rehearsal only compares what is cluster-scoped. A replay {verb} it."
    for action, verb in (
        (Action.CREATE, "creates"),
        (Action.UPDATE, "changes"),
        (Action.RECREATE, "deletes and creates"),
        (Action.DELETE, "deletes"),
    )
}
"""Why a cluster-scoped object is left alone, by what a replay does to it."""


class Lack(enum.StrEnum):
    """What a recovery would have missed."""

    KIND = "kind"
    """The target does not serve it."""
    REFERENCE = "reference"
    """It leads to a namespace that is neither replayed nor there."""
    SECRET = "secret"  # noqa: S105 - a word
    """It does not open with the keys at hand."""
    CLUSTER_OBJECT = "cluster object"
    """A class, role … that something names, and neither the target nor the commit holds."""
    OBJECT = "object"
    """It cannot be written for another reason."""


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that a recovery would have missed."""

    lack: Lack
    ref: ObjectRef
    """The object that is concerned."""
    sentence: str


def missing_of(
    plan: Plan, kinds: Collection[str], readable: Collection[ObjectRef]
) -> Iterator[Missing]:
    """Yield what the plan itself says is missing.

    ``kinds`` are the kind_groups that the target serves, ``readable`` the objects of the commit
    that could be read.
    """
    for action in plan.actions:
        if action.action is Action.BLOCKED or (
            action.action is Action.SKIP and action.ref not in readable
        ):
            lack = Lack.OBJECT
            if action.ref not in readable:
                lack = Lack.SECRET
            elif action.ref.kind_group not in kinds:
                lack = Lack.KIND
            yield Missing(lack, action.ref, action.reason)


def claims_that_stay(
    manifests: Iterable[Manifest], live: Mapping[ObjectRef, LiveObject]
) -> list[ObjectRef]:
    """Return the claims whose class keeps the volume when the claim is deleted."""
    retaining = {
        ref.name
        for ref, known in live.items()
        if ref.kind_group == "StorageClass.storage.k8s.io"
        and known.manifest.body.get("reclaimPolicy") == "Retain"
    }
    return [
        manifest.ref
        for manifest in manifests
        if manifest.ref.kind_group == _CLAIM
        and dig(manifest.body, "spec", "storageClassName") in retaining
    ]
