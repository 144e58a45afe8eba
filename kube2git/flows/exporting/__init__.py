"""Export: a cluster at one revision -> one commit. Never deletes from an incomplete list."""

from __future__ import annotations

from collections.abc import Iterator

from kube2git.core.cleaning import RuleSet
from kube2git.core.ports import Clock, Cluster, Memory, Repo, Stopped
from kube2git.core.report import ExportReport, Progress, SnapshotTaker
from kube2git.core.sealing import Sealing
from kube2git.flows.exporting.request import ExportRequest
from kube2git.flows.exporting.run import Run

__all__ = ["ExportRequest", "export"]


def export(
    cluster: Cluster,
    repo: Repo,
    request: ExportRequest,
    *,
    rules: RuleSet,
    memory: Memory,
    clock: Clock,
    sealing: Sealing | None = None,
    is_superseded: Stopped = lambda: False,
    snapshots: SnapshotTaker | None = None,
) -> Iterator[Progress | ExportReport]:
    """Export once; yield progress, and the report last.

    Without ``sealing``, or without a recipient in it, Secrets are left out. ``is_superseded`` is
    asked right before the commit and before the push: whether another run has taken over.
    ``snapshots`` takes those of the volumes, whose records go into the same commit.

    Raises RefusedError (a guard), and the errors of the ports. An unreachable remote does not
    raise: the commit stays local and ``ExportReport.push_error`` says so.
    """
    with repo.lock():
        run = Run(cluster, repo, request, rules, memory, clock(), sealing, is_superseded, snapshots)
        try:
            yield from run.steps()
        finally:
            if snapshots is not None:
                snapshots.close()
