"""What stands against writing a PersistentVolume: who else knows the volume, here and elsewhere.

A volume that two clusters know is one deletion away from being lost, so that every doubt blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kube2git.core.volumes import RETAIN, ClaimName, KnownVolume, adoptable, claim_of, volume_handle
from kube2git.core.wire import Json
from kube2git.core.workloads import dig


@dataclass(frozen=True)
class SharedStorage:
    """The PersistentVolumes of the target, and of the clusters that reach the same storage."""

    here: Sequence[KnownVolume] = ()
    elsewhere: Mapping[str, Sequence[KnownVolume]] = field(default_factory=dict)
    """Context of another cluster -> what it has."""
    unknown: Mapping[str, str] = field(default_factory=dict)
    """``the target``, or a context -> why its volumes could not be listed, a whole sentence."""

    def named(self, name: str) -> KnownVolume | None:
        """Return a volume of the target by its name."""
        return next((volume for volume in self.here if volume.name == name), None)

    def why_not(self, volume: Json) -> str:
        """Return why a PersistentVolume must not be written, whole sentences; "" when it may."""
        return adoptable(volume) or self._unknown() or self._here(volume) or self._elsewhere(volume)

    def _unknown(self) -> str:
        for where, reason in self.unknown.items():
            return f"The volumes of {where} are not known, and it may be one of them. {reason}"
        return ""

    def _here(self, volume: Json) -> str:
        name, handle = dig(volume, "metadata", "name"), volume_handle(volume)
        for known in self.here:
            if handle and known.handle == handle and known.name != name:
                return f"persistentvolume/{known.name} in the target is the same volume already."
        known_here, wanted = self.named(str(name)), claim_of(volume)
        if known_here and known_here.claim and wanted and known_here.claim != wanted:
            return (
                f"In the target it is the volume of the claim {known_here.claim}, which would lose "
                f"it to {wanted}."
            )
        return ""

    def _elsewhere(self, volume: Json) -> str:
        handle = volume_handle(volume)
        # A context may lead to the target itself.
        own = {known.uid for known in self.here} - {""}
        for context, volumes in self.elsewhere.items():
            for known in volumes:
                if not handle or known.handle != handle or known.uid in own:
                    continue
                if known.phase == "Bound":
                    return (
                        f"The volume is in use in {context}: the claim {known.claim} is bound to "
                        "it there. Delete that claim first, once its volume's policy is Retain."
                    )
                if known.policy != RETAIN:
                    return (
                        f"{context} knows the volume as persistentvolume/{known.name} with the "
                        f"reclaim policy {known.policy}, and may delete it. Set Retain there first."
                    )
        return ""


def held_by(name: str, storage: SharedStorage, adopted: Mapping[str, Json]) -> ClaimName | None:
    """Return the claim that a volume of the target is for, or will be; None: whichever comes.

    ``adopted``: volumes that this replay writes, by name.
    """
    known = storage.named(name)
    return known.claim if known else claim_of(adopted.get(name) or {})
