"""Commands in Pods on a real API server: kwok plays the kubelet and runs them for real."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube2git.adapters.kube.commands import PodCommands
from kube2git.adapters.kube.connection import ConnectionSettings, connect
from kube2git.core.ports import CommandRequest
from tests.cluster.conftest import StartControlPlane
from tests.cluster.world import wait_until
from tests.controlplane import ControlPlane

pytestmark = [
    pytest.mark.needs("kwok"),
    # The kubernetes package leaves the socket of a refused handshake to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let the garbage collector find such sockets here, and not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def plane(control_plane: StartControlPlane) -> ControlPlane:
    """Give a cluster in which a Pod runs."""
    plane = control_plane(kwok=True)
    plane.kubectl(
        "create", "-f", "-", input='{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}'
    )
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "db", "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": "db"}], "nodeName": "n"},
    }
    wait_until(
        lambda: plane.get("/api/v1/namespaces/default/serviceaccounts/default").status == 200
    )
    plane.kubectl("create", "-f", "-", input=json.dumps(pod))
    wait_until(
        lambda: plane.kubectl("get", "pod", "db", "-o", "jsonpath={.status.phase}") == "Running"
    )
    return plane


def run(
    plane: ControlPlane,
    *command: str,
    pod: str = "db",
    container: str = "main",
    seconds: float = 20,
    **settings: str,
) -> str:
    account = ConnectionSettings(kubeconfig=str(plane.kubeconfig), **settings)  # type: ignore[arg-type]
    request = CommandRequest("default", pod, container, command, seconds)
    return PodCommands(connect(account)).run(request)


def test_a_command_is_run_to_its_end(plane: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "frozen"
    assert run(plane, "/bin/sh", "-c", f"sleep 0.3; echo frozen; echo done > {file}") == ""
    assert file.read_text() == "done\n"


def test_a_command_may_write_more_than_anybody_reads(plane: ControlPlane) -> None:
    assert run(plane, "/bin/sh", "-c", "yes secret | head -c 3000000; exit 0") == ""


def test_a_command_that_fails_says_so_and_not_what_it_wrote(plane: ControlPlane) -> None:
    reason = run(plane, "/bin/sh", "-c", "echo hunter2; exit 3")
    assert reason.endswith(".")
    assert "hunter2" not in reason
    # kwok does not pass the exit code on.
    assert "It ended with exit code" in reason or "run it by kubectl exec" in reason


def test_a_command_that_does_not_end_is_given_up(plane: ControlPlane) -> None:
    assert run(plane, "sleep", "60", seconds=0.5) == "It did not end within 0.5 seconds."


def test_what_cannot_be_run_says_why(plane: ControlPlane) -> None:
    assert run(plane, "true", pod="gone") == "The Pod does not exist any more."
    assert "container other" in run(plane, "true", container="other")
    assert "cannot be run as another user" in run(plane, "true", as_user="somebody")


def test_without_the_right_the_rule_that_is_missing_is_named(plane: ControlPlane) -> None:
    path = plane.kubeconfig_for("nobody")
    request = CommandRequest("default", "db", "main", ("true",), 20)
    reason = PodCommands(connect(ConnectionSettings(kubeconfig=str(path)))).run(request)
    assert '{apiGroups: [""], resources: ["pods/exec"], verbs: ["create", "get"]}' in reason
    grant = ["--verb=create,get", "--resource=pods/exec"]
    plane.kubectl("create", "clusterrole", "exec", *grant)
    plane.kubectl("create", "clusterrolebinding", "exec", "--clusterrole=exec", "--user=nobody")
    wait_until(
        lambda: PodCommands(connect(ConnectionSettings(kubeconfig=str(path)))).run(request) == ""
    )


def test_a_server_that_is_away_is_told(plane: ControlPlane, tmp_path: Path) -> None:
    text = plane.kubeconfig.read_text().replace(plane.server, "https://127.0.0.1:9")
    path = tmp_path / "away.yaml"
    path.write_text(text)
    request = CommandRequest("default", "db", "main", ("true",), 5)
    reason = PodCommands(connect(ConnectionSettings(kubeconfig=str(path)))).run(request)
    assert reason == "The API server gave no usable answer."
