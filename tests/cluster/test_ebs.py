"""EBS snapshots as a user takes them: claims of a cluster, EC2 over HTTP, and the record."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kube2git.core import yamlio
from tests import ec2faults
from tests.cluster.storage import Started
from tests.controlplane import ControlPlane
from tests.ec2faults import REGION, Ec2
from tests.faults import Answer, Reply, Request
from tests.tool import Tool, make_tool

DRIVER = "ebs.csi.aws.com"
ZONE = f"{REGION}a"


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ec2]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    with Ec2() as server:
        server.forget()
        yield server


@pytest.fixture
def volume(cluster: ControlPlane, namespace: str, ec2: Ec2) -> str:
    """Give an EBS volume that the claim ``data`` of the namespace is bound to."""
    handle = ec2.new_volume(
        7, volume_type="gp3", iops=4000, throughput=250, encrypted=True, kms_key_id="alias/shop"
    )
    ec2.backend().volumes[handle].add_tags({"team": "shop"})
    common = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": f"{namespace}-fast",
    }
    reference = {"namespace": namespace, "name": "data"}
    place = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [ZONE]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}}
    cluster.create(
        "/api/v1/persistentvolumes",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{namespace}"},
            "spec": {
                **common,
                "capacity": {"storage": "7Gi"},
                "csi": {"driver": DRIVER, "volumeHandle": handle, "fsType": "xfs"},
                "claimRef": reference,
                "nodeAffinity": affinity,
                "persistentVolumeReclaimPolicy": "Retain",
            },
        },
    )
    cluster.create(
        f"/api/v1/namespaces/{namespace}/persistentvolumeclaims",
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {**common, "resources": {"requests": {"storage": "7Gi"}}},
        },
    )
    bound(cluster, namespace)
    return handle


def bound(cluster: ControlPlane, namespace: str) -> Any:
    """Wait until the claim is bound; return its volume."""
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data"

    def is_bound() -> bool:
        return (cluster.get(path).json().get("status") or {}).get("phase") == "Bound"

    cluster.wait(is_bound, "The binding of the claim")
    name = cluster.get(path).json()["spec"]["volumeName"]
    return cluster.get(f"/api/v1/persistentvolumes/{name}").json()


@pytest.fixture
def tool(cluster: ControlPlane, ec2: Ec2, tmp_path: Path) -> Tool:
    # The Lease of the killed run would be waited for, 15 seconds.
    environ = {**ec2.environ(), "KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": ""}
    return make_tool(cluster.kubeconfig, tmp_path, environ)


def entries(tool: Tool, namespace: str) -> list[dict[str, Any]]:
    """Return the snapshots in the record of the claim, newest first."""
    text = tool.files()[f"snapshots/{namespace}/data.yaml"]
    found: list[dict[str, Any]] = yamlio.decode(text.encode())["snapshots"]
    return found


def test_killed_after_the_cut_the_next_runs_adopt_complete_and_restore(
    cluster: ControlPlane, namespace: str, tool: Tool, ec2: Ec2, volume: str
) -> None:
    processes: list[Started] = []
    is_started = threading.Event()

    def deadly(request: Request, proper: Answer) -> Reply:
        answer = proper(request)
        assert is_started.wait(60)
        processes[0].kill()
        return answer

    ec2.on("CreateSnapshot", deadly, nth={1})
    take = ("snapshot", "create", "-n", namespace)
    processes.append(Started(tool, *take))
    is_started.set()
    processes[0].finish(-9)
    assert tool.commits() == []
    (lost,) = ec2.backend().snapshots

    # EC2 is still storing both: a scheduled run does not wait for that.
    ec2.on("DescribeSnapshots", ec2faults.state("pending"))
    report = tool.run(*take, "--schedule", "nightly", "-o", "json").json
    assert [one["snapshot"]["handle"] for one in report["adopted"]] == [lost]
    assert [one["outcome"] for one in report["outcomes"]] == ["cut"]
    assert [one["ready"] for one in entries(tool, namespace)] == [False, False]
    assert {one["handle"] for one in entries(tool, namespace)} == set(ec2.backend().snapshots)
    assert len(ec2.backend().snapshots) == 2

    ec2.proxy.forget()
    told = tool.export("--snapshots", "-n", namespace)["snapshots"]
    assert {one["snapshot"]["handle"] for one in told["completed"]} >= {lost}
    newest, *_ = found = entries(tool, namespace)
    assert [one["ready"] for one in found] == [True] * 3
    assert {one["handle"] for one in found} == set(ec2.backend().snapshots)
    assert newest["attributes"] == {
        "encrypted": "true",
        "iops": "4000",
        "kmsKeyId": "alias/shop",
        "region": REGION,
        "size": "7",
        "throughput": "250",
        "type": "gp3",
        "zone": ZONE,
    }
    assert newest["tags"] == {"team": "shop"}

    # All of it comes back by the text of the record.
    cluster.kubectl("-n", namespace, "delete", "pvc", "data", "--timeout=120s")
    tool.run("snapshot", "restore", "HEAD", "data", "-n", namespace, "--yes")
    restored = bound(cluster, namespace)["spec"]
    handle = restored["csi"]["volumeHandle"]
    assert handle != volume
    assert (restored["csi"]["driver"], restored["csi"]["fsType"]) == (DRIVER, "xfs")
    assert restored["storageClassName"] == f"{namespace}-fast"
    assert ZONE in str(restored["nodeAffinity"])
    made = ec2.backend().volumes[handle]
    assert made.snapshot_id == newest["handle"]
    assert (made.size, made.volume_type, made.iops, made.throughput) == (7, "gp3", 4000, 250)
    assert (made.zone.name, made.encrypted, made.kms_key_id) == (ZONE, True, "alias/shop")
    assert {tag["key"]: tag["value"] for tag in made.tag_set}["team"] == "shop"
