"""Contents written for snapshots that the storage has already: to look at them, or to delete them.

They are bound to no snapshot object; the driver's own sidecar acts on them all the same. A driver
that cannot list its snapshots accepts every handle as ready: only a creation time that agrees with
the record's shows that it knew the snapshot.

Several processes may be at it at once. Each looks through objects of its own; a deletion has the
same name everywhere, and whoever comes second watches the first one's.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

from kube2git.adapters.csi import bodies, writing
from kube2git.adapters.csi.bodies import GROUP, SINGLE, Family
from kube2git.adapters.csi.landscape import Change, Landscape, follow
from kube2git.core.ports import Target
from kube2git.core.snapshots import Existence, Finding, Snapshot, Volume
from kube2git.core.wire import Json
from kube2git.core.workloads import dig

Pair = tuple[Volume, Snapshot]
NOT_FOUND = ("can not find snapshot for snapshotid", "code = notfound")
"""What the sidecar writes when the driver does not know a handle."""
TOLERANCE = timedelta(seconds=1)
FRESH = timedelta(seconds=10)
LEFT_BEHIND = timedelta(hours=1)
"""A look that is so old is one of a process that was killed."""
UNSURE = (
    "The CSI driver accepts the handle but does not list its snapshots, so nothing proves that "
    "the snapshot exists."
)
INCOMPLETE = (
    "It belongs to the group snapshot {group}, which goes only as a whole: {count} of its members "
    "are still kept."
)


class Purpose(Enum):
    LOOK = "look"
    DELETE = "delete"


@dataclass
class Errand:
    """One content, and the snapshots that it concerns: one, or the members of a group."""

    purpose: Purpose
    family: Family
    pairs: Sequence[Pair]
    nonce: str = ""
    """What sets a name apart from those of others at the same errand."""
    content: Json | None = None
    """The object as it is now."""
    is_own: bool = True
    """Written for this errand, and not for the cut."""
    is_deleting: bool = False
    is_missing: bool = False
    """The driver does not know the snapshot."""
    findings: list[Finding] = field(default_factory=list)
    refusal: str = ""

    @property
    def name(self) -> str:
        volume, snapshot = self.pairs[0]
        mark = bodies.hashed(volume.driver, self.handle(snapshot), self.nonce)
        return f"kube2git-{self.purpose.value}-{mark}"

    def handle(self, snapshot: Snapshot) -> str:
        return snapshot.group if self.family is GROUP else snapshot.handle

    @property
    def is_done(self) -> bool:
        return bool(self.findings)

    def conclude(self, existence: Existence, reason: str = "") -> None:
        self.findings = [Finding(snapshot, existence, reason) for _, snapshot in self.pairs]


class Errands:
    """Carries out errands side by side."""

    def __init__(self, target: Target, landscape: Landscape, errands: Sequence[Errand]) -> None:
        self._target = target
        self._landscape = landscape
        self._errands = errands
        self._by_name = {(errand.family, errand.name): errand for errand in errands}
        self._by_handle = {
            (errand.family, volume.driver, errand.handle(snapshot)): errand
            for errand in errands
            for volume, snapshot in errand.pairs
            if errand.purpose is Purpose.DELETE
        }
        self._snapshots: dict[tuple[Family, str, str], Json] = {}
        self._left_behind: list[tuple[Family, Json]] = []
        self._has_begun = False

    def run(self, seconds: float) -> Iterator[Finding | None]:
        """Yield the findings of all errands, and heartbeats; tidy up whatever happens."""
        deadline = time.monotonic() + seconds
        families = {errand.family for errand in self._errands}
        types = [self._landscape.types[family.content] for family in families]
        if any(errand.purpose is Purpose.DELETE for errand in self._errands):
            types += [self._landscape.types[family.snapshot] for family in families]
        told: set[int] = set()
        try:
            for change in follow(self._target, types, seconds):
                if change is None:
                    yield None
                    if not self._has_begun:
                        self._has_begun = True
                        begins: list[Callable[[], None]] = [
                            self._beginning(errand) for errand in self._errands
                        ]
                        self._target.in_parallel(begins)
                else:
                    self._learn(change)
                for number, errand in enumerate(self._errands):
                    if self._has_begun and not errand.is_done:
                        self._advance(errand)
                    if errand.is_done and number not in told:
                        told.add(number)
                        yield from errand.findings
                if len(told) == len(self._errands) or time.monotonic() > deadline:
                    break
            for number, errand in enumerate(self._errands):
                if number not in told:
                    self._give_up(errand, seconds)
                    yield from errand.findings
        finally:
            self._tidy()

    def _learn(self, change: Change) -> None:
        body = change.body
        family = GROUP if body["kind"].startswith("VolumeGroup") else SINGLE
        metadata = body["metadata"]
        if not body["kind"].endswith("Content"):
            key = (family, str(metadata.get("namespace")), str(metadata.get("name")))
            if change.is_gone:
                self._snapshots.pop(key, None)
            else:
                self._snapshots[key] = body
            return
        errand = self._by_name.get((family, metadata["name"]))
        is_own = errand is not None
        label = dig(body, "metadata", "labels", bodies.LABEL)
        if errand is None and label == Purpose.LOOK.value and _is_left_behind(body):
            self._left_behind.append((family, body))
        if errand is None and label in ("cut", "group"):
            handle = bodies.handle_of(family, body)
            errand = self._by_handle.get((family, str(dig(body, "spec", "driver")), handle))
        if errand is None:
            for one in self._errands:  # a deletion takes the handle out of the status
                if one.content is not None and one.content["metadata"]["uid"] == metadata["uid"]:
                    errand, is_own = one, one.is_own
        if errand is not None and (not self._has_begun or errand.is_own is is_own):
            errand.content, errand.is_own = (None if change.is_gone else body), is_own

    def _beginning(self, errand: Errand) -> Callable[[], None]:
        def begin() -> None:
            type = self._landscape.types[errand.family.content]
            if errand.content is None:
                answer = writing.create(self._target, type, self._pinned(errand))
                if answer.status != writing.CONFLICT:  # with it, another one's is told at once
                    errand.refusal = writing.refusal(answer)
                errand.content = answer.body if answer.is_ok else None
            elif not errand.is_own:
                self._release(errand, errand.content)

        return begin

    def _pinned(self, errand: Errand) -> Json:
        volume, snapshot = errand.pairs[0]
        members = bodies.members_of(snapshot) or tuple(s.handle for _, s in errand.pairs)
        return bodies.pinned(
            errand.family,
            self._landscape.types[errand.family.content].api_version,
            errand.name,
            volume,
            snapshot,
            purpose=errand.purpose.value,
            namespace=volume.claim.namespace,
            refers_to=errand.name,
            members=members if errand.family is GROUP else (),
            snapshot_class=self._landscape.known_class(errand.family, snapshot.snapshot_class),
        )

    def _release(self, errand: Errand, content: Json) -> None:
        """Delete what was kept of the cut, and the data with it."""
        type = self._landscape.types[errand.family.content]
        answer = writing.apply(self._target, type, bodies.releasing(errand.family, content))
        if answer.status not in (404, writing.CONFLICT):  # or somebody else was faster
            errand.refusal = writing.refusal(answer)
        if errand.refusal:
            return
        snapshot = self._snapshots.get(
            (errand.family, *bodies.reference_of(errand.family, content))
        )
        if snapshot is not None:
            type = self._landscape.types[errand.family.snapshot]
            errand.refusal = writing.delete(self._target, type, snapshot)
        errand.is_deleting = True
        type = self._landscape.types[errand.family.content]
        errand.refusal = errand.refusal or writing.delete(self._target, type, content)

    def _advance(self, errand: Errand) -> None:
        if errand.refusal:
            errand.conclude(Existence.UNREACHABLE, errand.refusal)
        elif errand.purpose is Purpose.LOOK:
            self._look(errand)
        else:
            self._delete(errand)

    def _look(self, errand: Errand) -> None:
        content = errand.content
        if content is None:
            return
        if bodies.handle_of(errand.family, content):
            (_, snapshot), created = errand.pairs[0], bodies.created_of(content)
            size = int(dig(content, "status", "restoreSize") or 0)
            is_proof = created is not None and abs(created - snapshot.created) <= TOLERANCE
            if is_proof and datetime.now(UTC) - snapshot.created < FRESH:
                is_proof = size > 0  # one that knows nothing writes the present time
            if is_proof:
                is_ready = dig(content, "status", "readyToUse") is True
                known = replace(
                    snapshot,
                    is_ready=is_ready,
                    restore_size=size or snapshot.restore_size,
                    error="" if is_ready else snapshot.error,
                )
                errand.findings = [Finding(known, Existence.EXISTS)]
            else:
                errand.conclude(Existence.UNSURE, UNSURE)
        elif is_unknown(bodies.error_of(content)):
            errand.conclude(Existence.GONE, "The storage does not know the snapshot any more.")

    def _delete(self, errand: Errand) -> None:
        content = errand.content
        if content is None:
            if errand.is_deleting:
                errand.conclude(Existence.GONE)
            return
        errand.is_deleting = errand.is_deleting or "deletionTimestamp" in content["metadata"]
        if errand.is_deleting:
            return
        errand.is_missing = is_unknown(bodies.error_of(content))
        if bodies.handle_of(errand.family, content) or errand.is_missing:
            errand.is_deleting = True
            type = self._landscape.types[errand.family.content]
            errand.refusal = writing.delete(self._target, type, content)

    def _give_up(self, errand: Errand, seconds: float) -> None:
        error = bodies.error_of(errand.content)
        if errand.is_deleting:
            errand.conclude(
                Existence.EXISTS,
                f"The CSI driver has not confirmed the deletion within {seconds:.0f} seconds; "
                "the controllers go on trying, and the next prune looks again.",
            )
            return
        driver = errand.pairs[0][0].driver
        errand.conclude(
            Existence.UNREACHABLE,
            error or f"No csi-snapshotter of the driver {driver} has answered.",
        )

    def _tidy(self) -> None:
        """Remove what was written for looking, and deletions that never got anywhere."""
        for errand in self._errands:
            if errand.content is not None and errand.is_own and not errand.is_deleting:
                type = self._landscape.types[errand.family.content]
                writing.delete(self._target, type, errand.content)
        for family, content in self._left_behind:
            writing.delete(self._target, self._landscape.types[family.content], content)


def _is_left_behind(content: Json) -> bool:
    made = datetime.fromisoformat(content["metadata"]["creationTimestamp"])
    return datetime.now(UTC) - made > LEFT_BEHIND


def is_unknown(error: str) -> bool:
    return any(words in error.lower() for words in NOT_FOUND)


def looks(pairs: Sequence[Pair]) -> list[Errand]:
    """Plan one look at each snapshot."""
    nonce = uuid.uuid4().hex
    return [Errand(Purpose.LOOK, SINGLE, [pair], nonce) for pair in pairs]


def deletions(pairs: Sequence[Pair]) -> tuple[list[Errand], list[Finding]]:
    """Plan deletions; members of a group that is not asked for as a whole are told at once."""
    singles: dict[tuple[str, str], Pair] = {}
    groups: dict[tuple[str, str], dict[str, Pair]] = {}
    for volume, snapshot in pairs:
        if snapshot.group:
            members = groups.setdefault((volume.driver, snapshot.group), {})
            members[snapshot.handle] = (volume, snapshot)
        else:
            singles[volume.driver, snapshot.handle] = (volume, snapshot)
    errands = [Errand(Purpose.DELETE, SINGLE, [pair]) for pair in singles.values()]
    refused = []
    for (_, group), members in groups.items():
        missing = {
            handle for _, one in members.values() for handle in bodies.members_of(one)
        } - members.keys()
        if missing:
            reason = INCOMPLETE.format(group=group, count=len(missing))
            refused += [Finding(one, Existence.EXISTS, reason) for _, one in members.values()]
        else:
            errands.append(Errand(Purpose.DELETE, GROUP, list(members.values())))
    return errands, refused
