"""What has to be written so that a claim comes back from a snapshot: contents and their snapshots.

A member of a group needs the group's own objects before its own: without them it never binds, and
the snapshot-controller of a cluster without the group API crashes on it at every start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kube2git.adapters.csi import bodies
from kube2git.adapters.csi.bodies import GROUP, SINGLE, Family
from kube2git.adapters.csi.landscape import Landscape
from kube2git.core.snapshots import (
    RESTORE_PREFIX,
    Existence,
    Finding,
    Restoration,
    RestoreRequest,
)
from kube2git.core.wire import Json

NO_GROUPS = (
    "The snapshot is a member of a group, and this cluster does not serve the group snapshot API, "
    "without which its snapshot-controller crashes on such a snapshot. Install the CRDs of "
    "groupsnapshot.storage.k8s.io and start the controllers with "
    "--feature-gates=CSIVolumeGroupSnapshot=true."
)


@dataclass(frozen=True)
class Restorer:
    """Works out the objects of one replay."""

    landscape: Landscape
    run: str

    def refusal(self, request: RestoreRequest, finding: Finding | None) -> str:
        """Return why a claim cannot come back here; "" when it can."""
        handle, driver = request.snapshot.handle, request.source.driver
        if not self.landscape.serves(SINGLE):
            return self.landscape.class_for(SINGLE, driver)[1]
        if request.snapshot.group and not self.landscape.serves(GROUP):
            return NO_GROUPS
        if request.size < request.snapshot.restore_size:
            return (
                f"The claim asks for {request.size} bytes and the snapshot {handle} needs "
                f"{request.snapshot.restore_size}; it would stay pending for ever."
            )
        if finding is None:
            return ""
        if finding.existence in (Existence.GONE, Existence.UNREACHABLE):
            return f"The snapshot {handle} cannot be restored. {finding.reason}"
        return ""

    def restorations(self, requests: Sequence[RestoreRequest]) -> list[Restoration]:
        """Work out the objects of single snapshots, and of the members of groups together."""
        answers = []
        begun: set[tuple[str, str]] = set()
        for request in requests:
            group: list[Json] = []
            key = (request.claim.namespace, request.snapshot.group)
            if request.snapshot.group and key not in begun:
                begun.add(key)
                group = self._pair(GROUP, request, self._name("group", *key))
            single = self._pair(SINGLE, request, self._name("restore", *request.claim))
            objects = (*group, *single)
            reference = {
                "apiGroup": bodies.SNAPSHOTS,
                "kind": "VolumeSnapshot",
                "name": single[1]["metadata"]["name"],
            }
            answers.append(
                Restoration(
                    request.claim,
                    objects,
                    {"dataSourceRef": reference},
                    # The snapshot object first: its content, with the policy Retain, then just
                    # goes. A group goes after the claims of all its members are bound.
                    passing=(single[1], single[0], *reversed(group)),
                )
            )
        return answers

    def _name(self, *words: str) -> str:
        return f"{RESTORE_PREFIX}{bodies.hashed(self.run, *words)}"

    def _pair(self, family: Family, request: RestoreRequest, name: str) -> list[Json]:
        """Return a content that names what the storage has, and the snapshot object on it."""
        snapshot, namespace = request.snapshot, request.claim.namespace
        types = self.landscape.types
        members = bodies.members_of(snapshot) if family is GROUP else ()
        content = bodies.pinned(
            family,
            types[family.content].api_version,
            self._name(name, namespace),
            request.source,
            snapshot,
            purpose="restore",
            namespace=namespace,
            refers_to=name,
            members=members or ((snapshot.handle,) if family is GROUP else ()),
            # The class says which Secret the driver wants when it is asked for the snapshot.
            snapshot_class=""
            if snapshot.group and family is SINGLE
            else self.landscape.known_class(family, snapshot.snapshot_class),
        )
        kind = family.content.partition(".")[0]
        source = {f"{kind[0].lower()}{kind[1:]}Name": content["metadata"]["name"]}
        metadata = {
            "name": name,
            "namespace": namespace,
            "labels": {bodies.LABEL: "restore"},
        }
        owner = bodies.manifest(
            family.snapshot,
            types[family.snapshot].api_version,
            metadata=metadata,
            spec={"source": source},
        )
        return [content, owner]
