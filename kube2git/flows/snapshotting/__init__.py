"""Snapshots of volumes: taken, recorded, verified, copied, deleted. Generators; nothing prints."""

from __future__ import annotations

from kube2git.flows.snapshotting.copying import CopyReport, CopyRequest, copy
from kube2git.flows.snapshotting.creating import CreateReport, create
from kube2git.flows.snapshotting.lease import DURATION as LEASE_SECONDS
from kube2git.flows.snapshotting.lease import Task
from kube2git.flows.snapshotting.pruning import Pruned, PruneReport, PruneRequest, prune
from kube2git.flows.snapshotting.taking import SnapshotRequest, Snapshotting
from kube2git.flows.snapshotting.verifying import Records, VerifyReport, list_records, verify

__all__ = [
    "LEASE_SECONDS",
    "CopyReport",
    "CopyRequest",
    "CreateReport",
    "PruneReport",
    "PruneRequest",
    "Pruned",
    "Records",
    "SnapshotRequest",
    "Snapshotting",
    "Task",
    "VerifyReport",
    "copy",
    "create",
    "list_records",
    "prune",
    "verify",
]
