"""Commands in a Pod around a real cut: what they write down themselves shows when they ran."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from tests.cluster.storage import SNAPSHOTS, Started, Storage
from tests.csidriver import NEVER, Fault, Switches
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")


class Diary:
    """What hooks write, a line each: their name, and when they ran."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def command(self, word: str) -> str:
        """Return the command of a hook as its annotation holds it."""
        script = f"echo {word} $(date +%s.%N) >> {self.path}"
        return json.dumps(["/bin/sh", "-c", script])

    @property
    def words(self) -> list[str]:
        return [line.split()[0] for line in self.path.read_text().splitlines()]

    @property
    def times(self) -> list[float]:
        return [float(line.split()[1]) for line in self.path.read_text().splitlines()]


@pytest.fixture
def diary(tmp_path: Path) -> Diary:
    return Diary(tmp_path / "diary")


@pytest.fixture
def namespace(storage: Storage, diary: Diary) -> str:
    """Give a namespace with a claim and a running Pod that mounts it and has hooks."""
    plane, name = storage.plane, storage.plane.create_namespace("hooks")
    storage.create_claim(name, "data", files={"f": b"x"})
    taint = {"key": "hooks.example.com", "effect": "NoSchedule"}  # for this Pod alone
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    plane.create("/api/v1/nodes", {**node, "spec": {"taints": [taint]}})
    prefix = "hook.snapshot.kube2git.io/command"
    hooks = {f"{word}.{prefix}": diary.command(word) for word in ("pre", "post")}
    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    container = {
        "name": "main",
        "image": "db",
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    home = f"/api/v1/namespaces/{name}"
    plane.wait(lambda: bool(storage.get(f"{home}/serviceaccounts/default")), "The account")
    plane.create(
        f"{home}/pods",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "db", "annotations": hooks},
            "spec": {"nodeName": name, "containers": [container], "volumes": [claim]},
        },
    )
    plane.wait(
        lambda: storage.get(f"{home}/pods/db")["status"].get("phase") == "Running", "The Pod's run"
    )
    return name


@pytest.fixture
def tool(storage: Storage, namespace: str, tmp_path: Path) -> Tool:
    environ = {"KUBE2GIT_SNAPSHOTS_LEASE_NAMESPACE": namespace}
    return make_tool(storage.plane.kubeconfig, tmp_path / "home", environ)


def has_written(diary: Diary, word: str) -> Callable[[], bool]:
    return lambda: word in diary.words


def test_the_cut_is_between_the_hooks_and_the_upload_after_them(
    storage: Storage, tool: Tool, namespace: str, diary: Diary
) -> None:
    storage.driver.switch(Switches(ready_after=NEVER))
    export = Started(tool, "export", "--snapshots", "-n", namespace)
    storage.plane.wait(has_written(diary, "post"), "The hook after the cut")
    # It ran while the snapshot was far from ready.
    assert export.poll() is None
    storage.driver.switch(Switches())
    export.finish(0)
    (entry,) = yaml.safe_load(tool.files()[f"snapshots/{namespace}/data.yaml"])["snapshots"]
    assert entry["ready"]
    before, after = diary.times
    assert diary.words == ["pre", "post"]
    assert before < datetime.fromisoformat(entry["created"]).timestamp() < after


def test_the_hook_after_the_cut_runs_when_there_is_none_and_when_the_run_is_ended(
    storage: Storage, tool: Tool, namespace: str, diary: Diary
) -> None:
    fault = Fault(code="INTERNAL", message="the disk is on fire")
    storage.driver.switch(Switches(faults={"CreateSnapshot": fault}))
    soon = {"KUBE2GIT_SNAPSHOTS_TIMEOUT": "5"}
    told = tool.run("export", "--snapshots", "-n", namespace, codes=(3,), environ=soon)
    assert "the disk is on fire" in told.stdout
    assert diary.words == ["pre", "post"]
    path = f"{SNAPSHOTS}/namespaces/{namespace}/volumesnapshots"
    storage.plane.wait(lambda: storage.items(path) == [], "The end of what was taken back")

    storage.driver.switch(Switches(faults={"CreateSnapshot": Fault(delay=4)}))
    export = Started(tool, "export", "--snapshots", "-n", namespace)
    storage.plane.wait(lambda: storage.items(path) != [], "The begin of the cut")
    export.terminate()
    export.finish(143)
    assert diary.words == ["pre", "post"] * 2
    assert len(tool.commits()) == 1
