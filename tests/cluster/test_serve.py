"""The daemon as a process, on a real API server and against real Git servers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import re
import resource
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.adapters.kube.leasing import KubeLease
from tests.cluster.conftest import StartControlPlane
from tests.controlplane import ControlPlane
from tests.gitservers import GitHttpServer, create_remote, run_git
from tests.serving import Serving, schedule, state_of
from tests.tool import Tool, make_tool


@pytest.fixture
def tool(cluster: ControlPlane, tmp_path: Path) -> Tool:
    return make_tool(cluster.kubeconfig, tmp_path)


def put_map(cluster: ControlPlane, namespace: str, name: str, **data: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    if cluster.request("PUT", f"{path}/{name}", body).status == 404:
        cluster.create(path, body)


def only(namespace: str, when: str = "every 1000d", **settings: Any) -> dict[str, Any]:
    """Return a schedule that exports ConfigMaps of one namespace, which is quick."""
    return schedule(when, namespaces=[namespace], kinds=["cm"], cluster_scoped="no", **settings)


def test_runs_metrics_readiness_and_log(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    put_map(cluster, namespace, "web", level="info")
    plans = {"shop": only(namespace), "later": schedule("daily at 02:00", enabled=False)}
    with Serving(tool, schedules=plans) as daemon:
        assert daemon.get("/healthz") == (200, "alive\n")
        daemon.wait(lambda: daemon.said("nothing keeps a second daemon"), "The warning")
        (run,) = daemon.wait_for_runs(1)
        assert run["result"] == "success"
        assert run["commit"] == tool.commits()[0]
        assert run["run"].startswith("shop-")
        assert f"namespaces/{namespace}/ConfigMap/web.yaml" in tool.paths()
        assert "cluster/Namespace/" + namespace + ".yaml" not in tool.paths()
        assert daemon.metric("runs_total", schedule="shop", result="success") == 1
        assert daemon.metric("runs_total", schedule="shop", result="failed") == 0
        assert daemon.metric("objects", kind="ConfigMap") == len(
            [path for path in tool.paths() if "/ConfigMap/" in path]
        )
        assert daemon.metric("changed_objects", schedule="shop") == run["changed"]
        assert daemon.metric("incomplete_kinds", schedule="shop") == 0
        assert daemon.metric("run_duration_seconds", schedule="shop", phase="total")
        assert (
            abs(
                (daemon.metric("last_success_timestamp_seconds", schedule="shop") or 0)
                - time.time()
            )
            < 300
        )
        assert daemon.metric("push_lag_commits") == 0
        assert (daemon.metric("repository_bytes") or 0) > 1000
        assert daemon.metric("leader") == 1
        assert daemon.metric("config_reload_ok") == 1
        assert daemon.wait(daemon.is_ready, "Readiness")
        answer = json.loads(daemon.get("/readyz")[1])
        assert [item["name"] for item in answer["schedules"]] == ["shop"]
        assert daemon.get("/nothing")[0] == 404
        assert list(state_of(daemon.folder)["lastRuns"]) == ["shop"]
        assert daemon.stop() == 0


def test_a_broken_configuration_is_refused_and_a_repaired_one_obeyed(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    put_map(cluster, namespace, "web", level="info")
    daemon = Serving(tool, schedules={"a": only(namespace)}, paused=True)
    # As the kubelet mounts a ConfigMap: the file is a link into a folder behind a link.
    mount = tool.home / "mount"
    for number, text in enumerate(("", "serve: {schedules: {a: {when: never}}, what: 1}", "")):
        version = mount / f"..version{number}"
        version.mkdir(parents=True)
        (version / "kube2git.yaml").write_text(text or daemon.config.read_text())

    def swap(number: int) -> None:
        new = mount / "..new"
        new.symlink_to(f"..version{number}")
        new.replace(mount / "..data")

    swap(0)
    daemon.config.unlink()
    daemon.config.symlink_to(mount / "..data" / "kube2git.yaml")
    with daemon:
        assert json.loads(daemon.get("/readyz")[1])["idle"] == "paused"
        assert daemon.is_ready()
        swap(1)
        (refused,) = daemon.wait(lambda: daemon.said("is refused"), "The refusal")
        assert "serve.schedules.a.when: 'never' is not a time" in refused["message"]
        assert "serve.what: there is no such setting" in refused["message"]
        daemon.wait(lambda: daemon.metric("config_reload_ok") == 0, "The metric")
        assert "problems" in json.loads(daemon.get("/readyz")[1])["config"]
        text = json.dumps({"serve": {**daemon.settings, "paused": False}})
        (mount / "..version2" / "kube2git.yaml").write_text(text)
        swap(2)
        daemon.wait_for_runs(1, "success")
        assert daemon.metric("config_reload_ok") == 1
        assert len(daemon.said("is refused")) == 1
        assert tool.paths() >= {f"namespaces/{namespace}/ConfigMap/web.yaml"}


def commit_config(folder: Path, text: str) -> None:
    """Push a new kube2git.yaml to a repository."""
    work = folder / "config-work"
    if not work.exists():
        run_git("clone", "-q", str(folder / "config.git"), str(work))
    (work / "ops").mkdir(exist_ok=True)
    (work / "ops" / "kube2git.yaml").write_text(text)
    run_git("-C", str(work), "add", "-A")
    run_git("-C", str(work), "commit", "-qm", "config")
    run_git("-C", str(work), "push", "-q", "origin", "HEAD:main")


def test_a_configuration_out_of_git_is_pulled_and_a_bad_one_refused(
    cluster: ControlPlane, namespace: str, tool: Tool, tmp_path: Path
) -> None:
    put_map(cluster, namespace, "web", level="info")
    create_remote(tmp_path, "config.git")

    def text(**settings: Any) -> str:
        return json.dumps({"serve": {**daemon.settings, **settings}})

    with GitHttpServer(tmp_path, users={"git": "t0ken"}) as server:
        tool.environ["KUBE2GIT_GIT_PASSWORD"] = "t0ken"
        where: dict[str, Any] = {
            "config_repo": server.url("config.git"),
            "config_file": "ops/kube2git.yaml",
            "config_interval": 1,
        }
        daemon = Serving(tool, restore_only=True, lease_namespace=namespace, **where)
        commit_config(tmp_path, text(schedules={"a": only(namespace)}, paused=True))
        daemon.start()
        try:
            assert json.loads(daemon.get("/readyz")[1])["idle"] == "restore_only"
            commit_config(tmp_path, "serve: {schedules: {a: {when: never}}}")
            (refused,) = daemon.wait(lambda: daemon.said("is refused"), "The refusal")
            assert "ops/kube2git.yaml at main has a problem" in refused["message"]
            daemon.wait(lambda: daemon.metric("config_reload_ok") == 0, "The metric")
            commit_config(tmp_path, text(schedules={"a": only(namespace)}, restore_only=False))
            daemon.wait_for_runs(1, "success")
            assert daemon.metric("config_reload_ok") == 1

            server.users["git"] = "an0ther"
            daemon.wait(lambda: daemon.metric("config_reload_ok") == 0, "The metric")
            assert len(daemon.said("is refused")) == 2
            # The old one is in force, and readiness is about the exports, which work.
            assert json.loads(daemon.get("/readyz")[1])["schedules"][0]["result"] == "success"
            daemon.kill()
            # A life that begins while the server is away goes on with what was fetched before.
            daemon.start()
            assert [item["name"] for item in json.loads(daemon.get("/readyz")[1])["schedules"]] == [
                "a"
            ]
            server.users["git"] = "t0ken"
            daemon.wait(lambda: daemon.metric("config_reload_ok") == 1, "The metric")
        finally:
            daemon.kill()
    told = json.loads(cluster.kubectl("get", "events", "-n", "default", "-o", "json"))["items"]
    reasons = {e["reason"] for e in told if e["involvedObject"]["name"] == namespace}
    assert reasons >= {"ConfigRefused", "ConfigAccepted"}


def test_a_daemon_that_waits_for_its_first_run_is_ready_when_that_would_work(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    create_remote(tmp_path)
    with GitHttpServer(tmp_path, users={"git": "other"}) as server:
        tool = Tool(cluster.kubeconfig, server.url(), tmp_path, {"KUBE2GIT_GIT_PASSWORD": "t0ken"})
        plans = {"a": only(namespace, "daily at 02:00")}
        with Serving(tool, schedules=plans, run_at_start=False) as daemon:
            assert not daemon.is_ready()
            daemon.wait(lambda: "not answered yet" not in daemon.get("/readyz")[1], "The probe")
            status, said = daemon.get("/readyz")
            assert status == 503
            assert "credentials" in said
            assert "t0ken" not in said
            server.users["git"] = "t0ken"
            daemon.wait(daemon.is_ready, "Readiness")
            assert daemon.runs() == []


def test_restore_only_exports_nothing_while_the_history_is_replayed(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    put_map(cluster, namespace, "web", level="info")
    tool.export("-n", namespace, "--kind", "cm", "--cluster-scoped", "no")
    before = tool.commits()
    with Serving(tool, schedules={"a": only(namespace)}, restore_only=True) as daemon:
        cluster.kubectl("-n", namespace, "delete", "configmap", "web")
        daemon.configure(schedules={"a": only(namespace), "b": only(namespace, snapshots=True)})
        daemon.wait(lambda: daemon.said("is in force"), "The new configuration")
        tool.run("replay", "HEAD", "configmap/web", "-n", namespace, "--yes")
        assert "info" in cluster.kubectl("-n", namespace, "get", "cm", "web", "-o", "yaml")
        assert daemon.is_ready()
        assert daemon.runs() == []
        assert tool.commits() == before
        daemon.configure(restore_only=False, schedules={"a": only(namespace), "c": only(namespace)})
        runs = daemon.wait_for_runs(2, "success")
        assert {run["schedule"] for run in runs} == {"a", "c"}


def test_a_git_server_that_is_away_and_credentials_that_are_rotated(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    remote = create_remote(tmp_path)
    password = tmp_path / "password"
    password.write_text("old")
    with GitHttpServer(tmp_path, users={"git": "old"}) as server:
        settings = {
            "KUBE2GIT_REPO": server.url(),
            "KUBE2GIT_GIT_PASSWORD_FILE": str(password),
        }
        tool = Tool(cluster.kubeconfig, server.url(), tmp_path, settings)
        put_map(cluster, namespace, "web", turn="1")
        plans = {"a": only(namespace, "every 2s")}
        with Serving(tool, schedules=plans, lease_namespace=namespace) as daemon:
            daemon.wait_for_runs(1, "success")
            daemon.wait(daemon.is_ready, "Readiness")

            server.users["git"] = "new"
            put_map(cluster, namespace, "web", turn="2")
            daemon.wait_for_runs(1, "push_failed")
            daemon.wait(lambda: not daemon.is_ready(), "The end of readiness")
            assert daemon.metric("push_lag_commits") == 1
            password.write_text("new")
            daemon.wait(daemon.is_ready, "Readiness with the new password")
            assert daemon.metric("push_lag_commits") == 0

            server.misbehaviour.redirects_to = "http://127.0.0.1:9"
            put_map(cluster, namespace, "web", turn="3")
            before = len(daemon.runs())
            daemon.wait(lambda: not daemon.is_ready(), "The end of readiness")
            daemon.wait_for_runs(before + 2)
            daemon.wait(lambda: daemon.metric("push_lag_commits") == 1, "The metric")
            server.misbehaviour.redirects_to = ""
            daemon.wait(daemon.is_ready, "Readiness with the server back")
            assert daemon.metric("push_lag_commits") == 0
            assert daemon.stop() == 0
        assert "new" not in [line["message"] for line in daemon.lines()]
        file = f"main:namespaces/{namespace}/ConfigMap/web.yaml"
        assert "turn: '3'" in run_git("-C", str(remote), "show", file)
        told = json.loads(cluster.kubectl("get", "events", "-n", "default", "-o", "json"))["items"]
        reasons = [
            event["reason"]
            for event in sorted(told, key=lambda event: event["metadata"]["creationTimestamp"])
            if event["involvedObject"]["name"] == namespace
        ]
        # Changes only, however often the runs failed in between.
        assert sorted(reasons) == ["ExportFailed"] * 2 + ["ExportRecovered"] * 2


def test_an_api_server_that_is_restarted(control_plane: StartControlPlane, tmp_path: Path) -> None:
    plane = control_plane(controllers=False)
    tool = make_tool(plane.kubeconfig, tmp_path)
    put_map(plane, "default", "web", turn="1")
    plans = {"a": only("default", "every 2s")}
    leased: dict[str, Any] = {
        "lease_name": "kube2git",
        "lease_namespace": "default",
        "lease_seconds": 3,
    }
    with Serving(tool, schedules=plans, **leased) as daemon:
        daemon.wait_for_runs(1, "success")
        daemon.wait(daemon.is_ready, "Readiness")
        plane.kill("kube-apiserver")
        daemon.wait(lambda: not daemon.is_ready(), "The end of readiness")
        daemon.wait(lambda: daemon.metric("leader") == 0, "The end of leading")
        daemon.wait(lambda: daemon.said("The Lease cannot be claimed: "), "The reason")
        assert daemon.get("/healthz")[0] == 200
        before = daemon.metric("last_success_timestamp_seconds", schedule="a") or 0.0
        plane.restart("kube-apiserver")
        put_map(plane, "default", "web", turn="2")
        file = "namespaces/default/ConfigMap/web.yaml"
        daemon.wait(lambda: "turn: '2'" in tool.files()[file], "The change")
        daemon.wait(daemon.is_ready, "Readiness")
        daemon.wait(lambda: daemon.metric("leader"), "Leading again")
        assert (daemon.metric("last_success_timestamp_seconds", schedule="a") or 0.0) > before
    plane.stop()


LEASE = 6
"""Seconds: enough for renewals on a machine that hangs for a moment now and then."""


def test_two_replicas_of_which_one_works(
    cluster: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    remote = create_remote(tmp_path)
    put_map(cluster, namespace, "web", turn="0")
    daemons = []
    with GitHttpServer(tmp_path) as server:
        for name in "ab":
            # A clone of its own, as a replica in another Pod has.
            cache = str(tmp_path / f"clone-{name}")
            environ = {"KUBE2GIT_REPO": server.url(), "KUBE2GIT_GIT_CACHE": cache}
            tool = Tool(cluster.kubeconfig, server.url(), tmp_path, environ)
            leased: dict[str, Any] = {
                "lease_name": "k",
                "lease_namespace": namespace,
                "lease_seconds": LEASE,
            }
            plans = {"a": only(namespace, "every 1s")}
            daemons.append(Serving(tool, name, schedules=plans, **leased))
        with daemons[0] as first, daemons[1] as second:
            first.wait(lambda: first.metric("leader") or second.metric("leader"), "A leader")
            leader, other = (first, second) if first.metric("leader") else (second, first)
            assert not leader.said("nothing keeps a second daemon")
            leader.wait_for_runs(2)
            assert other.runs() == []
            other.wait(other.is_ready, "Readiness of the one that stands by")
            assert other.metric("leader") == 0

            leader.kill()
            gone = time.monotonic()
            other.wait(lambda: other.metric("leader"), "The takeover")
            # The Lease's time, and what the next claim takes on a machine that is busy.
            assert time.monotonic() - gone < LEASE + 30
            put_map(cluster, namespace, "web", turn="1")
            file = f"main:namespaces/{namespace}/ConfigMap/web.yaml"
            other.wait(lambda: "1" in run_git("-C", str(remote), "show", file), "The change")

            leader.start()
            leader.wait(lambda: leader.is_ready() and leader.metric("leader") == 0, "Standing by")
            assert leader.runs() == []
            assert other.stop() == 0
            leader.wait(lambda: leader.metric("leader"), "The handover")
            assert leader.stop() == 0
    run_git("-C", str(remote), "fsck", "--strict")


def test_a_run_that_outlives_its_lease_writes_nothing(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    put_map(cluster, namespace, "web", turn="0")
    leased: dict[str, Any] = {"lease_name": "k", "lease_namespace": namespace, "lease_seconds": 4}
    connection = connect(ConnectionSettings(kubeconfig=str(cluster.kubeconfig)))
    other = KubeLease(connection, namespace, "k", "other", seconds=120)
    with Serving(tool, schedules={"a": only(namespace)}, **leased) as daemon:
        run = run_of(daemon)
        # As when the machine hangs: neither can know that time goes by.
        os.kill(run, signal.SIGSTOP)
        daemon.signal(signal.SIGSTOP)
        until(other.claim, "The takeover")
        os.kill(run, signal.SIGCONT)
        until(lambda: state(run) == "Z", "The end of the run")
        assert tool.commits() == []
        daemon.signal(signal.SIGCONT)
        daemon.wait(lambda: daemon.metric("leader") == 0, "The end of leading")
        daemon.wait_for_runs(1)
        other.release()
        daemon.wait_for_runs(1, "success")
        assert len(tool.commits()) == 1


def state(pid: int) -> str:
    """Return the letter of a process' state; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def until(claim: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not claim():
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the runs of a daemon."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def run_of(daemon: Serving) -> int:
    """Wait for a run that the daemon knows of: it waits for one that it is just starting."""
    pid = daemon.process.pid
    found: list[int] = daemon.wait(
        lambda: daemon.metric("run_in_progress") and children_of(pid), "The run"
    )
    (run,) = found
    return run


def test_a_daemon_that_is_asked_to_stop_lets_its_run_end(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    put_map(cluster, namespace, "web", turn="0")
    with Serving(tool, schedules={"a": only(namespace)}, stop_timeout=60) as daemon:
        daemon.wait(lambda: daemon.metric("run_in_progress"), "The run")
        assert daemon.stop() == 0
        (run,) = daemon.runs()
        assert run["result"] == "success"
        assert run["commit"] == tool.commits()[0]


def test_a_second_signal_leaves_at_once_and_the_run_rolls_back(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    put_map(cluster, namespace, "web", turn="0")
    with Serving(tool, schedules={"a": only(namespace)}) as daemon:
        run = run_of(daemon)
        # A run that cannot end: the daemon would wait.
        os.kill(run, signal.SIGSTOP)
        daemon.signal(signal.SIGTERM)
        daemon.wait(lambda: daemon.said("asked to stop"), "The stop")
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(60) == 143
        os.kill(run, signal.SIGCONT)
        until(lambda: not state(run), "The end of the run")
        assert tool.commits() == []
        tool.export("-n", namespace)


def test_a_run_that_hangs_is_stopped(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    put_map(cluster, namespace, "web", turn="0")
    with Serving(tool, schedules={"a": only(namespace)}, run_timeout=3) as daemon:
        run = run_of(daemon)
        os.kill(run, signal.SIGSTOP)
        daemon.wait_for_runs(1, "timeout")
        daemon.configure(run_timeout=120)
        # What failed is tried again soon, although it is planned for a time years ahead.
        daemon.wait_for_runs(1, "success")


def test_a_full_disk_is_survived(cluster: ControlPlane, namespace: str, tool: Tool) -> None:
    put_map(cluster, namespace, "web", turn="0")
    plans = {"a": only(namespace, "every 1s")}
    daemon = Serving(tool, schedules=plans)

    noise = random.Random(7).randbytes(400_000).hex()
    put_map(cluster, namespace, "large", noise=noise)
    full = (400_000, resource.RLIM_INFINITY)
    daemon.start(before=functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, full))
    try:
        daemon.wait_for_runs(1, "failed")
        daemon.wait(lambda: not daemon.is_ready(), "The end of readiness")
        assert (daemon.metric("runs_total", schedule="a", result="failed") or 0) >= 1
        assert daemon.metric("last_success_timestamp_seconds", schedule="a") is None
        assert daemon.get("/healthz")[0] == 200
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)
        daemon.wait_for_runs(1, "success")
        daemon.wait(daemon.is_ready, "Readiness")
        assert daemon.metric("last_success_timestamp_seconds", schedule="a")
    finally:
        daemon.kill()
    assert f"namespaces/{namespace}/ConfigMap/large.yaml" in tool.paths()
    tool.git("fsck", "--strict")


LEAPING = Path(__file__).parents[1] / "leapingclock"
DAY = 86_400


def test_a_clock_that_leaps_ahead_and_back(
    cluster: ControlPlane, namespace: str, tool: Tool
) -> None:
    """What was missed is made up for once; after a leap back the new clock's times count."""
    file = tool.home / "leap"

    def leap(days: float) -> float:
        """Set the clock wrong by so many days; return what it shows now."""
        new = tool.home / "new-leap"
        new.write_text(str(days * DAY))
        new.replace(file)
        return time.time() + days * DAY

    def figure(name: str) -> float:
        return daemon.metric(f"{name}_timestamp_seconds", schedule="a") or 0.0

    leap(0)
    path = os.pathsep.join(filter(None, (str(LEAPING), os.environ.get("PYTHONPATH"))))
    tool.environ.update(PYTHONPATH=path, LEAP_FILE=str(file))
    put_map(cluster, namespace, "web", turn="1")
    plans = {"a": only(namespace, "every 1d")}
    with Serving(tool, is_afresh=True, schedules=plans) as daemon:
        daemon.wait_for_runs(1, "success")
        daemon.wait(daemon.is_ready, "Readiness")
        put_map(cluster, namespace, "web", turn="2")
        now = leap(2)
        daemon.wait_for_runs(2, "success")
        daemon.wait(daemon.is_ready, "Readiness after the leap ahead")
        assert figure("last_success") >= now
        assert now < figure("next_run") <= now + DAY + 600
        now = leap(-30)
        daemon.wait(lambda: figure("next_run") <= now + DAY + 600, "The times of the new clock")
        assert daemon.is_ready()
        put_map(cluster, namespace, "web", turn="3")
        now = leap(-29)
        daemon.wait(lambda: now <= figure("last_success") < now + DAY, "The run after it")
        daemon.wait(daemon.is_ready, "Readiness after the leap back")
        assert "turn: '3'" in tool.files()[f"namespaces/{namespace}/ConfigMap/web.yaml"]


KILLS = 50
SIDE_BY_SIDE = 2


class Victim:
    """A daemon that is killed, with a repository and a namespace of its own."""

    def __init__(self, cluster: ControlPlane, home: Path) -> None:
        self._cluster = cluster
        self._namespace = cluster.create_namespace()
        self.tool = make_tool(cluster.kubeconfig, home)
        self._daemon = Serving(self.tool, schedules={"a": only(self._namespace, "every 1s")})
        self._written = -1
        self.broken_off = 0
        """Runs that were going on when their daemon was killed."""

    def write(self) -> None:
        """Change one of five maps."""
        turn = self._written + 1
        put_map(self._cluster, self._namespace, f"map-{turn % 5}", turn=str(turn))
        self._written = turn

    def die(self, times: int, chance: random.Random) -> None:
        """Kill the daemon: alone, or with its run, as when the container dies.

        While it starts, reads, commits or rests.
        """
        daemon = self._daemon
        with daemon:
            [whole] = daemon.wait_for_runs(1, "success")
        try:
            for _ in range(times):
                daemon.start()
                until(lambda: children_of(daemon.process.pid) or daemon.runs(), "A run")
                time.sleep(chance.uniform(0, 1.2 * whole["seconds"]))
                runs = children_of(daemon.process.pid)
                self.broken_off += len(runs)
                daemon.kill()
                if chance.random() < 0.5:
                    for run in runs:
                        kill_group(run)
                self.tool.git("fsck", "--strict")
        finally:
            daemon.kill()

    def check(self) -> None:
        """Find the last changes committed by one more run, and the history in order."""
        until(lambda: not processes_with(self.tool), "The end of the last run")
        with self._daemon as daemon:
            # No lock that a dead run has left stands in its way.
            assert daemon.wait_for_runs(1)[0]["result"] == "success"
            assert daemon.stop() == 0
        until(lambda: not processes_with(self.tool), "The end of its processes")
        self.tool.git("fsck", "--strict")
        files = self.tool.files()
        for turn in range(self._written - 4, self._written + 1):
            name = f"namespaces/{self._namespace}/ConfigMap/map-{turn % 5}.yaml"
            assert f"turn: '{turn}'" in files[name]
        assert len(self.tool.commits()) > 2
        # No run has written over what a later one had seen.
        assert all(found == sorted(found) for found in turns_in_history(self.tool).values())


@pytest.mark.timeout(1800)  # one death takes a second, and several where the machine is shared
def test_killed_50_times_at_random_moments_under_load(
    cluster: ControlPlane, tmp_path: Path
) -> None:
    """No change is lost and the repository stays valid, however often the daemon dies."""
    victims = [Victim(cluster, tmp_path / f"victim-{number}") for number in range(SIDE_BY_SIDE)]
    is_over = threading.Event()

    def load() -> None:
        while not is_over.wait(0.2):
            for victim in victims:
                victim.write()

    writer = threading.Thread(target=load)
    writer.start()
    try:
        with ThreadPoolExecutor() as side_by_side:
            deaths = [
                side_by_side.submit(victim.die, KILLS // SIDE_BY_SIDE, random.Random(seed))
                for seed, victim in enumerate(victims, 11)
            ]
        for death in deaths:
            death.result()
    finally:
        is_over.set()
        writer.join()
    for victim in victims:
        assert victim.broken_off
        victim.check()


def kill_group(run: int) -> None:
    """End a run and its children like `kill -9`; it may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run, signal.SIGKILL)


def processes_with(tool: Tool) -> list[str]:
    """Return the command lines of all processes that work with the tool's repository."""
    mark = f"KUBE2GIT_REPO={tool.repo}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # It may end, or not be ours.
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def turns_in_history(tool: Tool) -> dict[str, list[int]]:
    """Return what each map held in each commit that changed it, oldest first."""
    text = tool.git("log", "--reverse", "--format=", "-p", "--", "namespaces")
    turns: dict[str, list[int]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("+++ "):
            name = line
        elif match := re.fullmatch(r"\+\s+turn: '(\d+)'", line):
            turns.setdefault(name, []).append(int(match[1]))
    return turns
