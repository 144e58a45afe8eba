"""The control plane itself: what every other test here takes for granted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests import controlplane
from tests.cluster.conftest import StartControlPlane
from tests.controlplane import ControlPlane, ControlPlaneError, binaries, components, ports

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.needs("aggregated", "kwok")

OWNER = """
import json, sys, time
from pathlib import Path
from tests import controlplane
plane = controlplane.start(Path(sys.argv[1]), controllers=False)
print(json.dumps([plane.keeper_pid, *map(plane.pid, plane.components)]), flush=True)
time.sleep(600)
"""


def wait_for(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.fixture(scope="module")
def special(control_plane: StartControlPlane) -> ControlPlane:
    return control_plane(
        events_etcd=True, aggregated=True, apiserver_args=(components.REVISIONS_FROM_ETCD,)
    )


def test_it_runs_the_pinned_version(cluster: ControlPlane) -> None:
    pinned = binaries.required_version("kubernetes", "k8s.io/kubernetes")
    assert cluster.get("/version").json()["gitVersion"] == pinned
    assert f"Server Version: {pinned}\n" in cluster.kubectl("version")


def test_a_new_namespace_is_complete(cluster: ControlPlane, namespace: str) -> None:
    found = cluster.kubectl("get", "serviceaccount,configmap", "-n", namespace, "-o", "name")
    assert found.split() == ["serviceaccount/default", "configmap/kube-root-ca.crt"]


def test_a_user_has_no_rights_until_some_are_bound(cluster: ControlPlane, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert cluster.request("GET", path, user="reader").status == 403
    cluster.kubectl(
        "create", "rolebinding", "read", "--clusterrole=view", "--user=reader", "-n", namespace
    )
    wait_for(lambda: cluster.request("GET", path, user="reader").status == 200)
    assert cluster.request("GET", path, user="nobody").status == 403
    get = ("get", "configmap", "-n", namespace, "-o", "name")
    assert "configmap/kube-root-ca.crt" in cluster.kubectl(*get, user="reader")
    with pytest.raises(ControlPlaneError, match="Forbidden"):
        cluster.kubectl(*get, user="nobody")


def test_another_process_finds_it(cluster: ControlPlane) -> None:
    found = controlplane.attach(cluster.directory)
    assert found.server == cluster.server
    assert found.get("/readyz").status == 200
    with pytest.raises(ControlPlaneError, match="was started by another process"):
        found.kill("etcd")


def test_a_second_one_is_refused_in_the_same_folder(cluster: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match="is already running in"):
        controlplane.start(cluster.directory)


def test_a_killed_owner_leaves_no_process_and_no_data(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout is not None
        pids = json.loads(owner.stdout.readline())
        assert alive(pids) == pids
        assert len(pids) == 3
        assert (tmp_path / "data" / "etcd").exists()
        owner.kill()
    wait_for(lambda: not alive(pids))
    assert not (tmp_path / "data").exists()
    assert (tmp_path / "logs" / "kube-apiserver.log").exists()


def test_it_comes_back_after_kill_9(special: ControlPlane) -> None:
    special.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    for component in ("kube-apiserver", "etcd"):
        before = special.pid(component)
        special.kill(component)
        assert not special.is_running(component)
        special.restart(component)
        assert special.pid(component) != before
        assert "kept" in special.kubectl("get", "configmap", "kept", "-o", "name")


def test_events_can_have_revisions_of_their_own(special: ControlPlane) -> None:
    def revision(kind: str) -> int:
        listed = special.get(f"/api/v1/{kind}?limit=1").json()
        return int(listed["metadata"]["resourceVersion"])

    assert revision("events") < revision("configmaps")


def test_compaction_makes_old_revisions_expire(special: ControlPlane) -> None:
    def list_at(revision: str) -> int:
        exact = f"resourceVersion={revision}&resourceVersionMatch=Exact"
        return special.get(f"/api/v1/secrets?{exact}").status

    old = special.get("/api/v1/secrets?limit=1").json()["metadata"]["resourceVersion"]
    assert list_at(old) == 200
    special.create_namespace()
    special.compact()
    assert list_at(old) == 410


def test_an_aggregated_api_has_a_store_of_its_own(special: ControlPlane) -> None:
    path = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"
    manifest = {
        "apiVersion": "wardle.example.com/v1alpha1",
        "kind": "Flunder",
        "metadata": {"name": "one"},
    }
    created = special.create(path, manifest)
    assert int(created["metadata"]["resourceVersion"]) < 10
    assert special.kubectl("get", "flunders", "-o", "name") == "flunder.wardle.example.com/one\n"


def test_an_api_whose_server_is_down_is_known_as_stale(special: ControlPlane) -> None:
    special.register_api("down.example.com", "v1", *ports.choose_ports(1))
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

    def is_stale() -> bool:
        found = special.request("GET", "/apis", headers={"Accept": accept}).body.decode()
        return bool(re.search(r'"name":"down.example.com".*?"freshness":"Stale"', found))

    wait_for(is_stale)


def test_pods_run_where_kwok_plays_the_kubelet(control_plane: StartControlPlane) -> None:
    with control_plane(kwok=True) as plane:
        plane.create("/api/v1/nodes", {"kind": "Node", "metadata": {"name": "node"}})
        plane.kubectl("create", "deployment", "web", "--image=any", "--replicas=2")
        plane.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        assert plane.kubectl("exec", "deployment/web", "--", "echo", "hello") == "hello\n"


def test_people_start_and_stop_one_by_command(tmp_path: Path) -> None:
    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tests.controlplane", command, "--dir", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )

    try:
        kubeconfig = f"{tmp_path / 'kubeconfig.yaml'}\n"
        assert run("up").stdout == kubeconfig
        again = run("up")
        assert again.stdout == kubeconfig
        assert again.stderr == f"A control plane is already running in {tmp_path}.\n"
        assert controlplane.attach(tmp_path).kubectl("get", "nodes", "-o", "name") == ""
    finally:
        stopped = run("down")
    assert "has stopped, and its data are removed." in stopped.stderr
    assert not (tmp_path / "data").exists()
    assert "No control plane is running" in run("down").stderr
