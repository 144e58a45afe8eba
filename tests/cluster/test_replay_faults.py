"""Replays that are killed, interrupted or served badly: the same command ends in one state."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
import yaml

from kube2git import config, wiring
from kube2git.adapters.kube.applying import KubeTarget
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.core import layout
from kube2git.core.cleaning import RuleSet
from kube2git.core.objects import ref_of
from kube2git.core.ports import Repo
from kube2git.core.selection import Patterns, Selection
from kube2git.flows import replaying
from kube2git.flows.replaying import ReplayRequest
from kube2git.flows.replaying.inventory import Entry, Inventory
from kube2git.flows.replaying.survey import REPLAY_LABEL
from tests import faults, program
from tests.cluster.test_replay import (
    Json,
    Replayer,
    actions,
    config_map,
    deployment,
    named_namespace,
    node_port_service,
    verdicts,
)
from tests.controlplane import ControlPlane
from tests.faults import FaultProxy, Killer
from tests.handmade import commit_files
from tests.tool import Tool


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def filled(replayer: Replayer, namespace: str) -> str:
    """Give an exported namespace with two objects."""
    replayer.put(replayer.source, *(config_map(namespace, name, k="1") for name in ("a", "b")))
    replayer.tool.export("-n", namespace)
    return namespace


class Run(program.Running):
    """A run that goes on meanwhile, and that a test interrupts or kills."""

    def __init__(self, tool: Tool, *args: str) -> None:
        number = len(list(tool.home.glob("stdout-*")))
        self.stdout, self.stderr = (tool.home / f"{name}-{number}" for name in ("stdout", "stderr"))
        super().__init__(args, tool.environ, tool.home, stdout=self.stdout, stderr=self.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.wait()

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        os.kill(self.pid, signal.SIGINT)

    def has_seen_it(self) -> bool:
        """Tell whether it says that it has been interrupted."""
        return "Finishing the requests in flight" in self.stderr.read_text()


@dataclass
class KilledReplay:
    """A replay that makes a namespace, recreates, and prunes; each copy has a set of its own."""

    replayer: Replayer
    home: str
    """Namespace that the target has already."""
    copy: str
    """Begins the names of the target's namespaces."""

    FLAGS = ("--recreate", "--prune=owned", "--allow-prune=many", "--timeout", "60s", "--yes")

    @property
    def maps(self) -> tuple[str, ...]:
        return f"{self.home}={self.copy}", f"{self.home}-new={self.copy}-new"

    def command(self, kubeconfig: Path) -> list[str]:
        maps = [word for rule in self.maps for word in ("--map", rule)]
        names = ["-n", self.home, "-n", f"{self.home}-new"]
        return ["replay", "main", *names, *maps, *self.FLAGS, "--kubeconfig", str(kubeconfig)]

    def prepare(self, target: KubeTarget, repo: Repo, revision: str) -> str:
        """Bring the target to a commit, add an object by hand, and return the set's name."""
        selection = Selection(Patterns((self.home,)))
        request = ReplayRequest(revision, selection=selection, maps=self.maps, timeout=60)
        rules = RuleSet.default()
        *_, draft = replaying.make_plan(target, repo, request, rules=rules, clock=wiring.now)
        assert isinstance(draft, replaying.Draft)
        *_, report = replaying.carry_out(target, draft)
        assert isinstance(report, replaying.ReplayReport)
        assert report.is_complete
        path = f"/api/v1/namespaces/{self.copy}/configmaps"
        self.replayer.target.create(path, config_map(self.copy, "mine", k="1"))
        return draft.inventory.name

    def found(self) -> dict[str, Json]:
        """Return what the target holds of it: namespace, or name of a ConfigMap -> object."""
        found: dict[str, Json] = {}
        for name in (self.copy, f"{self.copy}-new"):
            path = f"/api/v1/namespaces/{name}"
            found[name] = self.replayer.target.get(path).json()
            listed: Json = self.replayer.target.get(f"{path}/configmaps").json()
            found |= {one["metadata"]["name"]: one for one in listed["items"]}
        del found["kube-root-ca.crt"]
        return found

    def remove(self) -> None:
        for name in (self.copy, f"{self.copy}-new"):
            self.replayer.target.request("DELETE", f"/api/v1/namespaces/{name}")


def test_killed_after_any_write_the_same_command_goes_on(
    replayer: Replayer, namespace: str, tmp_path: Path
) -> None:
    """Creating, recreating and pruning: kill -9 after each write in turn, and once after none."""
    replayer.tool.export("-n", namespace)

    def commit(frozen: str, *, has_old: bool) -> str:
        new = f"{namespace}-new"
        bodies = [
            named_namespace(new),
            {**config_map(namespace, "frozen", k=frozen), "immutable": True},
            config_map(new, "made", k="1"),
        ]
        old = config_map(namespace, "old", k="1")
        files = {layout.path_of(ref_of(body)): yaml.safe_dump(body) for body in bodies}
        gone = {layout.path_of(ref_of(old)): yaml.safe_dump(old) if has_old else None}
        commit_files(replayer.tool, {**files, **gone})
        return replayer.tool.commits()[0]

    before = commit("1", has_old=True)
    commit("2", has_old=False)
    settings = config.load(flags={"repo": str(replayer.tool.repo)})
    target = KubeTarget(connect(ConnectionSettings(str(replayer.target.kubeconfig))))
    kinds = target.discover()
    with contextlib.closing(wiring.repository(settings)) as repo:
        number, was_killed = 0, True
        while was_killed:
            number += 1
            replay = KilledReplay(replayer, namespace, f"{namespace}-{number}")
            name = replay.prepare(target, repo, before)
            with FaultProxy.before(replayer.target) as proxy:
                killer = Killer(number)
                proxy.on_writes(killer)
                kubeconfig = proxy.kubeconfig(tmp_path)
                with Run(replayer.tool, *replay.command(kubeconfig)) as run:
                    killer.process = run
                    code = run.wait(120)
                was_killed = code == -signal.SIGKILL
                assert was_killed or code == 0, run.stderr.read_text()
                written = [one.method for one in proxy.requests if "dryRun" not in one.target]
            replayer.tool.run(*replay.command(replayer.target.kubeconfig))

            found = replay.found()
            namespaces = {replay.copy, f"{replay.copy}-new"}
            assert found.keys() == {*namespaces, "frozen", "made", "mine"}
            assert (found["frozen"]["data"], found["frozen"]["immutable"]) == ({"k": "2"}, True)
            # The inventory knows all that was made: by its uid, or until then by its label.
            del found["mine"]
            inventory = Inventory.load(target, kinds, "kube-system", name)
            known = {ref.name: entry for ref, entry in inventory.entries.items()}
            assert found.keys() <= known.keys() <= found.keys() | {"old"}
            for name, one in found.items():
                metadata = one["metadata"]
                run = metadata["labels"][REPLAY_LABEL]
                assert known[name] in (Entry(metadata["uid"], run), Entry("", run))
            replay.remove()
    # The inventory, the namespace and its object, the old out and the new in, what is pruned.
    assert written.count("DELETE") == 2
    assert number > 6


def test_killed_while_services_swap_their_node_ports_the_same_command_ends_it(
    replayer: Replayer, namespace: str, tmp_path: Path
) -> None:
    """Killed with one Service moved away, with both, and with the first on its new port."""
    replayer.tool.export("-n", namespace)
    revisions = []
    for ports in ((30031, 30032), (30032, 30031)):
        bodies = [*map(node_port_service, [namespace] * 2, ports, ("a", "b"))]
        files = {layout.path_of(ref_of(body)): yaml.safe_dump(body) for body in bodies}
        commit_files(replayer.tool, dict(files))
        revisions.append(replayer.tool.commits()[0])

    def found() -> list[int]:
        path = f"/api/v1/namespaces/{namespace}/services"
        items: list[Json] = replayer.target.get(path).json()["items"]
        return [item["spec"]["ports"][0]["nodePort"] for item in items]

    replayer.replay("-n", namespace, revision=revisions[0])
    for number in (1, 2, 3):
        revision, wanted = revisions[number % 2], [(30031, 30032), (30032, 30031)][number % 2]
        command = ["replay", revision, "-n", namespace, "--yes"]
        with FaultProxy.before(replayer.target) as proxy:
            killer = Killer(number)
            proxy.on("/services/", killer, method="PATCH")
            faulty = ["--kubeconfig", str(proxy.kubeconfig(tmp_path))]
            with Run(replayer.tool, *command, *faulty) as run:
                killer.process = run
                assert run.wait(120) == -signal.SIGKILL
        assert set(found()) - {30031, 30032}
        replayer.replay("-n", namespace, revision=revision)
        assert found() == list(wanted)
    replayer.target.request("DELETE", f"/api/v1/namespaces/{namespace}")


def test_interrupted_it_finishes_what_it_sent_and_the_same_command_goes_on(
    replayer: Replayer, namespace: str, tmp_path: Path
) -> None:
    made = [config_map(namespace, f"map-{number}", k="1") for number in range(40)]
    replayer.put(replayer.source, *made)
    replayer.tool.export("-n", namespace)
    command = ["replay", "main", "-n", namespace, "--yes", "-o", "json"]
    with FaultProxy.before(replayer.target) as proxy:
        is_first, is_told = threading.Event(), threading.Event()
        proxy.on("/map-", faults.after(lambda: is_told.wait(60)), method="PATCH", nth=range(2, 99))
        proxy.on("/map-", faults.after(is_first.set), method="PATCH")
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        with Run(replayer.tool, *command, "--kubeconfig", kubeconfig) as run:
            assert is_first.wait(60)
            run.interrupt()
            replayer.target.wait(run.has_seen_it, "the interruption")
            is_told.set()
            assert run.wait(60) == 130, run.stderr.read_text()
    found = verdicts(json.loads(run.stdout.read_text()))
    done = {name for name, verdict in found.items() if verdict == "created"}
    assert len(found) == 41
    assert 1 < len(done) < 41
    listed = replayer.get("cm", namespace)["items"]
    there = {f"ConfigMap/{item['metadata']['name']}" for item in listed}
    assert there - {"ConfigMap/kube-root-ca.crt"} == done - {f"Namespace/{namespace}"}
    again = replayer.report("-n", namespace)
    assert again["report"]["complete"]
    assert len(verdicts(again)) == 41 - len(done)
    assert actions(replayer.report("-n", namespace)) == {}


@pytest.mark.parametrize("rehearses", [False, True], ids=["replay", "rehearsal"])
def test_two_interruptions_end_a_run_that_is_not_answered(
    replayer: Replayer, filled: str, tmp_path: Path, rehearses: bool
) -> None:
    web = deployment(filled, "web")
    (container,) = web["spec"]["template"]["spec"]["containers"]
    container["envFrom"] = [{"configMapRef": {"name": name}} for name in ("a", "b")]
    commit_files(replayer.tool, {layout.path_of(ref_of(web)): yaml.safe_dump(web)})
    command = ["replay", "main", "-n", filled, "--yes", "-o", "json"]
    with FaultProxy.before(replayer.target) as proxy, contextlib.ExitStack() as ends:
        is_over = threading.Event()
        ends.callback(is_over.set)
        never = faults.after(lambda: is_over.wait(300))
        proxy.on("/deployments/web", never, method="PATCH")
        proxy.on("", never, method="DELETE")
        command += ["--kubeconfig", str(proxy.kubeconfig(tmp_path))]
        command += ["--into-scratch"] if rehearses else []
        run = ends.enter_context(Run(replayer.tool, *command))
        replayer.target.wait(lambda: bool(proxy.asked("/deployments/web")), "the last request")
        run.interrupt()
        replayer.target.wait(run.has_seen_it, "the interruption")
        run.interrupt()
        # Long before the program itself would give the request up.
        code = run.wait(50)
    stderr = run.stderr.read_text()
    assert code == 130, stderr
    if rehearses:
        assert re.search(rf"it leaves {filled}-drill-\d+ behind", stderr)
        (selector,) = re.findall(r"kubectl delete namespace (-l \S+)", stderr)
        replayer.target.kubectl("delete", "namespace", *selector.split(), "--wait=false")
    else:
        report = json.loads(run.stdout.read_text())
        made = dict.fromkeys((f"Namespace/{filled}", "ConfigMap/a", "ConfigMap/b"), "created")
        assert verdicts(report) == {**made, "Deployment/web": "failed"}
        (failed,) = [one for one in report["report"]["outcomes"] if one["verdict"] == "failed"]
        assert "it may be done or not" in failed["message"]


def test_an_interrupted_rehearsal_finishes_what_it_sent_and_removes_what_it_made(
    replayer: Replayer, filled: str, tmp_path: Path
) -> None:
    command = ["replay", "main", "-n", filled, "--into-scratch", "--yes", "-o", "json"]
    with FaultProxy.before(replayer.target) as proxy:
        # Both are in flight by then, and are answered when the run has seen the signal.
        both, is_told = threading.Barrier(3), threading.Event()
        held = faults.after(lambda: (both.wait(60), is_told.wait(60)))
        proxy.on("/configmaps/", held, method="PATCH")
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        with Run(replayer.tool, *command, "--kubeconfig", kubeconfig) as run:
            both.wait(60)
            run.interrupt()
            replayer.target.wait(run.has_seen_it, "the interruption")
            is_told.set()
            assert run.wait(120) == 130, run.stderr.read_text()
    answer = json.loads(run.stdout.read_text())
    found = verdicts(answer)
    assert (found["ConfigMap/a"], found["ConfigMap/b"]) == ("created", "created")
    assert answer["rehearsal"]["complete"] is False
    (scratch,) = answer["rehearsal"]["namespaces"]
    assert scratch["removed"] is True
    assert replayer.target.get(f"/api/v1/namespaces/{scratch['name']}").status == 404


def test_a_second_interruption_of_a_rehearsal_names_what_it_leaves(
    replayer: Replayer, filled: str
) -> None:
    held = config_map(filled, "held", k="1")
    held["metadata"]["finalizers"] = ["example.com/never"]
    path = f"namespaces/{filled}/ConfigMap/held.yaml"
    commit_files(replayer.tool, {path: yaml.safe_dump(held)})
    target = replayer.target
    command = ["replay", "main", "-n", filled, "--into-scratch", "--yes"]

    def names(*selector: str) -> list[str]:
        listed = target.kubectl("get", "namespaces", "-o", "json", *selector)
        items: list[Json] = json.loads(listed)["items"]
        leaving = [one["metadata"] for one in items if "deletionTimestamp" in one["metadata"]]
        return [one["name"] for one in leaving if one["name"].startswith(f"{filled}-drill-")]

    with Run(replayer.tool, *command, "--kubeconfig", str(target.kubeconfig)) as run:
        target.wait(lambda: bool(names()), "the removal of the rehearsal's namespace")
        (scratch,) = names()
        run.interrupt()
        target.wait(run.has_seen_it, "the interruption")
        run.interrupt()
        code = run.wait(60)
    stderr = run.stderr.read_text()
    assert code == 130, stderr
    assert f"the deletion of {scratch} was not waited for" in stderr
    (selector,) = re.findall(r"kubectl delete namespace (-l \S+)", stderr)
    assert names(*selector.split()) == [scratch]
    free = '{"metadata":{"finalizers":null}}'
    target.kubectl("patch", "cm/held", "-n", scratch, "--type=merge", "-p", free)


def test_a_busy_server_and_broken_connections_are_outlasted(
    replayer: Replayer, filled: str, tmp_path: Path
) -> None:
    with FaultProxy.before(replayer.target) as proxy:
        proxy.on("/configmaps/", faults.status(429, retry_after="1"), method="PATCH", nth={1, 2})
        proxy.on("/configmaps/", faults.drop, method="PATCH", nth={1, 2})
        proxy.on("/configmaps/", faults.status(503), method="PATCH", nth={1, 2})
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        command = ["replay", "main", "-n", filled, "--yes", "-o", "json"]
        report: Json = replayer.tool.run(*command, "--kubeconfig", kubeconfig).json
    assert report["report"]["complete"], report["report"]
    assert replayer.get("cm/a", filled)["data"] == {"k": "1"}


def test_one_object_that_always_fails_does_not_hold_up_the_others(
    replayer: Replayer, filled: str, tmp_path: Path
) -> None:
    with FaultProxy.before(replayer.target) as proxy:
        message = 'failed calling webhook "w.example.com": connection refused'
        proxy.on("/configmaps/a", faults.status(500, "InternalError", message), method="PATCH")
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        command = ["replay", "main", "-n", filled, "--yes", "-o", "json", "--timeout", "3s"]
        report: Json = replayer.tool.run(*command, "--kubeconfig", kubeconfig, codes=(3,)).json
    found = verdicts(report)
    assert (found["ConfigMap/a"], found["ConfigMap/b"]) == ("failed", "created")
