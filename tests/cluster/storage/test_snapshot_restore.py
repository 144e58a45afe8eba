"""Single claims brought back by `kube2git snapshot restore`, through real CSI sidecars."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.storage import Storage
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")


@pytest.fixture
def tool(storage: Storage, tmp_path: Path) -> Tool:
    return make_tool(storage.plane.kubeconfig, tmp_path)


def remove(storage: Storage, namespace: str, name: str) -> None:
    storage.plane.kubectl("-n", namespace, "delete", "pvc", name, "--timeout=120s")


def test_claims_that_are_gone_come_back_and_the_others_stay_as_they_are(
    storage: Storage, tool: Tool
) -> None:
    namespace = storage.plane.create_namespace()
    for name in "abc":
        storage.create_claim(namespace, name, files={"data": name.encode()})
    tool.export("--snapshots", "-n", namespace)
    before = storage.checksums(namespace, "a")
    (storage.folder(namespace, "c") / "data").write_bytes(b"newer")
    storage.plane.kubectl("-n", namespace, "label", "pvc", "c", "tier=later")
    later = storage.claim(namespace, "c")
    for name in "ab":
        remove(storage, namespace, name)

    restore = ("snapshot", "restore", "HEAD")
    planned = tool.run(*restore, "-n", namespace, "--dry-run")
    assert "It exists, and is left alone." in planned.stdout
    refused = tool.run(*restore, "pvc/a", "-n", namespace, codes=(5,))
    assert "nobody can be asked" in refused.stderr
    assert storage.claim(namespace, "a") == {}

    tool.run(*restore, "pvc/a", "-n", namespace, "--yes")
    storage.wait_bound(namespace, "a")
    assert storage.checksums(namespace, "a") == before
    assert storage.claim(namespace, "b") == {}

    tool.run(*restore, "-n", namespace, "--yes", "--wait")
    storage.wait_bound(namespace, "b")
    assert (storage.folder(namespace, "b") / "data").read_bytes() == b"b"
    assert (storage.folder(namespace, "c") / "data").read_bytes() == b"newer"
    assert storage.claim(namespace, "c")["metadata"] == later["metadata"]

    copy = f"{namespace}-copy"
    tool.run(*restore, "a", "-n", namespace, "--map", f"{namespace}={copy}", "--yes")
    storage.wait_bound(copy, "a")
    assert storage.checksums(copy, "a") == before


def test_a_claim_without_a_snapshot_is_not_made_empty(storage: Storage, tool: Tool) -> None:
    namespace = storage.plane.create_namespace()
    storage.create_claim(namespace, "bare")
    tool.export("-n", namespace)
    remove(storage, namespace, "bare")
    answer = tool.run("snapshot", "restore", "HEAD", "bare", "-n", namespace, "--yes", codes=(3,))
    assert "The commit has no snapshot of it." in answer.stdout
    assert storage.claim(namespace, "bare") == {}
    wrong = tool.run("snapshot", "restore", "HEAD", "deploy/bare", "-n", namespace, codes=(2,))
    assert "write for example pvc/data" in wrong.stderr
