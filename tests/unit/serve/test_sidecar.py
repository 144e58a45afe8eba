"""The sidecar and its client, over a real socket: the flow cannot tell it from the real thing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kube2git import wiring
from kube2git.adapters.sidecar import AbsentSidecar, Limits, Sidecar
from kube2git.config import load
from kube2git.core.ports import SnapshotCopier, Snapshotter
from kube2git.core.snapshots import (
    CutRequest,
    Existence,
    RestoreRequest,
    Snapshot,
    SnapshotEvent,
    Stage,
    Volume,
    Wait,
    messages,
)
from kube2git.core.snapshots.choosing import ClassRule, NobodyError, choose
from kube2git.errors import ClusterDeniedError, SnapshotterError, UsageError
from kube2git.serve.sidecar import SidecarServer
from tests import ec2faults
from tests.conformance.snapshotter_port import SnapshotterConformance
from tests.ec2faults import Ec2
from tests.fakes.snapshotter import FakeSnapshotter, FakeStorage
from tests.faults import Answer, Reply, Request
from tests.sidecars import Sidecars, serving
from tests.tool import KUBE2GIT
from tests.unit.adapters.ebs.volumes import CLUSTER, ebs_volume
from tests.unit.core.snapshots.test_fake import FakeWorld, volume

QUICK = Limits(silence=20.0, start=0.3, grace=20.0)
PATIENT = Limits(silence=30.0, start=30.0)


def client(path: Path, method: str = "fake", limits: Limits = QUICK) -> Snapshotter:
    return Sidecar(str(path), limits).snapshotters()[method]


def events(
    snapshotter: Snapshotter,
    volumes: Sequence[Volume],
    wait: Wait = Wait.READY,
    seconds: float = 60,
) -> dict[Any, list[SnapshotEvent]]:
    requests = [CutRequest("manual-1", CLUSTER, (one,)) for one in volumes]
    found: dict[Any, list[SnapshotEvent]] = {}
    for event in snapshotter.create(requests, wait=wait, seconds=seconds):
        if event is not None:
            found.setdefault(event.claim, []).append(event)
    return found


class _World(FakeWorld):
    def __init__(self, path: Path) -> None:
        super().__init__(can_group=True)
        self.path = path

    def open(self) -> Any:
        return client(self.path)


class TestThroughTheSidecar(SnapshotterConformance):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[_World]:
        world = _World(tmp_path / "s")
        with serving(world.path, FakeSnapshotter(world.storage)):
            yield world


# ── the socket ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", [0o600, 0o660])
def test_the_mode_of_the_socket_says_who_may_use_it(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "s"
    with serving(path, FakeSnapshotter(FakeStorage()), mode=mode):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert not path.exists()


def test_a_socket_that_a_killed_one_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(path, FakeSnapshotter(FakeStorage())):
        assert client(path).method == "fake"
        with pytest.raises(UsageError, match="another sidecar listens"):
            SidecarServer(path, {}, log=print)


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("dear diary")
    with pytest.raises(UsageError, match="is not a socket"):
        SidecarServer(path, {}, log=print)
    assert path.read_text() == "dear diary"


def ask(path: Path, method: str, where: str, body: bytes = b"", protocol: str = "1") -> Any:
    connection = http.client.HTTPConnection("sidecar")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    with contextlib.closing(connection):
        connection.request(method, where, body, {messages.HEADER: protocol, "User-Agent": "x/9.9"})
        with contextlib.closing(connection.getresponse()) as answer:
            return answer.status, json.loads(answer.read())


def test_health_and_refusals(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with serving(path, FakeSnapshotter(FakeStorage())):
        assert ask(path, "GET", "/healthz") == (200, {"status": "ok"})
        status, body = ask(path, "GET", "/capabilities")
        assert (status, body["methods"], body["protocol"]) == (200, ["fake"], messages.PROTOCOL)
        assert body["copying"] == []
        order = b'{"method": "fake", "cluster": "c"}'
        copy = {"method": "fake", "snapshots": [], "cluster": "c", "region": "r", "key": ""}
        status, body = ask(path, "POST", "/copy", json.dumps({**copy, "seconds": 1}).encode())
        assert "fake makes no copies" in body["failure"]["message"]
        assert ask(path, "POST", "/nowhere", order)[0] == 404
        assert ask(path, "POST", "/find", b'{"method": "tape", "cluster": "c"}')[0] == 404
        assert ask(path, "POST", "/find", b'{"method": "fake"')[0] == 400
        assert ask(path, "POST", "/find", b'{"method": 1}')[0] == 400
        assert ask(path, "POST", "/find")[0] == 413
        status, body = ask(path, "POST", "/find", order, protocol="2")
        assert status == 409
        assert "speaks the sidecar's protocol 2" in body["failure"]["message"]


def test_a_client_that_still_writes_hears_why_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    order = b" " * 4 * 2**20  # more than a socket holds
    with serving(path, FakeSnapshotter(FakeStorage())):
        assert ask(path, "POST", "/find", order, protocol="2")[0] == 409
        assert ask(path, "POST", "/nowhere", order)[0] == 404


def test_a_sidecar_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            body = b'{"protocol": 2, "version": "9.9", "methods": ["ebs"], "new": true}'
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        with pytest.raises(SnapshotterError, match=r"kube2git 9\.9, speaks") as caught:
            Sidecar(str(path), QUICK).snapshotters()
        thread.join()
    assert "same version" in caught.value.hint


def test_no_sidecar_is_told(tmp_path: Path) -> None:
    with pytest.raises(SnapshotterError, match="no sidecar listens at") as caught:
        client(tmp_path / "s")
    assert "kube2git sidecar --socket" in caught.value.hint


# ── the work ─────────────────────────────────────────────────────────────────────────────────


def test_errors_of_the_storage_come_through(tmp_path: Path) -> None:
    path = tmp_path / "s"
    error = ClusterDeniedError("no right to list", hint="Ask for it.")
    with serving(path, FakeSnapshotter(FakeStorage(), error=error)):
        with pytest.raises(ClusterDeniedError, match="no right to list") as caught:
            list(client(path).find(CLUSTER))
        assert caught.value.hint == "Ask for it."


class _Slow(FakeSnapshotter):
    """Is inside one long call until it is let go."""

    def __init__(self, storage: FakeStorage) -> None:
        super().__init__(storage)
        self.go = threading.Event()
        self.closed = threading.Event()

    def can_group(self, volumes: Sequence[Volume]) -> bool:
        del volumes
        return self.go.wait(30)

    def create(
        self, requests: Sequence[CutRequest], *, wait: Wait, seconds: float
    ) -> Iterator[SnapshotEvent | None]:
        del requests, wait, seconds
        try:
            while not self.go.is_set():
                yield None
        finally:
            self.closed.set()


def test_signs_of_life_go_on_in_a_long_call(tmp_path: Path) -> None:
    path, slow = tmp_path / "s", _Slow(FakeStorage())
    with serving(path, slow, beat=0.1), ThreadPoolExecutor() as pool:
        waiting = pool.submit(client(path, limits=Limits(silence=2)).can_group, [])
        # Longer than the silence that the client bears.
        assert not slow.go.wait(2.5)
        slow.go.set()
        assert waiting.result(10) is True


def test_silence_is_no_sign_of_life(tmp_path: Path) -> None:
    path, slow = tmp_path / "s", _Slow(FakeStorage())
    with serving(path, slow, beat=60):
        with pytest.raises(SnapshotterError, match="gave no sign of life for 0 s"):
            client(path, limits=Limits(silence=0.3, start=1)).can_group([])
        slow.go.set()


def test_one_that_never_ends_is_given_up(tmp_path: Path) -> None:
    path, slow, one = tmp_path / "s", _Slow(FakeStorage()), volume("fake.example.com")
    with serving(path, slow):
        limits = Limits(silence=5, start=1, grace=0.1)
        (event,) = events(client(path, limits=limits), [one], seconds=0.1)[one.claim]
        assert (event.stage, event.snapshot) == (Stage.FAILED, None)
        assert "did not come to an end" in event.reason
        slow.go.set()


def test_work_that_nobody_waits_for_is_not_gone_on_with(tmp_path: Path) -> None:
    path, slow, one = tmp_path / "s", _Slow(FakeStorage()), volume("fake.example.com")
    with serving(path, slow):
        answers = client(path).create(
            [CutRequest("manual-1", CLUSTER, (one,))], wait=Wait.READY, seconds=60
        )
        assert next(iter(answers)) is None
        answers.close()  # type: ignore[attr-defined]
        assert slow.closed.wait(20)


def test_a_sidecar_that_stops_breaks_off_what_it_does(tmp_path: Path) -> None:
    path, slow, one = tmp_path / "s", _Slow(FakeStorage()), volume("fake.example.com")
    with serving(path, slow) as server, ThreadPoolExecutor() as pool:
        answers = client(path, limits=Limits(silence=2, start=0.3)).create(
            [CutRequest("manual-1", CLUSTER, (one,))], wait=Wait.READY, seconds=60
        )
        assert next(iter(answers)) is None
        reading = pool.submit(list, answers)
        server.stop()
        assert slow.closed.is_set()
        *_, last = reading.result(60)
    assert isinstance(last, SnapshotEvent)
    assert last.stage is Stage.FAILED


def test_orders_are_carried_out_side_by_side(tmp_path: Path) -> None:
    path, slow, storage = tmp_path / "s", _Slow(FakeStorage()), FakeStorage()
    slow.method = "slow"
    with serving(path, slow, FakeSnapshotter(storage)), ThreadPoolExecutor() as pool:
        waiting = pool.submit(client(path, "slow").can_group, [])
        one = volume(storage.driver)
        assert events(client(path), [one])[one.claim][-1].stage is Stage.READY
        assert not waiting.done()
        slow.go.set()
        assert waiting.result(10)


# ── a sidecar that dies, with EC2 behind it ──────────────────────────────────────────────────


def environ(ec2: Ec2) -> dict[str, str]:
    return {**os.environ, **ec2.environ()}


@pytest.mark.parametrize(
    ("step", "is_done"),
    [("CreateSnapshot", False), ("CreateSnapshot", True), ("DescribeSnapshots", True)],
)
def test_a_killed_sidecar_makes_no_second_snapshot(
    ec2: Ec2, tmp_path: Path, step: str, is_done: bool
) -> None:
    path = tmp_path / "s"
    volumes = [ebs_volume(ec2.new_volume()) for _ in range(3)]
    with Sidecars(path, environ(ec2)) as sidecars:

        def deadly(request: Request, proper: Answer) -> Reply:
            answer = proper(request) if is_done else Reply(0, cut_after=-1)
            sidecars.kill()
            return answer

        ec2.on(step, deadly, nth={2 if step == "DescribeSnapshots" else 1})
        told = events(client(path, "ebs", PATIENT), volumes)
        assert sidecars.started == 2, told
    assert [told[one.claim][-1].stage for one in volumes] == [Stage.READY] * 3
    made = sorted(one.volume.id for one in ec2.backend().snapshots.values())
    assert made == sorted(one.handle for one in volumes)
    for one in volumes:
        handles = {event.snapshot.handle for event in told[one.claim] if event.snapshot}
        assert len(handles) == 1


@pytest.mark.parametrize("is_done", [False, True])
def test_a_killed_sidecar_makes_no_second_copy(ec2: Ec2, tmp_path: Path, is_done: bool) -> None:
    path = tmp_path / "s"
    volumes = [ebs_volume(ec2.new_volume()) for _ in range(3)]
    with Sidecars(path, environ(ec2)) as sidecars:
        ebs = client(path, "ebs", PATIENT)
        told = events(ebs, volumes)
        taken = {claim: events[-1].snapshot for claim, events in told.items()}
        pairs = [(one, snapshot) for one in volumes if (snapshot := taken[one.claim]) is not None]

        def deadly(request: Request, proper: Answer) -> Reply:
            answer = proper(request) if is_done else Reply(0, cut_after=-1)
            sidecars.kill()
            return answer

        ec2.on("CopySnapshot", deadly, nth={1})
        assert isinstance(ebs, SnapshotCopier)
        copies = ebs.copy(pairs, cluster=CLUSTER, region="us-east-1", seconds=60)
        found = {event.claim: event for event in copies if event is not None}
        assert sidecars.started == 2, found
    assert found.keys() == taken.keys()
    handles = {event.snapshot.handle for event in found.values() if event.snapshot}
    assert set(ec2.backend("us-east-1").snapshots) == handles
    assert len(handles) == 3


def test_a_sidecar_that_stays_away_fails_its_volumes_and_nothing_else(
    ec2: Ec2, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    volumes = [ebs_volume(ec2.new_volume()) for _ in range(2)]
    with Sidecars(path, environ(ec2), restarts=False) as sidecars:
        client(path, "ebs", PATIENT)
        snapshotter = client(path, "ebs", Limits(start=0.3))

        def deadly(request: Request, proper: Answer) -> Reply:
            sidecars.kill()
            return proper(request)

        ec2.on("DescribeVolumes", deadly)
        told = events(snapshotter, volumes)
        for one in volumes:
            assert [event.stage for event in told[one.claim]] == [Stage.FAILED]
            assert told[one.claim][0].reason == (
                "The sidecar went away in the middle of its answer."
            )
        with pytest.raises(SnapshotterError, match="no sidecar listens"):
            snapshotter.why_not(volumes[0])


def test_everything_works_through_a_real_sidecar_until_it_is_stopped(
    ec2: Ec2, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    one = ebs_volume(ec2.new_volume())
    with Sidecars(path, environ(ec2), restarts=False) as sidecars:
        ebs = client(path, "ebs", PATIENT)
        assert ebs.why_not(one) == ""
        snapshot = events(ebs, [one])[one.claim][-1].snapshot
        assert isinstance(snapshot, Snapshot)
        assert [found.snapshot.handle for found in ebs.find(CLUSTER)] == [snapshot.handle]
        ebs.settle([(one, snapshot)])
        request = RestoreRequest(one.claim, one, snapshot, "gp3", 1)
        (answer,) = filter(None, ebs.restore([request], run="replay-1", seconds=30))
        assert answer.objects[0]["spec"]["csi"]["volumeHandle"] in ec2.backend().volumes
        (finding,) = filter(None, ebs.verify([(one, snapshot)]))
        assert finding.existence is Existence.EXISTS
        (finding,) = filter(None, ebs.delete([(one, snapshot)], seconds=30))
        assert finding.existence is Existence.GONE
        assert not ec2.backend().snapshots
        ec2.on("DescribeSnapshots", ec2faults.throttled)
        with pytest.raises(SnapshotterError, match="too busy"):
            list(ebs.find(CLUSTER))
        sidecars.process.send_signal(signal.SIGTERM)
        assert sidecars.process.wait(20) == 0
    assert not path.exists()


# ── the command ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Give a folder that, on the path of Python, is a package with an entry point for EBS."""
    info = tmp_path / "plugins" / "storage-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: storage\nVersion: 1.0\n")
    entry = "[kube2git.snapshotters]\nebs = kube2git.adapters.ebs:open_ebs\n"
    (info / "entry_points.txt").write_text(entry)
    return info.parent


def test_the_command_serves_what_is_installed(ec2: Ec2, tmp_path: Path, plugins: Path) -> None:
    path = tmp_path / "s"
    search = os.pathsep.join([str(plugins), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [str(KUBE2GIT), "sidecar", "--socket", str(path), "--mode", "0660"]
    with subprocess.Popen(
        command, env={**environ(ec2), "PYTHONPATH": search, "HOME": str(tmp_path)}
    ) as process:
        try:
            ebs = client(path, "ebs", PATIENT)
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert ebs.why_not(volume("tape.example.com")).startswith("tape.example.com does not")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
    assert not path.exists()


def test_the_settings_lead_to_the_sidecar(tmp_path: Path) -> None:
    path = tmp_path / "s"
    settings = load({"snapshots": {"socket": str(path)}})
    with serving(path, FakeSnapshotter(FakeStorage())):
        found = wiring.snapshotters(settings, lambda: pytest.fail("the cluster is not asked"))
        assert list(found) == ["fake"]


def test_an_absent_sidecar_is_the_reason_of_each_volume() -> None:
    absent = AbsentSidecar(SnapshotterError("no sidecar listens at /run/s"))
    with pytest.raises(NobodyError, match="no sidecar listens at /run/s"):
        choose(volume("ebs.csi.aws.com"), {absent.method: absent}, ClassRule())
    absent.settle([])
