"""Snapshots as a user takes them, through a real CSI driver: ids in the commit, and their bytes."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from kube2git.core import yamlio
from tests.cluster.storage import SNAPSHOTS, Started, Storage
from tests.csidriver import Fault, Switches
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")


@pytest.fixture
def tool(storage: Storage, tmp_path: Path) -> Tool:
    return make_tool(storage.plane.kubeconfig, tmp_path)


def handles(tool: Tool, namespace: str, name: str) -> list[str]:
    """Return the handles in a claim's record, newest first."""
    text = tool.files()[f"snapshots/{namespace}/{name}.yaml"]
    record = yamlio.decode(text.encode())
    assert all(entry["ready"] for entry in record["snapshots"])
    return [entry["handle"] for entry in record["snapshots"]]


def contents(storage: Storage, namespace: str) -> list[dict[str, Any]]:
    """Return the VolumeSnapshotContents of a namespace's snapshots."""
    return [
        item
        for item in storage.items(f"{SNAPSHOTS}/volumesnapshotcontents")
        if item["spec"]["volumeSnapshotRef"].get("namespace") == namespace
    ]


def test_one_commit_holds_the_manifests_and_the_ids_of_three_volumes(
    storage: Storage, tool: Tool
) -> None:
    namespace = storage.plane.create_namespace()
    for name in "abc":
        storage.create_claim(namespace, name, files={"data": name.encode() * 1000})
    report = tool.export("--snapshots", "-n", namespace)
    outcomes = {one["claim"]["name"]: one["outcome"] for one in report["snapshots"]["outcomes"]}
    assert outcomes == dict.fromkeys("abc", "ready")
    assert tool.commits() == [report["commit"]]
    message = tool.git("log", "-1", "--format=%B")
    for name in "abc":
        (handle,) = handles(tool, namespace, name)
        assert f"persistentvolumeclaim/{name} -n {namespace}: csi {handle}, ready" in message
        assert f"namespaces/{namespace}/PersistentVolumeClaim/{name}.yaml" in tool.paths()
    # Once the ids are committed, nothing in the cluster can take the snapshots along.
    storage.plane.wait(lambda: not contents(storage, namespace), "The end of the objects")
    found = tool.run("snapshot", "verify", "-n", namespace, "-o", "json").json["snapshots"]
    assert [one["found"] for one in found] == ["exists"] * 3
    keep = {"KUBE2GIT_SNAPSHOTS_RETENTION_KEEP_LAST": "1"}
    tool.export("--snapshots", "-n", namespace)
    older = {handles(tool, namespace, name)[1] for name in "abc"}
    refused = tool.run("snapshot", "prune", "-n", namespace, environ=keep, codes=(5,))
    assert "nobody can be asked before 3 snapshots are deleted" in refused.stderr
    report = tool.run(
        "snapshot", "prune", "-n", namespace, "--yes", "-o", "json", environ=keep
    ).json
    gone = {one["snapshot"]["handle"] for one in report["snapshots"] if one["deleted"]}
    assert gone == older
    before = tool.run("snapshot", "verify", "HEAD~1", "-n", namespace, "-o", "json", codes=(1,))
    lost = {one["snapshot"]["handle"] for one in before.json["snapshots"] if one["found"] == "gone"}
    assert lost == older
    tool.run("snapshot", "verify", "-n", namespace)
    last = {handles(tool, namespace, name)[0] for name in "abc"}
    prunes = {**keep, "KUBE2GIT_SNAPSHOTS_PRUNE": "true"}
    command = ("export", "--snapshots", "-n", namespace, "-o", "json")
    pruned = tool.run(*command, environ=prunes).json["pruned"]
    assert {one["snapshot"]["handle"] for one in pruned["snapshots"] if one["deleted"]} == last
    assert not last & {handle for name in "abc" for handle in handles(tool, namespace, name)}

    # Old ones are not given up where a new one failed, or where only this clone knows of the new.
    fault = Fault(code="INTERNAL", naming=storage.handle(namespace, "a"))
    storage.driver.switch(Switches(faults={"CreateSnapshot": fault}))
    soon = {**prunes, "KUBE2GIT_SNAPSHOTS_TIMEOUT": "6"}
    assert tool.run(*command, environ=soon, codes=(3,)).json["pruned"] is None
    storage.driver.switch(Switches())
    nowhere = {**prunes, "KUBE2GIT_GIT_REMOTE": str(tool.home / "nowhere.git")}
    assert tool.run(*command, environ=nowhere, codes=(12,)).json["pruned"] is None
    assert [len(handles(tool, namespace, name)) for name in "abc"] == [2, 3, 3]


def test_an_export_that_is_killed_while_it_waits_loses_no_snapshot(
    storage: Storage, tool: Tool
) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "data", files={"data": b"x"})
    storage.driver.switch(Switches(ready_after=600))
    process = Started(tool, "export", "--snapshots", "-n", namespace)

    def is_cut() -> bool:
        found = contents(storage, namespace)
        return any((one.get("status") or {}).get("snapshotHandle") for one in found)

    storage.plane.wait(is_cut, "The cut")
    process.kill()
    process.finish(-signal.SIGKILL)
    assert not tool.commits()
    (content,) = contents(storage, namespace)
    storage.driver.switch(Switches())
    report = tool.export("--snapshots", "-n", namespace)
    adopted = [one["snapshot"]["handle"] for one in report["snapshots"]["adopted"]]
    assert adopted == [content["status"]["snapshotHandle"]]
    text = tool.files()[f"snapshots/{namespace}/data.yaml"]
    newest, oldest = yamlio.decode(text.encode())["snapshots"]
    assert oldest["handle"] == adopted[0]
    assert newest["ready"]
