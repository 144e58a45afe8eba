"""Another look at what was not ready when its record was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kube2git.core.ports import Snapshotter
from kube2git.core.report import Progress
from kube2git.core.snapshots import ClaimRef, Existence, Finding, Snapshot
from kube2git.core.snapshots.records import Entry, VolumeRecord, identity
from kube2git.errors import Kube2gitError


class Completion:
    """Records, and what a look at their snapshots adds to them; what is gone stays in them."""

    def __init__(
        self, records: Mapping[ClaimRef, VolumeRecord], snapshotters: Mapping[str, Snapshotter]
    ) -> None:
        self._snapshotters = snapshotters
        self.records = dict(records)
        self.completed: list[tuple[ClaimRef, Snapshot]] = []
        self.hidden: set[tuple[str, str]] = set()
        """Snapshots that were not ready, and could not be looked at."""
        self.problems: list[str] = []

    def run(self) -> Iterator[Progress]:
        """Look at every snapshot that was not ready."""
        pending: dict[str, list[Entry]] = {}
        for record in self.records.values():
            for entry in record.entries:
                if not entry.snapshot.is_ready:
                    pending.setdefault(entry.snapshot.method, []).append(entry)
        for method, entries in pending.items():
            yield Progress(f"looking at {len(entries)} snapshots that were not ready")
            self.hidden |= {identity(entry.snapshot) for entry in entries}
            snapshotter = self._snapshotters.get(method)
            try:
                for finding in snapshotter.verify(entries) if snapshotter else ():
                    if finding is not None and finding.existence is not Existence.UNREACHABLE:
                        self._see(finding)
            except Kube2gitError as error:
                self.problems.append(
                    f"Snapshots of {method} that were not ready could not be looked at: {error}."
                )

    def lines(self) -> list[str]:
        """Return what a commit message tells."""
        return [
            f"{claim}: {one.method} {one.handle}, ready by now" for claim, one in self.completed
        ]

    def _see(self, finding: Finding) -> None:
        self.hidden.discard(identity(finding.snapshot))
        for claim, record in self.records.items():
            changed = record.seen(finding)
            if changed is not record and finding.existence is not Existence.GONE:
                self.records[claim] = changed
                self.completed.append((claim, finding.snapshot))
