"""CSI snapshots through the real sidecars: the port's suite, and what only this storage can do."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kube2git.adapters.csi.snapshotter import CsiSnapshotter, open_csi
from kube2git.adapters.kube.applying import KubeTarget
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.core.ports import SnapshotterContext, Target
from kube2git.core.snapshots import (
    ClaimRef,
    CutRequest,
    Existence,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
)
from tests import csidriver
from tests.cluster.storage import CLASSES, SNAPSHOTS, Object, Storage
from tests.conformance import snapshotter_port as port
from tests.csidriver import Fault, Switches

pytestmark = pytest.mark.needs("csi")

GIB = 1 << 30


def connected(kubeconfig: Path) -> KubeTarget:
    return KubeTarget(connect(ConnectionSettings(str(kubeconfig))))


def open_snapshotter(storage: Storage, *, keeps_objects: bool = False) -> CsiSnapshotter:
    def target() -> Target:
        return connected(storage.plane.kubeconfig)

    clock = lambda: datetime.now(UTC)  # noqa: E731
    return open_csi(SnapshotterContext(target, clock, keeps_objects=keeps_objects))


def volume_of(storage: Storage, namespace: str, name: str) -> Volume:
    claim, volume = storage.claim(namespace, name), storage.volume(namespace, name)
    return Volume(
        ClaimRef(namespace, name),
        claim["metadata"]["uid"],
        volume["metadata"]["name"],
        volume["spec"]["csi"]["driver"],
        volume["spec"]["csi"]["volumeHandle"],
        storage_class=claim["spec"]["storageClassName"],
        capacity=GIB,
        access_modes=("ReadWriteOnce",),
    )


def new_volume(storage: Storage, namespace: str, name: str, text: str = "before") -> Volume:
    storage.create_claim(namespace, name, files={"a": text.encode()})
    return volume_of(storage, namespace, name)


@dataclass
class CsiWorld:
    """The shared storage as a world of the port's suite."""

    storage: Storage
    namespace: str
    seconds: float = 60
    knows_existence: bool = True
    can_group: bool = True
    made: int = 0
    broken: str = ""

    def open(self) -> CsiSnapshotter:
        return open_snapshotter(self.storage)

    def new_volume(self) -> Volume:
        self.made += 1
        return new_volume(self.storage, self.namespace, f"data-{self.made}")

    def foreign_volume(self) -> Volume:
        claim = ClaimRef(self.namespace, "foreign")
        return Volume(claim, "", "foreign", "other.csi.example.com", "vol-1")

    def break_volume(self, volume: Volume) -> None:
        self.seconds = 5  # its errors are retried for ever, so the limit is what ends it
        fault = Fault(code="INTERNAL", message="the disk is on fire", naming=volume.handle)
        self.storage.driver.switch(Switches(faults={"CreateSnapshot": fault}))

    def exists(self, snapshot: Snapshot) -> bool:
        return snapshot.handle in self.storage.driver.state.snapshots

    def lose(self, snapshot: Snapshot) -> None:
        self.storage.driver.delete_snapshot(snapshot.handle)


@pytest.fixture(scope="module")
def shared_namespace(storage: Storage) -> str:
    return storage.plane.create_namespace("csi")


class TestPort(port.SnapshotterConformance):
    """The port's suite on a driver that lists its snapshots."""

    @pytest.fixture
    def world(self, storage: Storage) -> CsiWorld:
        return CsiWorld(storage, storage.plane.create_namespace("csi"))


class TestPortWithoutList:
    """What a driver that cannot list its snapshots changes."""

    @pytest.fixture
    def world(self, storage: Storage) -> CsiWorld:
        world = CsiWorld(storage, storage.plane.create_namespace("csi"), knows_existence=False)
        storage.driver.switch(Switches(without=("LIST_SNAPSHOTS",)))
        return world

    suite = port.SnapshotterConformance()

    def test_readiness_of_a_made_up_handle_is_no_proof(self, world: CsiWorld) -> None:
        self.suite.test_a_snapshot_that_somebody_deleted_is_missed(world)

    def test_deleting_works_all_the_same(self, world: CsiWorld) -> None:
        self.suite.test_deleting_takes_what_was_named_and_nothing_else(world)


# ── One volume, and what goes wrong ──────────────────────────────────────────────────────────


def create(
    storage: Storage,
    *volumes: Volume,
    seconds: float = 60,
    run: str = "",
    cluster: str = port.CLUSTER,
) -> dict[ClaimRef, list[SnapshotEvent]]:
    found: dict[ClaimRef, list[SnapshotEvent]] = {}
    requests = [CutRequest(run or port.new_run(), cluster, (volume,)) for volume in volumes]
    for event in open_snapshotter(storage).create(requests, wait=Wait.READY, seconds=seconds):
        if event is not None:
            found.setdefault(event.claim, []).append(event)
    return found


def ready(storage: Storage, volume: Volume) -> Snapshot:
    last = create(storage, volume)[volume.claim][-1]
    assert last.snapshot is not None, last.reason
    assert last.snapshot.is_ready
    return last.snapshot


def objects(storage: Storage, namespace: str) -> list[Object]:
    """Return the snapshot objects that concern a namespace."""
    contents = [
        content
        for content in storage.items(f"{SNAPSHOTS}/volumesnapshotcontents")
        if content["spec"]["volumeSnapshotRef"]["namespace"] == namespace
    ]
    return storage.items(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots") + contents


def restore(
    source: Storage, target: Storage, namespace: str, volume: Volume, snapshot: Snapshot
) -> str:
    """Bring a claim back in a namespace of a cluster; return the reason when that is refused."""
    claim = ClaimRef(namespace, volume.claim.name)
    request = RestoreRequest(claim, volume, snapshot, CLASSES, max(GIB, snapshot.restore_size))
    answers = open_snapshotter(target).restore([request], run="replay-1", seconds=60)
    (answer,) = [one for one in answers if one is not None]
    if answer.reason:
        return answer.reason
    for body in answer.objects:
        write(target, body)
    target.create_claim(namespace, claim.name, source=answer.claim_spec["dataSourceRef"])
    for body in answer.passing:
        remove(target, body)
    return ""


def remove(storage: Storage, body: Object) -> None:
    namespace = body["metadata"].get("namespace")
    where = ["-n", namespace] if namespace else []
    storage.plane.kubectl("delete", body["kind"].lower(), body["metadata"]["name"], *where)


def write(storage: Storage, body: Object) -> None:
    namespace = body["metadata"].get("namespace")
    scope = f"namespaces/{namespace}/" if namespace else ""
    storage.plane.create(f"/apis/{body['apiVersion']}/{scope}{body['kind'].lower()}s", body)


def test_slow_failing_endless_and_well_volumes_side_by_side(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    names = ("slow", "failing", "endless", "well")
    slow, failing, endless, well = (new_volume(storage, namespace, name) for name in names)
    fault = Fault(code="INTERNAL", message="the disk is on fire", naming=failing.handle)
    storage.driver.switch(
        Switches(
            ready_after_of={slow.handle: 1.5, endless.handle: csidriver.NEVER},
            faults={"CreateSnapshot": fault},
        )
    )
    events = create(storage, slow, failing, endless, well, seconds=8)
    stages = {claim.name: [event.stage for event in told] for claim, told in events.items()}
    assert stages == {
        "slow": [Stage.CUT, Stage.READY],
        "failing": [Stage.FAILED],
        "endless": [Stage.CUT, Stage.CUT],
        "well": [Stage.CUT, Stage.READY],
    }
    assert "the disk is on fire" in events[failing.claim][0].reason
    assert events[endless.claim][-1].reason == "The snapshot was not ready within 8 seconds."
    order = [claim.name for claim in events]
    assert order.index("well") < order.index("failing")

    # Nothing of the failed one stays, not even when the driver comes to its senses.
    storage.driver.switch(Switches())
    storage.plane.wait(
        lambda: failing.handle not in str(objects(storage, namespace)), "The controllers' cleaning"
    )
    taken = {one.volume for one in storage.driver.state.snapshots.values()}
    assert failing.handle not in taken

    # What was not ready is ready at a later look.
    late = events[endless.claim][-1].snapshot
    assert late is not None
    (found,) = port.findings(open_snapshotter(storage).verify([(endless, late)])).values()
    assert (found.existence, found.snapshot.is_ready) == (Existence.EXISTS, True)
    assert found.snapshot.restore_size == GIB


def test_a_claim_that_is_pending_or_another_one_fails_with_the_reason(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "old")
    ghost = replace(volume, claim=ClaimRef(namespace, "ghost"), handle="vol-ghost")
    changed = replace(volume, handle="vol-of-an-earlier-claim")
    events = create(storage, ghost, changed, seconds=5)
    assert "cannot get claim" in events[ghost.claim][-1].reason
    assert "is not the one it was" in events[changed.claim][-1].reason
    assert {told[-1].stage for told in events.values()} == {Stage.FAILED}


def test_a_snapshot_outlives_its_namespace(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    taken = storage.checksums(namespace, "data")
    snapshot = ready(storage, volume)
    storage.plane.kubectl("delete", "namespace", namespace)  # waits until it is gone
    storage.plane.wait(
        lambda: volume.handle not in storage.driver.state.volumes, "The end of the volume"
    )
    assert snapshot.handle in storage.driver.state.snapshots
    assert snapshot.handle in {
        found.snapshot.handle for found in open_snapshotter(storage).find(port.CLUSTER)
    }
    open_snapshotter(storage).settle([(volume, snapshot)])
    storage.plane.wait(lambda: objects(storage, namespace) == [], "The end of the objects")
    other = storage.plane.create_namespace("csi")
    assert restore(storage, storage, other, volume, snapshot) == ""
    assert storage.checksums(other, "data") == taken
    storage.plane.wait(lambda: objects(storage, other) == [], "The end of the helpers")
    assert snapshot.handle in storage.driver.state.snapshots


def test_a_snapshot_that_is_deleted_in_the_middle_is_told(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    delay = Fault(delay=2, naming=volume.handle)
    storage.driver.switch(Switches(faults={"CreateSnapshot": delay}))
    request = CutRequest(port.new_run(), port.CLUSTER, (volume,))
    events = []
    is_deleted = False
    path = f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots"
    for event in open_snapshotter(storage).create([request], wait=Wait.READY, seconds=60):
        if event is not None:
            events.append(event)
        elif not is_deleted and objects(storage, namespace)[1:]:
            is_deleted = True
            name = storage.items(path)[0]["metadata"]["name"]
            assert storage.plane.request("DELETE", f"{path}/{name}").status == 200
    assert [event.stage for event in events] == [Stage.FAILED]
    assert "deleted while" in events[0].reason
    # The content follows when the controllers are done with it, which may take them minutes.
    assert storage.items(path) == []


def test_a_claim_that_is_deleted_in_the_middle_of_its_cut_stays_for_it(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    delay = Fault(delay=2, naming=volume.handle)
    storage.driver.switch(Switches(faults={"CreateSnapshot": delay}))
    request = CutRequest(port.new_run(), port.CLUSTER, (volume,))
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"
    events, is_deleted = [], False
    for event in open_snapshotter(storage).create([request], wait=Wait.READY, seconds=60):
        if event is not None:
            events.append(event)
        elif not is_deleted and objects(storage, namespace)[1:]:
            is_deleted = True
            assert storage.plane.request("DELETE", path).status == 200
    assert [event.stage for event in events] == [Stage.CUT, Stage.READY]
    storage.plane.wait(lambda: storage.get(path) == {}, "The end of the claim")
    taken = events[-1].snapshot
    assert taken is not None
    assert taken.handle in storage.driver.state.snapshots


def test_a_driver_without_snapshots_is_told_before_anything_happens(storage: Storage) -> None:
    volume = Volume(ClaimRef("any", "data"), "", "pv", "plain.csi.example.com", "vol-1")
    reason = open_snapshotter(storage).why_not(volume)
    assert "There is no VolumeSnapshotClass of the driver plain.csi.example.com" in reason
    assert create(storage, volume)[volume.claim][0].stage is Stage.SKIPPED


def test_kept_objects_stay_and_their_deletion_takes_the_data(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    snapshot = ready(storage, volume)
    keeping = open_snapshotter(storage, keeps_objects=True)
    keeping.settle([(volume, snapshot)])
    assert len(objects(storage, namespace)) == 2
    found = port.findings(keeping.delete([(volume, snapshot)], seconds=60))
    assert found[snapshot.handle].existence is Existence.GONE
    assert snapshot.handle not in storage.driver.state.snapshots
    storage.plane.wait(lambda: objects(storage, namespace) == [], "The end of the objects")


def test_a_deletion_that_the_driver_refuses_is_not_told_as_done(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    snapshot = ready(storage, volume)
    open_snapshotter(storage).settle([(volume, snapshot)])
    fault = Fault(code="FAILED_PRECONDITION", naming=snapshot.handle)
    storage.driver.switch(Switches(faults={"DeleteSnapshot": fault}))
    pairs = [(volume, snapshot)]
    found = port.findings(open_snapshotter(storage).delete(pairs, seconds=5))[snapshot.handle]
    assert found.existence is Existence.EXISTS
    assert "not confirmed" in found.reason
    storage.driver.switch(Switches())
    found = port.findings(open_snapshotter(storage).delete(pairs, seconds=60))[snapshot.handle]
    assert found.existence is Existence.GONE
    assert snapshot.handle not in storage.driver.state.snapshots


def test_the_provisioner_makes_no_device_of_a_file_system_unless_that_is_allowed(
    storage: Storage,
) -> None:
    """Which is why a replay does not even try: see test_restore."""
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    snapshot = ready(storage, volume)
    request = RestoreRequest(ClaimRef(namespace, "raw"), volume, snapshot, CLASSES, GIB)
    answers = open_snapshotter(storage).restore([request], run="r", seconds=60)
    (answer,) = [one for one in answers if one is not None]
    for body in answer.objects:
        write(storage, body)
    source = answer.claim_spec["dataSourceRef"]
    storage.request_claim(namespace, "raw", source=source, mode="Block")
    events = f"/api/v1/namespaces/{namespace}/events"
    refusal = "does not have permission to do so"
    storage.plane.wait(lambda: refusal in str(storage.items(events)), "The refusal")
    assert storage.claim(namespace, "raw")["status"]["phase"] == "Pending"

    content = answer.objects[0]["metadata"]["name"]
    allowed = "snapshot.storage.kubernetes.io/allow-volume-mode-change=true"
    storage.plane.kubectl("annotate", "volumesnapshotcontent", content, allowed)
    storage.wait_bound(namespace, "raw")
    assert storage.checksums(namespace, "raw") == storage.checksums(namespace, "data")
    for body in answer.passing:
        remove(storage, body)


# ── Killed at each step ──────────────────────────────────────────────────────────────────────

CLUSTER_OF_KILLED = "9b6ad6d7-0000-4000-8000-000000000000"
KILLED_RUN = """
import sys
from tests.cluster.storage import test_csi
test_csi.run_until_killed(*sys.argv[1:])
"""


def run_until_killed(kubeconfig: str, run: str, namespace: str, name: str, handle: str) -> None:
    """Take a snapshot, saying each step, as a process that a test kills."""
    context = SnapshotterContext(lambda: connected(Path(kubeconfig)), lambda: datetime.now(UTC))
    volume = Volume(ClaimRef(namespace, name), "", "", csidriver.DRIVER, handle)
    request = CutRequest(run, CLUSTER_OF_KILLED, (volume,))
    for event in open_csi(context).create([request], wait=Wait.READY, seconds=60):
        print(event.stage.value if event else "beat", flush=True)


STEPS = ("beat", "cut", "ready")


def test_killed_runs_find_their_own_snapshots_again(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volumes = {step: new_volume(storage, namespace, step) for step in STEPS}
    runs = {step: port.new_run() for step in STEPS}
    storage.driver.switch(Switches(ready_after=1))
    kubeconfig = str(storage.plane.kubeconfig)
    processes = {
        step: subprocess.Popen(
            [sys.executable, "-c", KILLED_RUN, kubeconfig, runs[step], namespace, step, one.handle],
            stdout=subprocess.PIPE,
            text=True,
        )
        for step, one in volumes.items()
    }
    for step, process in processes.items():
        with process:
            assert process.stdout is not None
            assert step in (line.strip() for line in process.stdout)  # reads no further
            process.send_signal(signal.SIGKILL)
    for step, volume in volumes.items():
        told = create(storage, volume, run=runs[step], cluster=CLUSTER_OF_KILLED)[volume.claim]
        assert [event.stage for event in told] == [Stage.CUT, Stage.READY]
    found = {
        one.claim.name: one.snapshot
        for one in open_snapshotter(storage).find(CLUSTER_OF_KILLED)
        if one.claim.namespace == namespace
    }
    for step, volume in volumes.items():
        taken = [s for s in storage.driver.state.snapshots.values() if s.volume == volume.handle]
        assert [snapshot.id for snapshot in taken] == [found[step].handle]
        assert found[step].run == runs[step]


def test_a_restore_says_what_would_never_bind(storage: Storage) -> None:
    namespace = storage.plane.create_namespace("csi")
    volume = new_volume(storage, namespace, "data")
    snapshot = ready(storage, volume)
    small = RestoreRequest(ClaimRef(namespace, "b"), volume, snapshot, CLASSES, GIB - 1)
    invented = replace(snapshot, handle="snap-invented")
    gone = RestoreRequest(ClaimRef(namespace, "c"), volume, invented, CLASSES, GIB)
    answers = {
        answer.claim.name: answer
        for answer in open_snapshotter(storage).restore([small, gone], run="r", seconds=60)
        if answer is not None
    }
    assert f"needs {GIB}" in answers["b"].reason
    assert "does not know the snapshot" in answers["c"].reason
    assert storage.driver.state.snapshots[snapshot.handle].volume == volume.handle
