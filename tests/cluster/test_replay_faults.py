"""Replays that are killed, interrupted or served badly: the same command ends in one state."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from kube2git import config, wiring
from kube2git.adapters.kube.applying import KubeTarget
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.core.cleaning import RuleSet
from kube2git.core.planning.policy import Allowance, Policy, Prune
from kube2git.core.ports import WriteAnswer, WriteRequest
from kube2git.core.selection import Patterns, Selection
from kube2git.flows import replaying
from kube2git.flows.replaying import ReplayRequest
from tests import faults
from tests.cluster.test_replay import Json, Replayer, actions, config_map, verdicts
from tests.controlplane import ControlPlane
from tests.faults import FaultProxy, Killer
from tests.handmade import commit_files


@pytest.fixture
def replayer(cluster: ControlPlane, target: ControlPlane, tmp_path: Path) -> Replayer:
    return Replayer(cluster, target, tmp_path)


@pytest.fixture
def filled(replayer: Replayer, namespace: str) -> str:
    """Give an exported namespace with two objects."""
    for name in ("a", "b"):
        replayer.put(replayer.source, config_map(namespace, name, k="1"))
    replayer.tool.export("-n", namespace)
    return namespace


def test_killed_after_any_write_the_same_command_goes_on(
    replayer: Replayer, filled: str, tmp_path: Path
) -> None:
    number, was_killed = 0, True
    while was_killed:
        number += 1
        copy = f"{filled}-{number}"
        command = ["replay", "main", "-n", filled, "--map", f"{filled}={copy}", "--yes"]
        with FaultProxy.before(replayer.target) as proxy:
            killer = Killer(number)
            proxy.on_writes(killer)
            faulty = ["--kubeconfig", str(proxy.kubeconfig(tmp_path))]
            killer.process = process = replayer.tool.start(*command, *faulty)
            process.communicate(timeout=60)
            was_killed = process.returncode == -signal.SIGKILL
        proper = ["--kubeconfig", str(replayer.target.kubeconfig)]
        replayer.tool.run(*command, *proper)
        for name in ("a", "b"):
            assert replayer.get(f"cm/{name}", copy)["data"] == {"k": "1"}
        # The inventory knows everything that was made, and nothing else is pruned.
        replayer.put(replayer.target, config_map(copy, "mine", k="1"))
        before = replayer.tool.commits()[0]
        gone = {f"namespaces/{filled}/ConfigMap/{name}.yaml": None for name in ("a", "b")}
        commit_files(replayer.tool, dict(gone))
        prune = ["--prune=owned", "--allow-prune=many", "-o", "json"]
        pruned: Json = replayer.tool.run(*command, *proper, *prune).json
        assert verdicts(pruned) == {"ConfigMap/a": "deleted", "ConfigMap/b": "deleted"}
        assert replayer.get("cm/mine", copy)
        replayer.tool.git("update-ref", "refs/heads/main", before)
        replayer.target.run_kubectl("delete", "namespace", copy, "--wait=false")
    # The inventory, the namespace, two objects, the inventory again.
    assert number == 6


class KilledError(BaseException):
    """Takes with it what the run knew."""


class Dying(KubeTarget):
    """Ends the run at its nth write, after the server has carried that write out; 0: never."""

    left = 0

    def send(self, request: WriteRequest) -> WriteAnswer:
        answer = super().send(request)
        if not request.is_dry_run:
            self.left -= 1
            if self.left == 0:
                raise KilledError
        return answer


def test_killed_while_it_recreates_and_prunes_the_same_command_goes_on(
    replayer: Replayer, filled: str
) -> None:
    """The flow itself, which is killed five times where the program would take half a minute."""
    flags = {"repo": str(replayer.tool.repo), "cluster.kubeconfig": str(replayer.target.kubeconfig)}
    settings = config.load(flags=flags)
    repo, connection = (
        wiring.repository(settings),
        connect(ConnectionSettings(flags["cluster.kubeconfig"])),
    )
    target = Dying(connection)
    path = f"namespaces/{filled}/ConfigMap"

    def commit(frozen: str, *, has_old: bool) -> str:
        body = {**config_map(filled, "frozen", k=frozen), "immutable": True}
        old = yaml.safe_dump(config_map(filled, "old", k="1")) if has_old else None
        files = {f"{path}/frozen.yaml": yaml.safe_dump(body), f"{path}/old.yaml": old}
        commit_files(replayer.tool, files)
        return replayer.tool.commits()[0]

    def replay(revision: str, dies_at: int = 0) -> None:
        target.left = dies_at
        request = ReplayRequest(
            revision,
            selection=Selection(Patterns((filled,))),
            policy=Policy(prune=Prune.OWNED, allowed=frozenset({Allowance.MANY}), recreate=True),
            timeout=60,
        )
        *_, draft = replaying.make_plan(
            target, repo, request, rules=RuleSet.default(), clock=wiring.now
        )
        assert isinstance(draft, replaying.Draft)
        *_, report = replaying.carry_out(target, draft)
        assert isinstance(report, replaying.ReplayReport)
        assert report.is_complete

    before, after = commit("1", has_old=True), commit("2", has_old=False)
    replay(before)
    replayer.put(replayer.target, config_map(filled, "mine", k="1"))
    number, was_killed = 0, True
    while was_killed:
        number += 1
        was_killed = False
        try:
            replay(after, number)
        except KilledError:
            was_killed = True
        replay(after)
        found = {
            one["metadata"]["name"]: one.get("data") for one in replayer.get("cm", filled)["items"]
        }
        assert found["frozen"] == {"k": "2"}
        assert found.keys() - {"kube-root-ca.crt"} == {"a", "b", "frozen", "mine"}
        replay(before)
    # The inventory, a deletion and a creation, the one that is pruned, the inventory again.
    assert number == 6
    repo.close()


def test_interrupted_it_finishes_what_it_sent_and_the_same_command_goes_on(
    replayer: Replayer, namespace: str, tmp_path: Path
) -> None:
    for number in range(40):
        replayer.put(replayer.source, config_map(namespace, f"map-{number}", k="1"))
    replayer.tool.export("-n", namespace)
    command = ["replay", "main", "-n", namespace, "--yes", "-o", "json"]
    with FaultProxy.before(replayer.target) as proxy:
        process: list[subprocess.Popen[str]] = []
        proxy.on("/map-", faults.delay(0.3), method="PATCH", nth=range(2, 99))
        proxy.on(
            "/map-", faults.after(lambda: process[0].send_signal(signal.SIGINT)), method="PATCH"
        )
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        process.append(replayer.tool.start(*command, "--kubeconfig", kubeconfig))
        stdout, stderr = process[0].communicate(timeout=60)
    assert process[0].returncode == 130, stderr
    assert "Finishing the requests in flight" in stderr
    found = verdicts(json.loads(stdout))
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


REHEARSAL = "kube2git.io/rehearsal"


def test_an_interrupted_rehearsal_finishes_what_it_sent_and_removes_what_it_made(
    replayer: Replayer, filled: str, tmp_path: Path
) -> None:
    command = ["replay", "main", "-n", filled, "--into-scratch", "--yes", "-o", "json"]
    with FaultProxy.before(replayer.target) as proxy:
        process: list[subprocess.Popen[str]] = []
        # Both are in flight by then, and are answered when the signal has been sent.
        both = threading.Barrier(2, action=lambda: process[0].send_signal(signal.SIGINT))
        proxy.on("/configmaps/", faults.after(lambda: both.wait(60)), method="PATCH")
        kubeconfig = str(proxy.kubeconfig(tmp_path))
        process.append(replayer.tool.start(*command, "--kubeconfig", kubeconfig))
        stdout, stderr = process[0].communicate(timeout=120)
    assert process[0].returncode == 130, stderr
    assert "Finishing the requests in flight" in stderr
    answer = json.loads(stdout)
    found = verdicts(answer)
    assert (found["ConfigMap/a"], found["ConfigMap/b"]) == ("created", "created")
    assert answer["rehearsal"]["complete"] is False
    (scratch,) = answer["rehearsal"]["namespaces"]
    assert scratch["removed"] is True
    assert replayer.target.kubectl("get", "namespaces", "-l", REHEARSAL, "-o", "name") == ""


def test_a_second_interruption_of_a_rehearsal_names_what_it_leaves(
    replayer: Replayer, filled: str
) -> None:
    held = config_map(filled, "held", k="1")
    held["metadata"]["finalizers"] = ["example.com/never"]
    path = f"namespaces/{filled}/ConfigMap/held.yaml"
    commit_files(replayer.tool, {path: yaml.safe_dump(held)})
    target = replayer.target
    kubeconfig = ["--kubeconfig", str(target.kubeconfig)]
    process = replayer.tool.start(
        "replay", "main", "-n", filled, "--into-scratch", "--yes", *kubeconfig
    )

    def names(*selector: str) -> list[str]:
        listed = target.kubectl("get", "namespaces", "-o", "json", *selector)
        items: list[Json] = json.loads(listed)["items"]
        leaving = [one for one in items if "deletionTimestamp" in one["metadata"]]
        return [one["metadata"]["name"] for one in leaving]

    target.wait(lambda: bool(names("-l", REHEARSAL)), "the removal of the rehearsal's namespace")
    (scratch,) = names("-l", REHEARSAL)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("Finishing the requests" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
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
