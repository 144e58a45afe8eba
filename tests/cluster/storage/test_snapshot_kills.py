"""Runs killed at any step, and two at once: each snapshot is recorded or in sight, none double."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.adapters.csi.snapshotter import CsiSnapshotter
from kube2git.adapters.sidecar import Limits, Sidecar
from kube2git.core.ports import Snapshotter
from kube2git.core.snapshots import ClaimRef, CutRequest, Snapshot, SnapshotEvent, Stage, Wait
from tests.cluster.storage import Storage
from tests.cluster.storage.test_csi import open_snapshotter, volume_of
from tests.conformance.snapshotter_port import new_run as new_name
from tests.faults import Answer, FaultProxy, Killer, Reply, Request
from tests.gitservers import create_remote, run_git
from tests.sidecars import Sidecars
from tests.tool import KUBE2GIT, Tool, make_tool

pytestmark = pytest.mark.needs("csi")

CLAIMS = {"alone": "", "left": "pair", "right": "pair"}
"""Claim -> what it belongs to; two of them are cut together."""
Runs = dict[str, dict[str, str]]
"""Claim -> handle of a snapshot -> the run that took it."""
SETTINGS = {
    "KUBE2GIT_SNAPSHOTS_GROUP_LABEL": "set",
    # The Lease of a killed run would be waited for, 15 seconds each time.
    "KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": "",
}
GIT = """\
#!/bin/sh
case " $* " in *" {step} "*) kill -9 $PPID; exit 1;; esac
exec {git} "$@"
"""


@dataclass
class Run:
    """An export of three claims that is killed, in a namespace and a repository of its own."""

    storage: Storage
    folder: Path
    namespace: str = field(init=False)
    tool: Tool = field(init=False)
    remote: Path = field(init=False)

    command: tuple[str, ...] = field(init=False)
    seeker: CsiSnapshotter = field(init=False)
    cluster: str = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.remote = create_remote(self.folder, "remote.git")
        plane = self.storage.plane
        self.namespace = plane.create_namespace("kills")
        for name, group in CLAIMS.items():
            labels = {"set": group} if group else {}
            self.storage.create_claim(self.namespace, name, files={"f": b"x"}, labels=labels)
        environ = {**SETTINGS, "KUBE2GIT_GIT_REMOTE": str(self.remote)}
        self.tool = make_tool(plane.kubeconfig, self.folder / "home", environ)
        self.command = ("export", "--snapshots", "-n", self.namespace)
        self.seeker = open_snapshotter(self.storage)
        self.cluster = self.storage.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]

    def killed_at_write(self, number: int) -> bool:
        """Run it, and kill it at its nth write to the cluster; tell whether it came so far."""
        with FaultProxy.before(self.storage.plane) as proxy:
            killer = Killer(number)
            proxy.on_writes(killer)
            kubeconfig = proxy.kubeconfig(self.folder)
            killer.process = run = self.tool.start(*self.command, "--kubeconfig", kubeconfig)
            run.communicate(timeout=120)
        return run.returncode == -signal.SIGKILL

    def killed_at_git(self, step: str) -> bool:
        """Run it, and kill it when it is about to have git do something."""
        programs = self.folder / "programs"
        programs.mkdir()
        git = programs / "git"
        git.write_text(GIT.format(step=step, git=shutil.which("git")))
        git.chmod(0o755)
        deadly = {"PATH": f"{programs}:{self.tool.environ['PATH']}"}
        tool = Tool(
            self.storage.plane.kubeconfig,
            self.tool.repo,
            self.tool.home,
            {**self.tool.environ, **deadly},
        )
        process = tool.start(*self.command)
        process.communicate(timeout=120)
        return process.returncode == -signal.SIGKILL

    def named(self) -> Runs:
        """Return what the records of the branch name."""
        found: Runs = {name: {} for name in CLAIMS}
        for path, text in self.tool.files().items() if self.tool.commits() else ():
            if path.startswith("snapshots/"):
                entries: list[dict[str, Any]] = yaml.safe_load(text)["snapshots"]
                found[Path(path).stem] = {entry["handle"]: entry["run"] for entry in entries}
        return found

    def found(self) -> Runs:
        """Return what the next run, and a prune, would find by its marks."""
        found: Runs = {name: {} for name in CLAIMS}
        for one in self.seeker.find(self.cluster):
            if one.claim.namespace == self.namespace:
                found[one.claim.name][one.snapshot.handle] = one.snapshot.run
        return found

    def taken(self) -> dict[str, set[str]]:
        """Return what the storage has."""
        kept = self.storage.driver.state.snapshots.values()
        volumes = {name: self.storage.handle(self.namespace, name) for name in CLAIMS}
        return {
            name: {one.id for one in kept if one.volume == volume}
            for name, volume in volumes.items()
        }

    def check(self) -> None:
        """Hold what must hold at any time."""
        named = self.named()

        def is_all_in_sight() -> bool:
            found, taken = self.found(), self.taken()
            return all(taken[name] <= named[name].keys() | found[name].keys() for name in CLAIMS)

        self.storage.plane.wait(is_all_in_sight, "The sight of every snapshot")
        found, taken = self.found(), self.taken()
        for name in CLAIMS:
            assert named[name].keys() <= taken[name]
            runs = list((named[name] | found[name]).values())
            assert len(runs) == len(set(runs)), "one run took two snapshots of a claim"

    def go_on(self) -> None:
        """Run the same command again; everything is recorded, pushed and cleared away then."""
        self.tool.run(*self.command)
        self.check()
        named = self.named()
        assert {len(handles) for handles in named.values()} <= {1, 2}
        for name in CLAIMS:
            labels = self.storage.claim(self.namespace, name)["metadata"].get("labels") or {}
            assert "kube2git.io/snapshot-group" not in labels
        assert run_git("-C", str(self.remote), "rev-parse", "main") == self.tool.commits()[0]


@pytest.fixture
def new_run(storage: Storage, tmp_path: Path) -> Callable[[str], Run]:
    return lambda name: Run(storage, tmp_path / name)


@pytest.mark.timeout(900)  # some forty runs
def test_killed_at_any_write_and_at_any_step_of_git(new_run: Callable[[str], Run]) -> None:
    def at_write(number: int) -> bool:
        run = new_run(f"write-{number}")
        if number > 1:
            # All that writes to the cluster, and less to read: as an export, in half the time.
            run.command = ("snapshot", "create", "-n", run.namespace)
        was_killed = run.killed_at_write(number)
        run.check()
        if was_killed:
            run.go_on()
        return was_killed

    def at_git(step: str) -> bool:
        run = new_run(step)
        was_killed = run.killed_at_git(step)
        run.check()
        assert bool(run.tool.commits()) is (step == "push")
        run.go_on()
        assert all(len(handles) == 2 for handles in run.named().values())
        return was_killed

    with ThreadPoolExecutor(3) as pool:
        by_git = pool.map(at_git, ("update-ref", "push"))
        # The claims of the group get a label and lose it; two snapshots are made, kept, and with
        # their contents and those of the members removed.
        by_writes = list(pool.map(at_write, range(1, 16)))
    assert all(by_git)
    assert by_writes == sorted(by_writes, reverse=True)
    assert sum(by_writes) >= 14


# ── The sidecar ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def space(storage: Storage) -> str:
    """Give a namespace with the claims."""
    namespace = storage.plane.create_namespace("sidecar")
    for name, group in CLAIMS.items():
        labels = {"set": group} if group else {}
        storage.create_claim(namespace, name, files={"f": b"x"}, labels=labels)
    return namespace


@dataclass(frozen=True)
class Served:
    """A sidecar that is started anew when it ends, and what stands between it and the cluster."""

    socket: Path
    proxy: FaultProxy
    sidecars: Sidecars

    def client(self) -> Snapshotter:
        return Sidecar(str(self.socket), Limits(start=60)).snapshotters()["csi"]


@pytest.fixture(scope="module")
def served(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("s")
    socket = folder / "s"
    with FaultProxy.before(storage.plane) as proxy:
        tool = Tool(proxy.kubeconfig(folder), "", folder)
        command = [str(KUBE2GIT), "sidecar", "--socket", str(socket)]
        with Sidecars(socket, tool.environ, command=command) as sidecars:
            yield Served(socket, proxy, sidecars)


def requests_of(storage: Storage, namespace: str, cluster: str) -> list[CutRequest]:
    """Return what is asked for one run: a cut of one volume, and one over two."""
    volumes = {name: volume_of(storage, namespace, name) for name in CLAIMS}
    run, pair = new_name(), (volumes["left"], volumes["right"])
    return [CutRequest(run, cluster, (volumes["alone"],)), CutRequest(run, cluster, pair)]


def last_of(client: Snapshotter, requests: list[CutRequest]) -> dict[ClaimRef, SnapshotEvent]:
    events = client.create(requests, wait=Wait.READY, seconds=120)
    return {event.claim: event for event in events if event is not None}


def kept(storage: Storage, namespace: str) -> set[str]:
    """Return the snapshots that the storage has of the claims."""
    handles = {storage.handle(namespace, name) for name in CLAIMS}
    return {s.id for s in storage.driver.state.snapshots.values() if s.volume in handles}


def test_a_sidecar_killed_at_any_write_takes_nothing_twice(
    storage: Storage, space: str, served: Served
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += 1
        before, started = kept(storage, space), served.sidecars.started
        requests = requests_of(storage, space, "9b6ad6d7-0000-4000-8000-000000000001")
        client = served.client()
        served.proxy.forget()
        served.proxy.on_writes(Killer(number, served.sidecars))
        told = last_of(client, requests)
        assert [event.stage for event in told.values()] == [Stage.READY] * len(CLAIMS), told
        taken = {event.snapshot.handle for event in told.values() if event.snapshot}
        assert kept(storage, space) - before == taken
        assert len(taken) == len(CLAIMS)
        was_killed = served.sidecars.started > started
    # The claims of the group get a label and lose it; two snapshots are made, and kept.
    assert number >= 9


def test_two_exports_at_once_by_one_sidecar_take_one_snapshot_of_each_claim(
    storage: Storage, space: str, served: Served, tmp_path: Path
) -> None:
    before = kept(storage, space)
    environ = {
        **SETTINGS,
        "KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": space,
        "KUBE2GIT_SNAPSHOTS_SOCKET": str(served.socket),
    }
    is_cutting, may_go_on = threading.Event(), threading.Event()

    def hold(request: Request, proper: Answer) -> Reply:
        is_cutting.set()
        may_go_on.wait(120)
        return proper(request)

    served.proxy.forget()
    served.proxy.on("/volumesnapshotcontents/", hold, method="PATCH")
    first = make_tool(storage.plane.kubeconfig, tmp_path / "first", environ)
    export = ("export", "--snapshots", "-n", space)
    running = first.start(*export)
    assert is_cutting.wait(120)
    with FaultProxy.before(storage.plane) as proxy:
        second = make_tool(proxy.kubeconfig(tmp_path), tmp_path / "second", environ)
        late = second.start(*export)
        storage.plane.wait(lambda: bool(proxy.asked("/leases/")), "The second run's turn")
        may_go_on.set()
        _, told = late.communicate(timeout=120)
    _, problems = running.communicate(timeout=120)
    assert running.returncode == 0, problems
    assert late.returncode == 3, told
    assert "takes none" in told
    assert len(kept(storage, space) - before) == len(CLAIMS)


def test_two_callers_of_one_run_get_the_same_snapshots(
    storage: Storage, space: str, served: Served
) -> None:
    before = kept(storage, space)
    requests = requests_of(storage, space, "9b6ad6d7-0000-4000-8000-000000000002")
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda _: last_of(served.client(), requests), range(2)))
    handles = [snapshots_of(one) for one in told]
    assert handles[0] == handles[1]
    assert kept(storage, space) - before == set(handles[0].values())


def snapshots_of(told: dict[ClaimRef, SnapshotEvent]) -> dict[ClaimRef, str]:
    found: dict[ClaimRef, Snapshot | None] = {claim: one.snapshot for claim, one in told.items()}
    return {claim: snapshot.handle for claim, snapshot in found.items() if snapshot}
