"""EBS keeps the promises of the port, against EC2 over HTTP."""

from __future__ import annotations

import uuid

import pytest

from kube2git.adapters.ebs import EbsSnapshotter
from kube2git.core.ports import Snapshotter
from kube2git.core.snapshots import ClaimRef, Snapshot, Volume
from tests import ec2faults
from tests.conformance.snapshotter_port import SnapshotterConformance
from tests.unit.adapters.ebs.volumes import ebs_volume


class World:
    seconds = 30.0
    knows_existence = True
    can_group = True

    def __init__(self, ec2: ec2faults.Ec2, snapshotter: Snapshotter) -> None:
        self.ec2 = ec2
        self.snapshotter = snapshotter
        self.instance = ec2.attach()
        self.devices = 0

    def open(self) -> Snapshotter:
        # All that it holds is the connection, which takes most of a second to make.
        return self.snapshotter

    def new_volume(self) -> Volume:
        handle = self.ec2.new_volume(volume_type="gp3")
        self.devices += 1
        self.ec2.backend().attach_volume(handle, self.instance, f"/dev/xvda{self.devices}")
        return ebs_volume(handle)

    def foreign_volume(self) -> Volume:
        claim = ClaimRef("shop", f"data-{uuid.uuid4().hex[:6]}")
        return Volume(claim, "", "pv", "disk.csi.azure.com", "/subscriptions/1/disks/x")

    def break_volume(self, volume: Volume) -> None:
        self.ec2.on(
            "CreateSnapshot", ec2faults.error("IncorrectState", "busy"), having=volume.handle
        )

    def exists(self, snapshot: Snapshot) -> bool:
        return snapshot.handle in self.ec2.backend().snapshots

    def lose(self, snapshot: Snapshot) -> None:
        del self.ec2.backend().snapshots[snapshot.handle]


class TestEbs(SnapshotterConformance):
    @pytest.fixture
    def world(self, ec2: ec2faults.Ec2, snapshotter: EbsSnapshotter) -> World:
        return World(ec2, snapshotter)
