"""Replays that are killed, interrupted or served badly: the same command ends in one state."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

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
