"""Snapshots without an export: the records are a commit of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from kube2git.core import message
from kube2git.core.ports import Clock, Cluster, Repo
from kube2git.core.report import Progress, SnapshotTaker
from kube2git.core.snapshots.outcomes import SnapshotReport
from kube2git.errors import RefusedError
from kube2git.flows.snapshotting import keeping


@dataclass(frozen=True)
class CreateReport:
    """The answer of ``snapshot create``."""

    run: str
    commit: str
    """"" when nothing had changed, or in a dry run."""
    snapshots: SnapshotReport
    push_error: str
    """Why the commit did not reach the remote; it stays, and the next run sends it."""


def create(
    cluster: Cluster,
    repo: Repo,
    taker: SnapshotTaker,
    *,
    clock: Clock,
    schedule: str = "manual",
    push: bool = True,
    dry_run: bool = False,
) -> Iterator[Progress | CreateReport]:
    """Take snapshots and commit their records; yield progress, and the report last."""
    with repo.lock():
        try:
            started = clock()
            run = f"{schedule}-{started.astimezone(UTC):%Y%m%d%H%M%S}"
            if not dry_run:
                taker.begin()
            keeping.fetch(repo)
            base = repo.tip()
            uid = cluster.identity().uid
            known = keeping.cluster_of(repo, base)
            if uid and known and uid != known:
                raise RefusedError(
                    f"the repository holds another cluster: its kube-system has uid {known}, this "
                    f"one {uid}",
                    hint="Choose another --prefix for this cluster, or another --context.",
                )
            taken = SnapshotReport()
            files = keeping.read_files(repo, base)
            for event in taker.take(run, uid, files, is_dry_run=dry_run):
                if isinstance(event, Progress):
                    yield event
                else:
                    taken = event
            counts = taken.counts() or "records changed"
            trailers = {message.CLUSTER: uid, message.SNAPSHOTS: counts, message.RUN: run}
            commit = keeping.commit_files(
                repo,
                base,
                taken.files,
                started,
                f"snapshot: {counts}",
                list(taken.lines()),
                {name: text for name, text in trailers.items() if text},
            )
            push_error = ""
            if push and not dry_run:
                yield Progress("pushing")
                push_error = keeping.push(repo)
            if not (dry_run or push_error):
                taker.settle()
            yield CreateReport(run, commit, taken, push_error)
        finally:
            taker.close()
