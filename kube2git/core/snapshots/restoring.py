"""Which claims of a commit come back with data, and from which snapshot of their record.

Rule: a claim that was asked back with its data comes back with it or not at all; an empty volume
never passes for a restored one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC

from kube2git.core.objects import Manifest, ObjectRef
from kube2git.core.planning.plan import Action, Guard, Plan, PlannedAction
from kube2git.core.planning.policy import Volumes
from kube2git.core.snapshots import ClaimRef, Existence, Finding, RestoreRequest, Snapshot
from kube2git.core.snapshots.records import Entry, VolumeRecord, foreign_region, identity
from kube2git.core.volumes import requested
from kube2git.core.workloads import dig

CLAIM = "PersistentVolumeClaim"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True)
class Restores:
    """What becomes of the claims of one replay, by the claim as it is called in the target."""

    requests: Mapping[ObjectRef, RestoreRequest] = field(default_factory=dict)
    """Claims that come back with data."""
    blocked: Mapping[ObjectRef, str] = field(default_factory=dict)
    """Claims whose data cannot be had -> why, whole sentences."""
    notes: Mapping[ObjectRef, str] = field(default_factory=dict)
    """Claims about which the plan warns."""

    def without(self, refusals: Mapping[ObjectRef, str]) -> Restores:
        """Return what is left of it when some claims cannot come back, for these reasons."""
        left = {ref: one for ref, one in self.requests.items() if ref not in refusals}
        return Restores(left, {**self.blocked, **refusals}, self.notes)

    def verified(self, findings: Iterable[Finding], *, is_dry_run: bool = False) -> Restores:
        """Return what is left of it when each snapshot has been looked at.

        A snapshot that nobody found, or that is not ready, blocks its claim; in a dry run not one
        that could not be looked at, which may take rights that the run itself has.
        """
        found = {identity(finding.snapshot): finding for finding in findings}
        requests: dict[ObjectRef, RestoreRequest] = {}
        blocked, notes = dict(self.blocked), dict(self.notes)
        for ref, request in self.requests.items():
            finding = found.get(identity(request.snapshot))
            if is_dry_run and finding and finding.existence is Existence.UNREACHABLE:
                requests[ref], notes[ref] = request, _unseen(finding)
                continue
            objection = _objection(request.snapshot, finding)
            if objection or finding is None:
                blocked[ref] = objection
                continue
            if finding.existence is Existence.UNSURE:
                notes[ref] = finding.reason
            size = max(request.size, finding.snapshot.restore_size)
            requests[ref] = replace(request, snapshot=finding.snapshot, size=size)
        return Restores(requests, blocked, notes)

    def annotate(self, plan: Plan) -> Plan:
        """Return the plan with what happens to the data of each claim that is created."""
        return plan.with_actions(
            self._annotated(action) for action in plan.actions if _creates_claim(action)
        )

    def _annotated(self, action: PlannedAction) -> PlannedAction:
        ref = action.ref
        if ref in self.blocked:
            return replace(action, action=Action.BLOCKED, reason=self.blocked[ref])
        if ref in self.notes:
            action = replace(action, warnings=(*action.warnings, self.notes[ref]))
        request = self.requests.get(ref)
        return replace(action, reason=told(request.snapshot)) if request else action


def choose(
    claims: Iterable[tuple[ObjectRef, Manifest]],
    records: Mapping[ClaimRef, VolumeRecord],
    *,
    default_class: str = "",
    zones: Mapping[str, str] | None = None,
    only_data: bool = False,
) -> Restores:
    """Choose the snapshot of each claim: the newest of its record that did not fail.

    ``claims`` are those that are about to be created, as (reference in the commit, manifest for
    the target); ``default_class`` is the target's, ``zones`` maps zones to others. With
    ``only_data`` a claim without a record is blocked, too.
    """
    requests: dict[ObjectRef, RestoreRequest] = {}
    blocked: dict[ObjectRef, str] = {}
    notes: dict[ObjectRef, str] = {}
    for source, manifest in claims:
        record = records.get(ClaimRef(source.namespace, source.name))
        ref = manifest.ref
        if record is None and only_data:
            blocked[ref] = "The commit has no snapshot of it."
            continue
        if record is None:
            notes[ref] = "The commit has no snapshot of it: it comes back empty."
            continue
        entry = newest(record, zones or {})
        if entry is None:
            why = f" ({record.trouble.reason})" if record.trouble else ""
            blocked[ref] = (
                f"Its record has no snapshot that can be used{why}. Choose another commit, or "
                "--volumes=empty."
            )
            continue
        if objection := _mode_objection(manifest, entry):
            blocked[ref] = objection
            continue
        zone = entry.volume.zone
        given = dig(manifest.body, "spec", "storageClassName")
        requests[ref] = RestoreRequest(
            claim=ClaimRef(ref.namespace, ref.name),
            source=entry.volume,
            snapshot=entry.snapshot,
            storage_class=default_class if given is None else str(given),
            size=max(requested(manifest.body), entry.snapshot.restore_size),
            zone=(zones or {}).get(zone, zone),
        )
    return Restores(requests, blocked, notes)


def newest(record: VolumeRecord, zones: Mapping[str, str]) -> Entry | None:
    """Return the newest snapshot of a record that did not fail.

    One that is in the region of the volume's zone, as it is mapped, goes before copies elsewhere.
    """
    usable = [entry for entry in record.entries if not entry.snapshot.error]
    near = (
        entry
        for entry in usable
        if not foreign_region(entry, zones.get(entry.volume.zone, entry.volume.zone))
    )
    return next(near, usable[0] if usable else None)


def told(snapshot: Snapshot) -> str:
    """Return for people where the data comes from."""
    when = f"{snapshot.created.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"Its data comes back as of {when}, from {snapshot.method} snapshot {snapshot.handle}."


def undecided(plan: Plan, recorded: frozenset[ObjectRef], volumes: Volumes | None) -> Plan:
    """Return the plan with a guard when nobody said whether data that could come back shall.

    A claim that was created empty cannot be filled from a snapshot any more.
    """
    claims = [one.ref for one in plan.actions if _creates_claim(one) and one.ref in recorded]
    if volumes is not None or not claims:
        return plan
    names = f"{claims[0]} and {len(claims) - 1} more" if len(claims) > 1 else str(claims[0])
    sentence = (
        f"The commit has snapshots of {names}, and nothing says whether the data comes back "
        "(--volumes=restore) or not (--volumes=empty)."
    )
    return replace(plan, guards=(*plan.guards, Guard(sentence, "--volumes=restore")))


def _creates_claim(action: PlannedAction) -> bool:
    return action.action is Action.CREATE and action.ref.kind_group == CLAIM


def _mode_objection(manifest: Manifest, entry: Entry) -> str:
    """Return why a snapshot does not fit a claim's volume mode; "" when it does.

    A file system that is given to a Pod as a raw device, or the reverse, is data for an attack on
    the node's kernel: CSI provisioners refuse it unless an administrator allowed this snapshot.
    """
    asked = str(dig(manifest.body, "spec", "volumeMode") or "Filesystem")
    had = entry.volume.volume_mode
    if asked == had:
        return ""
    return (
        f"It asks for a volume in mode {asked}, and the snapshot {entry.snapshot.handle} is of one "
        f"in mode {had}. Restore it with volumeMode: {had}, or use --volumes=empty."
    )


def _unseen(finding: Finding) -> str:
    snapshot = finding.snapshot
    return (
        f"The {snapshot.method} snapshot {snapshot.handle} could not be looked at: "
        f"{finding.reason} It will be looked at when the replay runs."
    )


def _objection(snapshot: Snapshot, finding: Finding | None) -> str:
    if finding is None:
        return f"Nothing here can look at the {snapshot.method} snapshot {snapshot.handle}."
    if finding.existence in (Existence.GONE, Existence.UNREACHABLE):
        state = "is gone" if finding.existence is Existence.GONE else "cannot be reached"
        reason = f" {finding.reason}" if finding.reason else ""
        return f"The {snapshot.method} snapshot {snapshot.handle} {state}.{reason}"
    if not finding.snapshot.is_ready:
        return (
            f"The {snapshot.method} snapshot {snapshot.handle} is not ready yet. Run the same "
            "command again when it is."
        )
    return ""
