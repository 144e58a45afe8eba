"""Copies in another region: of EBS snapshots at moto's EC2, and what cannot be copied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kube2git.adapters.ebs import EbsSnapshotter, Patience
from kube2git.adapters.sidecar import Sidecar
from kube2git.core import layout
from kube2git.core.ports import Snapshotter
from kube2git.core.selection import Patterns
from kube2git.core.snapshots import ClaimRef, CutRequest, Snapshot, Stage, Volume, Wait
from kube2git.core.snapshots.records import Entry, VolumeRecord
from kube2git.core.snapshots.restoring import newest
from kube2git.core.snapshots.retention import Retention
from kube2git.errors import RepositoryNotFoundError, UsageError
from kube2git.flows.snapshotting import CopyReport, CopyRequest, PruneReport, PruneRequest
from kube2git.flows.snapshotting import copy as copy_flow
from kube2git.flows.snapshotting import prune as prune_flow
from tests import ec2faults
from tests.ec2faults import REGION, Ec2
from tests.fakes.repo import FakeRepo
from tests.fakes.snapshotter import FakeSnapshotter, FakeStorage
from tests.sidecars import serving
from tests.unit.flows.snapshotting.world import START

CLUSTER = "11111111-2222-3333-4444-555555555555"
ELSEWHERE = "us-east-1"
DATA = ClaimRef("shop", "data")


def make_ebs() -> EbsSnapshotter:
    return EbsSnapshotter(patience=Patience(first=0.02, longest=0.1))


class World:
    """A repository whose records name real snapshots of volumes at EC2."""

    def __init__(self, ec2: Ec2, ebs: Snapshotter) -> None:
        self.ec2 = ec2
        self.repo = FakeRepo()
        self.ebs = ebs
        self.snapshotters: dict[str, Snapshotter] = {"ebs": self.ebs}
        self.commit({layout.COVERAGE: f"cluster: {CLUSTER}\nkinds: {{}}\n".encode()})

    def commit(self, files: dict[str, bytes]) -> None:
        with self.repo.writer(self.repo.tip()) as writer:
            writer.commit("made", START, {path: writer.add(data) for path, data in files.items()})

    def take(self, name: str) -> Snapshot:
        """Snapshot a new volume, and write its record."""
        volume = Volume(
            ClaimRef("shop", name),
            "u",
            f"pvc-{name}",
            "ebs.csi.aws.com",
            self.ec2.new_volume(),
            zone=f"{REGION}a",
        )
        request = CutRequest("nightly-20260304050607", CLUSTER, (volume,))
        *_, event = self.ebs.create([request], wait=Wait.READY, seconds=10)
        assert event is not None
        assert event.snapshot is not None
        self.record(VolumeRecord(volume, (Entry(volume, event.snapshot),)))
        return event.snapshot

    def record(self, record: VolumeRecord) -> None:
        self.commit({layout.snapshots_path(*record.claim): record.encode()})

    def copy(self, **request: Any) -> CopyReport:
        wanted = CopyRequest(**{"region": ELSEWHERE, "seconds": 10, **request})
        *_, report = copy_flow(self.repo, self.snapshotters, wanted, clock=lambda: START)
        assert isinstance(report, CopyReport)
        return report

    def prune(self, retention: Retention) -> PruneReport:
        now = START + timedelta(days=365)
        request = PruneRequest(retention)
        *_, report = prune_flow(self.repo, self.snapshotters, request, clock=lambda: now)
        assert isinstance(report, PruneReport)
        return report

    def of(self, name: str) -> VolumeRecord:
        tip = self.repo.tip()
        assert tip
        path = layout.snapshots_path("shop", name)
        (data,) = self.repo.read([self.repo.tree(tip)[path]])
        return VolumeRecord.decode(data, path)

    def copies(self) -> list[str]:
        """Return the ids of all snapshots in the other region."""
        return list(self.ec2.backend(ELSEWHERE).snapshots)


@pytest.fixture(params=["in this process", "behind a socket"])
def world(ec2: Ec2, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a world whose snapshotter is here, and one where it is a sidecar's."""
    ebs, socket = make_ebs(), tmp_path / "s"
    if request.param == "in this process":
        yield World(ec2, ebs)
        return
    with serving(socket, ebs):
        yield World(ec2, Sidecar(str(socket)).snapshotters()["ebs"])


def test_a_copy_stands_beside_its_source_in_the_record(world: World) -> None:
    source = world.take("data")
    report = world.copy(key="alias/there")
    assert report.is_complete
    (handle,) = world.copies()
    by_region = {e.snapshot.attributes["region"]: e.snapshot for e in world.of("data").entries}
    assert by_region[REGION] == source
    copied = by_region[ELSEWHERE]
    assert (copied.handle, copied.created, copied.run) == (handle, source.created, source.run)
    assert copied.attributes["kmsKeyId"] == "alias/there"
    commit = world.repo.commit(report.commit)
    assert commit.subject == f"snapshot: 1 copied to {ELSEWHERE}"
    assert f"{DATA}: ebs {handle}" in commit.message


def test_copying_again_makes_no_second_copy_even_after_a_crash(world: World) -> None:
    world.take("data")
    before = world.of("data")
    world.copy()
    (again,) = world.copy().outcomes
    assert again.stage is Stage.READY  # it has been stored meanwhile, which the record learns
    assert world.copy().commit == ""
    # As if the first one had been killed before its commit.
    world.record(before)
    assert world.copy().commit
    assert [e.snapshot.handle for e in world.of("data").entries if e not in before.entries] == (
        world.copies()
    )


def test_what_has_become_ready_since_is_copied(world: World) -> None:
    source = world.take("data")
    record = world.of("data")
    world.record(record.having(Entry(record.volume, replace(source, is_ready=False))))
    report = world.copy()
    assert report.is_complete
    assert {e.snapshot.handle for e in world.of("data").entries} == {source.handle, *world.copies()}
    ready = {e.snapshot.handle: e.snapshot.is_ready for e in world.of("data").entries}
    assert ready[source.handle]
    said = world.repo.commit(report.commit).message
    assert f"{DATA}: ebs {source.handle}, ready by now" in said


def test_names_and_namespaces_choose(world: World) -> None:
    for name in ("data", "logs"):
        world.take(name)
    report = world.copy(names=("logs",), namespaces=Patterns(("shop",)))
    assert [outcome.claim.name for outcome in report.outcomes] == ["logs"]
    assert len(world.copies()) == 1
    with pytest.raises(RepositoryNotFoundError, match="no record of the claim lgos"):
        world.copy(names=("lgos",))


def test_what_is_in_the_region_already_is_not_copied(world: World) -> None:
    world.take("data")
    (outcome,) = world.copy(region=REGION).outcomes
    assert outcome.stage is Stage.SKIPPED
    assert "already" in outcome.reason
    assert len(world.of("data").entries) == 1


def test_each_claim_that_cannot_be_copied_has_its_reason(world: World) -> None:
    source = world.take("data")
    fake = FakeSnapshotter(FakeStorage())
    world.snapshotters["fake"] = fake
    other = Volume(ClaimRef("shop", "other"), "u", "pv", "fake.example.com", "vol-1")
    taken = replace(source, handle="fake-1", method="fake", attributes={})
    world.record(VolumeRecord(other, (Entry(other, taken),)))
    lost = replace(other, claim=ClaimRef("shop", "lost"))
    world.record(VolumeRecord(lost, (Entry(lost, replace(taken, method="gone")),)))
    slow = replace(other, claim=ClaimRef("shop", "slow"))
    world.record(VolumeRecord(slow, (Entry(slow, replace(taken, is_ready=False)),)))
    world.ec2.on("CopySnapshot", ec2faults.error("UnauthorizedOperation", "no", 403))
    report = world.copy()
    assert not report.is_complete
    assert report.commit == ""
    reasons = {outcome.claim.name: outcome.reason for outcome in report.outcomes}
    assert {outcome.stage for outcome in report.outcomes} == {Stage.FAILED}
    assert "does not allow ec2:CopySnapshot" in reasons["data"]
    assert "method fake cannot be copied" in reasons["other"]
    assert "No snapshotter named gone" in reasons["lost"]
    assert "no snapshot that is ready" in reasons["slow"]


def test_a_repository_that_names_no_cluster_is_refused(world: World) -> None:
    world.repo = FakeRepo()
    world.commit({"README.md": b"x\n"})
    with pytest.raises(UsageError, match="marked with the cluster"):
        world.copy()


def test_a_copy_takes_no_place_of_a_snapshot_at_home(world: World) -> None:
    world.take("data")
    world.copy()
    world.copy()
    assert all(entry.snapshot.is_ready for entry in world.of("data").entries)
    assert all(one.decision.stays for one in world.prune(Retention(keep_last=1)).snapshots)
    assert len(world.of("data").entries) == 2


def test_a_restore_takes_the_copy_of_the_region_that_the_zone_is_mapped_to(world: World) -> None:
    source = world.take("data")
    world.copy()
    record = world.of("data")
    (handle,) = world.copies()
    later = replace(source, handle="snap-00000000", created=source.created + timedelta(days=1))
    for entries in (record, record.having(Entry(record.volume, later))):
        mapped = newest(entries, {f"{REGION}a": f"{ELSEWHERE}b"})
        assert mapped is not None
        assert mapped.snapshot.handle == handle
    home = newest(record, {})
    assert home is not None
    assert home.snapshot.handle == source.handle
    alone = newest(replace(record, entries=(Entry(record.volume, later),)), {f"{REGION}a": "x-1a"})
    assert alone is not None
    assert alone.snapshot == later
