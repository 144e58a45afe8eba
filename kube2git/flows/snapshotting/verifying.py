"""Which snapshots a commit names, and whether they still exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kube2git.core.ports import Repo, Snapshotter
from kube2git.core.report import Progress
from kube2git.core.selection import Patterns
from kube2git.core.snapshots import ClaimRef, Existence, Finding
from kube2git.core.snapshots.records import Entry, VolumeRecord, identity, read_records
from kube2git.errors import Kube2gitError
from kube2git.flows.snapshotting import keeping


@dataclass(frozen=True)
class Records:
    """The records of one commit."""

    commit: str
    records: tuple[VolumeRecord, ...]
    """In the order of their claims."""
    unreadable: tuple[str, ...]
    """Why some files are none, whole sentences."""


@dataclass(frozen=True)
class VerifyReport:
    """The answer of a look at every snapshot of a commit."""

    commit: str
    findings: tuple[tuple[ClaimRef, Finding], ...]
    unreadable: tuple[str, ...]

    def has(self, existence: Existence) -> bool:
        return any(finding.existence is existence for _, finding in self.findings)


def list_records(repo: Repo, revision: str, namespaces: Patterns) -> Records:
    """Read the records of a revision."""
    commit = repo.resolve(revision)
    records, unreadable = read_records(keeping.read_files(repo, commit))
    chosen = [
        record for claim, record in sorted(records.items()) if namespaces.match(claim.namespace)
    ]
    return Records(commit, tuple(chosen), tuple(unreadable.values()))


def verify(
    repo: Repo, snapshotters: Mapping[str, Snapshotter], revision: str, namespaces: Patterns
) -> Iterator[Progress | VerifyReport]:
    """Ask the storages for every snapshot that a revision names; the report comes last."""
    found = list_records(repo, revision, namespaces)
    entries = [(record.claim, entry) for record in found.records for entry in record.entries]
    seen: dict[tuple[str, str], Finding] = {}
    by_method: dict[str, list[Entry]] = {}
    for _, entry in entries:
        by_method.setdefault(entry.snapshot.method, []).append(entry)
    for method, asked in by_method.items():
        silent = "The storage did not answer."
        yield Progress(f"looking at {len(entries)} snapshots, {len(seen)} done")
        try:
            if method in snapshotters:
                for finding in snapshotters[method].verify(asked):
                    if finding is not None:
                        seen[identity(finding.snapshot)] = finding
                    yield Progress(f"looking at {len(entries)} snapshots, {len(seen)} done")
            else:
                silent = f"No snapshotter named {method} is installed."
        except Kube2gitError as error:
            silent = f"{error}."
        for entry in asked:
            unknown = Finding(entry.snapshot, Existence.UNREACHABLE, silent)
            seen.setdefault(identity(entry.snapshot), unknown)
    findings = tuple((claim, seen[identity(entry.snapshot)]) for claim, entry in entries)
    yield VerifyReport(found.commit, findings, found.unreadable)
