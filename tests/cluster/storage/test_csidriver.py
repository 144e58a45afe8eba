"""The CSI driver for tests, behind the real sidecars: bytes, faults, clusters on one storage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import csidriver
from tests.cluster.storage import SNAPSHOTS, Object, Storage
from tests.csidriver import Fault, Switches

pytestmark = pytest.mark.needs("csi")


def take_snapshot(storage: Storage, namespace: str, claim: str) -> None:
    storage.plane.create(
        f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots",
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshot",
            "metadata": {"name": claim},
            "spec": {"source": {"persistentVolumeClaimName": claim}},
        },
    )


def content_of(storage: Storage, namespace: str, claim: str) -> Object:
    """Return the content of a claim's snapshot, {} while there is none."""
    snapshot = storage.get(f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots/{claim}")
    content = snapshot.get("status", {}).get("boundVolumeSnapshotContentName")
    return storage.get(f"{SNAPSHOTS}/volumesnapshotcontents/{content}") if content else {}


def wait_ready(storage: Storage, namespace: str, claim: str) -> Object:
    storage.plane.wait(
        lambda: content_of(storage, namespace, claim).get("status", {}).get("readyToUse") is True,
        f"Readiness of the snapshot of {claim}",
    )
    return content_of(storage, namespace, claim)


def adopt(storage: Storage, namespace: str, name: str, handle: str) -> None:
    """Make a snapshot of another cluster known here."""
    storage.plane.create(
        f"{SNAPSHOTS}/volumesnapshotcontents",
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": f"{namespace}-{name}"},
            "spec": {
                "deletionPolicy": "Retain",
                "driver": storage.driver.name,
                "source": {"snapshotHandle": handle},
                "volumeSnapshotRef": {"namespace": namespace, "name": name},
            },
        },
    )
    storage.plane.create(
        f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots",
        {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshot",
            "metadata": {"name": name},
            "spec": {"source": {"volumeSnapshotContentName": f"{namespace}-{name}"}},
        },
    )


def test_bytes_come_back_in_a_second_cluster(storage: Storage, storage_target: Storage) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "data", files={"a": b"one", "deep/b": b"two"})
    taken = storage.checksums(namespace, "data")
    take_snapshot(storage, namespace, "data")
    status = wait_ready(storage, namespace, "data")["status"]
    (storage.folder(namespace, "data") / "a").write_bytes(b"changed")

    elsewhere = storage_target.plane.create_namespace()
    adopt(storage_target, elsewhere, "data", status["snapshotHandle"])
    wait_ready(storage_target, elsewhere, "data")
    group = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "data"}
    storage_target.create_claim(elsewhere, "data", source=group)
    assert storage_target.checksums(elsewhere, "data") == taken
    assert storage.checksums(namespace, "data") != taken
    assert status["restoreSize"] == 1 << 30


def test_a_snapshot_is_cut_before_it_is_ready(storage: Storage) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "slow", files={"a": b"before"})
    never = Switches(ready_after_of={storage.handle(namespace, "slow"): csidriver.NEVER})
    storage.driver.switch(never)
    take_snapshot(storage, namespace, "slow")
    storage.plane.wait(
        lambda: "snapshotHandle" in content_of(storage, namespace, "slow").get("status", {}),
        "The cut",
    )
    status = content_of(storage, namespace, "slow")["status"]
    assert status["readyToUse"] is False
    assert "creationTime" in status
    (storage.folder(namespace, "slow") / "a").write_bytes(b"after")

    storage.driver.switch(replace(never, ready_after_of={}))
    handle = wait_ready(storage, namespace, "slow")["status"]["snapshotHandle"]
    assert (storage.driver.places.snapshots / handle / "a").read_bytes() == b"before"


def test_a_fault_strikes_as_often_as_it_says(storage: Storage) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "unlucky")
    storage.create_claim(namespace, "lucky")
    fault = Fault(
        code="RESOURCE_EXHAUSTED",
        message="no room left",
        times=1,
        naming=storage.handle(namespace, "unlucky"),
    )
    storage.driver.switch(Switches(faults={"CreateSnapshot": fault}))
    take_snapshot(storage, namespace, "unlucky")
    storage.plane.wait(
        lambda: "no room left" in str(content_of(storage, namespace, "unlucky").get("status", {})),
        "The fault",
    )
    take_snapshot(storage, namespace, "lucky")
    assert "error" not in wait_ready(storage, namespace, "lucky")["status"]
    wait_ready(storage, namespace, "unlucky")
