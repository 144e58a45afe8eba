"""One commit brings configuration and data back: bytes, through real CSI sidecars."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cluster.storage import CLASSES, SNAPSHOTS, Storage
from tests.controlplane import ControlPlane
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")

FILES = {
    "data": {"a.txt": b"one\n", "deep/b.bin": bytes(range(256)) * 40},
    "logs": {"log": b"line\n" * 1000},
    "cache": {"empty": b""},
}


@pytest.fixture
def shop(storage: Storage) -> str:
    """Give a namespace with three claims that hold bytes."""
    namespace = storage.plane.create_namespace()
    for name, files in FILES.items():
        storage.create_claim(namespace, name, files=files)
    return namespace


@pytest.fixture
def tool(storage: Storage, tmp_path: Path) -> Tool:
    return make_tool(storage.plane.kubeconfig, tmp_path / "home")


def sums(storage: Storage, namespace: str) -> dict[str, dict[str, str]]:
    """Wait for the claims; return the SHA-256 of each of their files."""
    for name in FILES:
        storage.wait_bound(namespace, name)
    return {name: storage.checksums(namespace, name) for name in FILES}


def spoil(storage: Storage, namespace: str) -> None:
    """Change and delete files."""
    folder = storage.folder(namespace, "data")
    (folder / "a.txt").write_bytes(b"spoiled")
    (folder / "deep" / "b.bin").unlink()


def remove(plane: ControlPlane, namespace: str) -> None:
    plane.kubectl("delete", "namespace", namespace, "--timeout=60s")


def helpers(plane: ControlPlane, namespace: str) -> list[str]:
    """Name the snapshot objects that are left of a restore."""
    contents = plane.get(f"{SNAPSHOTS}/volumesnapshotcontents").json()["items"]
    theirs = [one for one in contents if one["spec"]["volumeSnapshotRef"]["namespace"] == namespace]
    own = plane.get(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots").json()["items"]
    return [str(one["metadata"]["name"]) for one in (*theirs, *own)]


def test_data_comes_back_after_the_namespace_is_gone_and_the_export_is_quiet(
    storage: Storage, shop: str, tool: Tool
) -> None:
    before = sums(storage, shop)
    report = tool.export("-n", shop, "--snapshots")
    assert helpers(storage.plane, shop) == []
    tree = tool.files()
    assert sum(path.startswith("snapshots/") for path in tree) == len(FILES)
    assert all("snapshots/" not in str(change) for change in report["changes"])
    spoil(storage, shop)
    remove(storage.plane, shop)

    refused = tool.run("replay", "HEAD", "-n", shop, "--yes", codes=(5,))
    assert "--volumes=restore" in refused.stderr
    answer = tool.run("replay", "HEAD", "-n", shop, "--volumes=restore", "--wait", "--yes")
    assert "failed" not in answer.stdout
    assert sums(storage, shop) == before
    assert helpers(storage.plane, shop) == []

    volumes = {path for path in tree if "/PersistentVolume/" in path}
    tool.export("-n", shop)
    again = tool.files()
    paths = (tree.keys() | again.keys()) - volumes
    changed = {
        path
        for path in paths
        if tree.get(path) != again.get(path) and "/PersistentVolume/" not in path
    }
    assert changed == set()
    assert tool.run("replay", "HEAD", "-n", shop, "-o", "name", "--yes").stdout == ""


def test_data_comes_back_beside_the_original_under_another_name(
    storage: Storage, shop: str, tool: Tool
) -> None:
    before = sums(storage, shop)
    tool.export("-n", shop, "--snapshots")
    spoil(storage, shop)
    copy = f"{shop}-copy"
    restore = ("--map", f"{shop}={copy}", "--volumes=restore", "--yes")
    tool.run("replay", "HEAD", "-n", shop, *restore)
    assert sums(storage, copy) == before
    assert sums(storage, shop) != before
    assert helpers(storage.plane, copy) == []


def test_data_comes_back_in_a_second_cluster_on_the_same_storage(
    storage: Storage, storage_target: Storage, shop: str, tool: Tool
) -> None:
    before = sums(storage, shop)
    tool.export("-n", shop, "--snapshots")
    remove(storage.plane, shop)
    there = storage_target.plane
    class_body = there.get(f"/apis/storage.k8s.io/v1/storageclasses/{CLASSES}").json()
    other = f"{CLASSES}-{shop}"
    there.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {key: {"name": other} if key == "metadata" else value for key, value in class_body.items()},
    )
    tool.run(
        *("replay", "HEAD", "-n", shop, "--volumes=restore", "--yes", "--kind=Namespace"),
        *("--kind=PersistentVolumeClaim", "--map-storage-class", f"{CLASSES}={other}"),
        *("--kubeconfig", there.kubeconfig),
    )
    assert sums(storage_target, shop) == before
    assert storage_target.claim(shop, "data")["spec"]["storageClassName"] == other
    assert helpers(there, shop) == []


def test_a_snapshot_that_is_gone_is_told_before_anything_is_written(
    storage: Storage, shop: str, tool: Tool
) -> None:
    tool.export("-n", shop, "--snapshots")
    for path, text in tool.files().items():
        if path.startswith("snapshots/"):
            storage.driver.delete_snapshot(yaml.safe_load(text)["snapshots"][0]["handle"])
    remove(storage.plane, shop)
    answer = tool.run(
        *("replay", "HEAD", "-n", shop, "--volumes=restore", "--dry-run=server"), codes=(3,)
    )
    assert answer.stdout.count("is gone") == len(FILES)
    assert storage.plane.get(f"/api/v1/namespaces/{shop}").status == 404


def test_a_class_whose_secret_the_target_lacks_is_told_within_the_time_limit(
    storage: Storage, shop: str, tool: Tool
) -> None:
    tool.export("--snapshots", "-n", shop)
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    body = storage.get(f"{classes}/{CLASSES}")
    prefix = "csi.storage.k8s.io/provisioner-secret"
    parameters = {f"{prefix}-name": "key", f"{prefix}-namespace": shop}
    locked = f"{CLASSES}-{shop}-locked"
    storage.plane.create(classes, {**body, "metadata": {"name": locked}, "parameters": parameters})
    answer = tool.run(
        *("snapshot", "restore", "HEAD", "data", "-n", shop, "--map", f"{shop}={shop}-copy"),
        *("--map-storage-class", f"{CLASSES}={locked}", "--timeout", "5s", "--yes"),
        codes=(3,),
    )
    assert 'secrets "key" not found' in answer.stdout + answer.stderr
