"""What restores that were killed left in a cluster: snapshot objects that no claim needs any more.

A restore's VolumeSnapshot is needed while a claim that names it is not bound, and, as that claim
may be about to be made, for an hour after it was made itself. The policy of all contents is Retain,
so that the storage's snapshots stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from kube2git.adapters.csi import bodies, writing
from kube2git.adapters.csi.bodies import CLAIM_KIND, GROUP, SINGLE, Family
from kube2git.adapters.csi.landscape import Landscape, Listed, read
from kube2git.core.ports import Target
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

YOUNG = timedelta(hours=1)
Place = tuple[str, str]
"""Namespace and name."""


def remove(target: Target, landscape: Landscape, families: Sequence[Family], now: datetime) -> None:
    """Remove them; what this identity may not see or delete stays, and others may."""
    kinds = [kind for family in families for kind in (family.snapshot, family.content)]
    types = [landscape.types[kind] for kind in kinds if kind in landscape.types]
    listed = read(target, types, selector=f"{bodies.LABEL}=restore")
    if listed.reasons or not any(listed.objects.values()):
        return
    claims = read(target, [landscape.types[CLAIM_KIND]])
    if claims.reasons:
        return
    for body in _doomed(listed, claims.objects[CLAIM_KIND], now):
        kind = f"{body['kind']}.{body['apiVersion'].partition('/')[0]}"
        writing.delete(target, landscape.types[kind], body)


def _doomed(listed: Listed, claims: Sequence[Json], now: datetime) -> list[Json]:
    """Choose what nothing needs: each snapshot before its content, the groups last."""
    bound: dict[Place, bool] = {}
    for claim in claims:
        if place := _source_of(claim):
            is_bound = dig(claim, "status", "phase") == "Bound"
            bound[place] = is_bound and bound.get(place, True)

    def is_needed(place: Place, body: Json) -> bool:
        made = datetime.fromisoformat(str(body["metadata"]["creationTimestamp"]))
        return not bound[place] if place in bound else now - made < YOUNG

    doomed: list[Json] = []
    busy: set[str] = set()
    for family in (SINGLE, GROUP):
        snapshots = {
            (body["metadata"]["namespace"], body["metadata"]["name"]): body
            for body in listed.objects.get(family.snapshot, ())
        }
        needed = {
            place
            for place, body in snapshots.items()
            # A group is named by no claim: its members, in its namespace, need it.
            if is_needed(place, body) or (family is GROUP and place[0] in busy)
        }
        busy |= {namespace for namespace, _ in needed}
        doomed += (body for place, body in snapshots.items() if place not in needed)
        for content in listed.objects.get(family.content, ()):
            place = bodies.reference_of(family, content)
            if place not in needed and (place in snapshots or not is_needed(place, content)):
                doomed.append(content)
    return doomed


def _source_of(claim: Json) -> Place | None:
    """Return the VolumeSnapshot that a claim is made of."""
    source = dig(claim, "spec", "dataSourceRef") or dig(claim, "spec", "dataSource") or {}
    if source.get("kind") != "VolumeSnapshot":
        return None
    return claim["metadata"]["namespace"], str(source.get("name"))
