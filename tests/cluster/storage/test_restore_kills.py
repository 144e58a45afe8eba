"""Replays that are killed while they restore: what they leave is removed, and the data stays."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kube2git.adapters.csi import open_csi
from kube2git.core.ports import SnapshotterContext
from kube2git.core.snapshots import RestoreRequest
from tests.cluster.storage import CLASSES, Started, Storage
from tests.cluster.storage.test_csi import GIB, connected, new_volume, ready
from tests.cluster.storage.test_restore import helpers
from tests.csidriver import Fault, Switches
from tests.faults import FaultProxy, Killer
from tests.tool import Tool, make_tool

pytestmark = pytest.mark.needs("csi")


def restore_killed(tool: Tool, storage: Storage, folder: Path, kind: str, *words: str) -> None:
    """Restore a claim, and kill the process when it has made an object of a kind."""
    with FaultProxy.before(storage.plane) as proxy:
        killer = Killer(1)
        proxy.on(f"/{kind}", killer, method="POST")
        killer.process = run = Started(
            tool,
            *("snapshot", "restore", "HEAD", *words, "--yes"),
            *("--kubeconfig", str(proxy.kubeconfig(folder))),
        )
        run.finish(-signal.SIGKILL)


def test_what_a_killed_restore_leaves_goes_when_nothing_needs_it(
    storage: Storage, tmp_path: Path
) -> None:
    plane, namespace = storage.plane, storage.plane.create_namespace()
    storage.create_claim(namespace, "data", files={"data": b"x" * 1000})
    tool = make_tool(plane.kubeconfig, tmp_path)
    tool.export("--snapshots", "-n", namespace)
    other = new_volume(storage, namespace, "other")
    snapshot = ready(storage, other)
    kept = set(storage.driver.state.snapshots)

    def restore_another(*, hours: int = 0) -> None:
        """Begin another restore, so many hours later."""
        clock = lambda: datetime.now(UTC) + timedelta(hours=hours)  # noqa: E731
        csi = open_csi(SnapshotterContext(lambda: connected(plane.kubeconfig), clock))
        request = RestoreRequest(other.claim, other, snapshot, CLASSES, GIB)
        answers = csi.restore([request], run="r", seconds=60)
        assert [one.reason for one in answers if one is not None] == [""]

    def left(*homes: str) -> list[int]:
        return [len(helpers(plane, home)) for home in homes]

    # One is killed with its claim made and no volume yet, one before it made the claim.
    homes = made, begun = f"{namespace}-made", f"{namespace}-begun"
    busy = Fault(code="UNAVAILABLE", message="come back later")
    storage.driver.switch(Switches(faults={"CreateVolume": busy}))
    for home, kind in ((made, "persistentvolumeclaims"), (begun, "volumesnapshots")):
        moved = ("-n", namespace, "--map", f"{namespace}={home}")
        restore_killed(tool, storage, tmp_path, f"namespaces/{home}/{kind}", *moved)
    assert left(*homes) == [2, 2]

    restore_another()
    assert left(*homes) == [2, 2], "a restore may be about to make the claim"
    restore_another(hours=2)
    plane.wait(lambda: left(*homes) == [2, 0], "The removal of what no claim names")

    storage.driver.switch(Switches())
    storage.wait_bound(made, "data")
    assert storage.checksums(made, "data") == storage.checksums(namespace, "data")
    restore_another()
    plane.wait(lambda: left(*homes) == [0, 0], "The removal of what a bound claim names")
    assert kept <= set(storage.driver.state.snapshots)
    tool.run("snapshot", "verify", "-n", namespace)
