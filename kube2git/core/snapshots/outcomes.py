"""What a run over volumes came to: an outcome for every claim, and the records that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kube2git.core.snapshots import ClaimRef, FoundSnapshot, Snapshot, Stage


@dataclass(frozen=True, slots=True)
class VolumeOutcome:
    """The last word on one claim."""

    claim: ClaimRef
    stage: Stage
    method: str = ""
    """"" when nobody took it."""
    snapshot: Snapshot | None = None
    reason: str = ""
    """Why there is none, or why it is not ready; a whole sentence."""

    def line(self) -> str:
        """Return for example ``persistentvolumeclaim/data -n shop: csi snap-1, ready``."""
        if self.snapshot is None:
            return f"{self.claim}: {self.stage}: {self.reason}"
        why = f": {self.reason}" if self.reason else ""
        state = "not ready yet" if self.stage is Stage.CUT else str(self.stage)
        return f"{self.claim}: {self.snapshot.method} {self.snapshot.handle}, {state}{why}"


@dataclass(frozen=True, slots=True)
class SnapshotReport:
    """The answer of a run. Committing ``files`` is left to whoever asked for it."""

    outcomes: tuple[VolumeOutcome, ...] = ()
    files: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    """Records that change: path -> bytes, None to remove."""
    adopted: tuple[FoundSnapshot, ...] = ()
    """Of earlier runs that ended before they could write their records; now in the records."""
    completed: tuple[tuple[ClaimRef, Snapshot], ...] = ()
    """Of earlier runs that were not ready then, and are now."""
    orphans: tuple[FoundSnapshot, ...] = ()
    """Marked as this cluster's, and of a claim that neither lives nor has a record."""
    failures: tuple[str, ...] = ()
    """What went wrong beyond single claims, whole sentences."""
    warnings: tuple[str, ...] = ()
    waits_for_ready: bool = True
    is_dry_run: bool = False

    @property
    def is_complete(self) -> bool:
        """Tell whether every claim that has a snapshotter got what was asked for."""
        missing = {Stage.FAILED, Stage.CUT} if self.waits_for_ready else {Stage.FAILED}
        is_short = not self.is_dry_run and any(one.stage in missing for one in self.outcomes)
        return not (is_short or self.failures)

    def counts(self) -> str:
        """Return ``2 ready, 1 failed``; "" when no claim was asked for."""
        found = Counter(outcome.stage for outcome in self.outcomes)
        order = (Stage.READY, Stage.CUT, Stage.FAILED, Stage.SKIPPED)
        words = {Stage.CUT: "to be taken" if self.is_dry_run else "not ready yet"}
        return ", ".join(f"{found[one]} {words.get(one, one)}" for one in order if found[one])

    def lines(self) -> Iterator[str]:
        """Yield what a commit message tells: snapshots that were taken, and what failed."""
        for outcome in self.outcomes:
            if outcome.stage is not Stage.SKIPPED:
                yield outcome.line()
        for found in self.adopted:
            yield f"{found.claim}: {found.snapshot.method} {found.snapshot.handle}, adopted"
        for claim, snapshot in self.completed:
            yield f"{claim}: {snapshot.method} {snapshot.handle}, ready by now"
