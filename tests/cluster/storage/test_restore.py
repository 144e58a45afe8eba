"""One commit brings configuration and data back: bytes, through real CSI sidecars."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.cluster.storage import CLASSES, SNAPSHOTS, Storage
from tests.controlplane import ControlPlane
from tests.handmade import commit_file
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")

Sums = dict[str, dict[str, str]]
"""Claim -> path -> SHA-256."""
FILES = {
    "data": {"a.txt": b"one\n", "deep/b.bin": bytes(range(256)) * 40},
    "logs": {"log": b"line\n" * 1000},
    "cache": {"empty": b""},
}


@dataclass(frozen=True)
class Shop:
    """A namespace with three claims that hold bytes, and the commit that has them."""

    namespace: str
    tool: Tool
    commit: str
    sums: Sums


@pytest.fixture(scope="module")
def shop(storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Give what all restores begin with; none depends on what another one left of it."""
    namespace = storage.plane.create_namespace("shop")
    for name, files in FILES.items():
        storage.create_claim(namespace, name, files=files)
    tool = make_tool(storage.plane.kubeconfig, tmp_path_factory.mktemp("shop"))
    before = sums(storage, namespace)
    report = tool.export("-n", namespace, "--snapshots")
    assert all("snapshots/" not in str(change) for change in report["changes"])
    records = [path for path in tool.paths() if path.startswith("snapshots/")]
    assert len(records) == len(FILES)
    return Shop(namespace, tool, report["commit"], before)


def sums(storage: Storage, namespace: str) -> Sums:
    """Wait for the claims; return the SHA-256 of each of their files."""
    for name in FILES:
        storage.wait_bound(namespace, name)
    return {name: storage.checksums(namespace, name) for name in FILES}


def spoil(storage: Storage, namespace: str) -> None:
    """Change and delete files."""
    folder = storage.folder(namespace, "data")
    (folder / "a.txt").write_bytes(b"spoiled")
    (folder / "deep" / "b.bin").unlink(missing_ok=True)


def helpers(plane: ControlPlane, namespace: str) -> list[str]:
    """Name the snapshot objects that are left of a restore."""
    contents = plane.get(f"{SNAPSHOTS}/volumesnapshotcontents").json()["items"]
    theirs = [one for one in contents if one["spec"]["volumeSnapshotRef"]["namespace"] == namespace]
    own = plane.get(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots").json()["items"]
    return [str(one["metadata"]["name"]) for one in (*theirs, *own)]


def wait_cleared(plane: ControlPlane, namespace: str) -> None:
    plane.wait(lambda: helpers(plane, namespace) == [], "The end of the snapshot objects")


def test_data_comes_back_after_the_namespace_is_gone_and_the_export_is_quiet(
    storage: Storage, shop: Shop
) -> None:
    plane, namespace, tool = storage.plane, shop.namespace, shop.tool
    wait_cleared(plane, namespace)
    tree = tool.files(shop.commit)
    spoil(storage, namespace)
    plane.kubectl("delete", "namespace", namespace, "--timeout=120s")

    replay = ("replay", shop.commit, "-n", namespace)
    refused = tool.run(*replay, "--yes", codes=(5,))
    assert "--volumes=restore" in refused.stderr
    answer = tool.run(*replay, "--volumes=restore", "--wait", "--yes")
    assert "failed" not in answer.stdout
    assert sums(storage, namespace) == shop.sums
    wait_cleared(plane, namespace)

    tool.export("-n", namespace)
    again = tool.files()
    changed = {
        path
        for path in tree.keys() | again.keys()
        if tree.get(path) != again.get(path) and "/PersistentVolume/" not in path
    }
    assert changed == set()
    assert tool.run(*replay, "-o", "name", "--yes").stdout == ""


def test_data_comes_back_beside_the_original_under_another_name(
    storage: Storage, shop: Shop
) -> None:
    spoil(storage, shop.namespace)
    copy = f"{shop.namespace}-copy"
    restore = ("--map", f"{shop.namespace}={copy}", "--volumes=restore", "--yes")
    shop.tool.run("replay", shop.commit, "-n", shop.namespace, *restore)
    assert sums(storage, copy) == shop.sums
    assert sums(storage, shop.namespace) != shop.sums
    wait_cleared(storage.plane, copy)


def test_data_comes_back_in_a_second_cluster_on_the_same_storage(
    storage_target: Storage, shop: Shop
) -> None:
    there, namespace = storage_target.plane, shop.namespace
    class_body = there.get(f"/apis/storage.k8s.io/v1/storageclasses/{CLASSES}").json()
    other = f"{CLASSES}-{namespace}"
    there.create(
        "/apis/storage.k8s.io/v1/storageclasses",
        {key: {"name": other} if key == "metadata" else value for key, value in class_body.items()},
    )
    shop.tool.run(
        *("replay", shop.commit, "-n", namespace, "--volumes=restore", "--yes"),
        *("--kind=Namespace", "--kind=PersistentVolumeClaim"),
        *("--map-storage-class", f"{CLASSES}={other}", "--kubeconfig", there.kubeconfig),
    )
    assert sums(storage_target, namespace) == shop.sums
    assert storage_target.claim(namespace, "data")["spec"]["storageClassName"] == other
    wait_cleared(there, namespace)


def test_a_snapshot_that_is_gone_is_told_before_anything_is_written(
    storage: Storage, tmp_path: Path
) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "data")
    tool = make_tool(storage.plane.kubeconfig, tmp_path)
    tool.export("-n", namespace, "--snapshots")
    record = yaml.safe_load(tool.files()[f"snapshots/{namespace}/data.yaml"])
    storage.driver.delete_snapshot(record["snapshots"][0]["handle"])
    moved = ("-n", namespace, "--map", f"{namespace}={namespace}-copy")
    answer = tool.run(
        *("replay", "HEAD", *moved, "--volumes=restore", "--dry-run=server"), codes=(3,)
    )
    assert answer.stdout.count("is gone") == 1
    assert storage.plane.get(f"/api/v1/namespaces/{namespace}-copy").status == 404


def test_a_class_whose_secret_the_target_lacks_is_told_within_the_time_limit(
    storage: Storage, shop: Shop
) -> None:
    namespace = shop.namespace
    classes = "/apis/storage.k8s.io/v1/storageclasses"
    body = storage.get(f"{classes}/{CLASSES}")
    prefix = "csi.storage.k8s.io/provisioner-secret"
    parameters = {f"{prefix}-name": "key", f"{prefix}-namespace": namespace}
    locked = f"{CLASSES}-{namespace}-locked"
    storage.plane.create(classes, {**body, "metadata": {"name": locked}, "parameters": parameters})
    answer = shop.tool.run(
        *("snapshot", "restore", shop.commit, "data", "-n", namespace),
        *("--map", f"{namespace}={namespace}-locked", "--map-storage-class", f"{CLASSES}={locked}"),
        *("--timeout", "8s", "--yes"),
        codes=(3,),
    )
    assert 'secrets "key" not found' in answer.stdout + answer.stderr


def test_a_device_comes_back_as_one_and_a_file_system_not(storage: Storage, tmp_path: Path) -> None:
    namespace = storage.plane.create_namespace()
    files = {"data": b"x" * 1000}
    storage.create_claim(namespace, "device", files=files, mode="Block")
    storage.create_claim(namespace, "files", files=files)
    tool = make_tool(storage.plane.kubeconfig, tmp_path)
    tool.export("-n", namespace, "--snapshots")
    path = f"namespaces/{namespace}/PersistentVolumeClaim/files.yaml"
    claim = yaml.safe_load(tool.files()[path])
    claim["spec"]["volumeMode"] = "Block"
    commit_file(tool, path, yaml.safe_dump(claim))

    copy = f"{namespace}-copy"
    restore = ("--map", f"{namespace}={copy}", "--volumes=restore", "--yes")
    told = tool.run("replay", "HEAD", "-n", namespace, *restore, codes=(3,)).stdout
    assert "It asks for a volume in mode Block, and the snapshot" in told
    storage.wait_bound(copy, "device")
    assert storage.claim(copy, "device")["spec"]["volumeMode"] == "Block"
    assert storage.checksums(copy, "device") == storage.checksums(namespace, "device")
    assert storage.claim(copy, "files") == {}
