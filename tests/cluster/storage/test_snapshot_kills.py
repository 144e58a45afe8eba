"""Runs killed at each step, and two at once: each snapshot is recorded or in sight, none double."""

from __future__ import annotations

import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube2git.adapters.csi.bodies import GROUP_LABEL
from kube2git.adapters.csi.snapshotter import CsiSnapshotter
from kube2git.adapters.sidecar import Limits, Sidecar
from kube2git.core.ports import Snapshotter
from kube2git.core.snapshots import ClaimRef, CutRequest, Snapshot, SnapshotEvent, Stage, Wait
from tests.cluster.storage import Started, Storage
from tests.cluster.storage.test_csi import open_snapshotter, volume_of
from tests.conformance.snapshotter_port import new_run as new_name
from tests.faults import Answer, FaultProxy, Killable, Killer, Reply, Request
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


def step_of(request: Request) -> str:
    """Name a write by what it does: its verb and kind, or a label that a claim gets or loses."""
    found = re.search(r"/(persistentvolumeclaims|volume\w*snapshot\w*s)\b", request.path)
    kind = found[1] if found else request.path
    if kind == "persistentvolumeclaims":
        return "label" if GROUP_LABEL.encode() in request.body else "unlabel"
    return f"{request.method} {kind}"


@dataclass
class At:
    """Ends a process at a step, the nth time that it is done."""

    step: str
    killer: Killer

    def __call__(self, request: Request, proper: Answer) -> Reply:
        return self.killer(request, proper) if step_of(request) == self.step else proper(request)


Steps = dict[str, int]
"""What a run writes: each step, and how often it is done."""


def steps_among(requests: list[Request]) -> Steps:
    writes = [step_of(one) for one in requests if one.method != "GET"]
    return {step: writes.count(step) for step in writes}


def killer_at(step: str, count: int, process: Killable | None = None) -> At:
    """Kill in the middle of the labels, and at the last object of a kind that is removed."""
    return At(step, Killer(count if step.startswith("DELETE") else 1, process))


@dataclass
class Run:
    """Exports of three claims that are killed, in a namespace and a repository of their own."""

    storage: Storage
    folder: Path
    namespace: str = field(init=False)
    tool: Tool = field(init=False)
    remote: Path = field(init=False)
    volumes: dict[str, str] = field(init=False)
    seeker: CsiSnapshotter = field(init=False)
    cluster: str = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.remote = create_remote(self.folder, "remote.git")
        plane = self.storage.plane
        self.namespace = plane.create_namespace("kills")
        create_claims(self.storage, self.namespace)
        self.volumes = {name: self.storage.handle(self.namespace, name) for name in CLAIMS}
        environ = {**SETTINGS, "KUBE2GIT_GIT_REMOTE": str(self.remote)}
        self.tool = make_tool(plane.kubeconfig, self.folder / "home", environ)
        self.seeker = open_snapshotter(self.storage)
        self.cluster = self.storage.get("/api/v1/namespaces/kube-system")["metadata"]["uid"]

    @property
    def export(self) -> tuple[str, ...]:
        return ("export", "--snapshots", "-n", self.namespace)

    @property
    def create(self) -> tuple[str, ...]:
        """All that an export writes to the cluster, and less to read: in half the time."""
        return ("snapshot", "create", "-n", self.namespace)

    def steps(self) -> Steps:
        """Run it to its end, and return what it writes to the cluster."""
        self.tool.run(*self.create)  # which clears away what other tests have left
        with FaultProxy.before(self.storage.plane) as proxy:
            self.tool.run(*self.create, "--kubeconfig", proxy.kubeconfig(self.folder))
            return steps_among(proxy.requests)

    def kill_at_write(self, step: str, count: int) -> None:
        """Run it, and kill it at a write to the cluster; check, and run it again."""
        before = self.named()
        with FaultProxy.before(self.storage.plane) as proxy:
            at = killer_at(step, count)
            proxy.on_writes(at)
            kubeconfig = proxy.kubeconfig(self.folder)
            at.killer.process = run = Started(self.tool, *self.create, "--kubeconfig", kubeconfig)
            run.finish(-signal.SIGKILL)
        self.check()
        self.go_on(self.create)
        assert {len(handles) for handles in self.new(before).values()} <= {1, 2}

    def kill_at_git(self, step: str) -> None:
        """Export, and kill it when it is about to have git do something; export again."""
        before, commits = self.named(), len(self.tool.commits())
        programs = self.folder / step
        programs.mkdir()
        git = programs / "git"
        git.write_text(GIT.format(step=step, git=shutil.which("git")))
        git.chmod(0o755)
        deadly = {"PATH": f"{programs}:{self.tool.environ['PATH']}"}
        environ = {**self.tool.environ, **deadly}
        tool = Tool(self.storage.plane.kubeconfig, self.tool.repo, self.tool.home, environ)
        Started(tool, *self.export).finish(-signal.SIGKILL)
        self.check()
        assert len(self.tool.commits()) == commits + (step == "push")
        self.go_on(self.export)
        assert {len(handles) for handles in self.new(before).values()} == {2}

    def named(self) -> Runs:
        """Return what the records of the branch name."""
        found: Runs = {name: {} for name in CLAIMS}
        for path, text in self.tool.files().items() if self.tool.commits() else ():
            if path.startswith("snapshots/"):
                entries: list[dict[str, Any]] = yaml.safe_load(text)["snapshots"]
                found[Path(path).stem] = {entry["handle"]: entry["run"] for entry in entries}
        return found

    def new(self, before: Runs) -> dict[str, set[str]]:
        """Return what the records name now and did not name before."""
        return {name: handles.keys() - before[name] for name, handles in self.named().items()}

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
        return {
            name: {one.id for one in kept if one.volume == volume}
            for name, volume in self.volumes.items()
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

    def go_on(self, command: tuple[str, ...]) -> None:
        """Run the same command again; everything is recorded, pushed and cleared away then."""
        self.tool.run(*command)
        self.check()
        for name in CLAIMS:
            labels = self.storage.claim(self.namespace, name)["metadata"].get("labels") or {}
            assert GROUP_LABEL not in labels
        assert run_git("-C", str(self.remote), "rev-parse", "main") == self.tool.commits()[0]


def create_claims(storage: Storage, namespace: str) -> None:
    for name, group in CLAIMS.items():
        labels = {"set": group} if group else {}
        storage.create_claim(namespace, name, files={"f": b"x"}, labels=labels)


KINDS = ("volumesnapshot", "volumegroupsnapshot")
CUTTING = {
    *("label", "unlabel"),
    *(f"POST {kind}s" for kind in KINDS),
    *(f"PATCH {kind}contents" for kind in KINDS),
}
CLEARING = {f"DELETE {kind}{part}s" for kind in KINDS for part in ("", "content")}


@pytest.mark.timeout(900)  # some thirty runs
def test_killed_at_any_write_and_at_any_step_of_git(storage: Storage, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda number: Run(storage, tmp_path / f"{number}"), range(3)))
        steps = runs[0].steps()
        assert steps.keys() == CUTTING | CLEARING
        kills: list[Callable[[Run], None]] = [
            *(partial(Run.kill_at_git, step=step) for step in ("update-ref", "push")),
            *(partial(Run.kill_at_write, step=s, count=n) for s, n in steps.items()),
        ]

        def kill_some(number: int) -> int:
            mine = kills[number :: len(runs)]
            for kill in mine:
                kill(runs[number])
            return len(mine)

        assert sum(pool.map(kill_some, range(len(runs)))) == len(steps) + 2


# ── The sidecar ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def space(storage: Storage) -> str:
    """Give a namespace with the claims."""
    namespace = storage.plane.create_namespace("sidecar")
    create_claims(storage, namespace)
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
    def take(at: At | None = None) -> Steps:
        before, started = kept(storage, space), served.sidecars.started
        requests = requests_of(storage, space, "9b6ad6d7-0000-4000-8000-000000000001")
        client = served.client()
        served.proxy.forget()
        if at is not None:
            served.proxy.on_writes(at)
        told = last_of(client, requests)
        assert [event.stage for event in told.values()] == [Stage.READY] * len(CLAIMS), told
        taken = {event.snapshot.handle for event in told.values() if event.snapshot}
        assert kept(storage, space) - before == taken
        assert len(taken) == len(CLAIMS)
        assert served.sidecars.started - started == (at is not None)
        return steps_among(served.proxy.requests)

    steps = take()
    assert steps.keys() == CUTTING
    for step, count in steps.items():
        take(killer_at(step, count, served.sidecars))


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
    running = Started(first, *export)
    assert is_cutting.wait(120)
    with FaultProxy.before(storage.plane) as proxy:
        second = make_tool(proxy.kubeconfig(tmp_path), tmp_path / "second", environ)
        late = Started(second, *export)
        storage.plane.wait(lambda: bool(proxy.asked("/leases/")), "The second run's turn")
        may_go_on.set()
        told = late.finish(3)
    running.finish(0)
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
