"""Runs over the volumes that follow each other, and such that meet, through a real CSI driver."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kube2git.core import yamlio
from kube2git.core.snapshots import Existence, Finding
from tests.cluster.storage import SNAPSHOTS, Started, Storage
from tests.cluster.storage.test_csi import open_snapshotter, ready, volume_of
from tests.conformance.snapshotter_port import findings as findings_of
from tests.csidriver import NEVER, Fault, Switches
from tests.serving import Serving, schedule
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")


@pytest.fixture
def tool(storage: Storage, tmp_path: Path) -> Tool:
    return make_tool(storage.plane.kubeconfig, tmp_path / "home")


@pytest.fixture
def namespace(storage: Storage) -> str:
    """Give a namespace with a bound claim ``data``."""
    name = storage.plane.create_namespace("runs")
    storage.create_claim(name, "data", files={"data": b"x"})
    return name


def entries(tool: Tool, namespace: str) -> list[dict[str, Any]]:
    """Return the snapshots in the record of the claim, newest first."""
    text = tool.files()[f"snapshots/{namespace}/data.yaml"]
    found: list[dict[str, Any]] = yamlio.decode(text.encode())["snapshots"]
    return found


def contents(storage: Storage, namespace: str) -> list[dict[str, Any]]:
    return [
        item
        for item in storage.items(f"{SNAPSHOTS}/volumesnapshotcontents")
        if item["spec"]["volumeSnapshotRef"].get("namespace") == namespace
    ]


def at_storage(storage: Storage, namespace: str) -> set[str]:
    handle = storage.handle(namespace, "data")
    kept = storage.driver.state.snapshots.values()
    return {snapshot.id for snapshot in kept if snapshot.volume == handle}


# ── the cut, and the next run ────────────────────────────────────────────────────────────────


def test_the_daemon_commits_the_cut_and_its_next_run_completes_the_record(
    storage: Storage, tool: Tool, namespace: str
) -> None:
    plans = {
        "nightly": schedule(
            "every 1h", namespaces=[namespace], kinds=["cm"], cluster_scoped="no", snapshots=True
        )
    }
    handle = storage.handle(namespace, "data")
    storage.driver.switch(Switches(ready_after_of={handle: NEVER}))
    with Serving(tool, schedules=plans) as daemon:
        daemon.wait_for_runs(1, "success")
    (cut,) = entries(tool, namespace)
    assert (cut["ready"], "error" in cut) == (False, False)
    assert f"csi {cut['handle']}, not ready yet" in tool.git("log", "-1", "--format=%B")
    # By hand it would have been waited for: here until the time limit.
    by_hand = tool.run(
        *("snapshot", "create", "-n", namespace, "--timeout", "6s", "-o", "json"), codes=(3,)
    ).json
    assert "not ready within" in by_hand["outcomes"][0]["reason"]

    storage.driver.switch(Switches())
    with Serving(tool, "b", schedules=plans) as daemon:
        daemon.wait_for_runs(1, "success")
        labels = {"namespace": namespace, "claim": "data"}
        assert daemon.metric("snapshot_age_seconds", **labels) is not None
    *_, oldest = found = entries(tool, namespace)
    assert [one["ready"] for one in found] == [True] * 3
    assert oldest["handle"] == cut["handle"]
    assert {one["handle"] for one in found} == at_storage(storage, namespace)
    # What only served to find them again is gone.
    storage.plane.wait(lambda: contents(storage, namespace) == [], "The end of the objects")


def test_records_are_completed_where_the_driver_cannot_list_its_snapshots(
    storage: Storage, tool: Tool, namespace: str
) -> None:
    handle = storage.handle(namespace, "data")
    storage.driver.switch(Switches(without=("LIST_SNAPSHOTS",), ready_after_of={handle: 2}))
    scheduled = ("snapshot", "create", "-n", namespace, "--schedule", "nightly")
    tool.run(*scheduled)
    (cut,) = entries(tool, namespace)
    assert cut["ready"] is False

    def is_uploaded() -> bool:
        found = contents(storage, namespace)
        return any((one.get("status") or {}).get("readyToUse") for one in found)

    storage.plane.wait(is_uploaded, "The end of the upload")
    tool.run(*scheduled)
    oldest = entries(tool, namespace)[-1]
    assert (oldest["handle"], oldest["ready"]) == (cut["handle"], True)
    assert cut["handle"] not in str(contents(storage, namespace))


# ── at the same time ─────────────────────────────────────────────────────────────────────────


def clones(tool: Tool, *names: str, **environ: str) -> list[Tool]:
    """Return tools that have a clone each of the tool's repository."""
    found = []
    for name in names:
        home = tool.home / name
        home.mkdir()
        config = Path(tool.environ["KUBECONFIG"])
        found.append(Tool(config, f"file://{tool.repo}", home, environ))
    return found


def test_prunes_and_a_run_at_once_keep_what_is_to_be_kept_and_lose_nothing(
    storage: Storage, tool: Tool, namespace: str
) -> None:
    take = ("snapshot", "create", "-n", namespace)
    for _ in range(2):
        tool.run(*take)
    _, older = entries(tool, namespace)
    slowly = Fault(delay=1, times=2, naming=older["handle"])
    storage.driver.switch(Switches(faults={"DeleteSnapshot": slowly}))
    keep = {"KUBE2GIT_SNAPSHOTS_RETENTION_KEEP_LAST": "1"}
    prune = ("snapshot", "prune", "-n", namespace, "--yes")
    first, second, third = clones(tool, "a", "b", "c", **keep)
    taking = Started(third, *take)
    pruning = [Started(first, *prune), Started(second, *prune)]
    taking.finish(0)
    for run in pruning:
        run.finish(0, 11)  # one that would have had to wait for too long changes nothing
    tool.run("snapshot", "verify", "-n", namespace)
    first.run(*prune)
    kept = at_storage(storage, namespace)
    assert len(kept) == 1
    assert older["handle"] not in kept
    assert {one["handle"] for one in entries(tool, namespace)} == kept
    tool.run("snapshot", "verify", "-n", namespace)


def test_two_that_look_at_one_snapshot_or_delete_it_at_once_come_to_the_same(
    storage: Storage, namespace: str
) -> None:
    volume = volume_of(storage, namespace, "data")
    pairs = [(volume, ready(storage, volume))]
    open_snapshotter(storage).settle(pairs)
    handle = pairs[0][1].handle

    def existence(findings: Iterable[Finding | None]) -> Existence:
        return findings_of(findings)[handle].existence

    def look(_: int) -> Existence:
        return existence(open_snapshotter(storage).verify(pairs))

    def delete(_: int) -> Existence:
        return existence(open_snapshotter(storage).delete(pairs, seconds=60))

    slowly = Fault(delay=1, naming=handle)
    storage.driver.switch(Switches(faults={"DeleteSnapshot": slowly, "ListSnapshots": slowly}))
    with ThreadPoolExecutor() as pool:
        assert [*pool.map(look, range(2))] == [Existence.EXISTS] * 2
        assert [*pool.map(delete, range(2))] == [Existence.GONE] * 2
    assert at_storage(storage, namespace) == set()
    storage.plane.wait(lambda: contents(storage, namespace) == [], "The end of the objects")
