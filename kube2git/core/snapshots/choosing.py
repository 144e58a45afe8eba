"""Which claims are snapshotted, by whom, and which of them together; each skip has its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kube2git.core.ports import Snapshotter
from kube2git.core.selection import LabelSelector, Patterns, Selection
from kube2git.core.snapshots import ClaimRef, CutRequest, Volume
from kube2git.core.snapshots.volumes import storage_class_of
from kube2git.core.wire import Json
from kube2git.core.workloads import dig, items_of
from kube2git.errors import Kube2gitError

ANNOTATION = "kube2git.io/snapshot"
"""On a claim: ``"true"`` selects it, ``"false"`` leaves it out, whatever else is configured."""


@dataclass(frozen=True, slots=True)
class ClaimSelection:
    """Which claims a run takes snapshots of. The default selects all."""

    namespaces: Patterns = field(default_factory=Patterns)
    labels: LabelSelector = field(default_factory=LabelSelector)
    storage_classes: Patterns = field(default_factory=Patterns)
    within: Selection = field(default_factory=Selection)
    """What the run is about at all; no annotation goes beyond it."""

    def wants(self, claim: Json) -> bool:
        """Tell whether a claim is selected."""
        metadata = claim["metadata"]
        namespace, labels = metadata["namespace"], metadata.get("labels") or {}
        is_within = self.within.wants_namespace(namespace) and self.within.label_selector.match(
            labels
        )
        word = dig(metadata, "annotations", ANNOTATION)
        if not is_within or word == "false":
            return False
        return word == "true" or (
            self.namespaces.match(namespace)
            and self.labels.match(labels)
            and self.storage_classes.match(storage_class_of(claim))
        )


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What the configuration says of one storage class."""

    snapshotter: str = ""
    """"" leaves the choice open."""
    snapshot_class: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A volume, and who takes its snapshot."""

    volume: Volume
    method: str
    snapshot_class: str = ""


class NobodyError(ValueError):
    """No snapshotter takes the volume; the message is a whole sentence."""


class UnansweredError(NobodyError):
    """One that might take the volume could not be asked, so that its snapshot is missing."""


def choose(
    volume: Volume, snapshotters: Mapping[str, Snapshotter], rule: ClassRule | None = None
) -> Chosen:
    """Return who takes a volume's snapshot: as configured, or the first one that can.

    Raise NobodyError with the reasons of all that were asked, and of its kinds UnansweredError when
    one of them did not answer.
    """
    rule = rule or ClassRule()
    asked = dict(snapshotters)
    if rule.snapshotter:
        if rule.snapshotter not in asked:
            known = ", ".join(asked) or "none"
            raise NobodyError(
                f"snapshots.classes names the snapshotter {rule.snapshotter} for the storage class "
                f"{volume.storage_class}, and installed are: {known}."
            )
        asked = {rule.snapshotter: asked[rule.snapshotter]}
    reasons = []
    kind = NobodyError
    for method, snapshotter in asked.items():
        try:
            reason = snapshotter.why_not(volume)
        except Kube2gitError as error:
            reason, kind = f"{error}.", UnansweredError
        if not reason:
            return Chosen(volume, method, rule.snapshot_class)
        reasons.append(reason)
    raise kind(" ".join(reasons) or "No snapshotter is installed.")


def mounted_claims(pod: Json) -> tuple[ClaimRef, ...]:
    """Return the claims that a Pod which may write to them mounts; () once it has ended."""
    if dig(pod, "status", "phase") in ("Succeeded", "Failed"):
        return ()
    namespace = pod["metadata"]["namespace"]
    found = []
    for volume in items_of(pod, "spec", "volumes"):
        name = dig(volume, "persistentVolumeClaim", "claimName")
        if not name and isinstance(volume.get("ephemeral"), dict):
            name = f"{pod['metadata']['name']}-{volume.get('name')}"
        if name:
            found.append(ClaimRef(namespace, str(name)))
    return tuple(found)


def bundle(
    chosen: Sequence[Chosen], pods: Iterable[Json], group_label: str = ""
) -> list[tuple[Chosen, ...]]:
    """Put volumes together that have to show one instant, in the order of their claims.

    Those are the volumes of one Pod, and those in a namespace whose claims have the same value of
    the group label.
    """
    leader = {one.volume.claim: one.volume.claim for one in chosen}

    def find(claim: ClaimRef) -> ClaimRef:
        while leader[claim] != claim:
            claim = leader[claim]
        return claim

    def join(claims: Sequence[ClaimRef]) -> None:
        roots = sorted({find(claim) for claim in claims})
        leader.update(dict.fromkeys(roots, roots[0]) if roots else {})

    for pod in pods:
        join([claim for claim in mounted_claims(pod) if claim in leader])
    labelled: dict[tuple[str, str], list[ClaimRef]] = {}
    for one in chosen:
        if group_label and (value := one.volume.labels.get(group_label)):
            labelled.setdefault((one.volume.claim.namespace, value), []).append(one.volume.claim)
    for claims in labelled.values():
        join(claims)
    bundles: dict[ClaimRef, list[Chosen]] = {}
    for one in sorted(chosen, key=lambda one: one.volume.claim):
        bundles.setdefault(find(one.volume.claim), []).append(one)
    return [tuple(members) for members in bundles.values()]


def cut_requests(
    members: Sequence[Chosen], snapshotters: Mapping[str, Snapshotter], run: str, cluster: str
) -> dict[str, list[CutRequest]]:
    """Return what each snapshotter is asked for one bundle: one cut where that can be had."""
    parts: dict[tuple[str, str], list[Volume]] = {}
    for one in members:
        parts.setdefault((one.method, one.snapshot_class), []).append(one.volume)
    found: dict[str, list[CutRequest]] = {}
    for (method, snapshot_class), volumes in parts.items():
        is_group = len(volumes) > 1 and snapshotters[method].can_group(volumes)
        groups = [tuple(volumes)] if is_group else [(volume,) for volume in volumes]
        found.setdefault(method, []).extend(
            CutRequest(run, cluster, group, snapshot_class) for group in groups
        )
    return found
