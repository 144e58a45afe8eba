"""What clusters beside the target have of the storage that they share: PersistentVolumes alone."""

from __future__ import annotations

from collections.abc import Mapping

from kube2git.core.objects import ResourceType
from kube2git.core.planning.adoption import SharedStorage
from kube2git.core.ports import Cluster, KindRead, KindStatus, PageRead, SweepRequest, SweepStarted
from kube2git.core.volumes import KnownVolume
from kube2git.errors import Kube2gitError
from kube2git.flows.replaying.survey import VOLUME, Live

_TYPE = ResourceType("", "v1", VOLUME, "persistentvolumes", namespaced=False)


def shared_storage(live: Live, neighbours: Mapping[str, Cluster]) -> SharedStorage:
    """Return who has which volume; what cannot be listed is noted, and never passes for empty."""
    elsewhere, unknown = {}, {}
    result = live.results.get(VOLUME)
    if result is not None and result.status is not KindStatus.LISTED:
        unknown["the target"] = result.reason
    for context, cluster in neighbours.items():
        try:
            elsewhere[context], reason = _volumes(cluster)
        except Kube2gitError as error:
            reason = f"{str(error)[:1].upper()}{str(error)[1:]}."
        if reason:
            unknown[context] = reason
    return SharedStorage(tuple(live.volumes), elsewhere, unknown)


def _volumes(cluster: Cluster) -> tuple[list[KnownVolume], str]:
    """Return a cluster's volumes, and why they are not all of them, "" when they are."""
    found: list[KnownVolume] = []
    reason = "It did not say that its list is complete."
    for event in cluster.sweep(SweepRequest(((_TYPE,),))):
        if isinstance(event, SweepStarted):
            found = []
        elif isinstance(event, PageRead):
            found += [
                KnownVolume.of(item.decode(_TYPE.api_version, _TYPE.kind)) for item in event.items
            ]
        elif isinstance(event, KindRead):
            reason = "" if event.status is KindStatus.LISTED else event.reason
    return found, reason
